//! The producer against three real brokers that fail: nothing acknowledged is lost, doubled or out of order.
//!
//! `FAULTS_MINUTES` is how long faults go on (3 unless set), `FAULTS_SEED` repeats the faults of an earlier run. Needs
//! what the tests against one broker need, and `kill`.
#![cfg(unix)]

mod checker;
mod cluster;
mod conservation;
mod fault;
mod history;
mod injector;
#[path = "../kafka/mod.rs"]
mod kafka;
mod load;
mod proxy;
mod random;
mod report;
mod resources;
mod stamp;
