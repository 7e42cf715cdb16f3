//! Apache Kafka itself, for the test binaries that need it: its jars, a JVM that runs it, and what Java's consumer read.

pub(crate) mod distribution;
pub(crate) mod host;
pub(crate) mod record;

use std::env;
use std::io::{self, Write};

/// Whether this machine can run Kafka. If not, the test that asked has nothing to do, and this has said so.
///
/// # Panics
///
/// Where a tool is missing although `CI` is set.
pub(crate) fn is_available() -> bool {
    let Err(missing) = distribution::tools() else { return true };
    let required = env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!required, "CI is set, and this test needs {missing}");
    // Straight to the terminal: what a passing test prints is not shown.
    let _ = writeln!(io::stderr(), "SKIPPED: no real broker to test against: {missing}");
    false
}
