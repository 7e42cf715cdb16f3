//! Tables of many numbered things.

/// Makes `table` long enough for the thing with this number, by an eighth more than that at a time: with very many of them,
/// twice as much would be a waste of memory.
pub(crate) fn make_place<T>(table: &mut Vec<Option<T>>, number: usize) {
    if number < table.len() {
        return;
    }
    let needed = number + 1 - table.len();
    if table.capacity() - table.len() < needed {
        table.reserve_exact(needed + number / 8);
    }
    table.resize_with(number + 1, || None);
}
