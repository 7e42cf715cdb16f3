use super::*;

#[test]
fn from_properties_needs_only_an_address() {
    let config = ProducerConfig::from_properties([("bootstrap.servers", "localhost:9092")])
        .expect("a valid configuration");

    assert_eq!(config.bootstrap_servers(), [("localhost".to_owned(), 9092)]);
}
