//! Batches for the tests of this module, right or wrong in every respect, written independently of the client.

use crate::utils::crc32c;

/// A batch in the making: values only, all other fields as a producer without idempotence sets them.
#[derive(Clone, Debug)]
pub(super) struct TestBatch {
    values: Vec<String>,
    attributes: i16,
    last_offset_delta: i32,
    record_count: i32,
    offset_step: i64,
    producer: (i64, i16, i32),
}

impl TestBatch {
    pub(super) fn of(values: &[&str]) -> Self {
        let record_count = i32::try_from(values.len()).unwrap();
        Self {
            values: values.iter().map(ToString::to_string).collect(),
            attributes: 0,
            last_offset_delta: record_count - 1,
            record_count,
            offset_step: 1,
            producer: (-1, -1, -1),
        }
    }

    pub(super) fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> Self {
        self.producer = (id, epoch, base_sequence);
        self
    }

    pub(super) fn attributes(mut self, attributes: i16) -> Self {
        self.attributes = attributes;
        self
    }

    pub(super) fn last_offset_delta(mut self, delta: i32) -> Self {
        self.last_offset_delta = delta;
        self
    }

    pub(super) fn record_count(mut self, count: i32) -> Self {
        self.record_count = count;
        self
    }

    pub(super) fn offset_step(mut self, step: i64) -> Self {
        self.offset_step = step;
        self
    }

    pub(super) fn build(&self) -> Vec<u8> {
        let mut checked = Vec::new();
        checked.extend(self.attributes.to_be_bytes());
        checked.extend(self.last_offset_delta.to_be_bytes());
        checked.extend(1_000_i64.to_be_bytes()); // base timestamp
        checked.extend(1_000_i64.to_be_bytes()); // max timestamp
        checked.extend(self.producer.0.to_be_bytes());
        checked.extend(self.producer.1.to_be_bytes());
        checked.extend(self.producer.2.to_be_bytes());
        checked.extend(self.record_count.to_be_bytes());
        for (index, value) in (0_i64..).zip(&self.values) {
            checked.extend(record(index * self.offset_step, value));
        }
        let mut batch = Vec::new();
        batch.extend(0_i64.to_be_bytes());
        batch.extend(i32::try_from(checked.len() + 9).unwrap().to_be_bytes());
        batch.extend((-1_i32).to_be_bytes()); // leader epoch
        batch.push(2); // magic
        batch.extend(crc32c::checksum(&checked).to_be_bytes());
        batch.extend(checked);
        batch
    }
}

fn record(offset_delta: i64, value: &str) -> Vec<u8> {
    let mut fields = vec![0, 0]; // attributes, timestamp delta
    varint(offset_delta, &mut fields);
    varint(-1, &mut fields); // null key
    varint(i64::try_from(value.len()).unwrap(), &mut fields);
    fields.extend(value.as_bytes());
    varint(0, &mut fields); // headers
    let mut record = Vec::new();
    varint(i64::try_from(fields.len()).unwrap(), &mut record);
    record.extend(fields);
    record
}

fn varint(value: i64, out: &mut Vec<u8>) {
    let mut rest = u64::try_from(if value < 0 { -2 * value - 1 } else { 2 * value }).unwrap();
    while rest >= 128 {
        out.push(u8::try_from(rest % 128 + 128).unwrap());
        rest /= 128;
    }
    out.push(u8::try_from(rest).unwrap());
}
