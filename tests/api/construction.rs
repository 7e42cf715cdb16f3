//! Producers that cannot be built.
#![cfg(target_os = "linux")]

use kafka_producer::{ErrorKind, KafkaProducer, ProducerConfig, StringSerializer};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::setup::{expect_threads_and_files, run_alone, threads_and_files};

// CFG-06
#[test]
fn a_producer_that_cannot_be_built_leaves_nothing_behind() {
    let test = "construction::a_producer_that_cannot_be_built_leaves_nothing_behind";
    run_alone(test, without_file_descriptors);
}

fn without_file_descriptors() {
    let build = || -> Result<KafkaProducer<str, str>, _> {
        let config = ProducerConfig::from_properties([("bootstrap.servers", "localhost:9092")]);
        let serializer = StringSerializer::default;
        KafkaProducer::new(config.expect("valid"), serializer(), serializer())
    };
    let before = threads_and_files();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");

    let mut failures = 0;
    for limit in 0..100 {
        setrlimit(Resource::RLIMIT_NOFILE, limit, hard).expect("less than allowed");
        let built = build();
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("what was allowed");
        match built {
            Ok(producer) => drop(producer),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Io { .. }), "{error}");
                failures += 1;
            }
        }
        expect_threads_and_files(before);
    }

    assert!((2..100).contains(&failures), "{failures} failures");
}
