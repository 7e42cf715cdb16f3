//! ApiVersions 0 to 4: what this broker announces.
//!
//! - 1: throttle time.
//! - 3: flexible request; the answer's header stays as it was. A version that the broker does not take is answered in
//!   version 0 with `UNSUPPORTED_VERSION` and the list. Since: KIP-511. Servers of other profiles do otherwise.

use crate::common::node::NodeId;
use crate::error::ErrorCode;
use crate::mock_cluster::api::Api;
use crate::mock_cluster::fault::Outcome;
use crate::mock_cluster::handlers::Context;
use crate::mock_cluster::profile::UnknownVersion;
use crate::mock_cluster::world::World;
use crate::protocol::message::api_versions::{ApiVersion, ApiVersionsResponse};

pub(in crate::mock_cluster) fn answer(context: &Context<'_>) -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: context.plan.outcome(None).map_or(ErrorCode::None, Outcome::code),
        api_keys: announced(context.world, context.node),
        throttle_time_ms: context.plan.throttle_ms(),
        ..ApiVersionsResponse::default()
    }
}

/// The answer, in version 0, to a version that the broker does not take.
pub(in crate::mock_cluster) fn unsupported_version(
    world: &World,
    node: NodeId,
) -> ApiVersionsResponse {
    let is_told = world.settings.profile.unknown_version == UnknownVersion::Tell;
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion,
        api_keys: if is_told { announced(world, node) } else { Vec::new() },
        ..ApiVersionsResponse::default()
    }
}

fn announced(world: &World, node: NodeId) -> Vec<ApiVersion> {
    let announce = |api: Api| {
        let versions = world.versions.announced(node, api)?;
        let (min_version, max_version) = versions.into_inner();
        Some(ApiVersion { api_key: api.key().id(), min_version, max_version })
    };
    Api::ALL.into_iter().filter_map(announce).collect()
}
