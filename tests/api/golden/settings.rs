//! Settings that are refused.

use kafka_producer::ProducerConfig;

use super::Texts;

pub(super) fn texts() -> Texts {
    let servers = ("bootstrap.servers", "localhost:9092");
    let refused: [(&str, &[(&str, &str)]); 11] = [
        ("No address", &[]),
        ("An address without a port", &[("bootstrap.servers", "localhost")]),
        ("An address whose port is none", &[("bootstrap.servers", "localhost:kafka")]),
        ("A misspelt property", &[servers, ("linger.mss", "5")]),
        ("A number that is none", &[servers, ("batch.size", "16k")]),
        ("A number out of range", &[servers, ("acks", "2")]),
        (
            "A delivery timeout that cannot be kept",
            &[servers, ("delivery.timeout.ms", "1000"), ("request.timeout.ms", "1000")],
        ),
        (
            "Idempotence insisted on against acks",
            &[servers, ("enable.idempotence", "true"), ("acks", "1")],
        ),
        ("What this version cannot do", &[servers, ("security.protocol", "SASL_SSL")]),
        ("A secret for what it cannot do", &[servers, ("ssl.key.password", "hunter2")]),
        ("Several at once", &[("retries", "-1"), ("compression.type", "brotli")]),
    ];
    let error = |given: &[(&str, &str)]| {
        ProducerConfig::from_properties(given.iter().copied()).expect_err("refused")
    };
    refused.map(|(situation, given)| (situation, error(given))).into()
}
