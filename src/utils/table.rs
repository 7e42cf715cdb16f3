//! Tables of many numbered things.

/// The place of the thing with this number in `table`, which is made long enough: by an eighth more than that at a time, for
/// with very many of them twice as much would be a waste of memory.
pub(crate) fn place_of<T>(table: &mut Vec<Option<T>>, number: usize) -> &mut Option<T> {
    if number >= table.len() {
        let needed = number + 1 - table.len();
        if table.capacity() - table.len() < needed {
            table.reserve_exact(needed + number / 8);
        }
        table.resize_with(number + 1, || None);
    }
    &mut table[number]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_long_as_it_has_to_be_and_little_longer() {
        let mut table = Vec::new();
        let mut moves = 0;
        for number in [5, 3].into_iter().chain(6..10_000) {
            let capacity = table.capacity();
            *place_of(&mut table, number) = Some(number);
            moves += usize::from(table.capacity() != capacity);
        }

        assert_eq!(table.iter().flatten().count(), 9996);
        assert_eq!((table[4], table[5]), (None, Some(5)));
        assert!(table.capacity() <= 10_000 * 9 / 8 && moves < 100, "{moves}");
    }
}
