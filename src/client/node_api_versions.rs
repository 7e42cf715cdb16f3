//! Mirrors `org.apache.kafka.clients.NodeApiVersions`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::error::{Error, ErrorKind};
use crate::protocol::api_keys::ApiKey;
use crate::protocol::message::api_versions::ApiVersion;

/// The versions that one broker knows, of the APIs that we know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeApiVersions {
    ranges: BTreeMap<ApiKey, RangeInclusive<i16>>,
}

impl NodeApiVersions {
    /// APIs that we do not know are left out.
    pub(crate) fn new(announced: &[ApiVersion]) -> Self {
        let known = announced.iter().filter_map(|announced| {
            let api = ApiKey::from_id(announced.api_key)?;
            Some((api, announced.min_version..=announced.max_version))
        });
        Self { ranges: known.collect() }
    }

    /// The highest version of `api` that both sides know.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(crate) fn latest_usable_version(&self, api: ApiKey) -> Result<i16, Error> {
        self.latest_usable_version_up_to(api, *api.versions().end())
    }

    /// The highest version of `api` that both sides know and that is at most `highest`.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(crate) fn latest_usable_version_up_to(
        &self,
        api: ApiKey,
        highest: i16,
    ) -> Result<i16, Error> {
        let ours = *api.versions().start()..=highest.min(*api.versions().end());
        let theirs = self.ranges.get(&api);
        let common = theirs.and_then(|theirs| {
            let highest = *theirs.end().min(ours.end());
            (highest >= *theirs.start() && highest >= *ours.start()).then_some(highest)
        });
        common.ok_or_else(|| unsupported(api, &ours, theirs))
    }
}

/// The error for a request that needs a version beyond those that the broker knows.
pub(crate) fn too_old(api: ApiKey, version: i16, needed: i16) -> Error {
    let message = format!("the broker knows {api} up to version {version}, {needed} is needed");
    Error::new(ErrorKind::UnsupportedVersion { message: message.into() })
}

fn unsupported(
    api: ApiKey,
    ours: &RangeInclusive<i16>,
    theirs: Option<&RangeInclusive<i16>>,
) -> Error {
    let theirs = match theirs {
        Some(theirs) => format!("knows versions {} to {}", theirs.start(), theirs.end()),
        None => "does not know it".into(),
    };
    let message = format!(
        "no common version of {api}: the broker {theirs}, this producer needs {} to {}",
        ours.start(),
        ours.end()
    );
    Error::new(ErrorKind::UnsupportedVersion { message: message.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_the_highest_version_that_both_sides_know() {
        for (range, expected) in [
            ((0, 100), Some(13)),
            ((0, 9), Some(9)),
            ((13, 20), Some(13)),
            ((14, 20), None),
            ((0, 2), Some(2)),
            ((0, 1), None),
            ((5, 4), None),
        ] {
            let versions = announced(ApiKey::Produce, range);

            let latest = versions.latest_usable_version(ApiKey::Produce);

            assert_eq!(latest.ok(), expected, "{range:?}");
        }
    }

    #[test]
    fn the_callers_bound_narrows_the_choice() {
        let versions = announced(ApiKey::Produce, (0, 13));

        assert_eq!(versions.latest_usable_version_up_to(ApiKey::Produce, 12), Ok(12));
    }

    #[test]
    fn the_error_names_both_sides() {
        let error = announced(ApiKey::Produce, (0, 1)).latest_usable_version(ApiKey::Produce);

        assert_eq!(
            error.expect_err("none in common").to_string(),
            "no common version of Produce: the broker knows versions 0 to 1, this producer needs 2 to 13"
        );
    }

    fn announced(api: ApiKey, (min_version, max_version): (i16, i16)) -> NodeApiVersions {
        NodeApiVersions::new(&[
            ApiVersion { api_key: api.id(), min_version, max_version },
            ApiVersion { api_key: 999, min_version: 0, max_version: 1 },
        ])
    }
}
