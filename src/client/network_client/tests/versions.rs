//! Which versions a broker is asked for, and in which.

use super::*;

#[test]
fn a_peer_that_closes_on_the_first_question_is_too_old_or_no_broker() {
    let reset = Error::io(&std::io::ErrorKind::ConnectionReset.into());
    for cause in [DisconnectCause::EndOfStream, DisconnectCause::Failed(reset)] {
        let mut setup = Setup::new();
        setup.poll();
        setup.poll();

        setup.client.selector.disconnect(BOOTSTRAP, cause);
        setup.poll();

        let error = setup.metadata.last_error().expect("a failure").to_string();
        assert!(error.starts_with("broker 10.0.0.9:9092: ") && error.contains("0.10"), "{error}");
    }
}

// Azure Event Hubs hangs up on version 4.
#[test]
fn a_peer_that_hangs_up_on_the_first_question_is_asked_in_older_versions_then_anew() {
    let reset = || DisconnectCause::Failed(Error::io(&std::io::ErrorKind::ConnectionReset.into()));
    let mut setup = Setup::new();

    for (asked, cause) in [
        (4, reset()),
        (3, DisconnectCause::EndOfStream),
        (0, reset()),
        (4, DisconnectCause::EndOfStream),
        (3, reset()),
    ] {
        setup.ask(BOOTSTRAP);
        assert_eq!(setup.last_request(), (BOOTSTRAP, ApiKey::ApiVersions, asked));
        setup.client.selector.disconnect(BOOTSTRAP, cause);
        setup.poll();
    }
}

#[test]
fn a_connection_that_fails_otherwise_says_nothing_about_versions() {
    let refused = Error::io(&std::io::ErrorKind::ConnectionRefused.into());
    let mut setup = Setup::new();
    setup.client.selector.accepts = false;
    setup.poll();
    setup.client.selector.disconnect(BOOTSTRAP, DisconnectCause::Failed(refused));
    setup.poll();
    setup.client.selector.accepts = true;

    setup.ask(BOOTSTRAP);
    assert_eq!(setup.last_request(), (BOOTSTRAP, ApiKey::ApiVersions, 4));
    setup.now = setup.now + 2 * SETUP_TIMEOUT;
    setup.poll();
    setup.ask(BOOTSTRAP);

    assert_eq!(setup.last_request(), (BOOTSTRAP, ApiKey::ApiVersions, 4), "silence");
}

#[test]
fn a_broker_is_asked_in_the_version_that_it_announced_last_time() {
    for (announced, expected) in [(0, 0), (3, 3), (4, 4), (100, 4), (-1, 0)] {
        let mut setup = Setup::ready(13);
        let ResponseBody::ApiVersions(mut response) = api_versions(13) else { unreachable!() };
        let api_key = ApiKey::ApiVersions.id();
        response.api_keys.retain(|api| api.api_key != api_key);
        response.api_keys.push(ApiVersion { api_key, min_version: 0, max_version: announced });
        setup.fail_connection(NODE);
        setup.ask(NODE);
        setup.answer(&ResponseBody::ApiVersions(response));
        setup.fail_connection(NODE);

        setup.ask(NODE);

        assert_eq!(setup.last_request(), (NODE, ApiKey::ApiVersions, expected), "{announced}");
    }
}

#[test]
fn an_old_broker_is_asked_again_in_a_version_that_it_knows() {
    for (announced, expected) in [(None, 0), (Some(2), 2), (Some(100), 3), (Some(-5), 0)] {
        let mut setup = Setup::new();
        setup.poll();
        setup.poll();

        let api_keys = announced.map(|max_version| ApiVersion {
            api_key: ApiKey::ApiVersions.id(),
            min_version: 0,
            max_version,
        });
        let refusal = ApiVersionsResponse {
            error_code: ErrorCode::UnsupportedVersion,
            api_keys: api_keys.into_iter().collect(),
            ..ApiVersionsResponse::default()
        };
        setup.answer_in(0, &ResponseBody::ApiVersions(refusal));
        setup.poll();

        assert_eq!(setup.last_request(), (BOOTSTRAP, ApiKey::ApiVersions, expected));
    }
}

// NET-16
/// The question is put again in the same turn in which the connection turns out to be gone.
#[test]
fn an_old_broker_that_answers_and_closes_at_once_is_tried_again_later() {
    let mut setup = Setup::new();
    setup.poll();
    setup.poll();

    let error_code = ErrorCode::UnsupportedVersion;
    let refusal = ApiVersionsResponse { error_code, ..ApiVersionsResponse::default() };
    setup.client.selector.disconnect(BOOTSTRAP, DisconnectCause::EndOfStream);
    setup.answer_in(0, &ResponseBody::ApiVersions(refusal));

    assert_eq!(setup.client.connections.state(BOOTSTRAP), ConnectionState::Disconnected);
    assert_eq!(setup.client.in_flight.count(BOOTSTRAP), 0);
}

#[test]
fn a_broker_that_refuses_to_tell_its_versions_is_left() {
    let mut setup = Setup::new();
    setup.poll();
    setup.poll();

    let error_code = ErrorCode::InvalidRequest;
    let refusal = ApiVersionsResponse { error_code, ..ApiVersionsResponse::default() };
    setup.answer(&ResponseBody::ApiVersions(refusal));

    assert_eq!(setup.client.selector.closed, [BOOTSTRAP]);
    let error = setup.metadata.last_error().expect("a failure");
    assert_eq!(error.code(), Some(ErrorCode::InvalidRequest));
}
