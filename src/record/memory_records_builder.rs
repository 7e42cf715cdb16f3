//! Mirrors `org.apache.kafka.common.record.MemoryRecordsBuilder`.

use crate::compress::CompressionType;
use crate::record::default_record::{RecordContents, RecordPrefix};
use crate::record::default_record_batch::{
    self, BatchHeader, EarlyChecksum, ProducerState, RECORD_BATCH_OVERHEAD,
};
use crate::utils::saturate::saturate_u32;

/// Encodes records straight into a buffer until it is full, then writes the batch's header in front of them. A batch may
/// [go on](Self::go_on_in) in a second buffer, and so forth; each record lies in one.
///
/// Sizes are kept in 32 bits, which do for them: `max.request.size` is an i32.
#[derive(Debug)]
#[repr(C)] // what every append needs comes first: 64 bytes
pub(crate) struct MemoryRecordsBuilder {
    /// The last buffer: its records so far, and zeros up to where the next records are expected to end. The first one
    /// begins with the header's place.
    buffer: Vec<u8>,
    /// Where the records in it end.
    position: u32,
    /// How many bytes it may hold; the batch's first record may exceed it.
    room: u32,
    /// From how many bytes on the batch is full, though it may have room for more.
    write_limit: u32,
    record_count: u32,
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
    /// How many bytes of the batch lie in the buffers before.
    before: u32,
    is_closed_for_appends: bool,
    /// Whether the checksum of larger records is taken as they are appended.
    is_checked_early: bool,
    /// What the header says of the records.
    codec: CompressionType,
    checksum: EarlyChecksum,
}

impl MemoryRecordsBuilder {
    /// Builds in `buffer`, whose contents are dropped. The batch takes `room` bytes, header included, and is full with
    /// `write_limit`.
    pub(crate) fn new(mut buffer: Vec<u8>, room: usize, write_limit: usize) -> Self {
        buffer.clear();
        buffer.resize(RECORD_BATCH_OVERHEAD, 0);
        Self {
            buffer,
            position: saturate_u32(RECORD_BATCH_OVERHEAD),
            room: saturate_u32(room),
            write_limit: saturate_u32(write_limit),
            record_count: 0,
            base_timestamp_ms: 0,
            max_timestamp_ms: 0,
            before: 0,
            is_closed_for_appends: false,
            is_checked_early: true,
            codec: CompressionType::None,
            checksum: EarlyChecksum::NONE,
        }
    }

    /// For records that are to be compressed, whose checksum would be of no use: [`take_buffer`](Self::take_buffer) and
    /// [`set_compressed`](Self::set_compressed) follow.
    pub(crate) fn for_compression(self) -> Self {
        Self { is_checked_early: false, ..self }
    }

    /// Takes no more records. Java: `closeForRecordAppends`.
    pub(crate) fn close_for_appends(&mut self) {
        self.is_closed_for_appends = true;
    }

    #[inline]
    pub(crate) fn is_closed_for_appends(&self) -> bool {
        self.is_closed_for_appends
    }

    /// Appends `record` and returns its index in the batch; `None` if it does not fit, or if no more are taken. The first
    /// record always fits.
    #[inline(always)]
    pub(crate) fn try_append(&mut self, record: &RecordContents<'_>) -> Option<u32> {
        if self.is_closed_for_appends {
            return None;
        }
        let (index, timestamp_delta) = self.place(record.timestamp_ms);
        let Some(prefix) = record.short_prefix(timestamp_delta, index) else {
            // By value: a reference that is passed to a call that is not inlined forces the record onto the stack, and every
            // other record would pay for that, too.
            return self.try_append_unusual(*record);
        };
        record.write(prefix, self.claim(prefix.record_size())?);
        self.appended(prefix.record_size(), record.timestamp_ms);
        Some(index)
    }

    /// As [`try_append`](Self::try_append), for a record that is not like most: long, with headers, or far from the first.
    ///
    /// What is long should not be written twice, first as zeros. And its checksum is taken while this processor still has
    /// the bytes at hand, not by the sender, which would have to fetch them; but not if much stands before it that has
    /// none yet, for callers may wait for the lock under which this runs.
    #[inline(never)]
    fn try_append_unusual(&mut self, record: RecordContents<'_>) -> Option<u32> {
        let (index, timestamp_delta) = self.place(record.timestamp_ms);
        let prefix = record.prefix(timestamp_delta, index);
        let size = prefix.record_size();
        if !self.fits(size) {
            return None;
        }
        self.buffer.truncate(self.end());
        self.buffer.reserve_exact(size);
        record.extend(&prefix, &mut self.buffer);
        self.appended(size, record.timestamp_ms);
        debug_assert_eq!(self.buffer.len(), self.end(), "a record is as large as announced");
        let unchecked_before = self.size() - size - self.checksum.end();
        let is_worth_it = unchecked_before + size >= CHECKSUM_BYTES;
        let is_near =
            unchecked_before <= MAX_UNCHECKED_BYTES && self.checksum.end() >= self.before();
        if self.is_checked_early && is_worth_it && is_near {
            self.checksum.extend(self.before(), &self.buffer);
        }
        Some(index)
    }

    /// As [`try_append`](Self::try_append), for a record taken out of another batch; also if no new ones are taken.
    pub(crate) fn try_append_encoded(&mut self, timestamp_ms: i64, contents: &[u8]) -> Option<u32> {
        let (index, timestamp_delta) = self.place(timestamp_ms);
        let prefix = RecordPrefix::new(timestamp_delta, index, contents.len());
        let size = prefix.record_size();
        let out = self.claim(size)?;
        let start = prefix.bytes().len();
        out[..start].copy_from_slice(prefix.bytes());
        out[start..size].copy_from_slice(contents);
        self.appended(size, timestamp_ms);
        Some(index)
    }

    /// How large the batch would be with `record`.
    pub(crate) fn size_with(&self, record: &RecordContents<'_>) -> usize {
        let timestamp_delta = record.timestamp_ms.wrapping_sub(self.base_timestamp_ms);
        self.size() + record.prefix(timestamp_delta, self.record_count).record_size()
    }

    /// Where the next record would stand: its index, and its distance in time from the first.
    #[inline]
    fn place(&mut self, timestamp_ms: i64) -> (u32, i64) {
        if self.record_count == 0 {
            self.base_timestamp_ms = timestamp_ms;
            self.max_timestamp_ms = timestamp_ms;
        }
        (self.record_count, timestamp_ms.wrapping_sub(self.base_timestamp_ms))
    }

    /// Room for a record of this size, if the batch may take it.
    #[inline(always)]
    fn claim(&mut self, size: usize) -> Option<&mut [u8]> {
        if !self.fits(size) {
            return None;
        }
        let (start, end) = (self.end(), self.end() + size);
        if end > self.buffer.len() {
            self.stretch(end);
        }
        self.buffer.get_mut(start..)
    }

    /// Whether there is room for a record of this size.
    #[inline(always)]
    fn fits(&self, size: usize) -> bool {
        let has_room = self.end() + size <= self.room() && self.record_count < MAX_RECORDS;
        self.record_count == 0 || has_room
    }

    /// Makes the buffer longer, up to `end`; in a batch of a kilobyte, [`STRETCH_BYTES`], by a kilobyte more, as far as there
    /// is room. More records are likely to follow soon then, and the lines of memory that they go to are fetched all at
    /// once, instead of one after the other.
    #[inline(never)]
    fn stretch(&mut self, end: usize) {
        let ahead = if self.before() + end < STRETCH_BYTES { 0 } else { STRETCH_BYTES };
        self.buffer.resize(end.max(self.room().min(end + ahead)), 0);
    }

    #[inline]
    fn appended(&mut self, size: usize, timestamp_ms: i64) {
        self.position = self.position.saturating_add(saturate_u32(size));
        self.max_timestamp_ms = self.max_timestamp_ms.max(timestamp_ms);
        self.record_count += 1;
    }

    /// The timestamp of the batch's first record, in milliseconds since 1970.
    pub(crate) fn base_timestamp_ms(&self) -> i64 {
        self.base_timestamp_ms
    }

    /// Fetches memory for `size` bytes.
    pub(crate) fn reserve(&mut self, size: usize) {
        self.buffer.reserve_exact(size.saturating_sub(self.buffer.len()));
    }

    /// Gives the buffer room for `room` bytes.
    pub(crate) fn grow(&mut self, room: usize) {
        self.reserve(room);
        self.room = self.room.max(saturate_u32(room));
    }

    /// Goes on in another buffer, for `room` bytes, and gives out the one that was filled. The header's place is in the
    /// first one.
    pub(crate) fn go_on_in(&mut self, mut buffer: Vec<u8>, room: usize) -> Vec<u8> {
        buffer.clear();
        // One that was begun goes on: it has to cover all of a buffer before the next.
        let unchecked = self.size() - self.checksum.end();
        if self.checksum.end() > RECORD_BATCH_OVERHEAD && unchecked <= MAX_UNCHECKED_BYTES {
            self.checksum.extend(self.before(), &self.buffer[..self.end()]);
        }
        let filled = self.take_buffer();
        self.before = self.before.saturating_add(self.position);
        (self.buffer, self.position, self.room) = (buffer, 0, saturate_u32(room));
        filled
    }

    /// Leaves no room behind the records there are, until the batch [grows](Self::grow).
    pub(crate) fn trim(&mut self) {
        self.room = self.position;
    }

    /// How many batches of the size with which it is full would fit into the room that it has.
    pub(crate) fn room_in_batches(&self) -> usize {
        self.total_room().div_ceil(self.write_limit().max(1))
    }

    /// How many bytes it has room for, in all of its buffers.
    pub(crate) fn total_room(&self) -> usize {
        self.before() + self.room()
    }

    /// From how many bytes on the batch is full.
    #[inline]
    pub(crate) fn write_limit(&self) -> usize {
        self.write_limit as usize
    }

    /// Whether the batch is as large as it was to become. One that waits may have room for more all the same.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.record_count > 0 && self.is_full_with(self.size())
    }

    /// Whether a batch of so many bytes is as large as it was to become.
    #[inline]
    pub(crate) fn is_full_with(&self, size: usize) -> bool {
        size >= self.write_limit()
    }

    /// The batch's size so far, header included.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.before() + self.end()
    }

    /// How many bytes of the batch lie in the buffers before the last.
    #[inline]
    pub(crate) fn before(&self) -> usize {
        self.before as usize
    }

    /// Where the records in the last buffer end.
    #[inline]
    fn end(&self) -> usize {
        self.position as usize
    }

    #[inline]
    fn room(&self) -> usize {
        self.room as usize
    }

    /// What is in the last buffer, unless it was taken out.
    pub(crate) fn last_records(&self) -> Option<&[u8]> {
        self.buffer.get(..self.end())
    }

    /// For a prefetch of the first records.
    pub(crate) fn touch(&self) -> usize {
        let bytes = self.buffer.iter().take(TOUCHED_BYTES).step_by(LINE_BYTES);
        bytes.map(|byte| usize::from(*byte)).sum()
    }

    /// Takes the last buffer out.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.truncate(self.end());
        buffer
    }

    /// How the records are compressed.
    pub(crate) fn codec(&self) -> CompressionType {
        self.codec
    }

    /// Notes how the records that were taken out are compressed, and the size of the batch with what they became.
    pub(crate) fn set_compressed(&mut self, codec: CompressionType, size: usize) {
        self.codec = codec;
        (self.before, self.position) = (0, saturate_u32(size));
        self.checksum = EarlyChecksum::NONE;
    }

    pub(crate) fn record_count(&self) -> u32 {
        self.record_count
    }

    /// Takes the buffer out, with the header of a batch by `producer` written into it. There is no other one.
    #[cfg(test)]
    pub(crate) fn close(&mut self, producer: ProducerState) -> Vec<u8> {
        let mut batch = self.take_buffer();
        self.write_header(&mut batch, std::iter::empty(), producer);
        batch
    }

    /// Writes the header of a batch by `producer` into what was taken out: `batch`, and the pieces behind it.
    pub(crate) fn write_header<'p>(
        &self,
        batch: &mut [u8],
        behind: impl Iterator<Item = &'p [u8]> + Clone,
        producer: ProducerState,
    ) {
        let header = BatchHeader {
            codec: self.codec,
            record_count: i32::try_from(self.record_count).unwrap_or(i32::MAX),
            base_timestamp_ms: self.base_timestamp_ms,
            max_timestamp_ms: self.max_timestamp_ms,
            producer,
        };
        default_record_batch::write_header(batch, behind, &header, self.checksum);
    }
}

/// What processors fetch from memory at a time.
const LINE_BYTES: usize = 64;
/// Behind so many bytes processors see by themselves what is wanted next.
const TOUCHED_BYTES: usize = 5 * LINE_BYTES;

/// How much of the buffer is made ready beyond the record that needs it, of a batch that is larger than this: those of
/// many partitions with few records each would have left the processor's cache before they are used.
const STRETCH_BYTES: usize = 1024;
/// How many bytes of records a checksum is taken of at a time, at least, for that is quicker than of a few.
const CHECKSUM_BYTES: usize = 2048;
/// No more than this is covered at a time before a batch is sealed: callers may wait for the lock meanwhile.
const MAX_UNCHECKED_BYTES: usize = 2 * CHECKSUM_BYTES;
/// The record count travels as a signed 32-bit number.
const MAX_RECORDS: u32 = u32::MAX / 2;

#[cfg(test)]
mod tests {
    use byteorder::{BigEndian, ByteOrder};

    use super::*;
    use crate::common::header::{Header, Headers};
    use crate::record::memory_records;
    use crate::utils::crc32c;

    const NOW_MS: i64 = 1_700_000_000_000;

    /// The bytes that kafka-clients 4.1.1 makes of the same records.
    #[test]
    fn builds_the_bytes_that_java_builds() {
        let mut builder = builder_of_three();

        let batch = builder.close(ProducerState::NONE);

        assert_eq!(
            hex(&batch),
            "00000000000000000000005cffffffff02ecc6697c0000000000020000018bcfe568000000018bcfe56805\
             ffffffffffffffffffffffffffff0000000310000000026b02760030000a02010c7365636f6e6406046831\
             047631046832010000100005\
             04046b330100"
        );
    }

    #[test]
    fn carries_the_state_of_an_idempotent_producer_as_java_does() {
        let mut builder = MemoryRecordsBuilder::new(Vec::new(), 1000, 1000);
        append(&mut builder, NOW_MS, Some(b"k"), Some(b"v"), &Headers::new());

        let state = ProducerState { producer_id: 4000, producer_epoch: 3, base_sequence: 17 };

        assert_eq!(
            hex(&builder.close(state)),
            "00000000000000000000003affffffff024617ae3c0000000000000000018bcfe568000000018bcfe5680000\
             00000000000fa00003000000110000000110000000026b027600"
        );
    }

    #[test]
    fn a_header_may_be_written_again() {
        let state = ProducerState { producer_id: 1, producer_epoch: 2, base_sequence: 3 };
        let mut builder = builder_of_three();
        let expected = builder_of_three().close(state);

        let mut batch = builder.close(ProducerState::NONE);
        builder.write_header(&mut batch, std::iter::empty(), state);

        assert_eq!(batch, expected);
    }

    #[test]
    fn refuses_what_exceeds_its_limit_but_never_the_first() {
        let headers = Headers::new();
        let large = [0; 200];
        let mut builder = MemoryRecordsBuilder::new(Vec::new(), 100, 100);

        assert_eq!(append(&mut builder, NOW_MS, None, Some(&large), &headers), Some(0));
        assert!(builder.is_full());
        assert_eq!(append(&mut builder, NOW_MS, None, None, &headers), None);
        assert_eq!(builder.record_count(), 1);
    }

    #[test]
    fn fills_to_the_last_byte() {
        const LIMIT: usize = RECORD_BATCH_OVERHEAD + 16;
        let headers = Headers::new();
        let mut builder = MemoryRecordsBuilder::new(Vec::new(), LIMIT, LIMIT);

        // Eight bytes each: length, attributes, two deltas, null key, value of one byte, no headers.
        assert_eq!(append(&mut builder, NOW_MS, None, Some(b"a"), &headers), Some(0));
        assert!(!builder.is_full());
        assert_eq!(append(&mut builder, NOW_MS, None, Some(b"b"), &headers), Some(1));
        assert!(builder.is_full());
        assert_eq!(append(&mut builder, NOW_MS, None, Some(b"c"), &headers), None);
    }

    #[test]
    fn short_and_long_records_and_those_far_from_the_first_follow_one_another() {
        const COUNT: usize = 3 * 8192;
        let value = |index: usize| if index % 100 == 99 { vec![7; index % 1000] } else { vec![8] };
        let mut builder = MemoryRecordsBuilder::new(Vec::new(), usize::MAX, usize::MAX);
        for index in 0..COUNT {
            let timestamp_ms = NOW_MS + if index % 10 == 9 { 100_000 } else { 0 };
            append(&mut builder, timestamp_ms, None, Some(&value(index)), &Headers::new());
        }

        let batch = builder.take_buffer();

        let values = memory_records::records(&batch)
            .map(|record| record.fields().and_then(|fields| fields.value).map(<[u8]>::to_vec));
        assert!(values.eq((0..COUNT).map(|index| Some(value(index)))));
    }

    #[test]
    fn the_checksum_is_that_of_the_bytes_whenever_it_was_taken() {
        let values = [600, 700, 10, 5000, 10, 20, 600, 3000].map(|size| vec![7; size]);
        let compressed = vec![9; 3000];
        for count in 0..=values.len() {
            let mut builder = MemoryRecordsBuilder::new(Vec::new(), usize::MAX, usize::MAX);
            for value in &values[..count] {
                append(&mut builder, NOW_MS, None, Some(value), &Headers::new());
            }
            let closed = builder.close(ProducerState::NONE);
            assert_eq!(checksum_of(&closed), crc32c::checksum(&closed[21..]), "{count} records");
            let mut again = closed.clone();
            let next_epoch = ProducerState { producer_id: 7, producer_epoch: 1, base_sequence: 0 };
            builder.write_header(&mut again, std::iter::empty(), next_epoch);
            assert_eq!(checksum_of(&again), crc32c::checksum(&again[21..]), "{count} once more");

            builder.set_compressed(CompressionType::Gzip, compressed.len());
            let mut batch = compressed.clone();
            builder.write_header(&mut batch, std::iter::empty(), ProducerState::NONE);
            assert_eq!(checksum_of(&batch), crc32c::checksum(&batch[21..]), "{count} compressed");
        }
    }

    fn checksum_of(batch: &[u8]) -> u32 {
        BigEndian::read_u32(&batch[17..])
    }

    fn builder_of_three() -> MemoryRecordsBuilder {
        let mut headers = Headers::new();
        headers.add(Header::new("h1", Some(b"v1".as_slice())));
        headers.add(Header::new("h2", None::<&[u8]>));
        headers.add(Header::new("", Some(b"".as_slice())));
        let none = Headers::new();
        let mut builder = MemoryRecordsBuilder::new(Vec::new(), 1000, 1000);
        append(&mut builder, NOW_MS, Some(b"k"), Some(b"v"), &none);
        append(&mut builder, NOW_MS + 5, None, Some(b"second"), &headers);
        append(&mut builder, NOW_MS - 3, Some(b"k3"), None, &none);
        builder
    }

    fn append(
        builder: &mut MemoryRecordsBuilder,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &Headers<'_>,
    ) -> Option<u32> {
        builder.try_append(&RecordContents::new(timestamp_ms, key, value, headers))
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
