//! What the brokers answer: one file an API.

pub(super) mod api_versions;
pub(super) mod init_producer_id;
pub(super) mod metadata;
pub(super) mod produce;

use crate::common::node::NodeId;
use crate::mock_cluster::api::Api;
use crate::mock_cluster::fault_queue::{Plan, Target};
use crate::mock_cluster::world::World;
use crate::protocol::message::api_versions::ApiVersionsRequest;
use crate::protocol::message::init_producer_id::InitProducerIdRequest;
use crate::protocol::message::metadata::MetadataRequest;
use crate::protocol::message::produce::ProduceRequest;
use crate::protocol::readable::{DecodeError, Reader};
use crate::utils::clock::Instant;

/// Where a request arrived, and what shall become of it.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) world: &'a mut World,
    pub(super) node: NodeId,
    pub(super) version: i16,
    pub(super) plan: &'a Plan,
    pub(super) now: Instant,
}

/// A request of any API.
#[derive(Debug)]
pub(super) enum Request {
    Produce(ProduceRequest<Vec<u8>>),
    Metadata(MetadataRequest),
    ApiVersions(ApiVersionsRequest),
    InitProducerId(InitProducerIdRequest),
}

/// What a broker does once a request has acted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Answers with this body.
    Body(Vec<u8>),
    /// Says nothing: the client wants no acknowledgement.
    Silence,
    /// Closes the connection: the only way to tell a client that wants no acknowledgement of an error.
    Close,
}

impl Request {
    pub(super) fn decode(
        api: Api,
        version: i16,
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        Ok(match api {
            Api::Produce => Self::Produce(ProduceRequest::decode(version, reader)?),
            Api::Metadata => Self::Metadata(MetadataRequest::decode(version, reader)?),
            Api::ApiVersions => Self::ApiVersions(ApiVersionsRequest::decode(version, reader)?),
            Api::InitProducerId => {
                Self::InitProducerId(InitProducerIdRequest::decode(version, reader)?)
            }
        })
    }

    /// The parts of the request that can fail by themselves.
    pub(super) fn targets(&self, world: &World, node: NodeId) -> Vec<Target> {
        match self {
            Self::Produce(request) => produce::targets(request, world),
            Self::Metadata(request) => metadata::targets(request, world.metadata_of(node)),
            Self::ApiVersions(_) | Self::InitProducerId(_) => Vec::new(),
        }
    }

    pub(super) fn answer(self, context: &mut Context<'_>) -> Reply {
        let version = context.version;
        let mut body = Vec::new();
        match self {
            Self::Produce(request) => return produce::answer(request, context),
            Self::Metadata(request) => {
                metadata::answer(request, context).encode(version, &mut body);
            }
            Self::ApiVersions(_) => api_versions::answer(context).encode(version, &mut body),
            Self::InitProducerId(request) => {
                init_producer_id::answer(&request, context).encode(version, &mut body);
            }
        }
        Reply::Body(body)
    }
}
