//! When the next node has let a deadline pass.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::common::node::NodeId;
use crate::utils::clock::Instant;
use crate::utils::hash::HashMap;

/// One timer a node, which goes off no later than the node's next deadline.
///
/// A deadline that is put off, or met, costs nothing when that happens: the timer is set right when it would go off.
#[derive(Debug, Default)]
pub(super) struct NodeTimers {
    heap: BinaryHeap<Reverse<(Instant, NodeId)>>,
    /// The entry of the heap that counts, by node.
    armed: HashMap<NodeId, Instant>,
}

impl NodeTimers {
    /// Makes sure that the timer of `node` goes off by `deadline`.
    pub(super) fn arm(&mut self, node: NodeId, deadline: Instant) {
        if self.armed.get(&node).is_none_or(|armed| *armed > deadline) {
            self.armed.insert(node, deadline);
            self.heap.push(Reverse((deadline, node)));
        }
    }

    /// The first deadline of all nodes. `deadline` tells a node's own, as it is now.
    pub(super) fn next_deadline(
        &mut self,
        deadline: impl Fn(NodeId) -> Option<Instant>,
    ) -> Option<Instant> {
        while let Some(Reverse((armed, node))) = self.heap.peek().copied() {
            let is_current = self.armed.get(&node) == Some(&armed);
            let actual = deadline(node).filter(|_| is_current);
            if actual == Some(armed) {
                return actual;
            }
            self.heap.pop();
            if is_current {
                self.armed.remove(&node);
            }
            if let Some(actual) = actual {
                self.arm(node, actual);
            }
        }
        None
    }

    /// A node whose deadline has come by `now`; its timer is off then.
    pub(super) fn next_due(
        &mut self,
        now: Instant,
        deadline: impl Fn(NodeId) -> Option<Instant>,
    ) -> Option<NodeId> {
        if self.next_deadline(deadline)? > now {
            return None;
        }
        let Reverse((_, node)) = self.heap.pop()?;
        self.armed.remove(&node);
        Some(node)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn goes_off_at_the_first_deadline_as_it_is_now() {
        let mut timers = NodeTimers::default();
        timers.arm(NodeId(1), at(5));
        timers.arm(NodeId(2), at(6));
        let put_off = |node| Some(if node == NodeId(1) { at(9) } else { at(6) });

        assert_eq!(timers.next_deadline(put_off), Some(at(6)));
        assert_eq!(timers.next_due(at(6), put_off), Some(NodeId(2)));
        assert_eq!(timers.next_due(at(6), put_off), None);
        assert_eq!(timers.next_due(at(9), put_off), Some(NodeId(1)));
        assert_eq!(timers.next_deadline(put_off), None);
    }

    #[test]
    fn an_earlier_deadline_replaces_a_later_one() {
        let mut timers = NodeTimers::default();
        timers.arm(NodeId(1), at(5));
        timers.arm(NodeId(1), at(3));

        assert_eq!(timers.next_due(at(3), |_| Some(at(3))), Some(NodeId(1)));
        assert_eq!(timers.next_deadline(|_| None), None);
        assert!(timers.heap.is_empty() && timers.armed.is_empty());
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }
}
