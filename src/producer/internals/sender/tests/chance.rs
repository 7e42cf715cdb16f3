//! Chance decides what happens, brokers check what they are sent, and in the end every promise must hold.

use std::collections::VecDeque;
use std::ops::Range;

use super::*;
use crate::utils::sync::Mutex;

const PARTITIONS: i32 = 2;
const MEMORY: usize = 20 * BATCH_SIZE;
const NODES: [NodeId; 2] = [NODE_1, NODE_2];
const STEPS: usize = 250;
const SEEDS: Range<u64> = 0..60;

// ACC-07
#[test]
fn with_idempotence_every_record_is_answered_once_and_is_in_the_log_once_and_in_order() {
    for seed in SEEDS {
        let mut world = World::new(Setup::new().idempotent().linger(), seed);
        world.run();
        world.check_log();
        world.check_order();
    }
}

#[test]
fn without_idempotence_every_record_is_answered_once() {
    for seed in SEEDS {
        let mut world = World::new(Setup::new().linger(), seed);
        world.run();
    }
}

#[test]
fn with_one_request_in_flight_the_order_holds_without_idempotence() {
    for seed in SEEDS {
        let setup = Setup::new().linger().with(|settings| settings.guarantees_order = true);
        let mut world = World::new(setup, seed);
        world.fixture.client.set_max_in_flight(1);
        world.run();
        world.check_order();
    }
}

/// What became of a record: its offset, or why it failed.
type Answers = Arc<Mutex<Vec<Result<i64, Error>>>>;

struct World {
    fixture: Fixture,
    random: Random,
    seed: u64,
    is_idempotent: bool,
    leaders: Vec<NodeId>,
    logs: Vec<Log>,
    /// By number: the partition and the answers of each record.
    records: Vec<(i32, Answers)>,
    /// Requests of lost connections that a broker has yet to handle. It does so before it handles newer ones.
    late: Vec<(NodeId, Vec<Incoming>)>,
    producer_ids: i64,
}

/// A partition, as the brokers keep it.
#[derive(Default)]
struct Log {
    records: Vec<usize>,
    producer: Option<(i64, i16)>,
    next_sequence: i32,
    /// First sequence and offset of the last five batches.
    last: VecDeque<(i32, i64)>,
}

/// A batch that reaches a broker, with the numbers of its records.
struct Incoming {
    header: SentBatch,
    records: Vec<usize>,
}

impl World {
    fn new(setup: Setup, seed: u64) -> Self {
        let is_idempotent = setup.settings.is_idempotent;
        let setup = setup.buffer_memory(MEMORY).with(|settings| {
            settings.delivery_timeout = Duration::from_secs(3);
            settings.max_request_size = 2500;
        });
        let fixture = setup.start();
        fixture.client.set_max_in_flight(5);
        Self {
            fixture,
            random: Random::new(seed),
            seed,
            is_idempotent,
            leaders: vec![NODE_1; PARTITIONS as usize],
            logs: (0..PARTITIONS).map(|_| Log::default()).collect(),
            records: Vec::new(),
            late: Vec::new(),
            producer_ids: 0,
        }
    }

    /// Some steps of chance; then all goes well, and the promises are checked.
    fn run(&mut self) {
        for _ in 0..STEPS {
            self.step();
            let timeout = self.fixture.rest();
            let is_owed = !self.fixture.accumulator.incomplete().is_empty();
            assert!(timeout.is_some() || !is_owed, "seed {}: nothing would happen", self.seed);
        }
        self.heal();
        self.check_answers();
        // Nothing may be left that holds a partition up.
        let first = self.records.len();
        for partition in 0..PARTITIONS {
            self.append(partition);
        }
        self.heal();
        self.check_answers();
        for (_, answers) in &self.records[first..] {
            assert!(answers.lock()[0].is_ok(), "seed {}: {answers:?}", self.seed);
        }
    }

    /// Lets all go well until everything is answered.
    fn heal(&mut self) {
        self.late.clear();
        for node in NODES {
            self.fixture.client.set_ready(node, true);
        }
        self.publish_leaders();
        for _ in 0..200 {
            for node in NODES {
                while self.answer_oldest(node, false) {}
            }
            self.answer_producer_id(false);
            match self.fixture.rest() {
                Some(timeout) if self.fixture.client.in_flight().is_empty() => {
                    self.fixture.advance(timeout);
                }
                None if self.fixture.sender.is_drained() => return,
                _ => {}
            }
        }
    }

    fn step(&mut self) {
        let node = NODES[self.random.below(2)];
        match self.random.below(20) {
            0..=6 => {
                let partition = i32::try_from(self.random.below(self.leaders.len()));
                for _ in 0..=self.random.below(8) {
                    self.append(partition.expect("small"));
                }
            }
            7..=10 => drop(self.answer_oldest(node, true)),
            11 => self.lose_connection(node),
            12 => self.deliver_late(node),
            13 => {
                let is_ready = self.random.below(3) > 0;
                self.fixture.client.set_ready(node, is_ready);
            }
            14 => {
                NODES.into_iter().for_each(|node| self.deliver_late(node));
                let partition = self.random.below(self.leaders.len());
                self.leaders[partition] = node;
            }
            15 => self.publish_leaders(),
            16 | 17 => self.answer_producer_id(true),
            _ => {
                let time = [1, 20, 100, 500][self.random.below(4)];
                self.fixture.advance(Duration::from_millis(time));
            }
        }
    }

    fn append(&mut self, partition: i32) {
        let number = self.records.len();
        let mut value = number.to_be_bytes().to_vec();
        value.resize(8 + self.random.below(700), 0);
        let answers = Answers::default();
        let told = Arc::clone(&answers);
        let mut callback: Option<Callback> = Some(Box::new(move |result| {
            told.lock().push(result.map(RecordMetadata::offset).map_err(Clone::clone));
        }));
        let headers = Headers::new();
        if self.fixture.append_record(partition, &value, &headers, &mut callback).is_ok() {
            self.records.push((partition, answers));
        }
    }

    fn publish_leaders(&mut self) {
        let leaders: Vec<_> = (0..PARTITIONS).zip(self.leaders.iter().map(|node| node.0)).collect();
        self.fixture.lead(&leaders);
    }

    /// `node` handles its oldest request; with `by_chance` it may refuse batches for no reason.
    fn answer_oldest(&mut self, node: NodeId, by_chance: bool) -> bool {
        let Some(request) = self.oldest(node) else {
            return false;
        };
        self.deliver_late(node);
        let answers = self.incoming(request).into_iter().map(|batch| {
            let refusal = match self.random.below(20) {
                0 if by_chance => Some(ErrorCode::NotEnoughReplicas),
                1 if by_chance => Some(ErrorCode::TopicAuthorizationFailed),
                _ => None,
            };
            let appended = match refusal {
                Some(code) => Err(code),
                None => self.deliver(node, &batch),
            };
            let error_code = appended.err().unwrap_or(ErrorCode::None);
            let base_offset = appended.unwrap_or(-1);
            let index = batch.header.partition;
            PartitionProduceResponse {
                index,
                error_code,
                base_offset,
                ..PartitionProduceResponse::default()
            }
        });
        let answers = answers.collect();
        self.fixture.answer(request, answers);
        true
    }

    /// Of the requests on the way to `node` some were handled, some are found on the socket later, some are lost.
    fn lose_connection(&mut self, node: NodeId) {
        let mut fate = self.random.below(3);
        while let Some(request) = self.oldest(node) {
            let batches = self.incoming(request);
            fate = fate.max(self.random.below(4));
            let written = match fate {
                0 => {
                    for batch in &batches {
                        let _ = self.deliver(node, batch);
                    }
                    true
                }
                1 | 2 if self.is_idempotent => {
                    self.late.push((node, batches));
                    true
                }
                _ => self.random.below(2) == 0,
            };
            let error = Error::new(ErrorKind::Disconnected);
            let timed_out = self.random.below(2) == 0;
            let outcome = ResponseOutcome::Disconnected { error, timed_out, written };
            self.fixture.client.respond(request, outcome);
        }
    }

    fn deliver_late(&mut self, node: NodeId) {
        let (of_node, others) = self.late.drain(..).partition(|(of, _)| *of == node);
        self.late = others;
        let of_node: Vec<(NodeId, Vec<Incoming>)> = of_node;
        for batch in of_node.iter().flat_map(|(_, batches)| batches) {
            let _ = self.deliver(node, batch);
        }
    }

    fn answer_producer_id(&mut self, by_chance: bool) {
        let Some(request) = self.fixture.producer_id_requests().first().copied() else {
            return;
        };
        let mut answer = InitProducerIdResponse::default();
        if by_chance && self.random.below(3) == 0 {
            answer.error_code = ErrorCode::CoordinatorLoadInProgress;
        } else {
            self.producer_ids += 1;
            answer.producer_id = self.producer_ids;
            answer.producer_epoch = if self.random.below(3) == 0 { i16::MAX } else { 0 };
        }
        self.fixture
            .client
            .respond(request, ResponseOutcome::Answered(ResponseBody::InitProducerId(answer)));
    }

    fn oldest(&self, node: NodeId) -> Option<i32> {
        let requests = self.fixture.requests();
        requests.iter().find(|request| request.node == node).map(|request| request.id)
    }

    fn incoming(&self, request: i32) -> Vec<Incoming> {
        self.fixture.client.inspect(request, |body| {
            let RequestBody::Produce(request) = body else {
                return Vec::new();
            };
            let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
            let batches = partitions.map(|partition| Incoming {
                header: parse(partition.index, &concat(&partition.records)),
                records: record_numbers(&concat(&partition.records)),
            });
            batches.collect()
        })
    }

    fn deliver(&mut self, node: NodeId, batch: &Incoming) -> Result<i64, ErrorCode> {
        let index = usize::try_from(batch.header.partition).expect("a partition");
        if self.leaders[index] != node {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        self.logs[index].append(batch)
    }

    fn check_answers(&self) {
        let seed = self.seed;
        for (number, (partition, answers)) in self.records.iter().enumerate() {
            let answers = answers.lock();
            assert_eq!(answers.len(), 1, "seed {seed}: answers of record {number}");
            let log = &self.logs[usize::try_from(*partition).expect("small")].records;
            match &answers[0] {
                Ok(offset) => {
                    let at_offset = log.get(usize::try_from(*offset).expect("an offset"));
                    assert_eq!(at_offset, Some(&number), "seed {seed}: offset {offset}");
                }
                Err(error) if error.persistence() == Persistence::Perhaps => {}
                Err(error) => {
                    assert!(!log.contains(&number), "seed {seed}: record {number}: {error}");
                }
            }
        }
        assert_eq!(self.fixture.available_memory(), MEMORY, "seed {seed}");
        assert!(self.fixture.sender.is_drained(), "seed {seed}");
    }

    /// Nothing is in a log twice.
    fn check_log(&self) {
        for log in &self.logs {
            let mut records = log.records.clone();
            records.sort_unstable();
            records.dedup();
            assert_eq!(records.len(), log.records.len(), "seed {}: {:?}", self.seed, log.records);
        }
    }

    /// The first appearances in each log are in the order of `send`.
    fn check_order(&self) {
        for log in &self.logs {
            let mut seen = BTreeSet::new();
            let firsts: Vec<_> =
                log.records.iter().filter(|number| seen.insert(**number)).collect();
            assert!(firsts.is_sorted(), "seed {}: {firsts:?}", self.seed);
        }
    }
}

impl Log {
    /// What a broker does; it takes any first sequence of a producer that it has not heard of.
    fn append(&mut self, batch: &Incoming) -> Result<i64, ErrorCode> {
        let SentBatch { producer_id, epoch, sequence, count, .. } = batch.header;
        let offset = i64::try_from(self.records.len()).expect("small");
        if producer_id >= 0 {
            let is_expected = match self.producer {
                Some((id, known)) if id == producer_id && known > epoch => {
                    return Err(ErrorCode::InvalidProducerEpoch);
                }
                Some((id, known)) if id == producer_id && known == epoch => {
                    let duplicate = self.last.iter().find(|(first, _)| *first == sequence);
                    if let Some((_, offset)) = duplicate {
                        return Ok(*offset);
                    }
                    sequence == self.next_sequence
                }
                Some((id, _)) if id == producer_id => sequence == 0,
                Some((id, _)) if id > producer_id => return Err(ErrorCode::InvalidProducerEpoch),
                _ => true,
            };
            if !is_expected {
                return Err(ErrorCode::OutOfOrderSequenceNumber);
            }
            if self.producer != Some((producer_id, epoch)) {
                self.last.clear();
            }
            self.producer = Some((producer_id, epoch));
            self.next_sequence = sequence + count;
            self.last.push_back((sequence, offset));
            if self.last.len() > 5 {
                self.last.pop_front();
            }
        }
        self.records.extend(&batch.records);
        Ok(offset)
    }
}

/// The numbers that the values of a batch's records begin with.
fn record_numbers(batch: &[u8]) -> Vec<usize> {
    let mut records = &batch[61..];
    let mut numbers = Vec::new();
    while !records.is_empty() {
        let size = usize::try_from(take_varint(&mut records)).expect("a size");
        let (mut record, rest) = records.split_at(size);
        record = &record[1..]; // attributes
        for _field in ["timestamp delta", "offset delta", "key length", "value length"] {
            take_varint(&mut record);
        }
        numbers.push(usize::from_be_bytes(record[..8].try_into().expect("a number")));
        records = rest;
    }
    numbers
}

fn take_varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0_u64, 0);
    loop {
        let (byte, rest) = bytes.split_first().expect("a whole varint");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value >> 1; // sizes are not negative, and other fields do not matter here
        }
    }
}
