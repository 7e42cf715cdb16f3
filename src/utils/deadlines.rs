//! A timer for each of many numbered things. Takes the place of Java's passes over all of them in every turn.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::utils::clock::Instant;

/// The next deadline of each of many things, which are numbered densely from 0.
///
/// Setting one costs a table write unless it comes earlier than all before it; a deadline that moved back or went away
/// is corrected when it comes to the top. So the heap holds about one entry for each thing that has a deadline, as long
/// as deadlines mostly move back: one that was brought forward leaves an entry behind until the later time comes.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// When the thing is really due.
    due: Option<Instant>,
    /// The earliest of its entries in the heap.
    scheduled: Option<Instant>,
}

impl Deadlines {
    /// Sets, moves or removes the deadline of `id`.
    pub(crate) fn set(&mut self, id: usize, due: Option<Instant>) {
        if id >= self.entries.len() {
            self.entries.resize(id + 1, Entry::default());
        }
        let entry = &mut self.entries[id];
        entry.due = due;
        let Some(due) = due else {
            return;
        };
        if entry.scheduled.is_none_or(|scheduled| due < scheduled) {
            entry.scheduled = Some(due);
            self.heap.push(Reverse((due, id)));
        }
    }

    /// The earliest deadline of all.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        self.settle().map(|(due, _)| due)
    }

    /// Removes the earliest deadline if it is not after `now`, and returns whose it was.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<usize> {
        let (due, id) = self.settle()?;
        if due > now {
            return None;
        }
        self.heap.pop();
        self.entries[id] = Entry::default();
        Some(id)
    }

    /// How many entries are kept, also of deadlines that are none any more.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> usize {
        self.heap.len()
    }

    /// Corrects the top of the heap until it is a real deadline.
    fn settle(&mut self) -> Option<(Instant, usize)> {
        loop {
            let Reverse((scheduled, id)) = *self.heap.peek()?;
            let entry = &mut self.entries[id];
            match entry.due {
                Some(due) if entry.scheduled == Some(scheduled) && due <= scheduled => {
                    return Some((due, id));
                }
                Some(due) if entry.scheduled == Some(scheduled) => {
                    entry.scheduled = Some(due);
                    self.heap.pop();
                    self.heap.push(Reverse((due, id)));
                }
                due => {
                    if entry.scheduled == Some(scheduled) && due.is_none() {
                        entry.scheduled = None;
                    }
                    self.heap.pop();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::utils::random::Random;

    #[test]
    fn come_due_in_order() {
        let mut deadlines = Deadlines::default();
        for (id, second) in [(0, 30), (1, 10), (2, 20)] {
            deadlines.set(id, Some(at(second)));
        }

        assert_eq!(deadlines.next(), Some(at(10)));
        assert_eq!(deadlines.pop_due(at(9)), None);
        assert_eq!(deadlines.pop_due(at(25)), Some(1));
        assert_eq!(deadlines.pop_due(at(25)), Some(2));
        assert_eq!(deadlines.pop_due(at(25)), None);
        assert_eq!(deadlines.next(), Some(at(30)));
    }

    #[test]
    fn one_that_was_removed_wakes_nobody() {
        let mut deadlines = Deadlines::default();
        deadlines.set(0, Some(at(1)));
        deadlines.set(0, None);

        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn a_thing_that_is_set_again_and_again_fills_no_memory() {
        let mut deadlines = Deadlines::default();
        for second in 0..10_000 {
            deadlines.set(0, Some(at(second)));
            deadlines.set(0, None);
            deadlines.set(0, Some(at(second + 5)));
        }

        assert!(deadlines.heap.len() < 10, "{}", deadlines.heap.len());
        assert_eq!(deadlines.next(), Some(at(10_004)));
    }

    #[test]
    fn agrees_with_a_plain_list() {
        let mut random = Random::new(9);
        let mut deadlines = Deadlines::default();
        let mut plain = vec![None; 20];
        for _ in 0..10_000 {
            let id = random.below(plain.len());
            let due = (random.below(3) > 0).then(|| at(random.below(1000) as u64));
            deadlines.set(id, due);
            plain[id] = due;

            assert_eq!(deadlines.next(), plain.iter().flatten().min().copied());
            if random.below(4) == 0 {
                let now = at(random.below(300) as u64);
                while let Some(id) = deadlines.pop_due(now) {
                    assert!(plain[id].take().expect("was set") <= now);
                }
                assert!(plain.iter().flatten().all(|due| *due > now));
            }
        }
    }

    fn at(second: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(second)
    }
}
