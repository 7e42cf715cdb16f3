//! Three Kafka nodes in processes of their own, each behind a proxy.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::{fs, io, iter, process};

use crate::kafka::distribution;
use crate::kafka::host::{Host, JVM_OPTIONS};
use crate::kafka::record::Record;
use crate::proxy::Proxy;

/// A node's number, from 1.
pub(crate) type Node = usize;

pub(crate) const NODES: usize = 3;

/// What a broker logs of a client that broke the protocol.
const COMPLAINTS: [&str; 4] = [
    "InvalidReceiveException",
    "InvalidRequestException",
    "CorruptRecordException",
    "InvalidRecordException",
];

/// What a follower says before it names the error: it has read from a leader that was cutting off its own log, for it leads no
/// more. It reads again. What a client sends is refused before it comes into a log.
const BETWEEN_NODES: &str = "Found invalid messages during fetch";

/// The cluster, and the way to it that a producer takes.
///
/// It ends with this process or before: the host kills the nodes and deletes their folder when its input ends.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: PathBuf,
    proxies: Vec<Proxy>,
    bootstrap: String,
    /// `None` once stopped.
    host: Option<Host>,
}

/// A node's ports: of the proxy, behind it, for the nodes and the reader, for the controllers.
#[derive(Clone, Copy, Debug)]
struct Ports {
    proxy: u16,
    client: u16,
    internal: u16,
    controller: u16,
}

impl Cluster {
    /// Starts three nodes and returns when all are there; tries once more if another program took one of the ports.
    pub(crate) fn start() -> Result<Self, String> {
        let jars = distribution::jars(&distribution::NEWEST)?;
        Self::start_on_free_ports(&jars).or_else(|_| Self::start_on_free_ports(&jars))
    }

    fn start_on_free_ports(jars: &Path) -> Result<Self, String> {
        let folder = distribution::scratch("kafka-cluster");
        let ports = free_ports().map_err(|error| error.to_string())?;
        let address = |port: u16| format!("127.0.0.1:{port}");
        let internal = ports.map(|ports| address(ports.internal)).join(",");
        let bootstrap = ports.map(|ports| address(ports.proxy)).join(",");
        let start = || {
            let mut proxies = Vec::new();
            for (index, each) in ports.iter().enumerate() {
                let home = folder.join(format!("node-{}", index + 1));
                fs::create_dir_all(&home)?;
                let properties = server_properties(&home.join("data"), index + 1, &ports);
                fs::write(home.join("server.properties"), properties)?;
                let broker = SocketAddr::from((Ipv4Addr::LOCALHOST, each.client));
                proxies.push(Proxy::start(each.proxy, broker)?);
            }
            let mut arguments = vec![folder.as_os_str(), internal.as_ref(), "-Xmx384m".as_ref()];
            arguments.extend(JVM_OPTIONS.map(OsStr::new));
            Ok((proxies, Host::start(jars, &folder, "ClusterHost", &arguments)?))
        };
        let (proxies, host) =
            start().map_err(|error: io::Error| format!("starting java: {error}"))?;
        let mut cluster = Self { folder, proxies, bootstrap, host: Some(host) };
        let nodes = |node: Node| format!("start {node}");
        let started = (1..=NODES).try_for_each(|node| cluster.try_ask(&nodes(node)));
        match started.and_then(|()| cluster.try_ask("await 3")) {
            Ok(()) => Ok(cluster),
            Err(reason) => Err(format!("{reason}\n{}", cluster.logs())),
        }
    }

    /// The proxies' addresses, as `bootstrap.servers` takes them.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub(crate) fn proxy(&self, node: Node) -> &Proxy {
        &self.proxies[node - 1]
    }

    /// Gives a command to the host, which ends the test if it fails.
    pub(crate) fn ask(&mut self, command: &str) {
        if let Err(reason) = self.try_ask(command) {
            panic!("the cluster failed to {command}: {reason}\n{}", self.logs());
        }
    }

    fn try_ask(&mut self, command: &str) -> Result<(), String> {
        self.host.as_mut().expect("not stopped").ask(command, |_| {})
    }

    /// Reads a topic with Java's consumer, not through the proxies: each partition in the order of its offsets.
    pub(crate) fn read(&mut self, topic: &str, mut each: impl FnMut(&Record)) {
        let host = self.host.as_mut().expect("not stopped");
        let read = host.ask(&format!("read {topic}"), |line| each(&Record::parse(line)));
        read.expect("the whole topic");
    }

    /// The lines of the nodes' logs which say that a client broke the protocol.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for node in 1..=NODES {
            let log = fs::read(self.log(node)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            complaints.extend(complaints_in(&log).map(str::to_owned));
        }
        complaints
    }

    /// Leaves the nodes' folder for a look at it, and tells where it is.
    pub(crate) fn keep_folder(&mut self) -> &Path {
        let _ = self.try_ask("keep");
        &self.folder
    }

    fn log(&self, node: Node) -> PathBuf {
        self.folder.join(format!("node-{node}.log"))
    }

    /// The end of each node's log.
    fn logs(&self) -> String {
        let mut logs = String::new();
        for node in 1..=NODES {
            let log = fs::read(self.log(node)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<_> = log.lines().collect();
            let newest = &lines[lines.len().saturating_sub(15)..];
            let _ = writeln!(logs, "node {node}:\n{}", newest.join("\n"));
        }
        logs
    }
}

/// The lines of a log which say that a client broke the protocol.
fn complaints_in(log: &str) -> impl Iterator<Item = &str> {
    let before = iter::once("").chain(log.lines());
    before.zip(log.lines()).filter_map(|(before, line)| {
        let names_one = COMPLAINTS.iter().any(|each| line.contains(each));
        (names_one && !before.contains(BETWEEN_NODES)).then_some(line)
    })
}

#[test]
fn only_what_is_said_of_clients_is_a_complaint() {
    let error = "org.apache.kafka.common.errors.CorruptRecordException: Record size 0";
    let append = "[data-plane-kafka-request-handler-1] ERROR Error processing append operation";
    let fetch = "[ReplicaFetcherThread-0-1] ERROR Found invalid messages during fetch";
    let log = [fetch, error, append, error, fetch, "something else", error].join("\n");

    assert_eq!(complaints_in(&log).count(), 2);
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(host) = self.host.take() {
            host.stop();
        }
    }
}

fn server_properties(data: &Path, node: Node, ports: &[Ports; NODES]) -> String {
    let Ports { proxy, client, internal, controller } = ports[node - 1];
    let voter =
        |(index, each): (usize, &Ports)| format!("{}@127.0.0.1:{}", index + 1, each.controller);
    let voters = ports.iter().enumerate().map(voter).collect::<Vec<_>>().join(",");
    format!(
        "process.roles=broker,controller\n\
         node.id={node}\n\
         controller.quorum.voters={voters}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=CLIENT://127.0.0.1:{client},INTERNAL://127.0.0.1:{internal},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=CLIENT://127.0.0.1:{proxy},INTERNAL://127.0.0.1:{internal}\n\
         listener.security.protocol.map=CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=INTERNAL\n\
         log.dirs={}\n\
         log.segment.bytes=1048576\n\
         log.index.size.max.bytes=65536\n\
         log.retention.ms=-1\n\
         auto.create.topics.enable=false\n\
         default.replication.factor=3\n\
         min.insync.replicas=2\n\
         unclean.leader.election.enable=false\n\
         broker.session.timeout.ms=4000\n\
         broker.heartbeat.interval.ms=1000\n\
         replica.lag.time.max.ms=5000\n\
         auto.leader.rebalance.enable=false\n",
        data.display()
    )
}

/// Ports below those that a system gives to outgoing connections: a node that is down must find its own free again.
fn free_ports() -> io::Result<[Ports; NODES]> {
    let first = 10_000 + u16::try_from(process::id() % 10_000).expect("a small number");
    let mut taken = Vec::new();
    for port in first..32_000 {
        taken.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
        if taken.len() == 4 * NODES {
            break;
        }
    }
    let ports =
        taken.iter().map(|each| Ok(each.local_addr()?.port())).collect::<io::Result<Vec<_>>>()?;
    let node = |index: usize| match ports[index * 4..] {
        [proxy, client, internal, controller, ..] => Ports { proxy, client, internal, controller },
        _ => panic!("fewer than {} free ports", 4 * NODES),
    };
    Ok([node(0), node(1), node(2)])
}
