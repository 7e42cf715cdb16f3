//! A running Kafka node, and Java's clients beside it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::harness::record::word;
use crate::harness::{Record, distribution};

/// One node of a KRaft cluster, on free ports of the loopback address.
///
/// It lives as long as this process: the host reads its standard input, and when that ends, for whatever reason, it
/// stops and deletes its folder.
#[derive(Debug)]
pub(crate) struct Broker {
    bootstrap: String,
    jars: PathBuf,
    host: Mutex<Host>,
}

#[derive(Debug)]
struct Host {
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Broker {
    /// Starts a node and returns when it answers; tries once more if another program took one of its ports.
    pub(super) fn start() -> Result<Self, String> {
        let jars = distribution::jars()?;
        Self::start_on_free_ports(&jars).or_else(|_| Self::start_on_free_ports(&jars))
    }

    fn start_on_free_ports(jars: &Path) -> Result<Self, String> {
        let folder = distribution::scratch("kafka-node");
        let [port, controller_port] = free_ports().map_err(|error| error.to_string())?;
        let bootstrap = format!("127.0.0.1:{port}");
        let (mut child, log) = spawn(jars, &folder, port, controller_port)
            .map_err(|error| format!("starting java: {error}"))?;
        let commands = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut host = Host { commands, answers };
        match host.ask("await", |_| {}) {
            Ok(()) => Ok(Self { bootstrap, jars: jars.to_owned(), host: Mutex::new(host) }),
            Err(reason) => {
                let told = fs::read_to_string(&log).unwrap_or_default();
                drop(host); // the host ends with its input
                let _ = child.wait();
                Err(format!("{reason}\n{told}"))
            }
        }
    }

    /// Its address, as `bootstrap.servers` takes it.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Creates a topic; each of `configs` is `name=value`.
    pub(crate) fn create_topic(&self, topic: &str, partitions: i32, configs: &[&str]) {
        let configs: String = configs.iter().map(|config| format!(" {config}")).collect();
        self.ask(&format!("create {topic} {partitions}{configs}"), |_| {});
    }

    /// Raises the number of a topic's partitions.
    pub(crate) fn grow_topic(&self, topic: &str, partitions: i32) {
        self.ask(&format!("grow {topic} {partitions}"), |_| {});
    }

    /// Everything in a topic, as Java's consumer reads it: each partition in the order of its offsets.
    pub(crate) fn read(&self, topic: &str) -> Vec<Record> {
        let mut records = Vec::new();
        self.ask(&format!("read {topic}"), |line| records.push(Record::parse(line)));
        records
    }

    /// The partitions to which Java's producer sends records with these keys, which it does.
    pub(crate) fn partitions_of_java(&self, topic: &str, keys: &[Vec<u8>]) -> Vec<i32> {
        let mut command = format!("partitions {topic}");
        for key in keys {
            command.push(' ');
            command.push_str(&word(key));
        }
        let mut partitions = Vec::new();
        self.ask(&command, |line| partitions.push(line.parse().expect("a partition")));
        partitions
    }

    /// A command that runs one of Kafka's own tools.
    pub(crate) fn tool(&self, class: &str) -> Command {
        let mut command = java(&self.jars);
        command.arg(class).stdin(Stdio::null());
        command
    }

    fn ask(&self, command: &str, each_line: impl FnMut(&str)) {
        let answer = {
            let mut host = self.host.lock().unwrap_or_else(PoisonError::into_inner);
            host.ask(command, each_line)
        };
        if let Err(reason) = answer {
            let (name, _) = command.split_once(' ').unwrap_or((command, ""));
            panic!("the broker's host failed to {name}: {reason}");
        }
    }
}

impl Host {
    /// Gives a command and passes on each line of the answer.
    fn ask(&mut self, command: &str, mut each_line: impl FnMut(&str)) -> Result<(), String> {
        writeln!(self.commands, "{command}").map_err(|error| error.to_string())?;
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
}

/// Starts the host; what it logs goes to a file, whose path is the second part of the answer.
fn spawn(
    jars: &Path,
    folder: &Path,
    port: u16,
    controller_port: u16,
) -> std::io::Result<(Child, PathBuf)> {
    let data = folder.join("data");
    fs::create_dir_all(&data)?;
    let properties = folder.join("server.properties");
    fs::write(&properties, server_properties(&data, port, controller_port))?;
    let log = folder.join("host.log");
    let child = java(jars)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/broker/java/BrokerHost.java"))
        .args([&properties, folder])
        .arg(format!("127.0.0.1:{port}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(&log)?)
        .spawn()?;
    Ok((child, log))
}

fn java(jars: &Path) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
    command.arg("-cp").arg(jars.join("*"));
    command
}

fn server_properties(data: &Path, port: u16, controller_port: u16) -> String {
    let data = data.display().to_string().replace('\\', "/");
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
         log.dirs={data}\n\
         auto.create.topics.enable=false\n\
         group.initial.rebalance.delay.ms=0\n\
         offsets.topic.num.partitions=1\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.num.partitions=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n"
    )
}

/// Both are held until both are known, so that they differ.
fn free_ports() -> std::io::Result<[u16; 2]> {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let second = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok([first.local_addr()?.port(), second.local_addr()?.port()])
}
