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
    shares: Vec<RecordShare>,
    /// As many; `None` from `taken` on.
    callbacks: Vec<Option<Callback>>,
    taken: u32,
    /// How many of those were given out again.
    given: u32,
}

/// How many slots are made at a time.
const SLOTS: usize = 16;

impl Thunks {
    /// With memory for `expected` callbacks.
    pub(super) fn with_capacity(expected: usize) -> Self {
        let (shares, callbacks) = (Vec::with_capacity(expected), Vec::with_capacity(expected));
        Self { shares, callbacks, taken: 0, given: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.taken as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// Takes the callback, if there is one.
    #[inline(always)]
    pub(super) fn push(&mut self, share: RecordShare, callback: &mut Option<Callback>) {
        if callback.is_none() {
            return;
        }
        if self.len() == self.callbacks.len() {
            self.make_slots();
        }
        let slot = self.shares.get_mut(self.taken as usize);
        let slot = slot.zip(self.callbacks.get_mut(self.taken as usize));
        if let Some((its_share, its_callback)) = slot {
            its_share.set(&share);
            *its_callback = callback.take();
            self.taken += 1;
        }
    }

    #[cold]
    fn make_slots(&mut self) {
        let more = match self.callbacks.capacity() - self.len() {
            0 => {
                // More than expected: by a quarter at a time, for of a full buffer.memory this is a good part.
                let room = SLOTS.max(self.len() / 4);
                self.shares.reserve_exact(room);
                self.callbacks.reserve_exact(room);
                SLOTS
            }
            room => room.min(SLOTS),
        };
        let count = self.len() + more;
        self.shares.resize(count, RecordShare::default());
        self.callbacks.resize_with(count, || None);
    }

    /// Gives `each` the callbacks in order; goes on with the next one if it is called again after a panic.
    pub(super) fn drain(&mut self, mut each: impl FnMut(&RecordShare, Callback)) {
        while self.given < self.taken {
            let slot = self.given as usize;
            self.given += 1;
            let callback = self.callbacks.get_mut(slot).and_then(Option::take);
            if let (Some(share), Some(callback)) = (self.shares.get(slot), callback) {
                each(share, callback);
            }
        }
    }
}

impl fmt::Debug for Thunks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Thunks").field("taken", &self.taken).finish_non_exhaustive()
    }
}
