//! The codec of a producer, for as many threads as compress at a time.

use std::fmt;
use std::io;

use crate::compress::compression::{Compression, CompressionType, Encoder};
use crate::utils::sync::Mutex;

/// Lends out codecs with their working memory: each batch takes one, and the next batch takes the same again.
///
/// There are never more of them than threads that compress at a time.
pub(crate) struct Compressors {
    compression: Compression,
    idle: Mutex<Vec<Compressor>>,
}

/// One codec and a buffer for what it makes.
pub(crate) struct Compressor {
    encoder: Box<dyn Encoder>,
    out: Vec<u8>,
}

/// A buffer that had to become larger than this for one batch is not kept for the next.
const MAX_KEPT_BYTES: usize = 4 << 20;

impl Compressors {
    pub(crate) fn new(compression: Compression) -> Self {
        Self { compression, idle: Mutex::new(Vec::new()) }
    }

    pub(crate) fn codec(&self) -> CompressionType {
        self.compression.codec
    }

    /// One for a batch; `None` if there is nothing to do.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub(crate) fn take(&self) -> io::Result<Option<Compressor>> {
        let idle = self.idle.lock().pop();
        if idle.is_some() {
            return Ok(idle);
        }
        let encoder = self.compression.encoder()?;
        Ok(encoder.map(|encoder| Compressor { encoder, out: Vec::new() }))
    }

    /// Keeps it for the next batch. One that failed is better dropped.
    pub(crate) fn put_back(&self, compressor: Compressor) {
        if compressor.out.capacity() <= MAX_KEPT_BYTES {
            self.idle.lock().push(compressor);
        }
    }
}

impl Compressor {
    /// What `input` becomes. Runs on: any thread, with no lock held.
    ///
    /// # Errors
    ///
    /// The codec failed.
    pub(crate) fn compress(&mut self, input: &[u8]) -> io::Result<&[u8]> {
        self.out.clear();
        self.encoder.compress(input, &mut self.out)?;
        Ok(&self.out)
    }
}

impl fmt::Debug for Compressors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Compressors")
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}
