//! Apache Kafka's jars, fetched by Maven and kept beside the build.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::OnceLock;
use std::{env, fs, io};

pub(crate) const JAVAC: &str = "javac";
const MAVEN: &str = if cfg!(windows) { "mvn.cmd" } else { "mvn" };

/// A release of Kafka, as Maven knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    pub(crate) version: &'static str,
    pub(crate) scala: &'static str,
    /// What it needs besides, each as `group:artifact:version`: these versions, whatever Kafka asks for, and nothing that
    /// they ask for in turn.
    pub(crate) further: &'static [&'static str],
}

/// The release that most tests run on. Kafka's tools alone: what they pull in is for Connect.
pub(crate) const NEWEST: Release = Release {
    version: "4.3.1",
    scala: "2.13",
    further: &["org.apache.kafka:kafka-tools:4.3.1", "org.slf4j:slf4j-simple:1.7.36"],
};

/// Whether this machine can run Kafka. If not, the test that asked has nothing to do, and this has said so.
///
/// # Panics
///
/// Where a tool is missing although `CI` is set.
pub(crate) fn is_available() -> bool {
    let Err(missing) = tools() else { return true };
    let required = env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!required, "CI is set, and this test needs {missing}");
    // Straight to the terminal: what a passing test prints is not shown.
    let _ = writeln!(io::stderr(), "SKIPPED: no real broker to test against: {missing}");
    false
}

/// Whether the tools that a node needs are installed; otherwise which is missing.
fn tools() -> Result<(), &'static str> {
    static TOOLS: OnceLock<Result<(), &'static str>> = OnceLock::new();
    *TOOLS.get_or_init(|| {
        if !succeeds(JAVAC, &["--release", "17", "-version"]) || !succeeds("java", &["-version"]) {
            return Err("a JDK, version 17 or later, is not installed");
        }
        if !succeeds(MAVEN, &["-version"]) {
            return Err("Maven (mvn) is not installed");
        }
        Ok(())
    })
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Where the build keeps what tests leave for one another. Unit tests are not told, and look from where they lie.
fn build_folder() -> PathBuf {
    if let Some(folder) = option_env!("CARGO_TARGET_TMPDIR") {
        return folder.into();
    }
    let this = env::current_exe().expect("a path");
    this.ancestors().nth(3).expect("<build folder>/<profile>/deps/<test>").join("tmp")
}

/// A folder for this test process's own files, under the build folder.
pub(crate) fn scratch(name: &str) -> PathBuf {
    build_folder().join(format!("{name}-{}", process::id()))
}

/// The folder with a release's jars, after fetching them if need be.
///
/// They come into a folder of this process's own, which then takes its final name in one step: test runs beside one
/// another never see half of it, and the first to finish wins.
pub(crate) fn jars(release: &Release) -> Result<PathBuf, String> {
    let version = release.version;
    let jars = build_folder().join(format!("kafka-{version}"));
    if jars.is_dir() {
        return Ok(jars);
    }
    let partial = scratch("kafka-partial");
    let fetched = fetch(release, &partial).and_then(|()| {
        fs::rename(partial.join("jars"), &jars)
            .or_else(|error| if jars.is_dir() { Ok(()) } else { Err(error) })
    });
    let removed = fs::remove_dir_all(&partial);
    fetched
        .and(removed)
        .map_err(|error| format!("fetching Kafka {version} through Maven: {error}"))?;
    Ok(jars)
}

fn fetch(release: &Release, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let pom = folder.join("pom.xml");
    fs::write(&pom, project(release))?;
    let mut command = Command::new(MAVEN);
    command.args(["-q", "-B", "dependency:copy-dependencies", "-f"]).arg(pom);
    command.arg(format!("-DoutputDirectory={}", folder.join("jars").display()));
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// The project whose dependencies are fetched.
fn project(release: &Release) -> String {
    let kafka = format!("org.apache.kafka:kafka_{}:{}", release.scala, release.version);
    let further = release.further.iter().map(|artifact| dependency(artifact, ALONE));
    let dependencies: String = further.chain([dependency(&kafka, "")]).collect();
    format!(
        "<project>\
         <modelVersion>4.0.0</modelVersion>\
         <groupId>kafka-producer</groupId><artifactId>broker-tests</artifactId><version>1</version>\
         <dependencies>{dependencies}</dependencies>\
         </project>"
    )
}

const ALONE: &str = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>";

fn dependency(artifact: &str, exclusions: &str) -> String {
    let mut parts = artifact.split(':');
    let mut next = || parts.next().expect("a group, an artifact and a version");
    format!(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>{exclusions}</dependency>",
        next(),
        next(),
        next(),
    )
}
