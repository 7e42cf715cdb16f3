//! How servers differ that speak Kafka's protocol without being Kafka.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::mock_cluster::api::Api;

/// What kind of server the brokers of a cluster are.
///
/// The clones and clouds here have what is known of them to matter to a producer, not everything that they do. Every
/// setting of a profile can be changed, as a test that does not want to wait for 240 s does:
///
/// ```
/// use std::time::Duration;
///
/// use kafka_producer::mock_cluster::{MockCluster, Profile};
///
/// let hasty = Profile::azure_event_hubs().max_idle(Duration::from_millis(20));
/// let cluster = MockCluster::builder().profile(hasty).start()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a profile does nothing until a cluster has it"]
pub struct Profile {
    /// What all brokers announce, where that is not everything that the cluster speaks.
    pub(super) versions: Vec<(Api, RangeInclusive<i16>)>,
    pub(super) max_request_bytes: usize,
    pub(super) max_idle: Option<Duration>,
    pub(super) append_latency: Duration,
    pub(super) unknown_version: UnknownVersion,
    pub(super) acknowledges_everything: bool,
}

/// What a broker does about a version of ApiVersions that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnknownVersion {
    /// Answers in version 0 with `UNSUPPORTED_VERSION` and its versions (KIP-511).
    Tell,
    /// Answers in version 0 with `UNSUPPORTED_VERSION` and nothing else, as Kafka before 2.4.
    Refuse,
    HangUp,
}

/// The longest request that a broker takes (`socket.request.max.bytes`).
const KAFKA_MAX_REQUEST_BYTES: usize = 100 << 20;
const EVENT_HUBS_MAX_REQUEST_BYTES: usize = 1_046_528;
const EVENT_HUBS_MAX_IDLE: Duration = Duration::from_secs(240);
const OBJECT_STORE_LATENCY: Duration = Duration::from_millis(400);

impl Profile {
    /// Apache Kafka of today. The default.
    pub fn kafka() -> Self {
        Self {
            versions: Vec::new(),
            max_request_bytes: KAFKA_MAX_REQUEST_BYTES,
            max_idle: None,
            append_latency: Duration::ZERO,
            unknown_version: UnknownVersion::Tell,
            acknowledges_everything: false,
        }
    }

    /// Azure Event Hubs.
    ///
    /// - It hangs up on ApiVersions 4 in place of answering that it knows versions up to 3.
    /// - It offers Produce 13, which names topics by their ids, and Metadata 9, which does not tell them.
    /// - It hangs up on a request of more than 1,046,528 bytes, which is less than the default of `max.request.size`:
    ///   set that to 1000000.
    /// - It closes connections that were idle for 240 s. This crate closes them first, by default after 180 s.
    /// - It answers produce requests with `acks=0`, too.
    pub fn azure_event_hubs() -> Self {
        Self {
            versions: vec![
                (Api::ApiVersions, 0..=3),
                (Api::Metadata, 0..=9),
                (Api::Produce, 0..=13),
            ],
            max_request_bytes: EVENT_HUBS_MAX_REQUEST_BYTES,
            max_idle: Some(EVENT_HUBS_MAX_IDLE),
            unknown_version: UnknownVersion::HangUp,
            acknowledges_everything: true,
            ..Self::kafka()
        }
    }

    /// Redpanda: Produce and Metadata up to version 7, so without compact encoding, topic ids and hints at new leaders.
    pub fn redpanda() -> Self {
        Self {
            versions: vec![
                (Api::ApiVersions, 0..=3),
                (Api::Metadata, 0..=7),
                (Api::Produce, 0..=7),
                (Api::InitProducerId, 0..=1),
            ],
            ..Self::kafka()
        }
    }

    /// Brokers that keep their logs in an object store, as WarpStream's do: each acknowledgement takes 400 ms.
    ///
    /// The requests of a connection are worked on side by side, so throughput comes from large requests, and from many
    /// of them in flight.
    pub fn object_store() -> Self {
        Self { append_latency: OBJECT_STORE_LATENCY, ..Self::kafka() }
    }

    /// Servers that know the first version of ApiVersions alone, and refuse others without a word about which they
    /// know.
    pub fn api_versions_0_only() -> Self {
        Self {
            versions: vec![(Api::ApiVersions, 0..=0)],
            unknown_version: UnknownVersion::Refuse,
            ..Self::kafka()
        }
    }

    /// All brokers announce and take these versions of an API.
    pub fn versions(mut self, api: Api, versions: RangeInclusive<i16>) -> Self {
        self.versions.push((api, versions));
        self
    }

    /// A longer request closes its connection. Kafka: 100 MiB.
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request_bytes = bytes;
        self
    }

    /// A connection on which nothing was received or sent for so long is closed. Kafka: 10 minutes; here without a limit
    /// unless it is set.
    pub fn max_idle(mut self, limit: Duration) -> Self {
        self.max_idle = Some(limit);
        self
    }

    /// Every acknowledgement takes so long. Default: none.
    pub fn append_latency(mut self, latency: Duration) -> Self {
        self.append_latency = latency;
        self
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::kafka()
    }
}
