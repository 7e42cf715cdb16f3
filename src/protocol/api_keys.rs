//! Mirrors `org.apache.kafka.common.protocol.ApiKeys`.

use std::fmt;
use std::ops::RangeInclusive;

use crate::protocol::encoding::Encoding;

/// An API that this crate speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ApiKey {
    Produce = 0,
    Metadata = 3,
    ApiVersions = 18,
    InitProducerId = 22,
}

impl ApiKey {
    /// Every API, in the order of the numbers.
    pub(crate) const ALL: [Self; 4] =
        [Self::Produce, Self::Metadata, Self::ApiVersions, Self::InitProducerId];

    /// The number on the wire.
    pub(crate) const fn id(self) -> i16 {
        self as i16
    }

    /// The API with this number, if we speak it.
    pub(crate) fn from_id(id: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.id() == id)
    }

    /// The versions that we speak. A broker's own range narrows them.
    pub(crate) const fn versions(self) -> RangeInclusive<i16> {
        match self {
            Self::Produce => 2..=13,
            Self::Metadata => 0..=13,
            Self::ApiVersions => 0..=4,
            Self::InitProducerId => 0..=5,
        }
    }

    /// Whether `version` has compact lengths and tagged fields.
    pub(crate) const fn is_flexible(self, version: i16) -> bool {
        let first_flexible = match self {
            Self::Produce | Self::Metadata => 9,
            Self::ApiVersions => 3,
            Self::InitProducerId => 2,
        };
        version >= first_flexible
    }

    /// The layout of the bodies of `version`.
    pub(crate) const fn encoding(self, version: i16) -> Encoding {
        if self.is_flexible(version) { Encoding::Flexible } else { Encoding::Classic }
    }

    /// The version of the header that precedes a response.
    ///
    /// It is always 0 for `ApiVersions`: the client does not know yet what the broker speaks.
    pub(crate) const fn response_header_version(self, version: i16) -> i16 {
        match self {
            Self::ApiVersions => 0,
            _ if self.is_flexible(version) => 1,
            _ => 0,
        }
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_is_found_by_its_number() {
        for api in ApiKey::ALL {
            assert_eq!(ApiKey::from_id(api.id()), Some(api));
        }
        assert_eq!(ApiKey::from_id(1), None);
        assert_eq!(ApiKey::from_id(-1), None);
    }

    #[test]
    fn the_answer_to_api_versions_never_has_a_flexible_header() {
        assert_eq!(ApiKey::ApiVersions.response_header_version(4), 0);
        assert_eq!(ApiKey::Produce.response_header_version(8), 0);
        assert_eq!(ApiKey::Produce.response_header_version(9), 1);
    }
}
