//! The sender's side of the accumulator: Java's `RecordAccumulator.ready`, `drain` and `expiredBatches`.
//!
//! Differs in that a turn costs what changed: partitions are looked at when their batches, their leader or an answer
//! changed something, or when a deadline passed, and never otherwise. A first batch that may linger is not even looked at.
//! What a partition waits for is in `sender_partition.rs`; who waits for a node, or for company, in `line.rs` and
//! `lingering.rs`.

mod line;
mod lingering;
mod sender_partition;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::producer::internals::partition_ref::PartitionId;
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::producer::internals::record_accumulator::RecordAccumulator;
use crate::producer::internals::sendable_partitions::line::{Line, Place};
use crate::producer::internals::sendable_partitions::lingering::Lingering;
use crate::producer::internals::sendable_partitions::sender_partition::{
    Assessment, NextAction, Rules, SenderPartition, WaitingFor,
};
use crate::producer::internals::sender_signal::Announcements;
use crate::producer::internals::transaction_manager::TransactionManager;
use crate::producer::internals::txn_partition_entry::LogIdentity;
use crate::record::record_version::RecordVersion;
use crate::utils::clock::Instant;
use crate::utils::deadlines::Deadlines;
use crate::utils::prefetch::touch_all;
use crate::utils::table::place_of;

pub(crate) use crate::producer::internals::sendable_partitions::sender_partition::Turn;

/// Which partitions have something to send, and to whom. Owned by the sender thread.
#[derive(Debug)]
pub(crate) struct SendablePartitions {
    rules: Rules,
    /// By [`PartitionId`].
    partitions: Vec<Option<SenderPartition>>,
    /// For each leader the partitions with a sendable head, each once, longest waiting first. Lines stay when they are empty,
    /// for their memory.
    lines: BTreeMap<NodeId, Line>,
    /// Counts the places that were ever taken in a line.
    next_place: u64,
    /// When the head runs out of time, for each partition that waits for the end of a backoff, a leader or an answer. One in line
    /// has a timer here only once `first_expiry_in_line` has passed; one that lingers has none, for it moves on long before.
    expiries: Deadlines,
    /// When the first head of those in line may run out of time: none does so earlier, but for those with a timer.
    first_expiry_in_line: Option<Instant>,
    /// Partitions whose head waits for company.
    lingering: Lingering,
    /// Partitions whose head waits for the end of its backoff, and when that is.
    backing_off: BTreeSet<PartitionId>,
    backoffs: Deadlines,
    /// Partitions with batches and no known leader.
    leaderless: BTreeSet<PartitionId>,
    /// Topics without leader that the sender was not told of since the metadata last changed.
    unreported: BTreeSet<Arc<str>>,
    /// Topics without leader that it was.
    reported: BTreeSet<Arc<str>>,
    /// The metadata that the leaders were taken from.
    metadata_version: u64,
    /// Reused from turn to turn.
    news: Announcements,
    /// Partitions that were drained and have more, while others are still in line.
    rejoining: Vec<(PartitionId, Assessment)>,
    expired: Vec<Box<ProducerBatch>>,
    /// The boxes of batches that are over, for those that are taken out of their queues next.
    spare_boxes: Vec<Box<ProducerBatch>>,
}

/// What a request to a node can take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    /// The bytes of all batches together; a single one may be larger.
    pub(crate) max_size: usize,
    /// The format in which they travel.
    pub(crate) version: RecordVersion,
}

impl SendablePartitions {
    /// `linger` is `linger.ms`, `delivery_timeout` is `delivery.timeout.ms`.
    pub(crate) fn new(linger: Duration, delivery_timeout: Duration) -> Self {
        Self {
            rules: Rules { linger, delivery_timeout },
            partitions: Vec::new(),
            lines: BTreeMap::new(),
            next_place: 0,
            expiries: Deadlines::default(),
            first_expiry_in_line: None,
            lingering: Lingering::default(),
            backing_off: BTreeSet::new(),
            backoffs: Deadlines::default(),
            leaderless: BTreeSet::new(),
            unreported: BTreeSet::new(),
            reported: BTreeSet::new(),
            metadata_version: 0,
            news: Announcements::default(),
            rejoining: Vec::new(),
            expired: Vec::new(),
            spare_boxes: Vec::new(),
        }
    }

    /// Looks at every partition that may have changed since the last turn.
    pub(crate) fn refresh(&mut self, accumulator: &RecordAccumulator, turn: &Turn<'_>) {
        self.take_news(accumulator, turn);
        self.end_waits(turn);
        if turn.metadata.version != self.metadata_version {
            self.metadata_version = turn.metadata.version;
            self.unreported.clear();
            self.reported.clear();
            self.reconsider_leaders(turn);
        }
        if turn.is_urgent {
            for (id, until) in self.lingering.take() {
                self.stop_lingering(id, until, turn);
            }
        }
    }

    fn take_news(&mut self, accumulator: &RecordAccumulator, turn: &Turn<'_>) {
        let mut news = std::mem::take(&mut self.news);
        accumulator.signal().take_announcements(&mut news);
        for (id, created) in news.first_batches.drain(..) {
            self.adopt(id, accumulator);
            self.handle_first_batch(id, created, turn);
        }
        for id in news.changed.drain(..) {
            if let Some(partition) = self.adopt(id, accumulator) {
                partition.queue.partition().accept_announcement();
            }
            self.reconsider(id, turn);
        }
        self.news = news;
    }

    /// An empty queue got its first batch, at `created`. Lets it linger without a look, which would fetch the caller's
    /// cache lines; whatever ends that early is announced.
    fn handle_first_batch(&mut self, id: PartitionId, created: Instant, turn: &Turn<'_>) {
        let until = created + self.rules.linger;
        let Some(partition) = self.partitions.get_mut(id.index()).and_then(Option::as_mut) else {
            return;
        };
        let may_linger = partition.state.waiting_for == WaitingFor::Idle
            && !self.rules.linger.is_zero()
            && turn.now < until
            && partition.leader(turn.metadata).is_some();
        if may_linger {
            let expires = Some(created + self.rules.delivery_timeout);
            self.apply(id, Assessment { action: NextAction::Linger(until), expires });
        } else {
            self.reconsider(id, turn);
        }
    }

    /// Looks at the partitions whose wait is over.
    fn end_waits(&mut self, turn: &Turn<'_>) {
        while let Some((id, until)) = self.lingering.pop_due(turn.now) {
            self.end_linger(id, until, turn);
        }
        while let Some(id) = self.backoffs.pop_due(turn.now).map(PartitionId::new) {
            self.reconsider(id, turn);
        }
        self.set_timers_in_line(turn);
        while let Some(id) = self.expiries.pop_due(turn.now).map(PartitionId::new) {
            self.reconsider(id, turn);
        }
    }

    /// Gives those in line timers of their own, once the first of them may run out of time.
    fn set_timers_in_line(&mut self, turn: &Turn<'_>) {
        if self.first_expiry_in_line.is_none_or(|expiry| expiry > turn.now) {
            return;
        }
        self.first_expiry_in_line = None;
        for id in self.lines.values().flat_map(Line::partitions) {
            let partition = self.partitions.get_mut(id.index()).and_then(Option::as_mut);
            if let Some(SenderPartition { queue, state }) =
                partition.filter(|it| matches!(it.state.waiting_for, WaitingFor::InLine(_)))
            {
                state.is_timed = true;
                let expires = queue.lock_patiently().head().map(|head| self.rules.expiry(head));
                self.expiries.set(id.index(), expires);
            }
        }
    }

    /// Lets a partition take its place in line when its head has lingered for long enough, which is until `linger.ms` after
    /// its creation, without a look: nothing else became of it since, or it would have been announced.
    fn end_linger(&mut self, id: PartitionId, until: Instant, turn: &Turn<'_>) {
        let Rules { linger, delivery_timeout } = self.rules;
        let expiry = until + delivery_timeout.saturating_sub(linger);
        let partition = self.partitions.get_mut(id.index()).and_then(Option::as_mut);
        let partition = partition.filter(|partition| !partition.state.is_muted);
        let leader = partition.and_then(|partition| partition.leader(turn.metadata));
        match leader.filter(|_| is_lingering(&self.partitions, id, until) && turn.now < expiry) {
            Some(leader) => {
                let action = NextAction::Send(leader);
                self.apply(id, Assessment { action, expires: Some(expiry) });
            }
            None => self.stop_lingering(id, until, turn),
        }
    }

    /// Looks at a partition that was taken out of [`Lingering`], if it still lingers until then.
    fn stop_lingering(&mut self, id: PartitionId, until: Instant, turn: &Turn<'_>) {
        if is_lingering(&self.partitions, id, until) {
            self.set_waiting_for(id, WaitingFor::Idle);
            self.reconsider(id, turn);
        }
    }

    /// The batches that passed `delivery.timeout.ms` while they waited, oldest first.
    pub(crate) fn take_expired(&mut self) -> Vec<Box<ProducerBatch>> {
        std::mem::take(&mut self.expired)
    }

    /// Whether [`take_expired`](Self::take_expired) has something to give.
    pub(crate) fn has_expired(&self) -> bool {
        !self.expired.is_empty()
    }

    /// The first node after `last`, or of all, that has something to be sent to.
    pub(crate) fn next_ready_node(&self, last: Option<NodeId>) -> Option<NodeId> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.lines.range((start, Bound::Unbounded));
        rest.find(|(_, line)| !line.is_empty()).map(|(node, _)| *node)
    }

    /// Whether a partition waits in the line of `node`.
    pub(crate) fn is_ready(&self, node: NodeId) -> bool {
        self.lines.get(&node).is_some_and(|line| !line.is_empty())
    }

    /// The topics that have batches and no known leader for them, each once as long as the metadata stays the same.
    pub(crate) fn take_topics_without_leader(&mut self) -> BTreeSet<Arc<str>> {
        let taken = std::mem::take(&mut self.unreported);
        self.reported.extend(taken.iter().cloned());
        taken
    }

    /// When to look again although nothing happens.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        let linger_end =
            self.lingering.next_end(|id, until| is_lingering(&self.partitions, id, until));
        self.first_expiry_in_line =
            self.first_expiry_in_line.filter(|_| self.next_ready_node(None).is_some());
        let in_line = self.first_expiry_in_line;
        let deadlines = [linger_end, in_line, self.backoffs.next(), self.expiries.next()];
        deadlines.into_iter().flatten().min()
    }

    /// Where a batch of partition `id` goes that is sent to `node` in this turn.
    pub(super) fn log_identity(
        &mut self,
        id: PartitionId,
        node: NodeId,
        turn: &Turn<'_>,
    ) -> Option<LogIdentity> {
        let partition = self.partitions.get_mut(id.index()).and_then(Option::as_mut)?;
        Some(partition.log_identity(node, turn.metadata))
    }

    /// Takes the heads of the partitions in the line of `node`, one each, as far as `capacity` goes. Compresses what
    /// still has to be, with no lock held, unless it is to travel in another format. A partition that has to wait for
    /// an answer is left out and does not stop the others, and so is one whose head a caller is compressing: it will
    /// be announced.
    pub(crate) fn drain(
        &mut self,
        node: NodeId,
        capacity: Capacity,
        transactions: Option<&TransactionManager>,
        turn: &Turn<'_>,
    ) -> Vec<Box<ProducerBatch>> {
        let Some(mut line) = self.lines.get_mut(&node).map(std::mem::take) else {
            return Vec::new();
        };
        let mut drained: Vec<Box<ProducerBatch>> = Vec::with_capacity(line.len().min(MAX_EXPECTED));
        let Capacity { max_size, version } = capacity;
        let mut context = DrainContext { node, version, room: usize::MAX, transactions, turn };
        let mut size = 0;
        let mut left_over = None;
        for number in 0_usize.. {
            if number % LOOK_AHEAD == 0 {
                self.look_ahead(&line, transactions);
            }
            let Some((id, place)) = line.next() else {
                break;
            };
            if !is_in_line(&self.partitions, id, place) {
                continue;
            }
            let batch = match self.take_head(id, &context) {
                Taken::Batch(batch) => batch,
                Taken::Nothing => {
                    line.leave_front();
                    continue;
                }
                Taken::TooLarge => {
                    line.put_back(id, place);
                    break;
                }
            };
            line.leave_front();
            let batch_size = batch.size_in(version);
            if batch_size > context.room {
                left_over = Some(batch); // it is larger than was expected
                break;
            }
            size += batch_size;
            context.room = max_size.saturating_sub(size);
            drained.push(batch);
        }
        self.lines.insert(node, line);
        self.rejoin();
        if let Some(batch) = left_over {
            self.reinsert(batch, turn);
        }
        drained
    }

    /// Fetches from memory what taking the heads of the next partitions in line needs.
    fn look_ahead(&self, line: &Line, transactions: Option<&TransactionManager>) {
        let next = line.partitions().take(LOOK_AHEAD);
        touch_all(next.map(|id| {
            let partition = self.partitions.get(id.index()).and_then(Option::as_ref);
            let queue = partition.map_or(0, |partition| partition.queue.touch());
            queue + transactions.map_or(0, |transactions| transactions.touch(id))
        }));
    }

    /// Takes the head of a partition that stands in line, and looks at what is behind it.
    fn take_head(&mut self, id: PartitionId, context: &DrainContext<'_>) -> Taken {
        let DrainContext { node, version, room, transactions, turn } = *context;
        let Some(partition) = self.partitions.get_mut(id.index()).and_then(Option::as_mut) else {
            return Taken::Nothing;
        };
        let log = partition.log_identity(node, turn.metadata);
        let SenderPartition { queue, state } = partition;
        let mut batches = queue.lock_patiently();
        let Some(head) = batches.head() else {
            state.waiting_for = WaitingFor::Idle;
            state.end_timer(id, &mut self.expiries);
            return Taken::Nothing;
        };
        let may_go = |it: &TransactionManager| it.may_send(head.batch_ref(), log, turn.now);
        // Not by `set_waiting_for`: `drain` has taken the line out, and counts who left it.
        if head.is_compressing() || !transactions.is_none_or(may_go) {
            (state.waiting_for, state.is_timed) = (WaitingFor::Held, false);
            self.expiries.set(id.index(), Some(self.rules.expiry(head)));
            return Taken::Nothing;
        }
        if head.size_in(version) > room {
            return Taken::TooLarge;
        }
        let batch = batches.pop_head(&mut self.spare_boxes);
        let assessment = state.assess_head(queue, &mut batches, self.rules, turn);
        drop(batches);
        state.waiting_for = WaitingFor::Idle;
        state.end_timer(id, &mut self.expiries);
        match assessment.action {
            NextAction::Idle => {}
            NextAction::Send(_) => self.rejoining.push((id, assessment)), // behind all others
            _ => self.apply(id, assessment),
        }
        let Some(mut batch) = batch else {
            return Taken::Nothing;
        };
        if version == RecordVersion::V2 {
            batch.compress();
        }
        Taken::Batch(batch)
    }

    /// Lets partitions that were drained, and have more, take a place again.
    fn rejoin(&mut self) {
        let mut rejoining = std::mem::take(&mut self.rejoining);
        for (id, assessment) in rejoining.drain(..) {
            self.apply(id, assessment);
        }
        self.rejoining = rejoining;
    }

    /// Puts back batches that have to be sent again.
    pub(crate) fn reinsert(&mut self, batch: Box<ProducerBatch>, turn: &Turn<'_>) {
        let id = batch.partition_id();
        if let Some(partition) = self.partitions.get(id.index()).and_then(Option::as_ref) {
            partition.queue.lock_patiently().reinsert(batch);
        }
        self.reconsider(id, turn);
    }

    /// Uses the boxes of batches that are over again; drops those that are too many.
    pub(crate) fn keep_boxes(&mut self, batches: &mut Vec<Box<ProducerBatch>>) {
        self.spare_boxes.append(batches);
        self.spare_boxes.truncate(MAX_SPARE_BOXES);
    }

    /// Holds a partition back until [`unmute`](Self::unmute).
    pub(crate) fn mute(&mut self, id: PartitionId, turn: &Turn<'_>) {
        let Some(partition) = self.partitions.get_mut(id.index()).and_then(Option::as_mut) else {
            return;
        };
        partition.state.is_muted = true;
        if matches!(partition.state.waiting_for, WaitingFor::InLine(_)) {
            self.reconsider(id, turn);
        }
    }

    /// Ends [`mute`](Self::mute). A partition that [`is_held`](Self::is_held) has to be reconsidered then.
    pub(crate) fn unmute(&mut self, id: PartitionId) {
        if let Some(partition) = self.partitions.get_mut(id.index()).and_then(Option::as_mut) {
            partition.state.is_muted = false;
        }
    }

    /// Whether a partition can go on only after an answer or an announcement.
    pub(crate) fn is_held(&self, id: PartitionId) -> bool {
        let partition = self.partitions.get(id.index()).and_then(Option::as_ref);
        partition.is_some_and(|partition| partition.state.waiting_for == WaitingFor::Held)
    }

    /// Looks at one partition: takes out what ran out of time, and puts it where it belongs.
    pub(crate) fn reconsider(&mut self, id: PartitionId, turn: &Turn<'_>) {
        let Some(partition) = self.partitions.get_mut(id.index()).and_then(Option::as_mut) else {
            return;
        };
        let SenderPartition { queue, state } = partition;
        let mut batches = queue.lock_patiently();
        while let Some(head) = batches.head() {
            if !head.has_reached_delivery_timeout(self.rules.delivery_timeout, turn.now) {
                break;
            }
            self.expired.extend(batches.pop_head(&mut self.spare_boxes));
        }
        let assessment = state.assess_head(queue, &mut batches, self.rules, turn);
        drop(batches);
        self.apply(id, assessment);
    }

    /// Notes what was found, and lets the partition wait for what it has to wait for.
    fn apply(&mut self, id: PartitionId, assessment: Assessment) {
        let Some(partition) = self.partitions.get_mut(id.index()).and_then(Option::as_mut) else {
            return;
        };
        let waiting_for = match (assessment.action, partition.state.waiting_for) {
            (NextAction::Idle, _) => WaitingFor::Idle,
            (NextAction::Send(node), WaitingFor::InLine(place)) if place.node == node => {
                WaitingFor::InLine(place)
            }
            (NextAction::Send(node), _) => {
                self.next_place += 1;
                WaitingFor::InLine(Place { node, number: self.next_place })
            }
            (NextAction::Linger(until), _) => WaitingFor::Lingering(until),
            (NextAction::BackOff(until), _) => {
                self.backoffs.set(id.index(), Some(until));
                WaitingFor::BackingOff
            }
            (NextAction::NoLeader, _) => {
                self.report_leaderless(id);
                WaitingFor::Leaderless
            }
            (NextAction::Hold, _) => WaitingFor::Held,
        };
        self.set_waiting_for(id, waiting_for);
        match waiting_for {
            WaitingFor::InLine(_) => self.note_expiry_in_line(id, assessment.expires),
            WaitingFor::BackingOff | WaitingFor::Leaderless | WaitingFor::Held => {
                self.expiries.set(id.index(), assessment.expires);
            }
            WaitingFor::Idle | WaitingFor::Lingering(_) => {} // what lingers moves on long before it expires
        }
    }

    /// The head of a partition in line runs out of time at `expires`.
    fn note_expiry_in_line(&mut self, id: PartitionId, expires: Option<Instant>) {
        let partition = self.partitions.get(id.index()).and_then(Option::as_ref);
        if partition.is_some_and(|partition| partition.state.is_timed) {
            return self.expiries.set(id.index(), expires);
        }
        self.first_expiry_in_line = self.first_expiry_in_line.into_iter().chain(expires).min();
    }

    /// Lets a partition wait for something else than before.
    fn set_waiting_for(&mut self, id: PartitionId, waiting_for: WaitingFor) {
        let Some(partition) = self.partitions.get_mut(id.index()).and_then(Option::as_mut) else {
            return;
        };
        let before = std::mem::replace(&mut partition.state.waiting_for, waiting_for);
        if before == waiting_for {
            return;
        }
        self.stop_waiting_for(id, before);
        match waiting_for {
            WaitingFor::InLine(place) => self.lines.entry(place.node).or_default().join(id, place),
            WaitingFor::Lingering(until) => self.lingering.add(id, until),
            WaitingFor::BackingOff => {
                self.backing_off.insert(id);
            }
            WaitingFor::Leaderless => {
                self.leaderless.insert(id);
            }
            WaitingFor::Idle | WaitingFor::Held => {}
        }
    }

    fn stop_waiting_for(&mut self, id: PartitionId, waiting_for: WaitingFor) {
        match waiting_for {
            WaitingFor::InLine(Place { node, .. }) => {
                let partition = self.partitions.get_mut(id.index()).and_then(Option::as_mut);
                if let Some(partition) = partition {
                    partition.state.end_timer(id, &mut self.expiries);
                }
                self.leave_line(node);
            }
            WaitingFor::Lingering(_) => {
                self.lingering.leave(|id, until| is_lingering(&self.partitions, id, until));
            }
            WaitingFor::BackingOff => {
                self.backing_off.remove(&id);
                self.backoffs.set(id.index(), None);
                self.expiries.set(id.index(), None);
            }
            WaitingFor::Leaderless => {
                self.leaderless.remove(&id);
                self.expiries.set(id.index(), None);
            }
            WaitingFor::Held => self.expiries.set(id.index(), None),
            WaitingFor::Idle => {}
        }
    }

    /// A partition in the line of `node` has given up its place.
    fn leave_line(&mut self, node: NodeId) {
        let Some(line) = self.lines.get_mut(&node) else {
            return;
        };
        line.leave(|id, place| is_in_line(&self.partitions, id, place));
    }

    fn report_leaderless(&mut self, id: PartitionId) {
        let Some(partition) = self.partitions.get(id.index()).and_then(Option::as_ref) else {
            return;
        };
        let topic = partition.queue.partition().topic_partition().shared_topic();
        if !self.reported.contains(topic) {
            self.unreported.insert(Arc::clone(topic));
        }
    }

    /// The metadata changed: whatever waits for a leader, or for its turn at one, may belong elsewhere.
    fn reconsider_leaders(&mut self, turn: &Turn<'_>) {
        let in_line = self.lines.values().flat_map(Line::partitions);
        let elsewhere = self.leaderless.iter().chain(&self.backing_off).copied();
        for id in elsewhere.chain(in_line).collect::<Vec<_>>() {
            self.reconsider(id, turn);
        }
    }

    fn adopt(
        &mut self,
        id: PartitionId,
        accumulator: &RecordAccumulator,
    ) -> Option<&SenderPartition> {
        let partition = place_of(&mut self.partitions, id.index());
        if partition.is_none() {
            *partition = Some(SenderPartition::new(accumulator.queue(id)?));
        }
        partition.as_ref()
    }
}

/// How many partitions are looked ahead at a time.
const LOOK_AHEAD: usize = 16;
/// How many spare boxes are kept at most: 2 MiB.
const MAX_SPARE_BOXES: usize = 8 * 1024;
/// A request is expected to have so many batches at most: room for more is made when there are more.
const MAX_EXPECTED: usize = 64;

/// What heads are taken out of their queues for: a request in the making.
#[derive(Clone, Copy, Debug)]
struct DrainContext<'a> {
    node: NodeId,
    version: RecordVersion,
    /// How large the next batch may be.
    room: usize,
    transactions: Option<&'a TransactionManager>,
    turn: &'a Turn<'a>,
}

/// What a partition had to give.
enum Taken {
    Batch(Box<ProducerBatch>),
    /// Nothing that may be sent now.
    Nothing,
    /// More than there is room for.
    TooLarge,
}

/// Whether a partition still has the place in line.
fn is_in_line(partitions: &[Option<SenderPartition>], id: PartitionId, place: Place) -> bool {
    is_waiting_for(partitions, id, WaitingFor::InLine(place))
}

/// Whether a partition still lingers until then.
fn is_lingering(partitions: &[Option<SenderPartition>], id: PartitionId, until: Instant) -> bool {
    is_waiting_for(partitions, id, WaitingFor::Lingering(until))
}

fn is_waiting_for(
    partitions: &[Option<SenderPartition>],
    id: PartitionId,
    waiting_for: WaitingFor,
) -> bool {
    partitions
        .get(id.index())
        .and_then(Option::as_ref)
        .is_some_and(|partition| partition.state.waiting_for == waiting_for)
}

#[cfg(test)]
mod tests;
