//! Mirrors `org.apache.kafka.clients.ClusterConnectionStates`.
//!
//! Differs in that names are looked up elsewhere, that the set-up time covers everything up to the answer to
//! ApiVersions, and that addresses of both families are tried.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::client::host_resolver::literal_address;
use crate::common::node::{Node, NodeId};
use crate::error::Error;
use crate::protocol::api_keys::ApiKey;
use crate::utils::clock::Instant;
use crate::utils::exponential_backoff::ExponentialBackoff;
use crate::utils::random::Random;

/// The state, backoff and addresses of each broker that was connected to.
#[derive(Debug)]
pub(crate) struct ClusterConnectionStates {
    nodes: BTreeMap<NodeId, NodeConnectionState>,
    reconnect_backoff: ExponentialBackoff,
    setup_timeout: ExponentialBackoff,
    random: Random,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    Disconnected,
    /// The host's addresses are being looked up.
    Resolving,
    Connecting,
    /// Connected; the broker has not said yet which versions it knows.
    CheckingApiVersions,
    Ready,
}

/// What is to be done next for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    Connect(SocketAddr),
    Resolve,
    /// A look-up is under way already.
    AwaitLookup,
}

#[derive(Debug)]
struct NodeConnectionState {
    state: ConnectionState,
    host: Arc<str>,
    port: u16,
    /// What the last look-up found; empty if the next attempt has to look again.
    addresses: Vec<SocketAddr>,
    /// The position in `addresses` of the next to try.
    next_address: usize,
    last_address: Option<SocketAddr>,
    is_lookup_pending: bool,
    last_attempt: Instant,
    /// The end of the backoff.
    next_attempt: Instant,
    failed_attempts: u32,
    failed_setups: u32,
    setup_timeout: Duration,
    throttled_until: Instant,
    /// How the connection ended last, until it is ready again.
    last_error: Option<Error>,
    /// The version of ApiVersions that a new connection begins with.
    api_versions_version: i16,
}

const NEWEST_API_VERSIONS: i16 = *ApiKey::ApiVersions.versions().end();
/// What to try with a peer that hangs up on a newer version: the one before the last change, and the one that all know.
const API_VERSIONS_FALLBACKS: [i16; 2] = [3, 0];

impl ClusterConnectionStates {
    /// `reconnect_backoff` is `reconnect.backoff.ms`, `setup_timeout` is `socket.connection.setup.timeout.ms`, each
    /// with its maximum.
    pub(crate) fn new(
        reconnect_backoff: ExponentialBackoff,
        setup_timeout: ExponentialBackoff,
        random: Random,
    ) -> Self {
        Self { nodes: BTreeMap::new(), reconnect_backoff, setup_timeout, random }
    }

    /// Every node that was connected to and is not forgotten.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    /// Forgets the brokers that are not `in_use` any more, once their connection and its backoff are over.
    pub(crate) fn forget_departed(&mut self, in_use: impl Fn(NodeId) -> bool, now: Instant) {
        self.nodes.retain(|node, known| {
            let is_over = known.state == ConnectionState::Disconnected && known.next_attempt <= now;
            !is_over || in_use(*node)
        });
    }

    /// Forgets everything; all connections are closed.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
    }

    /// Whether `node` was connected to and is not forgotten.
    pub(crate) fn is_known(&self, node: NodeId) -> bool {
        self.nodes.contains_key(&node)
    }

    pub(crate) fn state(&self, node: NodeId) -> ConnectionState {
        self.nodes.get(&node).map_or(ConnectionState::Disconnected, |known| known.state)
    }

    /// Whether a connection attempt may begin now.
    pub(crate) fn can_connect(&self, node: NodeId, now: Instant) -> bool {
        self.nodes.get(&node).is_none_or(|known| {
            known.state == ConnectionState::Disconnected && known.next_attempt <= now
        })
    }

    /// Whether requests may be sent now.
    pub(crate) fn is_ready(&self, node: NodeId, now: Instant) -> bool {
        self.nodes.get(&node).is_some_and(|known| {
            known.state == ConnectionState::Ready && known.throttled_until <= now
        })
    }

    /// Whether the last attempt to connect failed.
    pub(crate) fn is_unreachable(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|known| {
            known.state == ConnectionState::Disconnected && known.failed_setups > 0
        })
    }

    /// Whether a connection is on its way to readiness.
    pub(crate) fn is_connecting(&self, node: NodeId) -> bool {
        matches!(
            self.state(node),
            ConnectionState::Resolving
                | ConnectionState::Connecting
                | ConnectionState::CheckingApiVersions
        )
    }

    /// When the last connection attempt began; zero if there was none.
    pub(crate) fn last_attempt(&self, node: NodeId) -> Instant {
        self.nodes.get(&node).map_or(Instant::ZERO, |known| known.last_attempt)
    }

    /// How many attempts in a row failed.
    pub(crate) fn failed_attempts(&self, node: NodeId) -> u32 {
        self.nodes.get(&node).map_or(0, |known| known.failed_attempts)
    }

    /// When time alone will let `node` connect or be sent requests.
    pub(crate) fn next_attempt(&self, node: NodeId, now: Instant) -> Option<Instant> {
        let known = self.nodes.get(&node)?;
        match known.state {
            ConnectionState::Disconnected => Some(known.next_attempt),
            ConnectionState::Ready if known.throttled_until > now => Some(known.throttled_until),
            _ => None,
        }
    }

    /// The moment at which an attempt that is under way has taken too long.
    pub(crate) fn setup_deadline(&self, node: NodeId) -> Option<Instant> {
        let known = self.nodes.get(&node)?;
        self.is_connecting(node).then(|| known.last_attempt + known.setup_timeout)
    }

    /// The time that the current attempt may take.
    pub(crate) fn setup_timeout(&self, node: NodeId) -> Duration {
        self.nodes.get(&node).map(|known| known.setup_timeout).unwrap_or_default()
    }

    /// The address as users wrote it or brokers announce it: `host:port`.
    pub(crate) fn broker(&self, node: NodeId) -> String {
        match self.nodes.get(&node) {
            Some(known) if known.host.contains(':') => format!("[{}]:{}", known.host, known.port),
            Some(known) => format!("{}:{}", known.host, known.port),
            None => format!("(id {node})"),
        }
    }

    /// Begins an attempt to connect to `node` under its present address.
    pub(crate) fn connecting(&mut self, node: &Node, now: Instant) -> NextStep {
        let first_timeout = self.setup_timeout.backoff(0, &mut self.random);
        let version = self.version_at(node);
        let new = || NodeConnectionState::new(node, first_timeout, version);
        let known = self.nodes.entry(node.id()).or_insert_with(new);
        debug_assert_eq!(known.state, ConnectionState::Disconnected, "one attempt at a time");
        if *known.host != *node.host() || known.port != node.port() {
            *known = new();
        }
        known.last_attempt = now;
        if known.addresses.is_empty() {
            known.addresses.extend(literal_address(&known.host, known.port));
            known.next_address = 0;
        }
        if known.addresses.is_empty() {
            known.state = ConnectionState::Resolving;
            let is_pending = std::mem::replace(&mut known.is_lookup_pending, true);
            return if is_pending { NextStep::AwaitLookup } else { NextStep::Resolve };
        }
        NextStep::Connect(known.take_next_address())
    }

    /// Takes the addresses that a look-up of `host` found; returns the one to connect to, if that is still wanted.
    pub(crate) fn resolved(
        &mut self,
        node: NodeId,
        host: &str,
        mut addresses: Vec<SocketAddr>,
    ) -> Option<SocketAddr> {
        let known = self.nodes.get_mut(&node).filter(|known| *known.host == *host)?;
        known.is_lookup_pending = false;
        // The node may have moved to another port of its host since it was asked for.
        addresses.iter_mut().for_each(|address| address.set_port(known.port));
        // The address that failed last, and be it under another name, is worth a try only after the others.
        let is_first_used = addresses.len() > 1 && addresses.first() == known.last_address.as_ref();
        known.next_address = usize::from(is_first_used);
        known.addresses = addresses;
        let is_wanted = known.state == ConnectionState::Resolving && !known.addresses.is_empty();
        is_wanted.then(|| known.take_next_address())
    }

    /// Notes that the look-up of `host` failed; true if the attempt to connect failed with it.
    pub(crate) fn lookup_failed(&mut self, node: NodeId, host: &str) -> bool {
        let known = self.nodes.get_mut(&node).filter(|known| *known.host == *host);
        known.is_some_and(|known| {
            known.is_lookup_pending = false;
            known.state == ConnectionState::Resolving
        })
    }

    /// The connection stands, and the broker is asked what it knows.
    pub(crate) fn checking_api_versions(&mut self, node: NodeId) {
        if let Some(known) = self.nodes.get_mut(&node) {
            known.state = ConnectionState::CheckingApiVersions;
        }
    }

    /// The connection may be used: earlier failures are forgotten.
    pub(crate) fn ready(&mut self, node: NodeId) {
        let first_timeout = self.setup_timeout.backoff(0, &mut self.random);
        if let Some(known) = self.nodes.get_mut(&node) {
            known.state = ConnectionState::Ready;
            known.last_error = None;
            known.failed_attempts = 0;
            known.failed_setups = 0;
            known.setup_timeout = first_timeout;
        }
    }

    /// The connection is gone, or never came about: the next attempt has to wait.
    pub(crate) fn disconnected(&mut self, node: NodeId, now: Instant) {
        let Some(known) = self.nodes.get_mut(&node) else { return };
        let backoff = self.reconnect_backoff.backoff(known.failed_attempts, &mut self.random);
        known.next_attempt = now + backoff;
        known.failed_attempts = known.failed_attempts.saturating_add(1);
        match known.state {
            // Its host may have moved while it was connected.
            ConnectionState::Ready => known.addresses.clear(),
            ConnectionState::Disconnected => {}
            _ => {
                known.failed_setups = known.failed_setups.saturating_add(1);
                known.setup_timeout =
                    self.setup_timeout.backoff(known.failed_setups, &mut self.random);
            }
        }
        known.state = ConnectionState::Disconnected;
        known.throttled_until = Instant::ZERO;
    }

    /// Keeps why the connection is gone, for whoever waits for it.
    pub(crate) fn set_last_error(&mut self, node: NodeId, error: Error) {
        if let Some(known) = self.nodes.get_mut(&node) {
            known.last_error = Some(error);
        }
    }

    /// Why the connection is gone, until it stands again.
    pub(crate) fn last_error(&self, node: NodeId) -> Option<Error> {
        self.nodes.get(&node)?.last_error.clone()
    }

    /// The version of ApiVersions in which `node` is to be asked for its versions.
    pub(crate) fn api_versions_version(&self, node: NodeId) -> i16 {
        self.nodes.get(&node).map_or(NEWEST_API_VERSIONS, |known| known.api_versions_version)
    }

    /// `node` answered, and announced versions of ApiVersions up to `newest`.
    pub(crate) fn api_versions_announced(&mut self, node: NodeId, newest: i16) {
        if let Some(known) = self.nodes.get_mut(&node) {
            known.api_versions_version = newest.clamp(0, NEWEST_API_VERSIONS);
        }
    }

    /// `node` hung up instead of answering ApiVersions: the next attempt asks in an older version. Below the oldest
    /// comes the newest again; returns whether there was an older one.
    pub(crate) fn api_versions_unanswered(&mut self, node: NodeId) -> bool {
        let Some(known) = self.nodes.get_mut(&node) else { return false };
        let asked = known.api_versions_version;
        let older = API_VERSIONS_FALLBACKS.into_iter().find(|version| *version < asked);
        known.api_versions_version = older.unwrap_or(NEWEST_API_VERSIONS);
        older.is_some()
    }

    /// Where another node has the same address, as one of the configuration has, what that was found to know.
    fn version_at(&self, node: &Node) -> i16 {
        let mut known = self.nodes.values();
        let same = known.find(|known| *known.host == *node.host() && known.port == node.port());
        same.map_or(NEWEST_API_VERSIONS, |known| known.api_versions_version)
    }

    /// Holds `node` back until `until`; never for a shorter time than before.
    pub(crate) fn throttle(&mut self, node: NodeId, until: Instant) {
        if let Some(known) = self.nodes.get_mut(&node) {
            known.throttled_until = known.throttled_until.max(until);
        }
    }
}

impl NodeConnectionState {
    fn new(node: &Node, setup_timeout: Duration, api_versions_version: i16) -> Self {
        Self {
            state: ConnectionState::Disconnected,
            host: node.host().into(),
            port: node.port(),
            addresses: Vec::new(),
            next_address: 0,
            last_address: None,
            is_lookup_pending: false,
            last_attempt: Instant::ZERO,
            next_attempt: Instant::ZERO,
            failed_attempts: 0,
            failed_setups: 0,
            setup_timeout,
            throttled_until: Instant::ZERO,
            last_error: None,
            api_versions_version,
        }
    }

    /// Moves on to the next address. After the last one the name is looked up anew.
    fn take_next_address(&mut self) -> SocketAddr {
        let address = self.addresses[self.next_address];
        self.next_address += 1;
        if self.next_address == self.addresses.len() {
            self.addresses.clear();
        }
        self.last_address = Some(address);
        self.state = ConnectionState::Connecting;
        address
    }
}

#[cfg(test)]
mod tests;
