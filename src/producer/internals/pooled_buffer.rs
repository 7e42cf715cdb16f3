//! The memory of one batch. Java lends a `ByteBuffer`.

use std::sync::Arc;

use crate::producer::internals::buffer_pool::{BufferPool, Demand, Returned};
use crate::utils::pieces::Pieces;

/// Memory on loan from a [`BufferPool`], which takes it back when this is dropped: one buffer, or several that are filled
/// one after the other.
#[derive(Debug)]
pub(crate) struct PooledBuffer {
    /// Those before the last one.
    filled: Vec<Vec<u8>>,
    last: Vec<u8>,
    /// What was taken from the pool for the buffers, and goes back to it, however large these have become.
    size: usize,
    /// What the pool counts with them.
    overhead: usize,
    pool: Arc<BufferPool>,
}

impl PooledBuffer {
    /// A loan in `buffer`.
    pub(super) fn new(buffer: Vec<u8>, loan: Demand, pool: Arc<BufferPool>) -> Self {
        let Demand { size, overhead } = loan;
        Self { filled: Vec::new(), last: buffer, size, overhead, pool }
    }

    /// How many bytes the pool lent for records, without the overhead.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// How many of them were lent for the last buffer.
    pub(super) fn size_of_last(&self) -> usize {
        let filled: usize = self.filled.iter().map(Vec::capacity).sum();
        self.size.saturating_sub(filled)
    }

    /// How large the pool's buffers usually are.
    pub(super) fn poolable_size(&self) -> usize {
        self.pool.poolable_size()
    }

    /// How large they are for batches that need several.
    pub(super) fn large_size(&self) -> usize {
        self.pool.large_size()
    }

    /// How large one should be for `needed` bytes in one piece.
    pub(super) fn size_for(&self, needed: usize) -> usize {
        self.pool.size_for(needed)
    }

    /// Borrows more for the last buffer, so that the loan is `in_all` then; `false` if there is no memory for it, or others
    /// wait for some.
    pub(crate) fn grow(&mut self, in_all: impl Into<Demand>) -> bool {
        let Demand { size, overhead } = in_all.into();
        let in_all = Demand { size: size.max(self.size), overhead }.within(self.pool.total());
        let (before, after) = (self.size + self.overhead, in_all.total());
        if after > before && !self.pool.take_more(after - before) {
            return false;
        }
        (self.size, self.overhead) = (in_all.size, in_all.overhead);
        if after < before {
            self.pool.give_back(Returned::without_buffer(before - after));
        }
        true
    }

    /// Borrows another buffer, so that the loan is at least `in_all` then; `None` if there is no memory for it, or others wait.
    /// [`add_filled`](Self::add_filled) comes next.
    pub(super) fn borrow_another(&mut self, in_all: Demand) -> Option<Vec<u8>> {
        let in_all = in_all.within(self.pool.total());
        let more = Demand {
            size: in_all.size.saturating_sub(self.size),
            overhead: in_all.overhead.saturating_sub(self.overhead),
        };
        let mut buffer = self.pool.take_another(more)?;
        buffer.reserve_exact(more.size.saturating_sub(buffer.len()));
        self.add(more);
        Some(buffer)
    }

    fn add(&mut self, more: Demand) {
        self.size += more.size;
        self.overhead += more.overhead;
    }

    /// Takes a buffer that was filled, and that others follow.
    pub(super) fn add_filled(&mut self, buffer: Vec<u8>) {
        self.filled.push(buffer);
    }

    /// Takes the filled buffers out; the loan stays.
    pub(super) fn take_filled(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.filled)
    }

    /// What is left of the loan once the bytes are compressed, if they fit into that: of the usual size, it can be used again.
    pub(crate) fn size_after_compression(&self) -> usize {
        self.size.min(self.pool.poolable_size())
    }

    /// Gives back what the last buffer no longer needs, but for this `overhead`: what was negligible beside the records as they
    /// were need not be any more.
    pub(crate) fn shrink(&mut self, overhead: usize) {
        let (before, least) = (self.size + self.overhead, self.size_after_compression());
        self.size = least.max(self.last.len()).min(self.size);
        self.overhead = Demand::new(self.size, overhead).overhead.min(before - self.size);
        let rest = before - self.size - self.overhead;
        if rest > 0 {
            self.pool.give_back(Returned::without_buffer(rest));
        }
    }

    /// Takes the last buffer out, to be filled; the loan stays.
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.last)
    }

    /// Puts the last buffer back in, with what it is filled with.
    pub(crate) fn set_bytes(&mut self, bytes: Vec<u8>) {
        self.last = bytes;
    }

    /// Whether the last buffer is out, or nothing is in it.
    pub(super) fn is_last_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// The beginning, to be written to, and the pieces that follow.
    pub(super) fn beginning(&mut self) -> (&mut [u8], impl Iterator<Item = &[u8]> + Clone) {
        let (first, rest, last) = match self.filled.split_first_mut() {
            Some((first, rest)) => (first, &*rest, Some(&*self.last)),
            None => (&mut self.last, Default::default(), None),
        };
        (first, rest.iter().map(Vec::as_slice).chain(last))
    }

    /// Ends the loan, if it is one, but leaves it to the caller to give back, with other loans, what this adds to `returned`:
    /// by [`BufferPool::give_back_all`]. `last` is the last buffer, if it was taken out.
    pub(super) fn surrender(&mut self, last: Vec<u8>, returned: &mut Vec<Returned>) {
        self.surrender_filled(returned);
        returned.extend(self.surrender_last(last));
    }

    fn surrender_filled(&mut self, returned: &mut Vec<Returned>) {
        for bytes in self.filled.drain(..) {
            let size = bytes.capacity().min(self.size);
            self.size -= size;
            returned.push(Returned { loan: size.into(), bytes });
        }
    }

    fn surrender_last(&mut self, last: Vec<u8>) -> Option<Returned> {
        let kept = std::mem::take(&mut self.last);
        let bytes = if kept.capacity() > 0 { kept } else { last };
        let size = std::mem::take(&mut self.size);
        let overhead = std::mem::take(&mut self.overhead);
        let loan = Demand { size, overhead };
        (loan.total() > 0).then_some(Returned { loan, bytes })
    }

    /// Ends the loan, and gives it back. `last` is the last buffer, if it was taken out.
    pub(super) fn give_back(&mut self, last: Vec<u8>) {
        let mut returned = Vec::new();
        self.surrender_filled(&mut returned);
        self.pool.give_back_all(&mut returned);
        if let Some(returned) = self.surrender_last(last) {
            self.pool.give_back(returned);
        }
    }

    /// Leaves `loan`, or what there is of it, to `other`, which holds what was in this one.
    pub(super) fn leave_to(&mut self, other: &mut Self, loan: Demand) {
        let size = loan.size.min(self.size);
        let overhead = loan.overhead.min(self.overhead);
        self.size -= size;
        self.overhead -= overhead;
        other.add(Demand { size, overhead });
    }

    /// Memory that the pool does not count, with these bytes in it.
    pub(crate) fn unpooled(&self, bytes: Vec<u8>) -> Self {
        Self::new(bytes, Demand::from(0), Arc::clone(&self.pool))
    }
}

impl Pieces for PooledBuffer {
    fn piece(&self, number: usize) -> Option<&[u8]> {
        match self.filled.get(number) {
            Some(filled) => Some(filled),
            None => (number == self.filled.len()).then_some(&*self.last),
        }
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        if self.size + self.overhead > 0 {
            self.give_back(Vec::new());
        }
    }
}
