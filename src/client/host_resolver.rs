//! Mirrors `org.apache.kafka.clients.HostResolver`.
//!
//! Differs in that nobody waits for it: a name server may take many seconds, and the sender thread has other brokers.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::{fmt, io, thread};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::common::node::NodeId;
use crate::error::{Error, ErrorKind};
use crate::network::wakeup::Wakeup;

/// Finds the addresses of host names, elsewhere.
pub(crate) trait HostResolver: fmt::Debug + Send {
    /// Begins to look up `host` for `node`, and returns at once.
    fn resolve(&mut self, node: NodeId, host: &Arc<str>, port: u16);

    /// The next answer that has come; the poll loop is woken for each.
    fn next_answer(&mut self) -> Option<Resolved>;
}

/// What a name server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) node: NodeId,
    pub(crate) host: Arc<str>,
    /// Never empty.
    pub(crate) addresses: Result<Vec<SocketAddr>, Error>,
}

/// The operating system's resolver, on a thread that lives as long as the look-up.
#[derive(Debug)]
pub(crate) struct SystemResolver {
    wakeup: Wakeup,
    answers: Receiver<Resolved>,
    /// Handed to each look-up's thread.
    answer_to: Sender<Resolved>,
}

impl SystemResolver {
    /// `wakeup` belongs to the poll loop that asks.
    pub(crate) fn new(wakeup: Wakeup) -> Self {
        let (answer_to, answers) = unbounded();
        Self { wakeup, answers, answer_to }
    }
}

impl HostResolver for SystemResolver {
    fn resolve(&mut self, node: NodeId, host: &Arc<str>, port: u16) {
        let (wakeup, answer_to) = (self.wakeup.clone(), self.answer_to.clone());
        let asked = Arc::clone(host);
        let look_up = move || {
            let addresses = addresses(&asked, port).map_err(|error| unknown_host(&error));
            // Nobody is left to hear the answer where this fails.
            let _ = answer_to.send(Resolved { node, host: asked, addresses });
            wakeup.wake();
        };
        let spawned = thread::Builder::new().name("kafka-producer-resolver".into()).spawn(look_up);
        if let Err(error) = spawned {
            let addresses = Err(Error::io(&error));
            let _ = self.answer_to.send(Resolved { node, host: Arc::clone(host), addresses });
            self.wakeup.wake();
        }
    }

    fn next_answer(&mut self) -> Option<Resolved> {
        self.answers.try_recv().ok()
    }
}

/// The address that `host` spells out, if it does: that takes no look-up.
pub(crate) fn literal_address(host: &str, port: u16) -> Option<SocketAddr> {
    host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port))
}

/// As Java orders them: IPv4 before IPv6, else as the system gives them.
fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.dedup();
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no address"));
    }
    Ok(addresses)
}

fn unknown_host(error: &io::Error) -> Error {
    let message = format!("the host name cannot be resolved: {error}");
    Error::new(ErrorKind::UnknownHost { message: message.into() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_literal_address_needs_no_look_up() {
        assert_eq!(
            literal_address("::1", 9),
            Some(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 9)))
        );
        assert_eq!(literal_address("localhost", 9), None);
    }

    #[test]
    fn the_answer_comes_from_elsewhere_and_wakes_the_loop() {
        let wakeup = Wakeup::detached();
        let mut resolver = SystemResolver::new(wakeup.clone());

        resolver.resolve(NodeId(-1), &"localhost".into(), 9092);
        let answer = resolver.answers.recv_timeout(Duration::from_secs(30)).expect("an answer");

        assert_eq!(answer.node, NodeId(-1));
        let addresses = answer.addresses.expect("localhost has an address");
        assert!(addresses.iter().all(|address| address.port() == 9092));
        while !wakeup.take() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_name_that_cannot_be_is_an_unknown_host() {
        let error = addresses("no.such.host.invalid.", 9).map_err(|error| unknown_host(&error));

        assert!(matches!(error.expect_err("invalid").kind(), ErrorKind::UnknownHost { .. }));
    }
}
