//! The faults still to come, and what they plan for one request.

use std::sync::Arc;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::mock_cluster::api::Api;
use crate::mock_cluster::fault::{Delivery, Effect, Fault, Outcome, Scope};

/// Faults in the order in which they were injected.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultQueue {
    faults: Vec<Fault>,
}

/// A part of a request that can fail by itself: a topic, or one of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) topic: Arc<str>,
    pub(super) partition: Option<i32>,
}

/// What goes wrong with one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    outcomes: Vec<(Scope, Outcome)>,
    left_out: Option<Scope>,
    pub(super) throttle: Option<Duration>,
    pub(super) delay: Option<Duration>,
    pub(super) hold: bool,
    pub(super) delivery: Option<Delivery>,
}

impl FaultQueue {
    pub(super) fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    /// The faults that have not acted as often as they should.
    pub(super) fn len(&self) -> usize {
        self.faults.len()
    }

    /// Takes what is meant for a request to `node` about `targets`.
    pub(super) fn plan(&mut self, node: NodeId, api: Api, targets: &[Target]) -> Plan {
        let mut plan = Plan::default();
        for fault in &mut self.faults {
            if !fault.scope.includes(node, api, targets) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.remaining != Some(0) && plan.take(fault, targets) {
                fault.remaining = fault.remaining.map(|count| count - 1);
            }
        }
        self.faults.retain(|fault| fault.remaining != Some(0));
        plan
    }
}

impl Plan {
    /// What becomes of one part of a request, or of a request that has none (`None`).
    pub(super) fn outcome(&self, target: Option<&Target>) -> Option<Outcome> {
        let matching = |scope: &Scope| match target {
            Some(target) => scope.includes_target(target),
            None => scope.topic.is_none(),
        };
        self.outcomes.iter().find(|(scope, _)| matching(scope)).map(|(_, outcome)| *outcome)
    }

    /// Whether the answer says nothing of this part of the request.
    pub(super) fn leaves_out(&self, target: &Target) -> bool {
        self.left_out.as_ref().is_some_and(|scope| scope.includes_target(target))
    }

    pub(super) fn throttle_ms(&self) -> i32 {
        let throttle = self.throttle.unwrap_or_default();
        i32::try_from(throttle.as_millis()).unwrap_or(i32::MAX)
    }

    /// Takes over the fault's effect, unless an earlier fault of its kind leaves nothing to it.
    fn take(&mut self, fault: &Fault, targets: &[Target]) -> bool {
        match &fault.effect {
            Effect::Outcome(outcome) => self.take_outcome(&fault.scope, *outcome, targets),
            Effect::LeaveOut => set_if_none(&mut self.left_out, &fault.scope),
            Effect::Throttle(duration) => set_if_none(&mut self.throttle, duration),
            Effect::Delay(duration) => set_if_none(&mut self.delay, duration),
            Effect::Hold => !std::mem::replace(&mut self.hold, true),
            Effect::Delivery(delivery) => set_if_none(&mut self.delivery, delivery),
        }
    }

    fn take_outcome(&mut self, scope: &Scope, outcome: Outcome, targets: &[Target]) -> bool {
        let mut matching = targets.iter().filter(|target| scope.includes_target(target));
        let is_free = match targets {
            [] => self.outcome(None).is_none(),
            _ => matching.any(|target| self.outcome(Some(target)).is_none()),
        };
        if is_free {
            self.outcomes.push((scope.clone(), outcome));
        }
        is_free
    }
}

impl Scope {
    fn includes(&self, node: NodeId, api: Api, targets: &[Target]) -> bool {
        self.api.is_none_or(|wanted| wanted == api)
            && self.node.is_none_or(|wanted| wanted == node)
            && (self.topic.is_none() || targets.iter().any(|target| self.includes_target(target)))
    }

    fn includes_target(&self, target: &Target) -> bool {
        self.topic.as_ref().is_none_or(|topic| *topic == target.topic)
            && self.partition.is_none_or(|partition| target.partition == Some(partition))
    }
}

fn set_if_none<T: Clone>(slot: &mut Option<T>, value: &T) -> bool {
    let is_free = slot.is_none();
    if is_free {
        *slot = Some(value.clone());
    }
    is_free
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    const NODE: NodeId = NodeId(1);

    #[test]
    fn a_fault_acts_as_often_as_it_should_after_those_it_lets_pass() {
        let mut queue = FaultQueue::default();
        queue.push(Fault::error(ErrorCode::KafkaStorageError).on(Api::Produce).after(1).times(2));

        let failed: Vec<_> =
            (0..5).map(|_| outcome(&mut queue, Api::Produce, 0).is_some()).collect();

        assert_eq!(failed, [false, true, true, false, false]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn errors_of_one_partition_come_in_the_order_pushed() {
        let mut queue = FaultQueue::default();
        queue.push(Fault::error(ErrorCode::NotEnoughReplicas).partition("t", 0));
        queue.push(Fault::error(ErrorCode::KafkaStorageError).partition("t", 0));

        let codes = [0; 3].map(|partition| outcome(&mut queue, Api::Produce, partition));

        let refuse = |code| Some(Outcome::Refuse(code));
        let expected =
            [refuse(ErrorCode::NotEnoughReplicas), refuse(ErrorCode::KafkaStorageError), None];
        assert_eq!(codes, expected);
    }

    #[test]
    fn a_fault_waits_for_its_node_api_and_partition() {
        let mut queue = FaultQueue::default();
        queue.push(Fault::error(ErrorCode::KafkaStorageError).on(Api::Produce).partition("t", 1));
        queue.push(Fault::hold().at(NodeId(2)));

        assert_eq!(outcome(&mut queue, Api::Produce, 0), None);
        assert_eq!(outcome(&mut queue, Api::Metadata, 1), None);
        assert_eq!(queue.len(), 2);
        assert!(queue.plan(NodeId(2), Api::ApiVersions, &[]).hold);
        assert!(outcome(&mut queue, Api::Produce, 1).is_some());
    }

    #[test]
    fn faults_of_different_kinds_act_together() {
        let mut queue = FaultQueue::default();
        queue.push(Fault::delay(Duration::from_millis(5)));
        queue.push(Fault::throttle(Duration::from_millis(7)));
        queue.push(Fault::lose_response());
        queue.push(Fault::delay(Duration::from_millis(9)));

        let first = queue.plan(NODE, Api::Metadata, &[]);
        let second = queue.plan(NODE, Api::Metadata, &[]);

        assert_eq!(first.delay, Some(Duration::from_millis(5)));
        assert_eq!(first.throttle_ms(), 7);
        assert_eq!(first.delivery, Some(Delivery::LoseResponse));
        assert_eq!(second.delay, Some(Duration::from_millis(9)));
    }

    fn outcome(queue: &mut FaultQueue, api: Api, partition: i32) -> Option<Outcome> {
        let target = Target { topic: "t".into(), partition: Some(partition) };
        queue.plan(NODE, api, std::slice::from_ref(&target)).outcome(Some(&target))
    }
}
