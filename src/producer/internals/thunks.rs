//! The callbacks of a batch. Java: `ProducerBatch.thunks`.

use std::{fmt, iter, mem};

use crate::producer::callback::Callback;
use crate::producer::internals::produce_request_result::RecordShare;

/// Those callbacks that its records have, in order, each with the record whose outcome it has to be told.
///
/// They are most of what a record costs in memory beside its bytes, so they are kept small: timestamps are told from a base,
/// which is the batch's first one. Slots are filled in place, for to move what was just put together costs a stall.
#[derive(Default)]
pub(super) struct Thunks {
    slots: Box<[Slot]>,
    /// How many slots were taken, from the first one on.
    taken: u32,
}

/// A thunk; or, without a callback, the timestamp of the next one, if that is too far from the base.
struct Slot {
    callback: Option<Callback>,
    index: u32,
    key_size: i32,
    value_size: i32,
    /// How many milliseconds after the base, or [`FAR`].
    timestamp_delta: i32,
}

const _: () = assert!(size_of::<Slot>() == 32);

/// The timestamp stands before the thunk.
const FAR: i32 = i32::MIN;
/// Up to so many times the memory that is expected to be needed is kept.
const SPARE_TIMES: usize = 4;
/// So many slots are made at the beginning, at most: callers may wait for the lock under which this runs.
const MOST_SLOTS: usize = 4096;
/// How many slots are made at a time, at least.
const LEAST_SLOTS: usize = 4;

impl Thunks {
    /// Starts over, after [`drain`](Self::drain), with memory for `expected` callbacks, up to [`MOST_SLOTS`].
    pub(super) fn renew(&mut self, expected: usize) {
        self.clear();
        let (count, expected) = (self.slots.len(), expected.min(MOST_SLOTS));
        if count < expected || count > SPARE_TIMES * expected.max(LEAST_SLOTS) {
            self.slots = iter::repeat_with(Slot::empty).take(expected).collect();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.taken as usize
    }

    /// Whether there is none that was not given out yet.
    pub(super) fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// For how many callbacks there is memory.
    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// For a prefetch of the first slots.
    pub(super) fn touch(&self) -> usize {
        let is_used =
            |number: usize| self.slots.get(number).is_some_and(|slot| slot.callback.is_some());
        usize::from(is_used(0)) + usize::from(is_used(2))
    }

    /// Takes the callback of a record; `base_ms` is the batch's first timestamp.
    #[inline(always)]
    pub(super) fn push(&mut self, share: &RecordShare, base_ms: i64, callback: Callback) {
        let timestamp_delta = match i32::try_from(share.timestamp_ms.wrapping_sub(base_ms)) {
            Ok(delta) if delta != FAR => delta,
            _ => self.push_timestamp(share.timestamp_ms),
        };
        if let Some(slot) = self.next_slot() {
            debug_assert!(slot.callback.is_none());
            // Always so. The look saves dropping an old one, and fetches the slot before it is written to: the next lock waits
            // for what is written.
            if slot.callback.is_none() {
                slot.callback = Some(callback);
            }
            slot.index = share.index;
            slot.key_size = share.key_size;
            slot.value_size = share.value_size;
            slot.timestamp_delta = timestamp_delta;
        }
    }

    #[cold]
    fn push_timestamp(&mut self, timestamp_ms: i64) -> i32 {
        if let Some(slot) = self.next_slot() {
            slot.set_timestamp_of_next(timestamp_ms);
        }
        FAR
    }

    /// Always there.
    #[inline(always)]
    fn next_slot(&mut self) -> Option<&mut Slot> {
        let number = self.len();
        if number == self.slots.len() {
            self.make_slots();
        }
        self.taken += 1;
        self.slots.get_mut(number)
    }

    /// Adds a quarter, for a batch with more callbacks than expected. Twice as many would be a good part of what a full
    /// `buffer.memory` costs.
    #[cold]
    fn make_slots(&mut self) {
        let more = LEAST_SLOTS.max(self.slots.len() / 4);
        let mut slots = mem::take(&mut self.slots).into_vec();
        slots.reserve_exact(more);
        slots.extend(iter::repeat_with(Slot::empty).take(more));
        self.slots = slots.into_boxed_slice();
    }

    /// Gives `each` the callbacks in order, with the base that they were [pushed](Self::push) with; goes on with the next
    /// one if it is called again after a panic.
    pub(super) fn drain(&mut self, base_ms: i64, mut each: impl FnMut(&RecordShare, Callback)) {
        let mut far_ms = 0;
        for slot in self.slots.iter_mut().take(self.taken as usize) {
            let Some(callback) = slot.callback.take() else {
                far_ms = slot.timestamp_of_next_ms(); // after a panic also of one that was given: nobody asks for that
                continue;
            };
            let timestamp_ms = match slot.timestamp_delta {
                FAR => far_ms,
                delta => base_ms.wrapping_add(delta.into()),
            };
            let Slot { index, key_size, value_size, .. } = *slot;
            each(&RecordShare { index, timestamp_ms, key_size, value_size }, callback);
        }
        self.taken = 0;
    }

    /// Drops the callbacks that never ran.
    fn clear(&mut self) {
        for slot in self.slots.iter_mut().take(self.taken as usize) {
            slot.callback = None;
        }
        self.taken = 0;
    }
}

impl Slot {
    fn empty() -> Self {
        Self { callback: None, index: 0, key_size: 0, value_size: 0, timestamp_delta: 0 }
    }

    fn set_timestamp_of_next(&mut self, timestamp_ms: i64) {
        let [b0, b1, b2, b3, b4, b5, b6, b7] = timestamp_ms.to_ne_bytes();
        self.key_size = i32::from_ne_bytes([b0, b1, b2, b3]);
        self.value_size = i32::from_ne_bytes([b4, b5, b6, b7]);
    }

    fn timestamp_of_next_ms(&self) -> i64 {
        let [b0, b1, b2, b3] = self.key_size.to_ne_bytes();
        let [b4, b5, b6, b7] = self.value_size.to_ne_bytes();
        i64::from_ne_bytes([b0, b1, b2, b3, b4, b5, b6, b7])
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
    fn give_back_what_they_were_told_however_far_apart_the_records_are() {
        let times = [0, 5, -5, i64::from(FAR), i64::from(FAR) - 1, i64::MAX - BASE_MS, -BASE_MS, 1];
        let shares: Vec<_> = times.into_iter().zip(0..).map(share).collect();
        let mut thunks = Thunks::default();
        for share in &shares {
            thunks.push(share, BASE_MS, Box::new(|_| {}));
        }

        let mut given = Vec::new();
        thunks.drain(BASE_MS, |share, _| given.push(*share));

        assert_eq!(given, shares);
        assert!(thunks.is_empty());
    }

    #[test]
    fn callbacks_that_never_run_are_dropped() {
        let counted = Arc::new(());
        let push = |thunks: &mut Thunks| {
            for number in 0..100 {
                let counted = Arc::clone(&counted);
                thunks.push(&share((0, number)), BASE_MS, Box::new(move |_| drop(counted)));
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
        let mut thunks = Thunks::default();
        for number in 0..5 {
            let distance = if number == 3 { i64::MIN } else { 7 };
            thunks.push(&share((distance, number)), BASE_MS, Box::new(|_| {}));
        }

        let mut given = Vec::new();
        let mut give = || {
            thunks.drain(BASE_MS, |share, _| {
                given.push(*share);
                assert!(share.index != 2, "on purpose");
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(&mut give)).is_err());
        give();

        let expected = [(7, 0), (7, 1), (7, 2), (i64::MIN, 3), (7, 4)].map(share);
        assert_eq!(given, expected);
    }

    fn share((distance_ms, index): (i64, u32)) -> RecordShare {
        let timestamp_ms = BASE_MS.wrapping_add(distance_ms);
        RecordShare { index, timestamp_ms, key_size: -1, value_size: 9 }
    }
}
