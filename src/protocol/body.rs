//! Any request and any response. Mirrors `AbstractRequest` and `AbstractResponse`.

use std::fmt;
use std::sync::Arc;

use crate::protocol::api_keys::ApiKey;
use crate::protocol::message::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::protocol::message::metadata::{MetadataRequest, MetadataResponse};
use crate::protocol::message::produce::{ProduceRequest, ProduceResponse};
use crate::protocol::readable::{DecodeError, Reader};
use crate::utils::pieces::{Pieces, total_size};

/// A batch's bytes, which belong to the request until it is answered and are never copied into it.
#[derive(Clone)]
pub(crate) struct SharedBytes(pub(crate) Arc<dyn Pieces>);

impl Pieces for SharedBytes {
    fn piece(&self, number: usize) -> Option<&[u8]> {
        self.0.piece(number)
    }
}

impl fmt::Debug for SharedBytes {
    /// The length alone: records are the user's, and many.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SharedBytes({})", total_size(self))
    }
}

/// A request of any API.
#[derive(Clone, Debug)]
pub(crate) enum RequestBody {
    Produce(ProduceRequest<SharedBytes>),
    Metadata(MetadataRequest),
    ApiVersions(ApiVersionsRequest),
    InitProducerId(InitProducerIdRequest),
}

impl RequestBody {
    pub(crate) fn api(&self) -> ApiKey {
        match self {
            Self::Produce(_) => ApiKey::Produce,
            Self::Metadata(_) => ApiKey::Metadata,
            Self::ApiVersions(_) => ApiKey::ApiVersions,
            Self::InitProducerId(_) => ApiKey::InitProducerId,
        }
    }

    /// Writes everything but batches of some size.
    ///
    /// Returns those in order, each with the position in `out` at which all its pieces belong.
    pub(crate) fn encode_spliced(
        &self,
        version: i16,
        out: &mut Vec<u8>,
    ) -> Vec<(usize, SharedBytes)> {
        match self {
            Self::Produce(request) => return request.encode_spliced(version, out),
            Self::Metadata(request) => request.encode(version, out),
            Self::ApiVersions(request) => request.encode(version, out),
            Self::InitProducerId(request) => request.encode(version, out),
        }
        Vec::new()
    }
}

/// A response of any API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResponseBody {
    Produce(ProduceResponse),
    Metadata(MetadataResponse),
    ApiVersions(ApiVersionsResponse),
    InitProducerId(InitProducerIdResponse),
}

impl ResponseBody {
    pub(crate) fn api(&self) -> ApiKey {
        match self {
            Self::Produce(_) => ApiKey::Produce,
            Self::Metadata(_) => ApiKey::Metadata,
            Self::ApiVersions(_) => ApiKey::ApiVersions,
            Self::InitProducerId(_) => ApiKey::InitProducerId,
        }
    }

    #[cfg(test)]
    pub(crate) fn encode(&self, version: i16, out: &mut Vec<u8>) {
        match self {
            Self::Produce(response) => response.encode(version, out),
            Self::Metadata(response) => response.encode(version, out),
            Self::ApiVersions(response) => response.encode(version, out),
            Self::InitProducerId(response) => response.encode(version, out),
        }
    }

    /// Bytes that are left over are not an error: a peer may know more of a version than its schema had at first.
    pub(crate) fn decode(
        api: ApiKey,
        version: i16,
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        match api {
            ApiKey::Produce => ProduceResponse::decode(version, reader).map(Self::Produce),
            ApiKey::Metadata => MetadataResponse::decode(version, reader).map(Self::Metadata),
            ApiKey::ApiVersions => {
                ApiVersionsResponse::decode(version, reader).map(Self::ApiVersions)
            }
            ApiKey::InitProducerId => {
                InitProducerIdResponse::decode(version, reader).map(Self::InitProducerId)
            }
        }
    }
}
