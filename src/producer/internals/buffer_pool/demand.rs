//! What a batch takes of the pool.

/// How much memory is asked for, or lent, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Of the buffer.
    pub(crate) size: usize,
    /// Counted with it, for callbacks and what is known of a batch; nothing is lent for that.
    pub(crate) overhead: usize,
}

impl Demand {
    /// A buffer of `size` bytes, and `overhead` with it unless that is negligible: then buffers fill the pool exactly.
    pub(in crate::producer::internals) fn new(size: usize, overhead: usize) -> Self {
        let is_negligible = overhead <= size / NEGLIGIBLE_DIVISOR;
        Self { size, overhead: if is_negligible { 0 } else { overhead } }
    }

    /// All that the pool counts.
    pub(crate) fn total(self) -> usize {
        self.size.saturating_add(self.overhead)
    }

    /// With no more overhead than makes up half of a pool of `total` bytes together with the buffer: nobody waits for most of it
    /// because of that, and a buffer that fits can always be had.
    pub(in crate::producer::internals) fn within(self, total: usize) -> Self {
        Self { overhead: self.overhead.min((total / 2).saturating_sub(self.size)), ..self }
    }
}

impl From<usize> for Demand {
    /// A buffer alone.
    fn from(size: usize) -> Self {
        Self { size, overhead: 0 }
    }
}

/// Up to so much of a buffer's size is negligible as its overhead: it is divided by this.
const NEGLIGIBLE_DIVISOR: usize = 16;
