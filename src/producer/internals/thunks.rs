//! The callbacks of a batch. Java: `ProducerBatch.thunks`.

use std::fmt;

use crate::producer::callback::Callback;
use crate::producer::internals::produce_request_result::RecordShare;

/// Those callbacks that its records have, in order, each with the record whose outcome it has to be told.
///
/// Slots are filled in place, for to move what was just put together costs a stall, and made several at a time, so that
/// their memory is fetched all at once.
#[derive(Default)]
pub(super) struct Thunks {
    slots: Vec<Thunk>,
    /// How many slots were taken, from the first one on.
    taken: u32,
    /// How many of those were given out again.
    given: u32,
}

#[derive(Default)]
struct Thunk {
    share: RecordShare,
    callback: Option<Callback>,
}

/// Up to so many times the memory that is expected to be needed is kept.
const SPARE_TIMES: usize = 4;
/// How many slots are made at a time, at most,
const SLOTS: usize = 16;
/// and of a batch that has fewer so far: many partitions may get no more than a few records each.
const LEAST_SLOTS: usize = 2;

impl Thunks {
    /// Starts over, after [`drain`](Self::drain), with memory for `expected` callbacks.
    pub(super) fn renew(&mut self, expected: usize) {
        let is_enough = self.slots.capacity() >= expected;
        if !is_enough || self.slots.capacity() > SPARE_TIMES * expected.max(SLOTS) {
            self.slots = Vec::with_capacity(expected);
        }
        if !self.is_empty() {
            self.slots.clear(); // callbacks that never ran: `push` needs empty slots
        }
        (self.taken, self.given) = (0, 0);
    }

    pub(super) fn len(&self) -> usize {
        self.taken as usize
    }

    /// Whether there is none that was not given out yet.
    pub(super) fn is_empty(&self) -> bool {
        self.given == self.taken
    }

    /// For how many callbacks there is memory.
    pub(super) fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// Takes the callback of a record.
    #[inline(always)]
    pub(super) fn push(&mut self, share: &RecordShare, callback: Callback) {
        if self.len() == self.slots.len() {
            self.make_slots();
        }
        if let Some(slot) = self.slots.get_mut(self.taken as usize) {
            debug_assert!(slot.callback.is_none());
            slot.share.set(share);
            if slot.callback.is_none() {
                slot.callback = Some(callback); // always so: the look saves dropping an old one
            }
            self.taken += 1;
        }
    }

    #[cold]
    fn make_slots(&mut self) {
        let wanted = SLOTS.min(self.len().max(LEAST_SLOTS));
        let more = match self.slots.capacity() - self.len() {
            0 => {
                // More than expected: by a quarter at a time, for of a full buffer.memory this is a good part.
                self.slots.reserve_exact(wanted.max(self.len() / 4));
                wanted
            }
            room => room.min(wanted),
        };
        self.slots.resize_with(self.len() + more, Thunk::default);
    }

    /// Gives `each` the callbacks in order; goes on with the next one if it is called again after a panic.
    pub(super) fn drain(&mut self, mut each: impl FnMut(&RecordShare, Callback)) {
        while self.given < self.taken {
            let slot = self.slots.get_mut(self.given as usize);
            self.given += 1;
            if let Some(Thunk { share, callback }) = slot {
                if let Some(callback) = callback.take() {
                    each(share, callback);
                }
            }
        }
    }
}

impl fmt::Debug for Thunks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Thunks").field("taken", &self.taken).finish_non_exhaustive()
    }
}
