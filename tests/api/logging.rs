//! Loggers are user code: one may send what is logged, with the producer that logs it, and one may panic.

use std::cell::Cell;
use std::sync::{Mutex, OnceLock, mpsc};
use std::{process, thread};

use kafka_producer::mock_cluster::{Api, Fault};
use kafka_producer::{ErrorCode, KafkaProducer, ProducerRecord};
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::setup::{LONG, answer, cluster, failure, log as log_of, producer, record, run_alone};

static PRODUCER: OnceLock<KafkaProducer<str, str>> = OnceLock::new();

thread_local! {
    /// Whether this thread logs: what that logs is not logged in its turn.
    static LOGS: Cell<bool> = const { Cell::new(false) };
}

struct ToKafka;

impl Log for ToKafka {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Debug
    }

    fn log(&self, message: &Record<'_>) {
        let Some(producer) = PRODUCER.get().filter(|_| !LOGS.replace(true)) else {
            return;
        };
        producer.send(record(&message.args().to_string()));
        LOGS.set(false);
    }

    fn flush(&self) {}
}

// A warning came under the lock of the metadata, which a new batch wants, too.
#[test]
fn a_logger_may_send_with_the_producer_that_logs() {
    run_alone("logging::a_logger_may_send_with_the_producer_that_logs", || {
        let cluster = cluster();
        cluster.create_topic("others", 1);
        let producer = producer(&cluster, &[("linger.ms", "0")]);
        let other = |value| producer.send(ProducerRecord::without_key("others", value));
        answer(&producer.send(record("knows the topic"))).expect("acknowledged");
        answer(&other("knows the topic")).expect("acknowledged");
        cluster.inject(
            Fault::error(ErrorCode::TopicAuthorizationFailed).on(Api::Metadata).topic("secret"),
        );
        log::set_logger(&ToKafka).expect("the first");
        log::set_max_level(LevelFilter::Debug);
        let (tell, told) = mpsc::channel();
        let of_thread = producer.clone();
        PRODUCER.get_or_init(|| producer.clone());

        thread::spawn(move || {
            failure(&of_thread.send(ProducerRecord::without_key("secret", "a")));
            let acknowledged = of_thread.send(ProducerRecord::without_key("others", "b")).get();
            tell.send(acknowledged.is_ok() && of_thread.close(LONG).is_ok()).expect("heard");
        });

        if told.recv_timeout(2 * LONG) != Ok(true) {
            eprintln!("the producer and its logger wait for one another");
            process::exit(1); // to drop the producer would wait as well
        }
        let log = log_of(&cluster, 0);
        assert!(log.iter().any(|line| line.contains("no metadata of topic secret")), "{log:?}");
    });
}

struct Panicking;

impl Log for Panicking {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, message: &Record<'_>) {
        assert!(message.level() > Level::Error, "{}", message.args());
    }

    fn flush(&self) {}
}

// The panic of the logger ended the producer, whose callback had panicked.
#[test]
fn a_logger_that_panics_over_a_panic_ends_nothing() {
    run_alone("logging::a_logger_that_panics_over_a_panic_ends_nothing", || {
        log::set_logger(&Panicking).expect("the first");
        log::set_max_level(LevelFilter::Error);
        let cluster = cluster();
        let producer = producer(&cluster, &[]);

        answer(&producer.send_with_callback(record("a"), |_| panic!("in the callback")))
            .expect("acknowledged");

        answer(&producer.send(record("b"))).expect("acknowledged");
    });
}

struct Warnings;

static WARNED: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Log for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, message: &Record<'_>) {
        if self.enabled(message.metadata()) {
            WARNED.lock().expect("no panic").push(message.args().to_string());
        }
    }

    fn flush(&self) {}
}

// For two minutes nothing told why nothing went on, and nothing at all that a producer had ended.
#[test]
fn what_is_refused_again_and_again_is_told_once_and_so_is_the_end_of_the_producer() {
    run_alone(
        "logging::what_is_refused_again_and_again_is_told_once_and_so_is_the_end_of_the_producer",
        || {
            log::set_logger(&Warnings).expect("the first");
            log::set_max_level(LevelFilter::Debug);
            let cluster = cluster();
            let producer = producer(&cluster, &[]);
            let not_enough = Fault::error(ErrorCode::NotEnoughReplicas).on(Api::Produce);
            cluster.inject(not_enough.times(3));

            answer(&producer.send(record("a"))).expect("acknowledged in the end");
            let warned = std::mem::take(&mut *WARNED.lock().expect("no panic"));
            assert_eq!(warned.len(), 1, "{warned:?}");
            assert!(warned[0].contains("NOT_ENOUGH_REPLICAS") && warned[0].contains("again"));

            cluster.inject(Fault::error(ErrorCode::ProducerFenced).on(Api::Produce));
            failure(&producer.send(record("b")));
            producer.close(LONG).expect("nothing is left");
            let warned = WARNED.lock().expect("no panic");
            assert!(warned.iter().any(|line| line.contains("the producer ends")), "{warned:?}");
        },
    );
}
