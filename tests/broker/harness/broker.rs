//! A running Kafka node, and Java's clients beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

use crate::kafka::distribution;
use crate::kafka::host::{self, Host};
use crate::kafka::record::Record;
use crate::single_node::{self, INTERNAL_TOPICS};

/// One node of a KRaft cluster, on free ports of the loopback address.
///
/// It lives as long as this process.
#[derive(Debug)]
pub(crate) struct Broker {
    bootstrap: String,
    jars: PathBuf,
    data: PathBuf,
    host: Mutex<Host>,
}

impl Broker {
    /// Starts a node and returns when it answers; tries once more if another program took one of its ports.
    pub(super) fn start() -> Result<Self, String> {
        let jars = distribution::jars(&distribution::NEWEST)?;
        Self::start_on_free_ports(&jars).or_else(|_| Self::start_on_free_ports(&jars))
    }

    fn start_on_free_ports(jars: &Path) -> Result<Self, String> {
        let folder = distribution::scratch("kafka-node");
        let [port, controller_port] =
            single_node::free_ports().map_err(|error| error.to_string())?;
        let bootstrap = format!("127.0.0.1:{port}");
        let data = folder.join("data");
        let mut host = spawn(jars, &folder, port, controller_port)
            .map_err(|error| format!("starting java: {error}"))?;
        match host.ask("await 1", |_| {}) {
            Ok(()) => Ok(Self { bootstrap, jars: jars.to_owned(), data, host: Mutex::new(host) }),
            Err(reason) => Err(format!("{reason}\n{}", host.stop())),
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
        let mut command = host::java("-Xmx512m", &[self.jars.join("*")]);
        command.arg(class).stdin(Stdio::null());
        command
    }

    /// The file with the first records of a partition.
    pub(crate) fn segment(&self, topic: &str, partition: i32) -> PathBuf {
        self.data.join(format!("{topic}-{partition}")).join("00000000000000000000.log")
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

fn spawn(jars: &Path, folder: &Path, port: u16, controller_port: u16) -> io::Result<Host> {
    let data = folder.join("data");
    fs::create_dir_all(&data)?;
    let properties = folder.join("server.properties");
    fs::write(&properties, server_properties(&data, port, controller_port))?;
    let address = format!("127.0.0.1:{port}");
    let arguments = [properties.as_ref(), folder.as_ref(), address.as_ref()];
    Host::start(jars, folder, "BrokerHost", &arguments)
}

/// `x`, and two digits a byte.
fn word(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("x"), |word, byte| word + &format!("{byte:02x}"))
}

fn server_properties(data: &Path, port: u16, controller_port: u16) -> String {
    let data = data.display().to_string().replace('\\', "/");
    let kraft = single_node::kraft(port, controller_port);
    format!(
        "{kraft}log.dirs={data}\n\
         auto.create.topics.enable=false\n\
         {INTERNAL_TOPICS}"
    )
}
