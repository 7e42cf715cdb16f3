//! A JVM that runs Kafka and takes commands.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::kafka::distribution;

/// What Kafka and its clients are run with, next to a heap size.
pub(crate) const JVM_OPTIONS: [&str; 3] = [
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
];

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/java");

/// A running `BrokerHost`, `ClusterHost` or `ReleaseHost`.
///
/// It lives as long as this process: it reads its standard input, and when that ends, for whatever reason, it stops what
/// it runs and deletes its folder.
#[derive(Debug)]
pub(crate) struct Host {
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    child: Child,
    log: PathBuf,
}

impl Host {
    /// Starts the Java class `class`, compiled into `folder`; what it logs goes to a file there.
    pub(crate) fn start(
        jars: &Path,
        folder: &Path,
        class: &str,
        arguments: &[&OsStr],
    ) -> io::Result<Self> {
        let classes = compile(jars, folder, class)?;
        let log = folder.join("host.log");
        let mut child = java("-Xmx512m", &[jars.join("*"), classes])
            .arg(class)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Ok(Self { commands, answers, child, log })
    }

    /// Gives a command and passes on each line of the answer.
    pub(crate) fn ask(
        &mut self,
        command: &str,
        mut each_line: impl FnMut(&str),
    ) -> Result<(), String> {
        let commands = self.commands.as_mut().expect("open until it is stopped");
        writeln!(commands, "{command}").map_err(|error| error.to_string())?;
        let mut line = String::new();
        loop {
            line.clear();
            match self.answers.read_line(&mut line) {
                Ok(0) => return Err("it ended".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
            let text = line.trim_end();
            if text == "ok" {
                return Ok(());
            }
            if let Some(reason) = text.strip_prefix("failed ") {
                return Err(reason.to_owned());
            }
            each_line(text);
        }
    }

    /// Ends it, and returns what it has logged.
    pub(crate) fn stop(mut self) -> String {
        let told = fs::read_to_string(&self.log).unwrap_or_default();
        self.commands = None;
        let _ = self.child.wait();
        told
    }
}

/// A command that runs a class of these jars.
pub(crate) fn java(heap: &str, class_path: &[PathBuf]) -> Command {
    let mut command = Command::new("java");
    let class_path = std::env::join_paths(class_path).expect("paths without separators");
    command.arg(heap).args(JVM_OPTIONS).arg("-cp").arg(class_path);
    command
}

/// Only the class itself and what it names: not every release has what the others need.
fn compile(jars: &Path, folder: &Path, class: &str) -> io::Result<PathBuf> {
    let classes = folder.join("classes");
    fs::create_dir_all(&classes)?;
    let mut javac = Command::new(distribution::JAVAC);
    javac
        .args(["--release", "17", "-proc:none", "-sourcepath", SOURCES, "-cp"])
        .arg(jars.join("*"));
    javac.arg("-d").arg(&classes).arg(Path::new(SOURCES).join(format!("{class}.java")));
    let output = javac.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(classes);
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}
