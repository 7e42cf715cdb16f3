//! Sockets and frames: the only user of mio. Mirrors `org.apache.kafka.common.network`.

pub(crate) mod channel_state;
pub(crate) mod idle_expiry_manager;
pub(crate) mod kafka_channel;
#[cfg(test)]
pub(crate) mod mock_selector;
pub(crate) mod network_receive;
pub(crate) mod network_send;
pub(crate) mod plaintext_transport_layer;
pub(crate) mod selectable;
pub(crate) mod selector;
pub(crate) mod transport_layer;
pub(crate) mod wakeup;
