//! Requests and answers as a client writes and reads them.

use crate::common::uuid::Uuid;
use crate::mock_cluster::test_batch::TestBatch;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::message::api_versions::ApiVersionsRequest;
use crate::protocol::message::metadata::{MetadataRequest, MetadataRequestTopic};
use crate::protocol::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use crate::protocol::readable::Reader;
use crate::protocol::request_header::RequestHeader;
use crate::protocol::response_header::ResponseHeader;

/// The correlation id of every request here.
pub(super) const CORRELATION_ID: i32 = 42;

/// A request, its length in front.
pub(super) fn request(api: ApiKey, version: i16, encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    let client_id = Some("tester");
    RequestHeader { api, version, correlation_id: CORRELATION_ID, client_id }.encode(&mut bytes);
    encode(&mut bytes);
    let length = i32::try_from(bytes.len() - 4).unwrap();
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

pub(super) fn api_versions(version: i16) -> Vec<u8> {
    request(ApiKey::ApiVersions, version, |out| {
        let request = ApiVersionsRequest {
            client_software_name: "test".to_owned(),
            client_software_version: "1".to_owned(),
        };
        request.encode(version, out);
    })
}

pub(super) fn metadata(version: i16, topics: &[&str]) -> Vec<u8> {
    let topic =
        |name: &&str| MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some((*name).to_owned()) };
    let request = MetadataRequest {
        topics: Some(topics.iter().map(topic).collect()),
        ..MetadataRequest::default()
    };
    self::request(ApiKey::Metadata, version, |out| request.encode(version, out))
}

/// A produce request, version 9, for partition 0 of `t`.
pub(super) fn produce(acks: i16, batch: &TestBatch) -> Vec<u8> {
    produce_to(acks, "t", 0, batch.build())
}

pub(super) fn produce_to(acks: i16, topic: &str, index: i32, records: Vec<u8>) -> Vec<u8> {
    let request = ProduceRequest {
        transactional_id: None,
        acks,
        timeout_ms: 1000,
        topics: vec![TopicProduceData {
            name: topic.into(),
            topic_id: Uuid::ZERO,
            partitions: vec![PartitionProduceData { index, records }],
        }],
    };
    self::request(ApiKey::Produce, PRODUCE_VERSION, |out| request.encode(PRODUCE_VERSION, out))
}

/// The version of the produce requests here: the last but one without topic ids.
pub(super) const PRODUCE_VERSION: i16 = 11;

/// The body of an answer: its length and header are checked and taken off.
pub(super) fn body(api: ApiKey, version: i16, answer: &[u8]) -> Vec<u8> {
    let (length, rest) = answer.split_first_chunk::<4>().expect("a length");
    assert_eq!(usize::try_from(i32::from_be_bytes(*length)).unwrap(), rest.len());
    let mut reader = Reader::new(rest);
    let header = ResponseHeader::decode(api, version, &mut reader).unwrap();
    assert_eq!(header.correlation_id, CORRELATION_ID);
    rest[rest.len() - reader.remaining()..].to_vec()
}
