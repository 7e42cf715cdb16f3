//! Stands for a cluster of one broker: answers what a producer asks, keeps nothing and checks nothing.
//!
//! Of each API but ApiVersions it knows one version, the newest that has no tagged fields, so that all producers speak
//! the same to it. For each line of its input it tells how many records it was sent since the last, and in how many bytes.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const INIT_PRODUCER_ID: i16 = 22;
/// What it says it can do. Some clients take a broker without Fetch and the like for an ancient one.
const VERSIONS: [(i16, i16, i16); 7] = [
    (PRODUCE, 3, 8),
    (1, 4, 11),
    (2, 1, 5),
    (METADATA, 8, 8),
    (10, 0, 2),
    (API_VERSIONS, 0, 3),
    (INIT_PRODUCER_ID, 0, 1),
];
const UNSUPPORTED_VERSION: i16 = 35;
const NODE: i32 = 1;
const BUFFER_BYTES: usize = 1 << 20;
/// Of a record batch: its header, and where the count of its records less one stands.
const BATCH_HEADER: usize = 61;
const LAST_OFFSET_DELTA: usize = 23;

/// A broker that keeps nothing.
#[derive(Debug, Parser)]
struct Options {
    /// 0 for one that is free; the address is printed
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How many partitions a topic has
    #[arg(long, default_value_t = 6)]
    partitions: i32,
    /// A topic with another number of partitions, as NAME=COUNT
    #[arg(long)]
    topic: Vec<String>,
    /// How long each answer is on its way, in microseconds
    #[arg(long, default_value_t = 0)]
    delay_us: u64,
}

struct Broker {
    port: u16,
    partitions: i32,
    topics: HashMap<String, i32>,
    delay: Duration,
    /// The next offset of each partition, by topic.
    offsets: Mutex<HashMap<String, HashMap<i32, i64>>>,
    received: Received,
}

/// What requests to produce have brought: records, and bytes with everything that surrounds these.
#[derive(Default)]
struct Received {
    records: AtomicU64,
    bytes: AtomicU64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let listener = TcpListener::bind(("127.0.0.1", options.port))?;
    let port = listener.local_addr()?.port();
    let topics = options.topic.iter().map(|topic| {
        let (name, count) = topic.split_once('=').ok_or("a topic is NAME=COUNT")?;
        Ok((name.to_owned(), count.parse()?))
    });
    let broker = Arc::new(Broker {
        port,
        partitions: options.partitions,
        topics: topics.collect::<Result<_, Box<dyn Error>>>()?,
        delay: Duration::from_micros(options.delay_us),
        offsets: Mutex::default(),
        received: Received::default(),
    });
    println!("127.0.0.1:{port}");
    let asked = Arc::clone(&broker);
    thread::spawn(move || asked.tell_received());
    for stream in listener.incoming() {
        let (stream, broker) = (stream?, Arc::clone(&broker));
        thread::spawn(move || {
            if let Err(error) = broker.serve(stream) {
                eprintln!("a connection ended: {error}");
            }
        });
    }
    Ok(())
}

/// When an answer is due, and its bytes.
type LateAnswer = (Instant, Vec<u8>);

impl Broker {
    fn tell_received(&self) {
        for _ in io::stdin().lines() {
            let [records, bytes] = [&self.received.records, &self.received.bytes]
                .map(|count| count.swap(0, Ordering::Relaxed));
            println!("{records} {bytes}");
        }
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let later = self.later(&stream)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        let (mut start, mut end) = (0, 0);
        let mut answer = Vec::new();
        loop {
            while let Some(size) = frame_size(&buffer[start..end]) {
                let frame = &buffer[start + 4..start + 4 + size];
                answer.clear();
                answer.extend([0; 4]);
                let is_wanted = self.answer(&mut Reader(frame), &mut answer)?;
                start += 4 + size;
                if !is_wanted {
                    continue;
                }
                let length = (answer.len() - 4) as i32;
                answer[..4].copy_from_slice(&length.to_be_bytes());
                match &later {
                    Some(later) => later
                        .send((Instant::now() + self.delay, answer.clone()))
                        .map_err(io::Error::other)?,
                    None => stream.write_all(&answer)?,
                }
            }
            buffer.copy_within(start..end, 0);
            (start, end) = (0, end - start);
            if end == buffer.len() {
                buffer.resize(2 * end, 0);
            }
            match stream.read(&mut buffer[end..])? {
                0 => return Ok(()),
                count => end += count,
            }
        }
    }

    /// Who sends the answers of a connection that are on their way for a while.
    fn later(&self, stream: &TcpStream) -> io::Result<Option<Sender<LateAnswer>>> {
        if self.delay.is_zero() {
            return Ok(None);
        }
        let mut stream = stream.try_clone()?;
        let (sender, answers) = mpsc::channel::<LateAnswer>();
        thread::spawn(move || {
            for (due, answer) in answers {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if stream.write_all(&answer).is_err() {
                    return;
                }
            }
        });
        Ok(Some(sender))
    }

    /// Returns whether there is an answer at all.
    fn answer(&self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> io::Result<bool> {
        let (api, version) = (request.i16()?, request.i16()?);
        put_i32(out, request.i32()?);
        request.string()?; // the client's id
        match api {
            API_VERSIONS => api_versions(version, out),
            METADATA => self.metadata(request, out)?,
            INIT_PRODUCER_ID => {
                put_i32(out, 0);
                put_i16(out, 0);
                put_i64(out, 7);
                put_i16(out, 0);
            }
            PRODUCE => return self.produce(version, request, out),
            _ => return Err(io::Error::other(format!("no such API here: {api}"))),
        }
        Ok(true)
    }

    fn metadata(&self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> io::Result<()> {
        let asked =
            (0..request.i32()?).map(|_| request.string()).collect::<io::Result<Vec<_>>>()?;
        put_i32(out, 0); // no throttling
        put_i32(out, 1);
        put_i32(out, NODE);
        put_string(out, "127.0.0.1");
        put_i32(out, i32::from(self.port));
        put_i16(out, -1); // no rack
        put_string(out, "sink");
        put_i32(out, NODE); // the controller
        put_i32(out, asked.len() as i32);
        for name in asked {
            let count = self.topics.get(name).copied().unwrap_or(self.partitions);
            put_i16(out, 0);
            put_string(out, name);
            out.push(0);
            put_i32(out, count);
            for partition in 0..count {
                put_i16(out, 0);
                // Number, leader and its epoch; replicas, in-sync ones, offline ones.
                [partition, NODE, 0, 1, NODE, 1, NODE, 0]
                    .into_iter()
                    .for_each(|number| put_i32(out, number));
            }
            put_i32(out, i32::MIN); // operations not asked for
        }
        put_i32(out, i32::MIN);
        Ok(())
    }

    fn produce(
        &self,
        version: i16,
        request: &mut Reader<'_>,
        out: &mut Vec<u8>,
    ) -> io::Result<bool> {
        self.received.bytes.fetch_add(request.0.len() as u64, Ordering::Relaxed);
        request.string()?; // no transaction
        let acks = request.i16()?;
        request.i32()?;
        let mut all_offsets =
            self.offsets.lock().map_err(|_| io::Error::other("a panic elsewhere"))?;
        let topics = request.i32()?;
        put_i32(out, topics);
        for _ in 0..topics {
            let name = request.string()?;
            put_string(out, name);
            let offsets = all_offsets.entry(name.to_owned()).or_default();
            let partitions = request.i32()?;
            put_i32(out, partitions);
            for _ in 0..partitions {
                let partition = request.i32()?;
                let size = request.i32()?;
                let next = offsets.entry(partition).or_insert(0);
                put_i32(out, partition);
                put_i16(out, 0);
                put_i64(out, *next);
                let count = record_count(request.bytes(size)?);
                *next += count;
                self.received.records.fetch_add(count as u64, Ordering::Relaxed);
                put_i64(out, -1); // the records keep their time
                if version >= 5 {
                    put_i64(out, 0); // where the log begins
                }
                if version >= 8 {
                    put_i32(out, 0); // no record is at fault
                    put_i16(out, -1); // nothing to say
                }
            }
        }
        put_i32(out, 0);
        Ok(acks != 0)
    }
}

fn api_versions(version: i16, out: &mut Vec<u8>) {
    let is_known = version <= 3;
    let is_flexible = version == 3;
    put_i16(out, if is_known { 0 } else { UNSUPPORTED_VERSION });
    if is_flexible {
        out.push(VERSIONS.len() as u8 + 1);
    } else {
        put_i32(out, VERSIONS.len() as i32);
    }
    for (api, oldest, newest) in VERSIONS {
        [api, oldest, newest].into_iter().for_each(|number| put_i16(out, number));
        if is_flexible {
            out.push(0);
        }
    }
    if is_known && version > 0 {
        put_i32(out, 0);
    }
    if is_flexible {
        out.push(0);
    }
}

/// The size of the first frame, if all of it is there.
fn frame_size(bytes: &[u8]) -> Option<usize> {
    let (size, rest) = bytes.split_first_chunk()?;
    let size = u32::from_be_bytes(*size) as usize;
    (rest.len() >= size).then_some(size)
}

fn record_count(batch: &[u8]) -> i64 {
    let delta = batch.get(LAST_OFFSET_DELTA..BATCH_HEADER).and_then(|bytes| bytes.first_chunk());
    delta.map_or(0, |delta| i64::from(i32::from_be_bytes(*delta)) + 1)
}

/// The rest of a request.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn i16(&mut self) -> io::Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> io::Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// Null is empty here.
    fn string(&mut self) -> io::Result<&'a str> {
        let size = self.i16()?;
        std::str::from_utf8(self.bytes(size.into())?).map_err(io::Error::other)
    }

    fn bytes(&mut self, size: i32) -> io::Result<&'a [u8]> {
        let size = usize::try_from(size).unwrap_or(0);
        let (taken, rest) = self.0.split_at_checked(size).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(*taken)
    }
}

fn put_i16(out: &mut Vec<u8>, value: i16) {
    out.extend(value.to_be_bytes());
}

fn put_i32(out: &mut Vec<u8>, value: i32) {
    out.extend(value.to_be_bytes());
}

fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend(value.to_be_bytes());
}

fn put_string(out: &mut Vec<u8>, value: &str) {
    put_i16(out, value.len() as i16);
    out.extend(value.as_bytes());
}
