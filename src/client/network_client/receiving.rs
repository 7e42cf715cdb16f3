//! What brokers answer.

use std::time::Duration;

use crate::client::client_response::ResponseOutcome;
use crate::client::cluster_connection_states::ConnectionState;
use crate::client::in_flight_requests::{InFlightRequest, Origin};
use crate::client::network_client::NetworkClient;
use crate::client::network_client::connection_errors::protocol_error;
use crate::client::node_api_versions::NodeApiVersions;
use crate::common::node::NodeId;
use crate::error::{Error, ErrorCode};
use crate::network::selectable::{PollResults, Selectable};
use crate::protocol::api_keys::ApiKey;
use crate::protocol::body::ResponseBody;
use crate::protocol::message::api_versions::ApiVersionsResponse;
use crate::protocol::message::metadata::MetadataResponse;
use crate::protocol::readable::{DecodeError, Reader};
use crate::protocol::response_header::ResponseHeader;
use crate::utils::clock::Instant;

impl<S: Selectable> NetworkClient<S> {
    pub(super) fn handle_completed_receives(&mut self, results: &mut PollResults, now: Instant) {
        let mut receives = std::mem::take(&mut results.completed_receives);
        for (node, frame) in receives.drain(..) {
            self.handle_receive(node, &frame, now);
            results.recycle(frame);
        }
        results.completed_receives = receives;
    }

    fn handle_receive(&mut self, node: NodeId, frame: &[u8], now: Instant) {
        let state = self.connections.state(node);
        if !matches!(state, ConnectionState::CheckingApiVersions | ConnectionState::Ready) {
            // An earlier frame of this poll was malformed and closed the connection; what
            // follows it is not to be trusted.
            return;
        }
        if self.is_unwanted(node, frame) {
            log::trace!("node {node}: an answer to a request that wanted none");
            return;
        }
        let decoded = match self.in_flight.oldest(node).filter(|oldest| oldest.send_completed) {
            Some(request) => decode(request, frame),
            None => Err(protocol_error("the broker sent an answer that nobody asked for")),
        };
        let request = decoded.map(|body| (body, self.in_flight.complete_next(node)));
        match request {
            Ok((body, Some(request))) => self.handle_answer(node, &request, body, now),
            Ok((_, None)) => {}
            Err(error) => self.close_connection(node, error, now),
        }
    }

    /// Whether `frame` answers a request that wanted no answer. It is of no use: its request is long over.
    fn is_unwanted(&self, node: NodeId, frame: &[u8]) -> bool {
        let correlation_id = Reader::new(frame).read_i32();
        correlation_id.is_ok_and(|id| self.in_flight.is_unwanted(node, id))
    }

    fn handle_answer(
        &mut self,
        node: NodeId,
        request: &InFlightRequest,
        body: ResponseBody,
        now: Instant,
    ) {
        let version = request.version;
        log::trace!("node {node}: answer to {} ({})", request.api(), request.correlation_id);
        self.throttle(node, throttle_time(&body, version), now);
        match (request.origin, body) {
            (Origin::Metadata, ResponseBody::Metadata(response)) => {
                self.handle_metadata(&response, version, now);
            }
            (Origin::ApiVersions, ResponseBody::ApiVersions(response)) => {
                self.handle_api_versions(node, &response, version, now);
            }
            (_, body) => self.respond(request, ResponseOutcome::Answered(body)),
        }
    }

    /// Leaves a broker alone for as long as it asks (KIP-219).
    fn throttle(&mut self, node: NodeId, time: Duration, now: Instant) {
        if !time.is_zero() {
            log::debug!("node {node}: throttled for {time:?}");
            self.connections.throttle(node, now + time);
            self.in_flight.extend_deadlines(node, time);
        }
    }

    fn handle_metadata(&mut self, response: &MetadataResponse, version: i16, now: Instant) {
        if response.error_code == ErrorCode::RebootstrapRequired {
            self.metadata_updater.handle_failure(now);
            if self.metadata_updater.can_rebootstrap() {
                self.rebootstrap(now);
            }
        } else {
            self.metadata_updater.handle_response(response, version, now);
            self.forget_departed(now);
        }
    }

    /// Keeps nothing of brokers that left the cluster. Those of the configuration may be needed again.
    fn forget_departed(&mut self, now: Instant) {
        let snapshot = self.metadata().snapshot();
        let in_use = |node: NodeId| node.0 < 0 || snapshot.cluster.nodes.contains_key(&node);
        self.connections.forget_departed(in_use, now);
        let connections = &self.connections;
        self.failure_log.forget_departed(|node| connections.is_known(node));
    }

    /// A broker that does not know the version of the question answers in version 0 (KIP-511).
    fn handle_api_versions(
        &mut self,
        node: NodeId,
        response: &ApiVersionsResponse,
        version: i16,
        now: Instant,
    ) {
        match response.error_code {
            ErrorCode::None => {
                self.selector.lift_receive_limit(node);
                if let Some(newest) = newest_api_versions(response) {
                    self.connections.api_versions_announced(node, newest);
                }
                self.api_versions.update(node, NodeApiVersions::new(&response.api_keys));
                self.connections.ready(node);
                self.failure_log.is_well(node);
                log::debug!("node {node}: ready");
            }
            ErrorCode::UnsupportedVersion if version > 0 => {
                self.ask_api_versions(node, fallback_version(response, version), now);
            }
            code => self.close_connection(node, Error::broker_code(code, None), now),
        }
    }
}

/// The version to ask in after `version` was refused; always a lower one.
fn fallback_version(response: &ApiVersionsResponse, version: i16) -> i16 {
    newest_api_versions(response).map_or(0, |newest| newest.clamp(0, version - 1))
}

/// The newest version of ApiVersions itself that the broker announces.
fn newest_api_versions(response: &ApiVersionsResponse) -> Option<i16> {
    let announced = response.api_keys.iter().find(|api| api.api_key == ApiKey::ApiVersions.id());
    announced.map(|api| api.max_version)
}

/// Matches an answer with the request that it has to be for.
fn decode(request: &InFlightRequest, frame: &[u8]) -> Result<ResponseBody, Error> {
    let (api, version) = (request.api(), request.version);
    let mut reader = Reader::new(frame);
    let malformed =
        |error: DecodeError| protocol_error(&format!("answer to {api} v{version}: {error}"));
    let header = ResponseHeader::decode(api, version, &mut reader).map_err(malformed)?;
    if header.correlation_id != request.correlation_id {
        return Err(protocol_error(&format!(
            "the broker answered request {} where the answer to {} ({api}) was due",
            header.correlation_id, request.correlation_id
        )));
    }
    let body = match api {
        ApiKey::ApiVersions => decode_api_versions(version, &reader),
        _ => ResponseBody::decode(api, version, &mut reader),
    };
    body.map_err(malformed)
}

/// An answer that refuses the version comes in version 0, others in `version`, unless the broker is mistaken.
fn decode_api_versions(version: i16, reader: &Reader<'_>) -> Result<ResponseBody, DecodeError> {
    let decode = |version| ApiVersionsResponse::decode(version, &mut reader.clone());
    let is_refusal = reader.clone().read_error_code()? == ErrorCode::UnsupportedVersion;
    let (first, second) = if is_refusal { (0, version) } else { (version, 0) };
    let decoded = decode(first).or_else(|error| decode(second).map_err(|_| error));
    decoded.map(ResponseBody::ApiVersions)
}

/// How long the broker wants to be left alone. Older versions have already held back the answer for that long.
fn throttle_time(body: &ResponseBody, version: i16) -> Duration {
    let (first_version, time_ms) = match body {
        ResponseBody::Produce(response) => (6, response.throttle_time_ms),
        ResponseBody::Metadata(response) => (6, response.throttle_time_ms),
        ResponseBody::ApiVersions(response) => (2, response.throttle_time_ms),
        ResponseBody::InitProducerId(response) => (1, response.throttle_time_ms),
    };
    let time_ms = if version >= first_version { time_ms } else { 0 };
    Duration::from_millis(u64::try_from(time_ms).unwrap_or(0)).min(MAX_THROTTLE)
}

/// For longer than this at a time no broker is left alone, nor its answers waited for. Kafka's own limit is the time that its
/// quotas look back, 11 seconds if nobody changed it.
const MAX_THROTTLE: Duration = Duration::from_secs(60);
