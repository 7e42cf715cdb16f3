//! Every message in every version that we speak: against Java itself, against the `kafka-protocol` crate, against itself
//! and against damage.

mod arbitrary_bytes;
mod golden;
mod java;
mod oracle;
mod round_trip;
mod samples;

use std::fmt::Debug;

use crate::protocol::api_keys::ApiKey;
use crate::protocol::message::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::protocol::message::metadata::{MetadataRequest, MetadataResponse};
use crate::protocol::message::produce::{ProduceRequest, ProduceResponse};
use crate::protocol::readable::{DecodeError, Reader};
use crate::protocol::tests::samples::Sample;
use crate::utils::random::Random;

/// What all messages can do.
trait Message: Sample + Debug + PartialEq {
    const API: ApiKey;

    fn encode(&self, version: i16, out: &mut Vec<u8>);
    fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    fn to_bytes(&self, version: i16) -> Vec<u8> {
        let mut out = Vec::new();
        Message::encode(self, version, &mut out);
        out
    }

    fn from_bytes(version: i16, bytes: &[u8]) -> Result<Self, DecodeError> {
        Message::decode(version, &mut Reader::new(bytes))
    }
}

macro_rules! messages {
    ($($message:ty: $api:ident;)*) => {
        $(impl Message for $message {
            const API: ApiKey = ApiKey::$api;

            fn encode(&self, version: i16, out: &mut Vec<u8>) {
                self.encode(version, out);
            }

            fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Self::decode(version, reader)
            }
        })*
    };
}

messages! {
    ApiVersionsRequest: ApiVersions;
    ApiVersionsResponse: ApiVersions;
    InitProducerIdRequest: InitProducerId;
    InitProducerIdResponse: InitProducerId;
    MetadataRequest: Metadata;
    MetadataResponse: Metadata;
    ProduceRequest<Vec<u8>>: Produce;
    ProduceResponse: Produce;
}

/// Calls a function that is generic over [`Message`] for each of them.
macro_rules! for_each_message {
    ($check:ident) => {
        $check::<ApiVersionsRequest>();
        $check::<ApiVersionsResponse>();
        $check::<InitProducerIdRequest>();
        $check::<InitProducerIdResponse>();
        $check::<MetadataRequest>();
        $check::<MetadataResponse>();
        $check::<ProduceRequest<Vec<u8>>>();
        $check::<ProduceResponse>();
    };
}
use for_each_message;

/// Calls `check` with `count` random messages of every version, the same on every run.
fn for_samples<M: Message>(count: u64, mut check: impl FnMut(i16, M)) {
    for version in M::API.versions() {
        for seed in 0..count {
            check(version, M::sample(version, &mut Random::new(seed)));
        }
    }
}
