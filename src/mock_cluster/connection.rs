//! One client's connection to one broker: the bytes not yet understood and the answers not yet sent.

use std::collections::VecDeque;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::utils::clock::Instant;

/// A connection's number; none is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// What a broker does to its end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Writes these bytes.
    Bytes(Vec<u8>),
    /// Closes; nothing follows.
    Close,
}

/// A connection as its broker sees it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) node: NodeId,
    /// What was received behind the last complete request.
    input: Vec<u8>,
    /// In the order of the requests: a broker never answers out of turn.
    outbox: VecDeque<Answer>,
    is_closing: bool,
    /// When something was received or sent last.
    last_active: Instant,
    /// How long it may be idle; `None` is without a limit.
    max_idle: Option<Duration>,
}

#[derive(Debug)]
struct Answer {
    output: Output,
    due: Instant,
    /// Waits for a release, then for `due`.
    is_held: bool,
}

impl Connection {
    pub(super) fn new(node: NodeId, max_idle: Option<Duration>, now: Instant) -> Self {
        Self {
            node,
            input: Vec::new(),
            outbox: VecDeque::new(),
            is_closing: false,
            last_active: now,
            max_idle,
        }
    }

    /// Appends received bytes; those behind the end are of no interest.
    pub(super) fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.last_active = now;
        if !self.is_closing {
            self.input.extend_from_slice(bytes);
        }
    }

    /// All bytes not yet understood; [`put_back`](Self::put_back) what remains.
    pub(super) fn take_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }

    /// Keeps what follows the first `used` bytes of `input`.
    pub(super) fn put_back(&mut self, mut input: Vec<u8>, used: usize) {
        if !self.is_closing {
            input.drain(..used);
            self.input = input;
        }
    }

    /// Whether there is nothing left to read: a `Close` is on its way.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing
    }

    pub(super) fn send(&mut self, bytes: Vec<u8>, due: Instant, is_held: bool) {
        if !self.is_closing {
            self.outbox.push_back(Answer { output: Output::Bytes(bytes), due, is_held });
        }
    }

    /// Closes behind the answers that are on their way.
    pub(super) fn close(&mut self, due: Instant, is_held: bool) {
        if !self.is_closing {
            self.outbox.push_back(Answer { output: Output::Close, due, is_held });
            self.is_closing = true;
            self.input = Vec::new();
        }
    }

    /// Closes at once: answers on their way are lost.
    pub(super) fn abort(&mut self) {
        self.outbox.clear();
        self.is_closing = false;
        self.close(Instant::ZERO, false);
    }

    /// Whether nothing was received that is not answered yet.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.input.is_empty() && self.outbox.is_empty() && !self.is_closing
    }

    /// Lets answers go that were held.
    pub(super) fn release(&mut self) {
        for answer in &mut self.outbox {
            answer.is_held = false;
        }
    }

    /// The next thing to do, if it is due.
    pub(super) fn take_output(&mut self, now: Instant) -> Option<Output> {
        if self.next_due()? > now {
            return None;
        }
        self.last_active = now;
        if self.outbox.is_empty() {
            self.close(now, false);
        }
        self.outbox.pop_front().map(|answer| answer.output)
    }

    /// When the next thing is to be done; `None` if there is none, or if it is held.
    pub(super) fn next_due(&self) -> Option<Instant> {
        match self.outbox.front() {
            Some(answer) => (!answer.is_held).then_some(answer.due),
            None if self.is_closing => None,
            None => self.max_idle.map(|limit| self.last_active + limit),
        }
    }

    /// How many requests wait for their answer.
    pub(super) fn unanswered(&self) -> usize {
        self.outbox.len()
    }
}
