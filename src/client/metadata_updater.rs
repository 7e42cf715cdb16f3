//! Mirrors `NetworkClient.DefaultMetadataUpdater`.

use std::sync::Arc;

use crate::client::metadata::Metadata;
use crate::client::metadata_snapshot::has_usable_broker;
use crate::protocol::message::metadata::{MetadataRequest, MetadataResponse};
use crate::utils::clock::Instant;

/// Knows when the client has to ask for metadata, and when it has tried for too long.
#[derive(Debug)]
pub(crate) struct MetadataUpdater {
    metadata: Arc<Metadata>,
    /// Since when an update is due and none has succeeded.
    trying_since: Option<Instant>,
}

/// What metadata asks of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing, until then or until an event.
    Nothing { until: Option<Instant> },
    /// A request; and after this moment without success, to start from the configured addresses.
    Update { rebootstrap_at: Option<Instant> },
    /// To start from the configured addresses now.
    Rebootstrap,
}

impl MetadataUpdater {
    pub(crate) fn new(metadata: Arc<Metadata>) -> Self {
        Self { metadata, trying_since: None }
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    pub(crate) fn need(&mut self, now: Instant) -> Need {
        match self.metadata.next_update() {
            None => return Need::Nothing { until: None },
            Some(due) if due > now => return Need::Nothing { until: Some(due) },
            Some(_) => {}
        }
        let since = *self.trying_since.get_or_insert(now);
        let trigger = self.metadata.rebootstrap_trigger().filter(|_| self.can_rebootstrap());
        match trigger.map(|trigger| since + trigger) {
            Some(due) if due <= now => Need::Rebootstrap,
            rebootstrap_at => Need::Update { rebootstrap_at },
        }
    }

    /// Whether an update is due now and none is under way.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.metadata.next_update().is_some_and(|due| due <= now)
    }

    /// Whether starting from the configured addresses is allowed and would change anything.
    pub(crate) fn can_rebootstrap(&self) -> bool {
        self.metadata.rebootstrap_trigger().is_some() && !self.metadata.snapshot().is_bootstrap()
    }

    pub(crate) fn rebootstrap(&mut self, now: Instant) {
        self.trying_since = Some(now);
        self.metadata.rebootstrap();
    }

    pub(crate) fn next_request(&self, now: Instant) -> MetadataRequest {
        self.metadata.next_request(now)
    }

    pub(crate) fn handle_response(
        &mut self,
        response: &MetadataResponse,
        version: i16,
        now: Instant,
    ) {
        if has_usable_broker(response) {
            self.trying_since = None;
        }
        self.metadata.handle_response(response, version, now);
    }

    pub(crate) fn handle_failure(&self, now: Instant) {
        self.metadata.handle_failure(now);
    }
}
