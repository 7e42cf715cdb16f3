//! The callbacks of a batch. Java: `ProducerBatch.thunks`.

use std::{fmt, iter, mem};

use crate::producer::callback::Callback;
use crate::producer::internals::produce_request_result::RecordShare;

/// The callbacks of a batch, in the order of its records, each with what it is to be told of its record.
///
/// They are most of what a record costs in memory beside its bytes, so they are kept small: indexes are counted from the
/// one before, timestamps from a base, which is the batch's first one, and what does not fit into a slot is [kept
/// apart](Rest::odd). Slots are filled in place, for to move what was just put together costs a stall.
#[derive(Default)]
#[repr(C)] // what every callback needs comes first
pub(super) struct Thunks {
    /// Those that are being filled: the batch's own, or the latest block.
    slots: Box<[ThunkSlot]>,
    /// How many of them were taken, from the first one on.
    taken: u32,
    /// One more than the index of the last record with a callback; 0 without one.
    next_index: u32,
    /// What most batches do without.
    rest: Option<Box<Rest>>,
}

#[derive(Default)]
struct Rest {
    /// The slots that were filled before.
    filled: Vec<Box<[ThunkSlot]>>,
    /// Blocks to go on in.
    spare: Vec<Box<[ThunkSlot]>>,
    /// The records that slots have no room for, in order.
    odd: Vec<RecordShare>,
}

/// A thunk, or the place for one.
pub(super) struct ThunkSlot {
    callback: Option<Callback>,
    record: SmallShare,
}

/// A [`RecordShare`] in eight bytes, which do for most records.
#[derive(Clone, Copy)]
struct SmallShare {
    /// How many milliseconds after the base, or [`ODD_DELTA`].
    timestamp_delta_ms: i32,
    /// The value's size in bytes plus 1; 0 for null.
    value_size_plus_1: u16,
    /// The key's size in bytes plus 1; 0 for null.
    key_size_plus_1: u8,
    /// How many records without a callback stand between this one and the one before.
    skipped_records: u8,
}

const _: () = assert!(size_of::<ThunkSlot>() == 24);

/// Instead of a time: the record is [kept apart](Rest::odd).
const ODD_DELTA: i32 = i32::MIN;
/// Up to so many times the memory that is expected to be needed is kept.
const SPARE_TIMES: usize = 4;
/// How many slots are made at the beginning, at most: callers may wait for the lock under which this runs.
const MAX_OWN_SLOTS: usize = 4096;
/// How many slots are made at a time, at least.
const MIN_SLOTS: usize = 4;
/// How many slots a block has. With more, those that stay empty would be a good part of what comes on top of a full
/// `buffer.memory`.
const BLOCK_SLOTS: usize = 128;

impl Thunks {
    /// How many bytes of it, from its beginning on, most calls of [`push`](Self::push) need.
    #[cfg(test)]
    pub(super) const BYTES_FOR_PUSHES: usize = mem::offset_of!(Self, rest);

    /// How much memory so many callbacks take, without what they capture, in bytes.
    pub(super) fn bytes_for(callbacks: usize) -> usize {
        callbacks.saturating_mul(size_of::<ThunkSlot>())
    }

    /// Starts over, after [`drain`](Self::drain), with memory for `expected` callbacks, up to [`MAX_OWN_SLOTS`].
    pub(super) fn renew(&mut self, expected: usize) {
        self.clear();
        let (count, expected) = (self.slots.len(), expected.min(MAX_OWN_SLOTS));
        if count < expected || count > SPARE_TIMES * expected.max(MIN_SLOTS) {
            self.slots = empty_slots(expected);
        }
    }

    /// How many blocks are missing for `expected` callbacks in all; none while the batch's own slots are fewer than a block's,
    /// for then these become more.
    pub(super) fn missing_blocks(&self, expected: usize) -> usize {
        if self.slots.len() < BLOCK_SLOTS {
            return 0;
        }
        let spare = self.rest.as_ref().map_or(0, |rest| rest.spare.len());
        let there = self.filled() + self.slots.len() + spare * BLOCK_SLOTS;
        expected.saturating_sub(there).div_ceil(BLOCK_SLOTS)
    }

    /// Takes up to `count` blocks from `store`.
    pub(super) fn add_blocks(&mut self, count: usize, store: &mut Vec<Box<[ThunkSlot]>>) {
        let start = store.len() - count.min(store.len());
        self.rest.get_or_insert_default().spare.extend(store.drain(start..));
    }

    /// Leaves the blocks that it does not use in `store`.
    pub(super) fn leave_blocks(&mut self, store: &mut Vec<Box<[ThunkSlot]>>) {
        if let Some(mut rest) = self.rest.take() {
            store.append(&mut rest.spare);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.filled() + self.taken as usize
    }

    /// How many of them have a record that is kept apart, which takes as much as a slot.
    pub(super) fn odd_count(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| rest.odd.len())
    }

    /// How many slots were filled before those that are being filled.
    fn filled(&self) -> usize {
        let filled = self.rest.iter().flat_map(|rest| &rest.filled);
        filled.map(|slots| slots.len()).sum()
    }

    /// Whether there is none that was not given out yet.
    pub(super) fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// For how many callbacks there is memory, besides blocks, once all were given out.
    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// For a prefetch of the first slots of those that are being filled.
    pub(super) fn touch(&self) -> usize {
        let is_used =
            |number: usize| self.slots.get(number).is_some_and(|slot| slot.callback.is_some());
        usize::from(is_used(0)) + usize::from(is_used(2))
    }

    /// Takes the callback of a record that stands behind the last one; `base_ms` is the batch's first timestamp.
    #[inline(always)]
    pub(super) fn push(&mut self, share: &RecordShare, base_ms: i64, callback: Callback) {
        let record = match SmallShare::new(share, self.next_index, base_ms) {
            Some(record) => record,
            None => self.keep_apart(share),
        };
        self.next_index = share.index + 1;
        if let Some(slot) = self.next_slot() {
            debug_assert!(slot.callback.is_none());
            // Always so. The look saves dropping an old one, and fetches the slot before it is written to: the next lock waits
            // for what is written.
            if slot.callback.is_none() {
                slot.callback = Some(callback);
            }
            slot.record = record;
        }
    }

    #[cold]
    fn keep_apart(&mut self, share: &RecordShare) -> SmallShare {
        self.rest.get_or_insert_default().odd.push(*share);
        SmallShare::ODD
    }

    /// Always there.
    #[inline(always)]
    fn next_slot(&mut self) -> Option<&mut ThunkSlot> {
        if self.taken as usize == self.slots.len() {
            self.make_slots();
        }
        let number = self.taken as usize;
        self.taken += 1;
        self.slots.get_mut(number)
    }

    /// Adds to the batch's own slots while they are few, or goes on in the next block.
    #[inline(never)]
    fn make_slots(&mut self) {
        let filled = mem::take(&mut self.slots);
        let count = filled.len();
        if count < BLOCK_SLOTS {
            // A quarter: twice as many would be a good part of what comes on top of a full `buffer.memory`.
            let more = (count / 4).max(MIN_SLOTS);
            let mut slots = filled.into_vec();
            slots.reserve_exact(more);
            slots.extend(iter::repeat_with(ThunkSlot::empty).take(more));
            self.slots = slots.into_boxed_slice();
        } else {
            let rest = self.rest.get_or_insert_default();
            rest.filled.push(filled);
            self.slots = rest.spare.pop().unwrap_or_else(|| empty_slots(BLOCK_SLOTS));
            self.taken = 0;
        }
    }

    /// Gives `each` the callbacks in order, with the base that they were [pushed](Self::push) with; goes on with the next
    /// one if it is called again after a panic.
    pub(super) fn drain(&mut self, base_ms: i64, mut each: impl FnMut(&RecordShare, Callback)) {
        let (filled, odd) = match self.rest.as_deref_mut() {
            Some(Rest { filled, odd, .. }) => (filled.as_mut_slice(), odd.as_slice()),
            None => Default::default(),
        };
        let mut odd = odd.iter();
        let mut next_index = 0;
        // Also for those that were given before a panic: each tells the index of the next, and which odd one is next.
        let mut give = |slot: &mut ThunkSlot| {
            let share = match slot.record.timestamp_delta_ms {
                ODD_DELTA => odd.next().copied().unwrap_or_default(), // always there
                _ => slot.record.share(next_index, base_ms),
            };
            next_index = share.index + 1;
            if let Some(callback) = slot.callback.take() {
                each(&share, callback);
            }
        };
        filled.iter_mut().flatten().for_each(&mut give);
        self.slots.iter_mut().take(self.taken as usize).for_each(give);
        self.start_over();
    }

    /// Drops the callbacks that never ran.
    fn clear(&mut self) {
        let filled = self.rest.iter_mut().flat_map(|rest| &mut rest.filled).flatten();
        let last = self.slots.iter_mut().take(self.taken as usize);
        filled.chain(last).for_each(|slot| slot.callback = None);
        self.start_over();
    }

    /// The batch's own slots come first again; the blocks are spare.
    fn start_over(&mut self) {
        (self.taken, self.next_index) = (0, 0);
        let Some(rest) = self.rest.as_mut() else {
            return;
        };
        rest.odd = Vec::new(); // seldom needed again
        let mut filled = rest.filled.drain(..);
        if let Some(own) = filled.next() {
            rest.spare.push(mem::replace(&mut self.slots, own));
            rest.spare.extend(filled);
        }
    }
}

fn empty_slots(count: usize) -> Box<[ThunkSlot]> {
    iter::repeat_with(ThunkSlot::empty).take(count).collect()
}

impl ThunkSlot {
    fn empty() -> Self {
        Self { callback: None, record: SmallShare::ODD }
    }
}

impl SmallShare {
    /// Stands for one that is kept apart.
    const ODD: Self = Self {
        timestamp_delta_ms: ODD_DELTA,
        value_size_plus_1: 0,
        key_size_plus_1: 0,
        skipped_records: 0,
    };

    /// Of a record whose index is at least `next_index`; `None` if it does not fit.
    #[inline(always)]
    fn new(share: &RecordShare, next_index: u32, base_ms: i64) -> Option<Self> {
        let small = Self {
            timestamp_delta_ms: i32::try_from(share.timestamp_ms.wrapping_sub(base_ms)).ok()?,
            value_size_plus_1: u16::try_from(share.value_size.wrapping_add(1)).ok()?,
            key_size_plus_1: u8::try_from(share.key_size.wrapping_add(1)).ok()?,
            skipped_records: u8::try_from(share.index.wrapping_sub(next_index)).ok()?,
        };
        (small.timestamp_delta_ms != ODD_DELTA).then_some(small)
    }

    /// The record, with what was given to [`new`](Self::new).
    fn share(&self, next_index: u32, base_ms: i64) -> RecordShare {
        RecordShare {
            index: next_index + u32::from(self.skipped_records),
            timestamp_ms: base_ms.wrapping_add(self.timestamp_delta_ms.into()),
            key_size: i32::from(self.key_size_plus_1) - 1,
            value_size: i32::from(self.value_size_plus_1) - 1,
        }
    }
}

impl fmt::Debug for Thunks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Thunks").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;

    const BASE_MS: i64 = 1_700_000_000_000;

    #[test]
    fn give_back_what_they_were_told_whatever_the_records_are_like() {
        let usual = share(0);
        let times = [
            0,
            5,
            -5,
            i64::from(ODD_DELTA),
            i64::from(ODD_DELTA) - 1,
            i64::MAX - BASE_MS,
            -BASE_MS,
        ];
        let times = times.map(|distance_ms| at_distance(distance_ms, usual));
        let keys = [-1, 0, 1, 254, 255, i32::MAX];
        let keys = keys.map(|key_size| RecordShare { key_size, ..usual });
        let values = [-1, 0, 1, 65_534, 65_535, i32::MAX];
        let values = values.map(|value_size| RecordShare { value_size, ..usual });
        let different = times.into_iter().chain(keys).chain(values);
        // The first record with a callback need not be the batch's first one, and a slot counts up to 255 without one.
        for (first, distance) in [(0, 1), (1, 2), (255, 256), (256, 257), (1_000, 1_000_000)] {
            let indexes = (first..).step_by(distance);
            let shares: Vec<_> = different
                .clone()
                .chain([usual; 1000])
                .zip(indexes)
                .map(|(share, index)| RecordShare { index, ..share })
                .collect();
            let mut thunks = Thunks::default();
            for expected in [0, 10, shares.len(), 0] {
                thunks.renew(expected);
                push(&mut thunks, &shares);
                assert_eq!(thunks.len(), shares.len());

                let mut given = Vec::new();
                thunks.drain(BASE_MS, |share, _| given.push(*share));

                assert_eq!(given, shares, "from {first} by {distance}, {expected} expected");
                assert!(thunks.is_empty());
            }
        }
    }

    #[test]
    fn blocks_are_used_before_others_are_made_and_are_spare_afterwards() {
        let mut store: Vec<_> = (0..10).map(|_| empty_slots(BLOCK_SLOTS)).collect();
        let places: Vec<_> = store.iter().map(|block| block.as_ptr()).collect();
        let mut thunks = Thunks::default();
        thunks.renew(200);
        let expected = 200 + 5 * BLOCK_SLOTS;
        thunks.add_blocks(thunks.missing_blocks(expected), &mut store);
        assert_eq!((store.len(), thunks.missing_blocks(expected)), (5, 0));

        let shares: Vec<_> = (0..).take(expected + 1).map(share).collect();
        push(&mut thunks, &shares);
        thunks.drain(BASE_MS, |_, _| {});

        assert_eq!(thunks.capacity(), 200);
        let mut left = Vec::new();
        thunks.leave_blocks(&mut left);
        let known = left.iter().filter(|block| places.contains(&block.as_ptr()));
        assert_eq!((left.len(), known.count()), (6, 5));
    }

    #[test]
    fn callbacks_that_never_run_are_dropped() {
        let counted = Arc::new(());
        let push = |thunks: &mut Thunks| {
            for index in 0..100 {
                let counted = Arc::clone(&counted);
                thunks.push(&share(index), BASE_MS, Box::new(move |_| drop(counted)));
            }
        };
        let mut thunks = Thunks::default();
        for expected in [100, 10, 200] {
            push(&mut thunks);
            thunks.renew(expected);
            assert_eq!(Arc::strong_count(&counted), 1, "{expected}");
        }
        push(&mut thunks);
        drop(thunks);

        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[test]
    fn a_panic_keeps_no_other_from_being_given() {
        let mut shares: Vec<_> = (0..).step_by(2).take(3 * BLOCK_SLOTS).map(share).collect();
        for number in [1, 5] {
            shares[number] = at_distance(i64::MIN, shares[number]);
        }
        let mut thunks = Thunks::default();
        push(&mut thunks, &shares);

        let mut given = Vec::new();
        let mut give = || {
            thunks.drain(BASE_MS, |share, _| {
                given.push(*share);
                assert!(share.index != 6, "on purpose");
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(&mut give)).is_err());
        give();

        assert_eq!(given, shares);
    }

    fn push(thunks: &mut Thunks, shares: &[RecordShare]) {
        for share in shares {
            thunks.push(share, BASE_MS, Box::new(|_| {}));
        }
    }

    fn share(index: u32) -> RecordShare {
        RecordShare { index, timestamp_ms: BASE_MS + 7, key_size: -1, value_size: 9 }
    }

    fn at_distance(distance_ms: i64, share: RecordShare) -> RecordShare {
        RecordShare { timestamp_ms: BASE_MS.wrapping_add(distance_ms), ..share }
    }
}
