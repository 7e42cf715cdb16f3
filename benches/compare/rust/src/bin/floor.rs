//! What none can beat: one thread that encodes records, takes the checksum and writes. No queue, no future, no callback.
//!
//! Three batches a request, five requests on their way. Then a ping-pong: one record a request, each answer awaited.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use compare::{Options, Start, letters, print_latencies, print_throughput};
use crc_fast::CrcAlgorithm;

const BATCHES_PER_REQUEST: i32 = 3;
const REQUESTS_ON_THEIR_WAY: usize = 5;
const BATCH_HEADER: usize = 61;
/// The most that a record takes beside its value.
const RECORD_OVERHEAD: usize = 21;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let mut wire =
        Wire { stream: TcpStream::connect(&options.bootstrap)?, unanswered: 0, answer: Vec::new() };
    wire.stream.set_nodelay(true)?;
    let value = letters(options.size);
    let mut request = Request { bytes: Vec::new(), topic: options.topic.clone(), number: 0 };
    if options.sync {
        print_latencies("floor", ping_pong(&mut wire, &mut request, &value, options.records)?);
        return Ok(());
    }
    let start = Start::now();
    let mut sent = 0;
    while sent < options.records {
        sent += request.fill(BATCHES_PER_REQUEST, options.batch, &value)?;
        if wire.unanswered == REQUESTS_ON_THEIR_WAY {
            wire.read_answer()?;
        }
        wire.write(&request.bytes)?;
    }
    while wire.unanswered > 0 {
        wire.read_answer()?;
    }
    print_throughput("floor", options.size, &start, sent, 0);
    Ok(())
}

fn ping_pong(
    wire: &mut Wire,
    request: &mut Request,
    value: &[u8],
    count: u64,
) -> io::Result<Vec<Duration>> {
    let round_trips = (0..count).map(|_| {
        let start = Instant::now();
        request.fill(1, 0, value)?;
        wire.write(&request.bytes)?;
        wire.read_answer()?;
        Ok(start.elapsed())
    });
    round_trips.collect()
}

struct Wire {
    stream: TcpStream,
    unanswered: usize,
    answer: Vec<u8>,
}

impl Wire {
    fn write(&mut self, request: &[u8]) -> io::Result<()> {
        self.unanswered += 1;
        self.stream.write_all(request)
    }

    fn read_answer(&mut self) -> io::Result<()> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        self.answer.resize(u32::from_be_bytes(size) as usize, 0);
        self.unanswered -= 1;
        self.stream.read_exact(&mut self.answer)
    }
}

/// A produce request, version 8, in memory that is used again and again.
struct Request {
    bytes: Vec<u8>,
    topic: String,
    number: i32,
}

impl Request {
    /// Makes a new one of full batches; returns how many records it has. A batch has one at least.
    fn fill(&mut self, batches: i32, batch_size: usize, value: &[u8]) -> io::Result<u64> {
        self.number += 1;
        let out = &mut self.bytes;
        out.clear();
        out.extend([0, 0, 0, 0, 0, 0, 0, 8]); // the length, later; Produce, version 8
        out.extend(self.number.to_be_bytes());
        out.extend(b"\0\x05floor\xff\xff\xff\xff\0\0\x75\x30\0\0\0\x01"); // no transaction, acks=all, 30 s, one topic
        out.extend((self.topic.len() as i16).to_be_bytes());
        out.extend(self.topic.as_bytes());
        out.extend(batches.to_be_bytes());
        let mut count = 0;
        for partition in 0..batches {
            out.extend(partition.to_be_bytes());
            let start = out.len() + 4;
            out.extend([0; 4 + BATCH_HEADER]);
            let records = put_records(out, start, batch_size, value);
            count += u64::from(records);
            let size = (out.len() - start) as i32;
            out[start - 4..start].copy_from_slice(&size.to_be_bytes());
            put_header(&mut out[start..], records as i32, now_ms()?);
        }
        let length = (out.len() - 4) as i32;
        out[..4].copy_from_slice(&length.to_be_bytes());
        Ok(count)
    }
}

fn put_records(out: &mut Vec<u8>, start: usize, batch_size: usize, value: &[u8]) -> u32 {
    let mut index = 0;
    while index == 0 || out.len() - start + value.len() + RECORD_OVERHEAD <= batch_size {
        let (offset, size) = (u64::from(index) << 1, (value.len() as u64) << 1);
        // Attributes, time, no key and no headers take a byte each.
        let body = 4 + varint_size(offset) + varint_size(size) + value.len();
        put_varint(out, (body as u64) << 1);
        out.extend([0, 0]);
        put_varint(out, offset);
        out.push(1);
        put_varint(out, size);
        out.extend_from_slice(value);
        out.push(0);
        index += 1;
    }
    index
}

fn put_header(batch: &mut [u8], records: i32, now_ms: i64) {
    let length = (batch.len() - 12) as i32;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[16] = 2; // the format's version
    batch[23..27].copy_from_slice(&(records - 1).to_be_bytes());
    batch[27..35].copy_from_slice(&now_ms.to_be_bytes());
    batch[35..43].copy_from_slice(&now_ms.to_be_bytes());
    batch[43..57].fill(0xff); // no producer id, no epoch, no sequence
    batch[57..61].copy_from_slice(&records.to_be_bytes());
    let checksum = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &batch[21..]) as u32;
    batch[17..21].copy_from_slice(&checksum.to_be_bytes());
}

fn now_ms() -> io::Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    Ok(since.as_millis() as i64)
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_size(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}
