//! The APIs that the cluster speaks, as its users name them.

use std::fmt;

use crate::protocol::api_keys::ApiKey;

/// A kind of request.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    /// Appends records.
    Produce,
    /// Asks for brokers, topics and leaders.
    Metadata,
    /// Asks what a broker speaks: the first request on a connection.
    ApiVersions,
    /// Asks for an idempotent producer's identity.
    InitProducerId,
}

impl Api {
    pub(super) const ALL: [Self; 4] =
        [Self::Produce, Self::Metadata, Self::ApiVersions, Self::InitProducerId];

    pub(super) const fn key(self) -> ApiKey {
        match self {
            Self::Produce => ApiKey::Produce,
            Self::Metadata => ApiKey::Metadata,
            Self::ApiVersions => ApiKey::ApiVersions,
            Self::InitProducerId => ApiKey::InitProducerId,
        }
    }
}

impl From<ApiKey> for Api {
    fn from(key: ApiKey) -> Self {
        match key {
            ApiKey::Produce => Self::Produce,
            ApiKey::Metadata => Self::Metadata,
            ApiKey::ApiVersions => Self::ApiVersions,
            ApiKey::InitProducerId => Self::InitProducerId,
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}
