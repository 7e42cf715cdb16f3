//! The checkers' own tests: a good course of events, and many spoiled ones that each has to be found.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::common::topic_partition::TopicPartition;
use crate::common::uuid::Uuid;
use crate::error::{Error, ErrorCode, Persistence};
use crate::mock_cluster::MockRecord;
use crate::producer::record_metadata::RecordMetadata;
use crate::simulation::checkers::{Evidence, check};
use crate::simulation::history::{Acknowledged, Answer, Failed, History, SentRecord, value_of};
use crate::simulation::scenario::Scenario;
use crate::simulation::sending::headers_of;
use crate::simulation::wire_log::{WireAnswer, WireBatch, WireLog};
use crate::simulation::world::{LONG_LIVED_PRODUCER, PartitionEvidence};
use crate::utils::clock::Instant;
use crate::utils::random::Random;

/// Records 0 to 3 are acknowledged in one partition, record 4 is refused.
const ACKNOWLEDGED: usize = 4;
const REFUSED: usize = 4;
const TIME: i64 = 1_000;
const SIZE: usize = 20;

/// Evidence that owns its parts.
struct Course {
    scenario: Scenario,
    history: History,
    logs: Vec<PartitionEvidence>,
    wire: WireLog,
    truncated: BTreeSet<(String, i32, i64, usize)>,
}

#[test]
fn a_good_course_is_not_complained_of() {
    assert_eq!(Course::good().complaints(), Vec::<String>::new());
}

#[test]
fn a_lost_record_is_missed() {
    check_spoiled("INV-02", |course| {
        course.log().pop();
    });
}

#[test]
fn only_what_was_truncated_may_be_missing() {
    let mut course = Course::good();
    course.log().pop();
    course.truncated.insert(("topic-0".to_owned(), 0, 3, 3));
    assert_eq!(course.complaints(), Vec::<String>::new());

    check_spoiled("INV-02", |course| {
        course.log().pop();
        course.truncated.insert(("topic-0".to_owned(), 0, 2, 2));
    });
}

#[test]
fn sequences_that_begin_anew_instead_of_going_round_are_seen() {
    check_spoiled("INV-14", |course| {
        course.scenario.quirks.records_before_wrap = Some(1);
        for (batch, sequence) in course.wire.batches.iter_mut().zip([i32::MAX, 0]) {
            (batch.producer_id, batch.base_sequence) = (LONG_LIVED_PRODUCER, sequence);
        }
    });
}

#[test]
fn a_doubled_record_is_seen() {
    check_spoiled("INV-03", |course| {
        let again = MockRecord { offset: 4, ..course.log()[0].clone() };
        course.log().push(again);
    });
}

#[test]
fn more_copies_than_were_sent_are_seen() {
    check_spoiled("INV-04", |course| {
        let again = MockRecord { offset: 4, ..course.log()[0].clone() };
        course.log().push(again);
    });
}

#[test]
fn swapped_records_are_seen() {
    check_spoiled("INV-06", |course| {
        let log = course.log();
        log.swap(1, 2);
        (log[1].offset, log[2].offset) = (1, 2);
    });
}

#[test]
fn only_what_was_given_up_under_an_earlier_producer_id_may_be_behind_a_later_record() {
    check_spoiled("INV-06", late_under_an_earlier_producer_id);

    let mut course = Course::good();
    late_under_an_earlier_producer_id(&mut course);
    let Err(refusal) = course.answer(REFUSED).result.clone() else { unreachable!() };
    let given_up = Failed { persistence: Persistence::Perhaps, ..refusal };
    course.answer(2).result = Err(given_up.clone());
    let complaints = course.complaints();
    assert!(!complaints.iter().any(|it| it.contains("INV-06")), "{complaints:#?}");

    check_spoiled("INV-06", |course| {
        late_under_an_earlier_producer_id(course);
        course.answer(2).result = Err(given_up.clone());
        course.log()[3].producer_id = 1;
    });
}

/// Record 2 is the last in the log.
fn late_under_an_earlier_producer_id(course: &mut Course) {
    let log = course.log();
    log.swap(2, 3);
    (log[2].offset, log[3].offset) = (2, 3);
    log[3].producer_id = 0;
}

#[test]
fn a_flipped_bit_is_seen() {
    check_spoiled("INV-01", |course| course.log()[2].value.as_mut().unwrap()[SIZE - 1] ^= 1);
}

#[test]
fn an_invented_record_is_seen() {
    check_spoiled("INV-01", |course| course.log()[2].value = Some(value_of(99, SIZE)));
}

#[test]
fn a_lost_header_is_seen() {
    check_spoiled("INV-01", |course| {
        course.log()[3].headers.pop();
    });
}

#[test]
fn another_time_is_seen() {
    check_spoiled("INV-01", |course| course.log()[0].timestamp += 1);
}

#[test]
fn an_empty_key_in_place_of_none_is_seen() {
    check_spoiled("INV-01", |course| course.log()[0].key = Some(Vec::new()));
}

#[test]
fn a_record_in_another_topic_is_seen() {
    check_spoiled("INV-01", |course| course.logs[0].topic = "topic-1".to_owned());
}

#[test]
fn a_record_in_another_partition_is_seen() {
    check_spoiled("INV-01", |course| course.logs[0].partition = 1);
}

#[test]
fn a_refused_record_in_the_log_is_seen() {
    check_spoiled("INV-05", |course| {
        let refused = record(REFUSED, 4);
        course.log().push(refused);
    });
}

#[test]
fn an_acknowledgement_of_another_offset_is_seen() {
    check_spoiled("INV-02", |course| {
        course.answer(1).result = Ok(Acknowledged { offset: 2, timestamp_ms: TIME });
    });
}

#[test]
fn two_records_at_one_offset_are_seen() {
    check_spoiled("INV-07", |course| {
        course.answer(2).result = Ok(Acknowledged { offset: 1, timestamp_ms: TIME });
    });
}

#[test]
fn a_gap_in_the_log_is_seen() {
    check_spoiled("INV-07", |course| course.log()[3].offset = 5);
}

#[test]
fn an_unanswered_record_is_seen() {
    check_spoiled("INV-08", |course| course.history.records[2].answer = None);
}

#[test]
fn a_doubled_callback_is_seen() {
    let mut course = Course::good();
    let metadata = RecordMetadata {
        topic_partition: TopicPartition::new(Arc::from("topic-0"), 0),
        offset: 0,
        timestamp_ms: TIME,
        serialized_key_size: -1,
        serialized_value_size: 20,
    };

    course.history.answer(0, Ok(&metadata));

    assert!(course.history.complaints[0].contains("INV-08"), "{:?}", course.history.complaints);
}

#[test]
fn a_callback_after_the_end_is_seen() {
    let mut course = Course::good();
    course.history.is_ended = true;

    course.history.answer(REFUSED, Err(&Error::from(ErrorCode::InvalidRecord)));

    assert!(course.history.complaints[0].contains("INV-12"), "{:?}", course.history.complaints);
}

#[test]
fn callbacks_out_of_order_are_seen() {
    check_spoiled("INV-08", |course| course.answer(0).turn = 9);
}

#[test]
fn a_late_answer_is_seen() {
    check_spoiled("INV-09", |course| {
        let limit = course.scenario.settings.delivery_timeout;
        course.answer(0).at = Instant::ZERO + limit + Duration::from_millis(101);
    });
}

#[test]
fn a_gap_in_the_sequences_is_seen() {
    check_spoiled("INV-14", |course| course.wire.batches[1].base_sequence = 3);
}

#[test]
fn a_gap_in_the_sequences_of_a_later_epoch_is_seen() {
    check_spoiled("INV-14", |course| {
        course.wire.batches.iter_mut().for_each(|batch| batch.epoch = 1);
        course.wire.batches[1].base_sequence = 3;
    });
}

#[test]
fn insisting_on_sequences_that_are_out_of_order_is_seen() {
    check_spoiled("INV-14", |course| {
        let refused = course.answered(1, ErrorCode::OutOfOrderSequenceNumber);
        course.wire.batches.extend([refused.clone(), refused.clone(), refused]);
    });
}

// What was acknowledged in between was sent before, and tells nothing of the one that is refused.
#[test]
fn insisting_on_sequences_behind_those_that_were_acknowledged_is_seen() {
    check_spoiled("INV-14", |course| {
        let refused = course.answered(1, ErrorCode::OutOfOrderSequenceNumber);
        let acknowledged = course.answered(0, ErrorCode::None);
        course.wire.batches.extend([refused.clone(), refused.clone(), acknowledged, refused]);
    });
}

#[test]
fn a_sequence_for_two_batches_is_seen() {
    check_spoiled("INV-14", |course| course.wire.batches[1].base_sequence = 0);
}

#[test]
fn a_falling_epoch_is_seen() {
    check_spoiled("INV-14", |course| {
        course.wire.batches[0].epoch = 1;
    });
}

#[test]
fn too_many_requests_at_once_are_seen() {
    check_spoiled("INV-14", |course| course.wire.most_in_flight = 2);
}

#[test]
fn too_large_a_request_is_seen() {
    check_spoiled("INV-15", |course| course.wire.largest_shared_request = usize::MAX);
}

#[test]
fn a_batch_for_the_wrong_broker_is_seen() {
    check_spoiled("INV-16", |course| course.wire.batches[0].announced_leader = Some(NodeId(2)));
}

#[test]
fn a_hurried_retry_is_seen() {
    check_spoiled("INV-16", |course| {
        let again = course.wire.batches[1].clone();
        course.wire.batches.push(again);
    });
}

#[test]
fn a_batch_that_does_not_linger_is_seen() {
    check_spoiled("ACC-01", |course| {
        course.scenario.families.errors = None;
        course.scenario.settings.batch_size = 10_000;
        course.scenario.settings.buffer_memory = 1_000_000;
        course.scenario.settings.linger = Duration::from_millis(500);
        course.wire.batches[0].record_count = 5; // nothing follows that would have sent it
    });
}

#[test]
fn a_hurried_connection_attempt_is_seen() {
    check_spoiled("INV-23", |course| {
        let again = course.wire.connects[0];
        course.wire.connects.push(again);
    });
}

#[test]
fn hurried_requests_for_metadata_are_seen() {
    check_spoiled("INV-23", |course| {
        course.wire.metadata_requests = vec![(Instant::ZERO, NodeId(1)); 9];
    });
}

#[test]
fn a_failure_where_nothing_went_wrong_is_seen() {
    check_spoiled("INV-28", |course| course.scenario.families.errors = None);
}

fn check_spoiled(invariant: &str, spoil: impl FnOnce(&mut Course)) {
    let mut course = Course::good();

    spoil(&mut course);

    let complaints = course.complaints();
    let is_found = complaints.iter().any(|complaint| complaint.starts_with(invariant));
    assert!(is_found, "{invariant} is not among {complaints:#?}");
}

impl Course {
    /// The batch that was sent as this one, with another answer.
    fn answered(&self, number: usize, code: ErrorCode) -> WireBatch {
        let answer = Some(WireAnswer { at: Instant::ZERO, code, leader: None });
        WireBatch { answer, ..self.wire.batches[number].clone() }
    }

    fn good() -> Self {
        let mut scenario = Scenario::draw(&mut Random::new(1));
        scenario.settings.is_idempotent = true;
        scenario.settings.acks = -1;
        scenario.settings.max_in_flight = 1;
        scenario.settings.retries = u32::MAX;
        scenario.settings.retry_backoff = Duration::from_millis(100);
        scenario.settings.retry_backoff_max = Duration::from_secs(1);
        scenario.topics.iter_mut().for_each(|topic| topic.has_log_append_time = false);
        let pace = Some(Duration::from_secs(1));
        scenario.families = Default::default();
        scenario.families.errors = pace;
        let records = (0..=REFUSED).map(sent).collect();
        let log = (0..ACKNOWLEDGED).zip(0..).map(|(id, offset)| record(id, offset)).collect();
        let wire = WireLog {
            batches: vec![batch(0, 0), batch(2, 10)],
            connects: vec![(Instant::ZERO, NodeId(1))],
            most_in_flight: 1,
            ..WireLog::default()
        };
        Self {
            scenario,
            history: History { records, ..History::default() },
            logs: vec![PartitionEvidence {
                topic: "topic-0".to_owned(),
                partition: 0,
                is_deleted: false,
                records: log,
            }],
            wire,
            truncated: BTreeSet::new(),
        }
    }

    fn complaints(&self) -> Vec<String> {
        check(&Evidence {
            scenario: &self.scenario,
            history: &self.history,
            logs: self.logs.clone(),
            wire: &self.wire,
            truncated: &self.truncated,
            is_fatal: false,
        })
    }

    fn log(&mut self) -> &mut Vec<MockRecord> {
        &mut self.logs[0].records
    }

    fn answer(&mut self, id: usize) -> &mut Answer {
        self.history.records[id].answer.as_mut().unwrap()
    }
}

fn sent(id: usize) -> SentRecord {
    let offset = i64::try_from(id).unwrap();
    let refusal = Failed {
        persistence: Persistence::Refused,
        code: Some(ErrorCode::InvalidRecord),
        attempts: 1,
        elapsed: None,
        text: "refused".to_owned(),
    };
    let acknowledged = Acknowledged { offset, timestamp_ms: TIME };
    SentRecord {
        caller: 0,
        topic: "topic-0".to_owned(),
        partition: Some(0),
        key: None,
        value_size: SIZE,
        timestamp_ms: TIME,
        accepted_at: Instant::ZERO,
        answer: Some(Answer {
            at: Instant::ZERO,
            turn: id as u64,
            partition: 0,
            result: if id == REFUSED { Err(refusal) } else { Ok(acknowledged) },
        }),
        future: None,
    }
}

fn record(id: usize, offset: i64) -> MockRecord {
    let headers = headers_of(id, true);
    let headers = headers.iter();
    MockRecord {
        offset,
        timestamp: TIME,
        key: None,
        value: Some(value_of(id, SIZE)),
        headers: headers
            .map(|header| (header.key().to_owned(), header.value().map(<[u8]>::to_vec)))
            .collect(),
        producer_id: 1,
        producer_epoch: 0,
        sequence: 0,
    }
}

fn batch(base_sequence: i32, milliseconds: u64) -> WireBatch {
    WireBatch {
        at: Instant::ZERO + Duration::from_millis(milliseconds),
        node: NodeId(1),
        topic: "topic-0".to_owned(),
        topic_id: Uuid::ZERO,
        partition: 0,
        producer_id: 1,
        epoch: 0,
        base_sequence,
        record_count: 2,
        first_id: usize::try_from(base_sequence).ok(),
        size: 100,
        is_message_set: false,
        records_hash: u64::from(base_sequence.unsigned_abs()),
        announced_leader: Some(NodeId(1)),
        announced_epoch: Some(1),
        answer: None,
    }
}
