//! Apache Kafka's jars, fetched by Maven and kept beside the build.

use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::OnceLock;
use std::{fs, io};

const VERSION: &str = "4.3.1";
pub(crate) const JAVAC: &str = "javac";
const MAVEN: &str = if cfg!(windows) { "mvn.cmd" } else { "mvn" };

/// The project whose dependencies are fetched. Kafka's tools alone: what they pull in is for Connect.
const POM: &str = "\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>kafka-producer</groupId>
  <artifactId>broker-tests</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>VERSION</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka-tools</artifactId>
      <version>VERSION</version>
      <exclusions>
        <exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>
      </exclusions>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
";

/// Whether the tools that a node needs are installed; otherwise which is missing.
pub(crate) fn tools() -> Result<(), &'static str> {
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

/// A folder for this test process's own files, under the build folder.
pub(crate) fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", process::id()))
}

/// The folder with Kafka's jars, after fetching them if need be.
///
/// They come into a folder of this process's own, which then takes its final name in one step: test runs beside one
/// another never see half of it, and the first to finish wins.
pub(crate) fn jars() -> Result<PathBuf, String> {
    let jars = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kafka-{VERSION}"));
    if jars.is_dir() {
        return Ok(jars);
    }
    let partial = scratch("kafka-partial");
    let fetched = fetch(&partial).and_then(|()| {
        fs::rename(partial.join("jars"), &jars)
            .or_else(|error| if jars.is_dir() { Ok(()) } else { Err(error) })
    });
    let removed = fs::remove_dir_all(&partial);
    fetched
        .and(removed)
        .map_err(|error| format!("fetching Kafka {VERSION} through Maven: {error}"))?;
    Ok(jars)
}

fn fetch(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let pom = folder.join("pom.xml");
    fs::write(&pom, POM.replace("VERSION", VERSION))?;
    let mut command = Command::new(MAVEN);
    command.args(["-q", "-B", "dependency:copy-dependencies", "-f"]).arg(pom);
    command.arg(format!("-DoutputDirectory={}", folder.join("jars").display()));
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stdout).into_owned()))
}
