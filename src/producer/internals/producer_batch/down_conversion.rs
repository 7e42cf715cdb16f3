//! Batches as brokers before 0.11 take them. Java: `RecordsUtil.downConvert`.
//!
//! What is made here belongs to a request. The batch keeps its own records, for a newer broker may be next to get it.

use std::borrow::Cow;

use crate::compress::{CompressionType, decompress};
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::record::default_record_batch::RECORD_BATCH_OVERHEAD;
use crate::record::memory_records::{self, EncodedRecord};
use crate::record::message_set::{MESSAGE_OVERHEAD, MessageSet};
use crate::record::record_version::RecordVersion;
use crate::utils::pieces::pieces_of;

/// Why a batch cannot become a message set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotConvertible {
    /// Some of its records have headers, which a message set has no place for.
    SomeHaveHeaders,
    /// All have.
    AllHaveHeaders,
    /// It was completed, or its records cannot be read back.
    Unreadable,
}

impl ProducerBatch {
    /// How many bytes the batch is expected to take in `version`, or takes if that is certain.
    pub(in crate::producer::internals) fn size_in(&self, version: RecordVersion) -> usize {
        match version {
            RecordVersion::V1 => {
                let overhead = self.record_count() as usize * MESSAGE_OVERHEAD;
                self.compression_state.size(self.builder.size() + overhead)
            }
            RecordVersion::V2 => self.size(),
        }
    }

    /// Closes the batch and gives out its records as a message set, compressed if they are to be.
    ///
    /// Runs on: the sender thread, with no lock held.
    pub(in crate::producer::internals) fn down_convert(
        &mut self,
    ) -> Result<Vec<u8>, NotConvertible> {
        self.builder.close_for_appends();
        let plain = self.plain().ok_or(NotConvertible::Unreadable)?;
        let with_headers = memory_records::records(&plain).filter(EncodedRecord::has_headers);
        match with_headers.count() {
            0 => {}
            count if count < self.record_count() as usize => {
                return Err(NotConvertible::SomeHaveHeaders);
            }
            _ => return Err(NotConvertible::AllHaveHeaders),
        }
        let base_timestamp_ms = self.builder.base_timestamp_ms();
        let messages = MessageSet::of_batch(&plain, base_timestamp_ms, self.record_count())
            .ok_or(NotConvertible::Unreadable)?;
        Ok(match &self.compression {
            Some(compression) => compression.wrap(messages, plain.len() - RECORD_BATCH_OVERHEAD),
            None => messages.into_bytes(),
        })
    }

    /// The records as they were before they were compressed, behind the header's place; `None` if they are gone.
    pub(super) fn plain(&self) -> Option<Cow<'_, [u8]>> {
        let buffer = self.buffer.as_ref()?;
        let last = if buffer.is_last_empty() { Some(self.builder.last_records()?) } else { None };
        let pieces: Vec<_> =
            pieces_of(&**buffer).chain(last).filter(|piece| !piece.is_empty()).collect();
        let bytes = match *pieces {
            [] => return None,
            [one] => Cow::Borrowed(one),
            _ => Cow::Owned(pieces.concat()),
        };
        if self.builder.codec() == CompressionType::None {
            return Some(bytes);
        }
        let (header, records) = bytes.split_at_checked(RECORD_BATCH_OVERHEAD)?;
        let mut plain = header.to_vec();
        decompress(self.builder.codec(), records, &mut plain)
            .inspect_err(|error| log::error!("cannot read a batch of our own: {error}"))
            .ok()?;
        Some(Cow::Owned(plain))
    }
}
