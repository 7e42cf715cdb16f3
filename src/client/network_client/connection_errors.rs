//! The errors that connections end with.

use std::io;
use std::time::Duration;

use crate::client::cluster_connection_states::ConnectionState;
use crate::error::{Deadline, Error, ErrorKind};
use crate::network::selectable::DisconnectCause;
use crate::protocol::api_keys::ApiKey;

/// A request from this size on may be what its connection ended for. Just below the least that a broker is known to
/// take, Azure Event Hubs with 1,046,528 bytes.
const LARGE_REQUEST_BYTES: usize = 1_000_000;

/// Why a connection in `state` ended, on which the largest request without an answer had `largest` bytes.
pub(super) fn connection_error(
    state: ConnectionState,
    cause: DisconnectCause,
    largest: usize,
) -> Error {
    let is_checking = state == ConnectionState::CheckingApiVersions;
    match cause {
        // The end may be seen together with the beginning.
        DisconnectCause::EndOfStream if is_checking || state == ConnectionState::Connecting => {
            unanswered()
        }
        cause if largest >= LARGE_REQUEST_BYTES && is_hang_up(&cause) => hung_up_on(largest),
        DisconnectCause::EndOfStream | DisconnectCause::Idle => Error::new(ErrorKind::Disconnected),
        DisconnectCause::Failed(error) if is_checking && is_reset(&error) => unanswered(),
        DisconnectCause::Failed(error) => error,
    }
}

/// What closes the connection on the first request is either too old for it or no broker at all.
fn unanswered() -> Error {
    protocol_error(
        "the peer closed the connection instead of answering ApiVersions: it is older than Kafka 0.10, or expects \
         another security.protocol, or is no Kafka broker",
    )
}

/// Whether the peer ended the connection on purpose, as far as one can tell.
pub(super) fn is_hang_up(cause: &DisconnectCause) -> bool {
    match cause {
        DisconnectCause::EndOfStream => true,
        DisconnectCause::Failed(error) => is_reset(error),
        DisconnectCause::Idle => false,
    }
}

/// Some brokers have no other answer to a request that is too large for them.
fn hung_up_on(size: usize) -> Error {
    let message = format!(
        "the connection was lost with a request of {size} bytes under way; if that repeats itself, the broker takes \
         smaller ones only: lower max.request.size"
    );
    Error::new(ErrorKind::Io { kind: io::ErrorKind::ConnectionReset, message: message.into() })
}

fn is_reset(error: &Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(
        error.kind(),
        ErrorKind::Io { kind: ConnectionReset | ConnectionAborted | BrokenPipe, .. }
    )
}

pub(super) fn protocol_error(message: &str) -> Error {
    Error::new(ErrorKind::Protocol { message: message.into() })
}

/// A connection that did not become usable in time.
pub(super) fn setup_timeout(state: ConnectionState, limit: Duration) -> Error {
    let waiting_for = match state {
        ConnectionState::Resolving => "address of the host",
        ConnectionState::CheckingApiVersions => answer_to(ApiKey::ApiVersions),
        _ => "TCP connection",
    };
    Error::new(ErrorKind::Timeout { deadline: Deadline::ConnectionSetup, limit, waiting_for })
}

/// A request that was not answered in time.
pub(super) fn request_timeout(api: ApiKey, limit: Duration) -> Error {
    let waiting_for = answer_to(api);
    Error::new(ErrorKind::Timeout { deadline: Deadline::Request, limit, waiting_for })
}

fn answer_to(api: ApiKey) -> &'static str {
    match api {
        ApiKey::Produce => "answer to Produce",
        ApiKey::Metadata => "answer to Metadata",
        ApiKey::ApiVersions => "answer to ApiVersions",
        ApiKey::InitProducerId => "answer to InitProducerId",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // NET-16
    // It said "the connection was lost" where connecting and the end were seen in one poll.
    #[test]
    fn who_closes_before_the_first_answer_is_no_broker_for_us() {
        for state in [ConnectionState::Connecting, ConnectionState::CheckingApiVersions] {
            let error = connection_error(state, DisconnectCause::EndOfStream, 0);

            assert!(matches!(error.kind(), ErrorKind::Protocol { .. }), "{state:?}: {error}");
        }
        let error = connection_error(ConnectionState::Ready, DisconnectCause::EndOfStream, 0);
        assert_eq!(*error.kind(), ErrorKind::Disconnected);
    }

    #[test]
    fn a_connection_that_a_large_request_may_have_ended_names_the_property() {
        let reset = || Error::io(&io::ErrorKind::ConnectionReset.into());
        for cause in [DisconnectCause::EndOfStream, DisconnectCause::Failed(reset())] {
            let error = connection_error(ConnectionState::Ready, cause, 1_048_000);

            assert!(error.to_string().contains("max.request.size"), "{error}");
            assert!(error.to_string().contains("1048000"), "{error}");
            assert!(error.is_retriable());
        }
    }
}
