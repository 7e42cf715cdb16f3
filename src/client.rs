//! Connections to a cluster's brokers, and what is known of it. Mirrors `org.apache.kafka.clients`.

pub(crate) mod api_versions;
pub(crate) mod client_request;
pub(crate) mod client_response;
pub(crate) mod client_utils;
pub(crate) mod cluster_connection_states;
pub(crate) mod host_resolver;
pub(crate) mod in_flight_requests;
pub(crate) mod kafka_client;
pub(crate) mod metadata;
pub(crate) mod metadata_snapshot;
pub(crate) mod metadata_updater;
#[cfg(test)]
pub(crate) mod mock_client;
pub(crate) mod network_client;
pub(crate) mod node_api_versions;
