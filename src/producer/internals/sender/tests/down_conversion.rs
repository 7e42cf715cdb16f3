//! Batches for brokers before 0.11, and what becomes of them when something else than an acknowledgement comes back.

use super::*;
use crate::common::header::Header;
use crate::compress::decompress;
use crate::producer::internals::partition_ref::PartitionId;
use crate::utils::sync::Mutex;

/// What Kafka 0.10 takes.
const OLD: i16 = 2;
/// A message of the values that these tests send: 34 bytes, and the value.
const MESSAGE: usize = 34 + 20;

// COMPAT-03
#[test]
fn a_new_leader_gets_what_an_old_one_gave_up_as_a_batch() {
    for codec in [CompressionType::None, CompressionType::Lz4] {
        let mut fixture = with_old_node_1(Setup::new().with(|settings| settings.codec = codec));
        let future = fixture.append(0, 500);
        let old = fixture.sent();
        assert_eq!((old.node, old.batches[0].magic), (NODE_1, 1));

        fixture.refuse(&old, ErrorCode::NotLeaderOrFollower);
        fixture.lead(&[(0, 2)]);
        let new = fixture.sent();

        assert_eq!((new.node, new.batches[0].magic, new.batches[0].count), (NODE_2, 2, 1));
        assert_eq!(new.batches[0].size < 500, codec == CompressionType::Lz4, "{new:?}");
        fixture.acknowledge(&new, 8);
        assert_eq!(offset(&future), 8);
        assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
    }
}

// COMPAT-03
#[test]
fn an_old_leader_gets_what_was_built_for_a_new_one() {
    let mut fixture = with_old_node_1(Setup::new());
    fixture.lead(&[(0, 2)]);
    let futures = [fixture.append(0, 20), fixture.append(0, 20)];
    let new = fixture.sent();
    assert_eq!(new.batches[0].magic, 2);

    fixture.refuse(&new, ErrorCode::NotLeaderOrFollower);
    fixture.lead(&[]);
    let old = fixture.sent();

    assert_eq!((old.node, old.batches[0].magic), (NODE_1, 1));
    assert_eq!((old.batches[0].count, old.batches[0].size), (2, 2 * MESSAGE));
    fixture.acknowledge(&old, 3);
    assert_eq!(futures.each_ref().map(offset), [3, 4]);
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
}

#[test]
fn a_batch_that_its_caller_compressed_is_read_back() {
    let lz4 = |settings: &mut SenderSettings| settings.codec = CompressionType::Lz4;
    let mut fixture = Setup::new().linger().with(lz4).start();
    let futures = fixture.fill(0);
    fixture.client.set_produce_version(NODE_1, OLD);

    let request = fixture.sent();

    let set = fixture.bytes(request.id);
    assert_eq!((set[16], set[17]), (1, 3), "a message of magic 1 that contains others in lz4");
    let mut plain = Vec::new();
    decompress(CompressionType::Lz4, &set[34..], &mut plain).expect("lz4");
    assert_eq!(plain.len(), 34 + 400 + 34 + 521);
    fixture.acknowledge(&request, 0);
    assert_eq!(futures.each_ref().map(offset), [0, 1]);
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
}

#[test]
fn callers_leave_batches_to_the_sender_while_an_old_broker_is_connected() {
    let lz4 = |settings: &mut SenderSettings| settings.codec = CompressionType::Lz4;
    let fixture = with_old_node_1(Setup::new().linger().with(lz4));

    fixture.fill(0);

    let queue = fixture.accumulator.queue(PartitionId::new(0)).expect("appended to");
    let mut batches = queue.lock();
    assert!(
        batches.tail().expect("a batch").start_compression().is_some(),
        "it is not compressed yet"
    );
}

#[test]
fn records_with_headers_fail_alone_and_the_others_keep_their_order() {
    let mut fixture = with_old_node_1(Setup::new().linger());
    let with_headers = [1, 2, 5];
    let told = Arc::new(Mutex::new(Vec::new()));
    let futures: Vec<_> = (0..6)
        .map(|index| {
            let told = Arc::clone(&told);
            let callback: Callback = Box::new(move |_| told.lock().push(index));
            append(&fixture, with_headers.contains(&index), callback)
        })
        .collect();
    fixture.advance(LINGER);

    let first = fixture.sent();
    assert_eq!(first.batches[0].count, 1);
    assert_eq!(*told.lock(), [0_usize; 0]);
    fixture.acknowledge(&first, 0);
    let second = fixture.request();
    assert_eq!(second.batches[0].count, 2);
    assert_eq!(*told.lock(), [0, 1, 2]);
    fixture.acknowledge(&second, 1);
    assert_eq!(*told.lock(), [0, 1, 2, 3, 4, 5]);

    for (index, future) in futures.iter().enumerate() {
        if with_headers.contains(&index) {
            let error = error(future);
            assert!(matches!(error.kind(), ErrorKind::UnsupportedVersion { .. }), "{error}");
            assert!(error.to_string().contains("broker-1:9092"), "it names the broker: {error}");
            assert_eq!(error.persistence(), Persistence::NeverSent);
        }
    }
    assert_eq!([0, 3, 4].map(|index: usize| offset(&futures[index])), [0, 1, 2]);
    assert!(fixture.accumulator.incomplete().is_empty());
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
}

#[test]
fn what_becomes_larger_than_expected_waits_for_the_next_request() {
    let limit = |settings: &mut SenderSettings| {
        settings.codec = CompressionType::Lz4;
        settings.max_request_size = 700;
    };
    let mut fixture = with_old_node_1(Setup::new().linger().with(limit));
    for base_offset in 0..250 {
        fixture.append(0, 600); // of zeros: the topic is expected to become small
        fixture.advance(LINGER);
        let request = fixture.sent();
        fixture.acknowledge(&request, base_offset);
    }
    for partition in [1, 2] {
        append_noise(&fixture, partition, 500);
    }
    fixture.advance(LINGER);
    fixture.rest();

    let sizes = fixture
        .requests()
        .into_iter()
        .map(|request| request.batches.iter().map(|batch| batch.size).collect::<Vec<_>>());
    assert_eq!(sizes.collect::<Vec<_>>(), [[534], [534]], "not both in one");
}

#[test]
fn what_is_too_large_as_a_message_set_is_split() {
    let limit = |settings: &mut SenderSettings| settings.max_request_size = 15 * MESSAGE;
    let mut fixture = with_old_node_1(Setup::new().linger().with(limit));
    let futures: Vec<_> = (0..20).map(|_| fixture.append(0, 20)).collect();
    fixture.advance(LINGER);

    fixture.rest();
    let mut base_offset = 0;
    for request in fixture.requests() {
        assert!(request.batches[0].size <= 15 * MESSAGE, "{request:?}");
        fixture.acknowledge(&request, base_offset);
        base_offset += i64::from(request.batches[0].count);
    }

    assert!(futures.iter().map(offset).eq(0..20));
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
}

#[test]
fn one_record_is_sent_however_large_it_becomes() {
    let limit = |settings: &mut SenderSettings| settings.max_request_size = 40;
    let mut fixture = with_old_node_1(Setup::new().with(limit));
    fixture.append(0, 20);

    assert_eq!(fixture.sent().batches[0].size, MESSAGE);
}

#[test]
fn what_an_old_broker_finds_too_large_is_split() {
    let mut fixture = with_old_node_1(Setup::new().linger());
    let futures = [fixture.append(0, 20), fixture.append(0, 20)];
    fixture.advance(LINGER);
    let whole = fixture.sent();

    fixture.refuse(&whole, ErrorCode::MessageTooLarge);

    let requests = fixture.requests();
    assert_eq!(requests.iter().map(|it| it.batches[0].count).collect::<Vec<_>>(), [1, 1]);
    for (request, base_offset) in requests.iter().zip(0..) {
        fixture.acknowledge(request, base_offset);
    }
    assert_eq!(futures.each_ref().map(offset), [0, 1]);
}

#[test]
fn the_memory_of_a_batch_that_expires_on_its_way_is_back_at_once() {
    let mut fixture = with_old_node_1(Setup::new());
    let future = fixture.append(0, 20);
    let request = fixture.sent();

    fixture.advance(DELIVERY_TIMEOUT);
    fixture.rest();

    assert_eq!(error(&future).persistence(), Persistence::Perhaps);
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
    fixture.acknowledge(&request, 0);
}

// COMPAT-03
#[test]
fn a_numbered_batch_for_an_old_leader_stays_a_batch_that_needs_a_newer_broker() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.client.set_produce_version(NODE_1, OLD);
    let future = fixture.append(0, 20);
    let request = fixture.sent();
    assert_eq!(request.batches[0].magic, 2);
    assert_eq!(fixture.client.least_version(request.id), 3, "so the client refuses it");
    let cause = ErrorKind::UnsupportedVersion { message: "up to 2".into() };

    fixture.client.respond(request.id, ResponseOutcome::UnsupportedVersion(Error::new(cause)));
    fixture.rest();

    let error = error(&future);
    assert!(error.to_string().contains("enable.idempotence"), "{error}");
    assert_eq!(error.persistence(), Persistence::NeverSent);
}

/// Node 1 is old, and known to be.
fn with_old_node_1(setup: Setup) -> Fixture {
    let mut fixture = setup.start();
    fixture.client.set_produce_version(NODE_1, OLD);
    fixture.rest();
    fixture
}

fn append(fixture: &Fixture, has_header: bool, callback: Callback) -> FutureRecordMetadata {
    let mut headers = Headers::new();
    if has_header {
        headers.add(Header::new("name", None::<&[u8]>));
    }
    fixture.append_record(0, &[0; 20], &headers, &mut Some(callback)).expect("room")
}

fn append_noise(fixture: &Fixture, partition: i32, size: usize) {
    let mut random = Random::new(3);
    let value: Vec<_> =
        (0..size).map(|_| u8::try_from(random.below(256)).expect("a byte")).collect();
    fixture.append_record(partition, &value, &Headers::new(), &mut None).expect("room");
}
