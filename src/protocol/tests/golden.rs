//! Our bytes are Java's bytes, and Java's bytes mean to us what they mean to Java.

use std::sync::Arc;

use crate::common::uuid::Uuid;
use crate::error::ErrorCode;
use crate::protocol::body::{RequestBody, SharedBytes};
use crate::protocol::message::metadata::MetadataRequestTopic;
use crate::protocol::message::produce::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData, PartitionProduceResponse,
    TopicProduceData, TopicProduceResponse,
};
use crate::protocol::request_header::RequestHeader;
use crate::utils::pieces::concat;

use super::*;

const VECTORS: &str = include_str!("../../../tests/wire/java.tsv");

/// The batch in Java's produce requests: one record, 70 bytes.
const BATCH: &str = "00000000000000000000003affffffff02e99b8dd80000000000000000018bcfe568000000018bcfe56800\
                     ffffffffffffffffffffffffffff0000000110000000026b027600";

const TOPIC_ID: Uuid = Uuid::from_bytes([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]);

#[test]
fn api_versions_requests_are_those_of_java() {
    check_requests(7, |version| ApiVersionsRequest {
        client_software_name: if version >= 3 { "x-client".to_owned() } else { String::new() },
        client_software_version: if version >= 3 { "1.2.3".to_owned() } else { String::new() },
    });
}

#[test]
fn metadata_requests_are_those_of_java() {
    let topic = MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some("top".to_owned()) };

    check_requests(9, |_| MetadataRequest {
        topics: Some(vec![topic.clone()]),
        ..MetadataRequest::default()
    });
}

#[test]
fn init_producer_id_requests_are_those_of_java() {
    check_requests(10, |_| InitProducerIdRequest::default());
}

#[test]
fn produce_requests_are_those_of_java() {
    check_requests(8, |version| produce_request(version, bytes_of(BATCH)));
}

#[test]
fn a_produce_request_with_shared_records_is_that_of_java() {
    for (version, expected) in vectors("request", ApiKey::Produce) {
        let records = SharedBytes(Arc::new(bytes_of(BATCH)));
        let body = RequestBody::Produce(produce_request(version, records));
        let mut out = Vec::new();
        header(body.api(), version, 8).encode(&mut out);
        for (position, records) in body.encode_spliced(version, &mut out) {
            out.splice(position..position, concat(&records));
        }

        assert_eq!(out, expected, "v{version}");
    }
}

/// Java 4 has dropped version 2, which lacks the transactional id and is otherwise version 3.
#[test]
fn a_produce_request_before_transactions_is_the_next_version_without_their_id() {
    let of_java = vectors("request", ApiKey::Produce);
    let (_, mut expected) = of_java.into_iter().find(|(version, _)| *version == 3).expect("v3");
    let header_length = 8 + 2 + "cid".len();
    expected[3] = 2;
    expected.drain(header_length..header_length + 2);

    let mut out = Vec::new();
    header(ApiKey::Produce, 2, 8).encode(&mut out);
    Message::encode(&produce_request(2, bytes_of(BATCH)), 2, &mut out);

    assert_eq!(out, expected);
}

/// Topics, and in them index, code, offset and time of the append; then the throttle time.
#[test]
fn a_produce_response_of_an_old_broker_tells_the_time_of_the_append() {
    let bytes =
        bytes_of("000000010003746f7000000001000000050000000000000000002a0000018bcfe5680000000007");
    let partition = PartitionProduceResponse {
        index: 5,
        base_offset: 42,
        log_append_time_ms: 1_700_000_000_000,
        ..PartitionProduceResponse::default()
    };
    let topic = TopicProduceResponse {
        name: "top".to_owned(),
        partitions: vec![partition],
        ..TopicProduceResponse::default()
    };
    let response =
        ProduceResponse { topics: vec![topic], throttle_time_ms: 7, ..ProduceResponse::default() };

    assert_eq!(ProduceResponse::from_bytes(2, &bytes), Ok(response));
}

#[test]
fn produce_responses_of_java_name_the_leader_from_version_10() {
    let vectors = vectors("response", ApiKey::Produce);
    assert_eq!(vectors.len(), 6);
    for (version, bytes) in vectors {
        let response = not_leader(version);

        assert_eq!(response.to_bytes(version), bytes, "v{version}");
        assert_eq!(ProduceResponse::from_bytes(version, &bytes), Ok(response));
    }
}

fn check_requests<M: Message>(correlation_id: i32, request: impl Fn(i16) -> M) {
    let vectors = vectors("request", M::API);
    assert!(vectors.len() >= 4);
    for (version, bytes) in vectors {
        let (header, request) = (header(M::API, version, correlation_id), request(version));
        let mut out = Vec::new();
        header.encode(&mut out);
        Message::encode(&request, version, &mut out);
        let mut reader = Reader::new(&bytes);

        assert_eq!(out, bytes, "v{version}");
        assert_eq!(RequestHeader::decode(&mut reader), Ok(header));
        assert_eq!(M::decode(version, &mut reader), Ok(request));
        assert_eq!(reader.remaining(), 0, "v{version}");
    }
}

fn header(api: ApiKey, version: i16, correlation_id: i32) -> RequestHeader<'static> {
    RequestHeader { api, version, correlation_id, client_id: Some("cid") }
}

fn produce_request<R>(version: i16, records: R) -> ProduceRequest<R> {
    let topic = TopicProduceData {
        name: if version < 13 { "top".into() } else { "".into() },
        topic_id: if version < 13 { Uuid::ZERO } else { TOPIC_ID },
        partitions: vec![PartitionProduceData { index: 5, records }],
    };
    ProduceRequest { transactional_id: None, acks: -1, timeout_ms: 30_000, topics: vec![topic] }
}

fn not_leader(version: i16) -> ProduceResponse {
    let names_leader = version >= 10;
    let leader = LeaderIdAndEpoch { leader_id: 2, leader_epoch: 9 };
    let endpoint = NodeEndpoint { node_id: 2, host: "h".to_owned(), port: 9092, rack: None };
    let partition = PartitionProduceResponse {
        index: 5,
        error_code: ErrorCode::NotLeaderOrFollower,
        current_leader: names_leader.then_some(leader),
        ..PartitionProduceResponse::default()
    };
    let topic = TopicProduceResponse {
        name: if version < 13 { "top".to_owned() } else { String::new() },
        topic_id: if version < 13 { Uuid::ZERO } else { TOPIC_ID },
        partitions: vec![partition],
    };
    ProduceResponse {
        topics: vec![topic],
        throttle_time_ms: 0,
        node_endpoints: names_leader.then_some(endpoint).into_iter().collect(),
    }
}

/// The versions and bytes of the vectors of one kind and API.
fn vectors(kind: &str, api: ApiKey) -> Vec<(i16, Vec<u8>)> {
    let rows = VECTORS.lines().filter(|line| !line.starts_with('#'));
    let fields = rows.map(|row| row.split('\t').collect::<Vec<_>>());
    let wanted = fields.filter(|fields| fields[0] == kind && fields[1] == api.to_string());
    wanted.map(|fields| (fields[2].parse().expect("a version"), bytes_of(fields[3]))).collect()
}

fn bytes_of(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks_exact(2);
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits")).collect()
}
