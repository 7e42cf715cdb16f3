//! What the application does: callers that send, flush and wait for answers, each in its own time.
//!
//! A caller that would have to wait is parked and goes on when what it waits for is there.

use std::sync::Arc;
use std::time::Duration;

use crate::producer::internals::buffer_pool::{AllocateError, Demand, Ticket};
use crate::producer::internals::pooled_buffer::PooledBuffer;
use crate::producer::internals::produce_request_result::ProduceRequestResult;
use crate::simulation::scenario::log_millis;
use crate::simulation::sending::{Attempt, Draft, Outlet};
use crate::simulation::world::{Event, Producer, World};
use crate::utils::clock::Instant;
use crate::utils::random::Random;
use crate::utils::sync::Mutex;

/// One thread of the application.
#[derive(Debug)]
pub(super) struct Caller {
    index: usize,
    random: Random,
    state: State,
    /// How many records it has handed over, or given up.
    sent: usize,
    last_id: Option<usize>,
    /// Sends one record to each partition after the heal, and nothing else.
    probes: Option<Vec<(String, i32)>>,
    /// The partition that is being tried, and until when.
    probing: Option<(String, i32, Instant)>,
}

#[derive(Debug)]
enum State {
    Idle { until: Instant },
    AwaitsMetadata { draft: Draft, past_version: u64 },
    AwaitsMemory { draft: Draft, ticket: Ticket, requested: Demand },
    AwaitsAnswer { id: usize, until: Instant },
    Flushes { batches: Vec<Arc<ProduceRequestResult>>, accepted: usize, until: Instant },
    Done,
}

impl Caller {
    pub(super) fn new(index: usize, random: Random) -> Self {
        Self {
            index,
            random,
            state: State::Idle { until: Instant::ZERO },
            sent: 0,
            last_id: None,
            probes: None,
            probing: None,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whether what it waits for has come.
    fn can_go_on(&self, producer: &Producer, history: &Mutex<super::history::History>) -> bool {
        match &self.state {
            State::AwaitsMetadata { past_version, .. } => {
                producer.metadata.version() > *past_version
            }
            State::AwaitsMemory { ticket, .. } => producer.accumulator.pool().is_served(ticket),
            State::AwaitsAnswer { id, .. } => history.lock().records[*id].answer.is_some(),
            State::Flushes { batches, .. } => batches.iter().all(|batch| batch.is_all_done()),
            State::Idle { .. } | State::Done => false,
        }
    }

    /// When it goes on although nothing came.
    fn due(&self) -> Option<Instant> {
        match &self.state {
            State::Idle { until } => Some(*until),
            State::AwaitsMetadata { draft, .. } | State::AwaitsMemory { draft, .. } => {
                Some(draft.until)
            }
            State::AwaitsAnswer { until, .. } | State::Flushes { until, .. } => Some(*until),
            State::Done => None,
        }
    }
}

impl World {
    /// Lets those callers go on that have what they waited for.
    pub(super) fn wake_callers(&mut self) {
        for index in 0..self.callers.len() {
            if self.callers[index].can_go_on(&self.producer, &self.history) {
                self.run_caller(index);
            }
        }
        self.end_if_done();
    }

    /// After the heal every partition has to take a record again.
    pub(super) fn begin_last_sends(&mut self) {
        let mut probes = Vec::new();
        for topic in &self.scenario.topics {
            let count = i32::try_from(self.cluster.partition_count(&topic.name)).unwrap_or(0);
            probes.extend((0..count).map(|partition| (topic.name.clone(), partition)));
        }
        let index = self.callers.len();
        let random = self.random.fork();
        self.callers.push(Caller { probes: Some(probes), ..Caller::new(index, random) });
        self.after(Duration::ZERO, Event::Caller(index));
        self.after(QUIET_LIMIT, Event::Deadline);
    }

    /// The producer has ended: whoever waits for memory stops.
    pub(super) fn release_waiters(&mut self) {
        for caller in &mut self.callers {
            if let State::AwaitsMemory { ticket, .. } = &caller.state {
                let left = self.producer.accumulator.pool().leave_queue(ticket);
                self.coverage.hit_if("a waiter for memory met the end", left.is_err());
                caller.state = State::Done;
            }
        }
    }

    pub(super) fn run_caller(&mut self, index: usize) {
        let placeholder = Caller::new(index, Random::new(0));
        let mut caller = std::mem::replace(&mut self.callers[index], placeholder);
        let due = caller.due().is_some_and(|due| due <= self.now);
        if due || caller.can_go_on(&self.producer, &self.history) {
            self.step(&mut caller);
            if let Some(due) = caller.due() {
                self.at(due, Event::Caller(index));
            }
        }
        self.callers[index] = caller;
        self.end_if_done();
    }

    fn step(&mut self, caller: &mut Caller) {
        match std::mem::replace(&mut caller.state, State::Done) {
            State::Idle { .. } => self.act(caller),
            State::AwaitsMetadata { draft, .. } => self.hand_over(caller, draft, None),
            State::AwaitsMemory { draft, ticket, requested } => {
                match self.producer.accumulator.pool().leave_queue(&ticket) {
                    Ok(buffer) => {
                        self.coverage.hit("a waiter got memory");
                        self.hand_over(caller, draft, Some(buffer));
                    }
                    Err(AllocateError::Exhausted) => {
                        self.coverage.hit("a waiter for memory timed out");
                        let pool = self.producer.accumulator.pool();
                        if pool.available() >= requested.total() && !pool.is_exhausted() {
                            let complaint = "INV-09: nobody gave a waiter the memory there was";
                            self.complain(complaint.to_owned());
                        }
                        self.rest(caller);
                    }
                    Err(AllocateError::Closed) => {
                        self.coverage.hit("a waiter for memory met the end");
                    }
                }
            }
            State::AwaitsAnswer { id, .. } => {
                if self.history.lock().records[id].answer.is_none() {
                    self.complain(format!("INV-09: no answer to record {id} in time"));
                }
                self.rest(caller);
            }
            State::Flushes { batches, accepted, .. } => {
                self.end_flush(&batches, accepted);
                self.rest(caller);
            }
            State::Done => {}
        }
    }

    /// Draws what to do next.
    fn act(&mut self, caller: &mut Caller) {
        if caller.probes.is_some() {
            return self.probe(caller);
        }
        if self.is_healed || caller.sent >= self.scenario.records_per_caller {
            return;
        }
        match caller.random.below(20) {
            0 => self.begin_flush(caller),
            1 if caller.last_id.is_some() => self.await_last(caller),
            _ => {
                let draft = self.draft(caller);
                self.hand_over(caller, draft, None);
            }
        }
    }

    /// Sends to one partition after the other; one that fails has another try while there is time.
    fn probe(&mut self, caller: &mut Caller) {
        let last = caller.last_id.take();
        let answer = last.and_then(|id| self.history.lock().records[id].answer.clone());
        let is_well = answer.is_some_and(|answer| answer.result.is_ok());
        let target = match caller.probing.take().filter(|_| !is_well) {
            Some((topic, partition, until)) if self.now >= until => {
                self.complain(format!("INV-22: {topic}-{partition} is not well after the heal"));
                return;
            }
            Some(target) => target,
            None => {
                let next = caller.probes.as_mut().and_then(Vec::pop);
                let Some((topic, partition)) = next else { return };
                (topic, partition, self.now + RECOVERY_LIMIT)
            }
        };
        let (topic, partition, until) = target.clone();
        caller.probing = Some(target);
        let partition = Some(partition);
        let may_have_headers = self.scenario.old_brokers() == 0;
        let draft = Draft {
            topic,
            partition,
            key: None,
            value_size: 16,
            may_have_headers,
            until,
            follow_ups: 0,
        };
        self.hand_over(caller, draft, None);
    }

    fn draft(&self, caller: &mut Caller) -> Draft {
        let Caller { random, .. } = caller;
        let topic = &self.scenario.topics[random.below(self.scenario.topics.len())];
        let partitions = usize::try_from(topic.partitions).unwrap_or(1);
        let (partition, key) = match random.below(3) {
            0 => (i32::try_from(random.below(partitions)).ok(), None),
            1 => (None, Some(format!("key-{}", random.below(50)).into_bytes())),
            _ => (None, None),
        };
        let value_size = 8 + random.below(self.scenario.max_value);
        let until = self.now + self.scenario.settings.max_block;
        let follows = self.scenario.quirks.callbacks_send && random.below(4) == 0;
        let follow_ups = if follows { 1 + random.below(3) } else { 0 };
        let (topic, may_have_headers) = (topic.name.clone(), self.scenario.old_brokers() == 0);
        Draft { topic, partition, key, value_size, may_have_headers, until, follow_ups }
    }

    /// Idle until the next action; right away within a burst.
    fn rest(&self, caller: &mut Caller) {
        let wait = match caller.random.below(3) {
            0 => Duration::ZERO,
            _ => self.scenario.think_time.mul_f64(2.0 * caller.random.unit_f64()),
        };
        caller.state = State::Idle { until: self.now + wait };
    }

    fn hand_over(&mut self, caller: &mut Caller, draft: Draft, buffer: Option<PooledBuffer>) {
        match self.attempt(caller, &draft, buffer) {
            Attempt::Accepted { .. } | Attempt::Refused => {
                caller.sent += 1;
                match caller.last_id.filter(|_| caller.probes.is_some()) {
                    Some(_) => self.await_last(caller),
                    None => self.rest(caller),
                }
            }
            Attempt::NeedsMetadata { past_version } if self.now < draft.until => {
                caller.state = State::AwaitsMetadata { draft, past_version };
            }
            Attempt::NeedsMemory { requested } if self.now < draft.until => {
                self.history.lock().lacked_memory = true;
                match self.producer.accumulator.pool().queue_up(requested) {
                    Ok(ticket) => caller.state = State::AwaitsMemory { draft, ticket, requested },
                    Err(_) => caller.state = State::Done,
                }
            }
            Attempt::NeedsMetadata { .. } | Attempt::NeedsMemory { .. } => {
                self.give_up(caller, &draft);
            }
            Attempt::Closed => caller.state = State::Done,
        }
    }

    fn give_up(&mut self, caller: &mut Caller, draft: &Draft) {
        self.coverage.hit("a caller waited for max.block.ms");
        if caller.probes.is_some() {
            let topic = &draft.topic;
            self.complain(format!("INV-22: {topic} takes no record after the heal"));
        }
        caller.sent += 1;
        self.rest(caller);
    }

    /// What `KafkaProducer::send` does, without waiting.
    fn attempt(
        &mut self,
        caller: &mut Caller,
        draft: &Draft,
        buffer: Option<PooledBuffer>,
    ) -> Attempt {
        let outlet = Outlet { producer: self.producer.clone(), history: Arc::clone(&self.history) };
        let attempt = outlet.attempt(caller.index, draft, buffer, self.now);
        if let Attempt::Accepted { id } = attempt {
            caller.last_id = Some(id);
            self.note("accepted", &[caller.index.try_into().unwrap_or(0)]);
        }
        attempt
    }

    /// From now on batches have reason not to linger.
    fn note_urgency(&self) {
        self.history.lock().urgent.push(self.now);
    }

    fn begin_flush(&self, caller: &mut Caller) {
        self.note_urgency();
        let batches = self.producer.accumulator.incomplete().snapshot();
        batches.iter().for_each(|batch| batch.expedite());
        let accepted = self.history.lock().next_id();
        let settings = &self.scenario.settings;
        let limit = settings.delivery_timeout + settings.request_timeout;
        caller.state = State::Flushes { batches, accepted, until: self.now + limit };
    }

    fn end_flush(&mut self, batches: &[Arc<ProduceRequestResult>], accepted: usize) {
        self.coverage.hit("a flush ended");
        let history = self.history.lock();
        let pending = history.records[..accepted].iter().position(|record| record.answer.is_none());
        drop(history);
        if !batches.iter().all(|batch| batch.is_all_done()) {
            self.complain("INV-10: flush takes longer than delivery.timeout.ms".to_owned());
        } else if let Some(id) = pending {
            self.complain(format!("INV-10: flush returned before record {id} was answered"));
        }
    }

    fn await_last(&self, caller: &mut Caller) {
        let Some(id) = caller.last_id else { return };
        self.note_urgency();
        let history = self.history.lock();
        if let Some(future) = &history.records[id].future {
            // Expedites the batch; there is no answer yet, or it is the one that the callback had.
            let _ = future.get_timeout(Duration::ZERO);
        }
        drop(history);
        let until = self.now + self.scenario.settings.delivery_timeout + Duration::from_secs(1);
        caller.state = State::AwaitsAnswer { id, until };
        if self.history.lock().records[id].answer.is_some() {
            caller.state = State::Idle { until: self.now + log_millis(1, 10, &mut caller.random) };
        }
    }
}

/// The time after the heal in which everything has come to its end, whatever the settings.
const QUIET_LIMIT: Duration = Duration::from_secs(300);
/// The time within which everything works again after the heal.
pub(super) const RECOVERY_LIMIT: Duration = Duration::from_secs(15);
