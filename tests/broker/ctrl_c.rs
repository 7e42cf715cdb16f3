//! Threads that share a producer, told to stop.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::harness;

#[test]
fn ctrl_c_stops_the_threads_and_loses_nothing() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("ctrl-c", 3, &[]);
    let mut example = harness::example("embedded_in_threads");
    example.args(["--topic", "ctrl-c", "--bootstrap-server", broker.bootstrap()]);
    example.args(["--seconds", "60"]); // should the test end before it says so
    let mut child = example.stdout(Stdio::piped()).spawn().expect("a program that starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().expect("another line").expect("UTF-8");

    assert!(line().ends_with("stop them with Ctrl-C"), "its handler is in place");
    thread::sleep(Duration::from_secs(1));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));

    let told = line();
    assert!(child.wait().is_ok_and(|status| status.success()), "{told}");
    let count = broker.read("ctrl-c").len();
    assert!(count > 0);
    assert_eq!(told, format!("{count} records sent, {count} acknowledged"));
}
