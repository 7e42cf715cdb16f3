//! A node of some release.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fmt, fs, io};

use crate::kafka::distribution;
use crate::kafka::host::{self, Host};
use crate::kafka::single_node::{self, INTERNAL_TOPICS};
use crate::release::Release;

const REQUESTS: &str = "kafka.request.logger";
const SHOWN: usize = 60;

/// A running node, which keeps a log of the requests that it was sent.
///
/// It lives until it is stopped, at most as long as this process, and leaves nothing but its log where it failed.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) release: Release,
    bootstrap: String,
    jars: PathBuf,
    host: Host,
}

/// What a node has logged.
#[derive(Debug)]
pub(crate) struct Log(String);

impl Node {
    /// Starts a node and returns when it listens; tries once more if another program took one of its ports.
    pub(crate) fn start(release: Release) -> Result<Self, String> {
        let jars = distribution::jars(release.artifacts())?;
        Self::start_on_free_ports(release, &jars)
            .or_else(|_| Self::start_on_free_ports(release, &jars))
    }

    fn start_on_free_ports(release: Release, jars: &Path) -> Result<Self, String> {
        let (mut host, bootstrap) =
            spawn(&release, jars).map_err(|error| format!("starting java: {error}"))?;
        match host.ask("await", |_| {}) {
            Ok(()) => Ok(Self { release, bootstrap, jars: jars.to_owned(), host }),
            Err(reason) => Err(format!("{reason}\n{}", Log(host.stop()))),
        }
    }

    /// Its address, as `bootstrap.servers` takes it.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A command that runs one of the release's own tools.
    pub(crate) fn tool(&self, class: &str) -> Command {
        let mut command = host::java("-Xmx256m", &[self.jars.join("*")]);
        command.arg(class).stdin(Stdio::null());
        command
    }

    pub(crate) fn stop(self) -> Log {
        Log(self.host.stop())
    }
}

impl Log {
    /// The version of each client's Produce requests, as the node read it.
    pub(crate) fn produce_versions(&self) -> Result<BTreeMap<&str, i16>, String> {
        let mut versions = BTreeMap::new();
        for line in self.0.lines().filter(|line| line.contains(REQUESTS)) {
            let Some((client, version)) = produce_request(line) else { continue };
            if versions.insert(client, version).is_some_and(|earlier| earlier != version) {
                return Err(format!("{client} has changed its version of Produce"));
            }
        }
        Ok(versions)
    }

    /// Keeps it in a file of this name, and tells where that is.
    pub(crate) fn keep(&self, name: &str) -> String {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.log"));
        match fs::write(&path, &self.0) {
            Ok(()) => format!("all of its log is in {}", path.display()),
            Err(error) => format!("its log could not be kept: {error}"),
        }
    }
}

/// Its end, without the requests.
impl fmt::Display for Log {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.lines().filter(|line| !line.contains(REQUESTS)).collect();
        let end = &lines[lines.len().saturating_sub(SHOWN)..];
        end.iter().try_for_each(|line| writeln!(formatter, "{line}"))
    }
}

/// The client and the version of a request that was logged, if it was Produce. Releases write that in three ways.
fn produce_request(line: &str) -> Option<(&str, i16)> {
    const FORMS: [(&str, &str, &str); 3] = [
        ("{api_key=0,api_version=", "api_version=", "client_id="),
        ("(apiKey=PRODUCE, ", "apiVersion=", "clientId="),
        ("\"requestApiKeyName\":\"PRODUCE\"", "\"requestApiVersion\":", "\"clientId\":\""),
    ];
    let word = |before: &str| {
        let (_, rest) = line.split_once(before)?;
        rest.split([',', '}', '"']).next()
    };
    let (_, version, client) = FORMS.into_iter().find(|(produce, ..)| line.contains(produce))?;
    Some((word(client)?, word(version)?.parse().ok()?))
}

fn spawn(release: &Release, jars: &Path) -> io::Result<(Host, String)> {
    let folder = distribution::scratch(&format!("release-{}", release.version()));
    fs::create_dir_all(&folder)?;
    let [port, second] = single_node::free_ports()?;
    let home = folder.display().to_string().replace('\\', "/");
    if release.has_zookeeper() {
        fs::write(folder.join("zookeeper.properties"), zookeeper_properties(&home, second))?;
    }
    fs::write(folder.join("server.properties"), properties(release, &home, port, second))?;
    let arguments = [folder.as_os_str(), port.to_string().as_ref()].map(ToOwned::to_owned);
    let arguments = arguments.each_ref().map(AsRef::as_ref);
    let host = Host::start(jars, &folder, "ReleaseHost", &arguments)?;
    Ok((host, format!("127.0.0.1:{port}")))
}

fn zookeeper_properties(home: &str, port: u16) -> String {
    format!(
        "clientPort={port}\n\
         clientPortAddress=127.0.0.1\n\
         dataDir={home}/zookeeper\n\
         admin.enableServer=false\n"
    )
}

/// The topics' timestamps are of days long past, hence no retention.
fn properties(release: &Release, home: &str, port: u16, second: u16) -> String {
    let kind = if release.has_zookeeper() {
        format!(
            "broker.id=1\n\
             zookeeper.connect=127.0.0.1:{second}\n\
             listeners=PLAINTEXT://127.0.0.1:{port}\n"
        )
    } else {
        single_node::kraft(port, second)
    };
    format!(
        "{kind}\
         log.dirs={home}/data\n\
         log.retention.ms=-1\n\
         num.partitions=2\n\
         auto.create.topics.enable=true\n\
         {INTERNAL_TOPICS}"
    )
}
