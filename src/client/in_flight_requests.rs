//! Mirrors `org.apache.kafka.clients.InFlightRequests`.
//!
//! Differs in that the client's own requests take no slot from the sender's: else a loaded node never gets one.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::body::RequestBody;
use crate::utils::clock::Instant;

/// The requests sent, or being sent, to each broker and not yet answered.
///
/// A broker answers the requests of one connection in order, so only the oldest can complete next.
#[derive(Debug)]
pub(crate) struct InFlightRequests {
    queues: BTreeMap<NodeId, Queue>,
    max_per_connection: usize,
}

#[derive(Debug, Default)]
struct Queue {
    /// Oldest request first.
    requests: VecDeque<InFlightRequest>,
    /// How many of them are the sender's.
    sender_requests: usize,
    /// The numbers between which all requests that wanted no answer lie.
    unacknowledged: Option<RangeInclusive<i32>>,
}

/// One request that awaits its response.
#[derive(Debug)]
pub(crate) struct InFlightRequest {
    pub(crate) correlation_id: i32,
    pub(crate) origin: Origin,
    pub(crate) version: i16,
    /// In bytes, with everything.
    pub(crate) size: usize,
    /// Keeps the memory of the batches until the request is over.
    pub(crate) body: RequestBody,
    pub(crate) expect_response: bool,
    /// Whether every byte is with the socket.
    pub(crate) send_completed: bool,
    pub(crate) timeout: Duration,
    pub(crate) sent: Instant,
    /// For how long the broker has held back its answers since.
    pub(crate) throttled: Duration,
    /// Whether somebody still waits for the answer.
    pub(crate) is_awaited: bool,
}

/// Who waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The sender.
    Sender,
    /// The client itself, to learn about the cluster.
    Metadata,
    /// The client itself, to learn about the broker.
    ApiVersions,
}

impl InFlightRequest {
    pub(crate) fn api(&self) -> ApiKey {
        self.body.api()
    }

    /// When it has waited for too long. The time that the broker holds back its answers does not count, as long as somebody
    /// waits for this one.
    fn deadline(&self) -> Instant {
        let more = if self.is_awaited { self.throttled } else { Duration::ZERO };
        self.sent + self.timeout + more
    }
}

impl InFlightRequests {
    /// `max_per_connection` is `max.in.flight.requests.per.connection`.
    pub(crate) fn new(max_per_connection: usize) -> Self {
        assert!(max_per_connection > 0, "a connection must carry at least one request");
        Self { queues: BTreeMap::new(), max_per_connection }
    }

    /// Appends `request` as the newest of `node`.
    pub(crate) fn add(&mut self, node: NodeId, request: InFlightRequest) {
        let queue = self.queues.entry(node).or_default();
        debug_assert!(queue.is_newest_written(), "one request is written at a time");
        if request.origin == Origin::Sender {
            queue.sender_requests += 1;
        }
        queue.requests.push_back(request);
    }

    /// The oldest request of `node`: the one its next response answers.
    ///
    /// `None` means that the broker answered something we never asked.
    pub(crate) fn oldest(&self, node: NodeId) -> Option<&InFlightRequest> {
        self.queues.get(&node)?.requests.front()
    }

    /// Removes the oldest request of `node`.
    pub(crate) fn complete_next(&mut self, node: NodeId) -> Option<InFlightRequest> {
        self.remove(node, VecDeque::pop_front)
    }

    /// Notes that the newest request of `node` is written; removes and returns it if no response will come.
    pub(crate) fn complete_send(&mut self, node: NodeId) -> Option<InFlightRequest> {
        let newest = self.queues.get_mut(&node)?.requests.back_mut()?;
        newest.send_completed = true;
        if newest.expect_response {
            return None;
        }
        let over = self.remove(node, VecDeque::pop_back)?;
        self.queues.entry(node).or_default().note_unacknowledged(over.correlation_id);
        Some(over)
    }

    /// Whether `correlation_id` is of a request to `node` that wanted no answer. Some brokers answer all the same.
    pub(crate) fn is_unwanted(&self, node: NodeId, correlation_id: i32) -> bool {
        let Some(queue) = self.queues.get(&node) else { return false };
        let is_due = queue.requests.iter().any(|request| request.correlation_id == correlation_id);
        let unacknowledged = queue.unacknowledged.as_ref();
        !is_due && unacknowledged.is_some_and(|numbers| numbers.contains(&correlation_id))
    }

    /// The size of the largest request that `node` has to answer.
    pub(crate) fn largest(&self, node: NodeId) -> usize {
        let requests = self.queues.get(&node).into_iter().flat_map(|queue| &queue.requests);
        requests.map(|request| request.size).max().unwrap_or(0)
    }

    /// Removes every request of `node`, oldest first; its connection is gone.
    pub(crate) fn clear_all(&mut self, node: NodeId) -> VecDeque<InFlightRequest> {
        let queue = self.queues.remove(&node).unwrap_or_default();
        queue.requests
    }

    /// Whether the sender may give `node` another request.
    ///
    /// A request still being written blocks the next, so a slow socket holds one request and the rest stay in the
    /// accumulator, where they can still be batched.
    pub(crate) fn can_send_more(&self, node: NodeId) -> bool {
        self.queues.get(&node).is_none_or(|queue| {
            queue.is_newest_written() && queue.sender_requests < self.max_per_connection
        })
    }

    /// Whether a request of the client's own can go to `node`.
    pub(crate) fn can_send_internal(&self, node: NodeId) -> bool {
        self.queues.get(&node).is_none_or(Queue::is_newest_written)
    }

    /// How many requests `node` has to answer.
    pub(crate) fn count(&self, node: NodeId) -> usize {
        self.queues.get(&node).map_or(0, |queue| queue.requests.len())
    }

    /// The moment at which the first request of `node` has waited for too long.
    pub(crate) fn next_deadline(&self, node: NodeId) -> Option<Instant> {
        self.queues.get(&node)?.requests.iter().map(InFlightRequest::deadline).min()
    }

    /// The request of `node` whose deadline comes first.
    pub(crate) fn most_urgent(&self, node: NodeId) -> Option<&InFlightRequest> {
        self.queues.get(&node)?.requests.iter().min_by_key(|request| request.deadline())
    }

    /// Gives the requests of `node` more time: the broker answers late on purpose.
    pub(crate) fn extend_deadlines(&mut self, node: NodeId, throttle: Duration) {
        for request in self.queues.get_mut(&node).into_iter().flat_map(|queue| &mut queue.requests)
        {
            request.throttled = request.throttled.saturating_add(throttle);
        }
    }

    /// Nobody waits for the answer to this request of `node` any more: throttling gives it no time. Returns its deadline.
    pub(crate) fn set_unawaited(&mut self, node: NodeId, correlation_id: i32) -> Option<Instant> {
        let requests = &mut self.queues.get_mut(&node)?.requests;
        let request = requests.iter_mut().find(|it| it.correlation_id == correlation_id)?;
        request.is_awaited = false;
        Some(request.deadline())
    }

    fn remove(
        &mut self,
        node: NodeId,
        pop: impl FnOnce(&mut VecDeque<InFlightRequest>) -> Option<InFlightRequest>,
    ) -> Option<InFlightRequest> {
        let queue = self.queues.get_mut(&node)?;
        let request = pop(&mut queue.requests)?;
        if request.origin == Origin::Sender {
            queue.sender_requests -= 1;
        }
        Some(request)
    }
}

impl Queue {
    fn note_unacknowledged(&mut self, correlation_id: i32) {
        let first = self.unacknowledged.as_ref().map_or(correlation_id, |numbers| *numbers.start());
        // A lower number is the first after the highest there is: they begin anew.
        self.unacknowledged = Some(first.min(correlation_id)..=correlation_id);
    }

    fn is_newest_written(&self) -> bool {
        self.requests.back().is_none_or(|newest| newest.send_completed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::message::metadata::MetadataRequest;

    const NODE: NodeId = NodeId(1);

    #[test]
    fn completes_in_the_order_sent() {
        let mut requests = InFlightRequests::new(5);
        for correlation_id in 0..3 {
            requests.add(NODE, written(correlation_id));
        }

        let completed = std::iter::from_fn(|| requests.complete_next(NODE));

        assert_eq!(completed.map(|request| request.correlation_id).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_request_that_expects_no_answer_is_over_once_it_is_written() {
        let mut requests = InFlightRequests::new(5);
        requests.add(NODE, written(0));
        requests.add(NODE, InFlightRequest { expect_response: false, ..unwritten(1) });

        let over = requests.complete_send(NODE).expect("no answer will come");

        assert_eq!(over.correlation_id, 1);
        assert_eq!(requests.oldest(NODE).map(|request| request.correlation_id), Some(0));
    }

    #[test]
    fn knows_the_requests_that_wanted_no_answer() {
        let mut requests = InFlightRequests::new(5);
        for correlation_id in [3, 5] {
            let silent = InFlightRequest { expect_response: false, ..unwritten(correlation_id) };
            requests.add(NODE, silent);
            requests.complete_send(NODE);
        }
        requests.add(NODE, written(4));

        assert!([3, 5].iter().all(|number| requests.is_unwanted(NODE, *number)));
        assert!([2, 4, 6].iter().all(|number| !requests.is_unwanted(NODE, *number)));
        requests.clear_all(NODE);
        assert!(!requests.is_unwanted(NODE, 3));
    }

    #[test]
    fn a_request_still_being_written_blocks_the_next() {
        let mut requests = InFlightRequests::new(5);
        requests.add(NODE, unwritten(0));

        assert!(!requests.can_send_more(NODE));
        assert!(requests.complete_send(NODE).is_none());
        assert!(requests.can_send_more(NODE));
    }

    #[test]
    fn a_full_node_still_takes_the_clients_own_requests() {
        let mut requests = InFlightRequests::new(1);
        requests.add(NODE, written(0));

        assert!(!requests.can_send_more(NODE));
        assert!(requests.can_send_internal(NODE));
        requests.add(NODE, InFlightRequest { origin: Origin::Metadata, ..written(1) });
        assert_eq!(requests.count(NODE), 2);
    }

    #[test]
    fn clearing_returns_the_oldest_first_and_frees_the_slots() {
        let mut requests = InFlightRequests::new(2);
        requests.add(NODE, written(7));
        requests.add(NODE, written(8));

        let cleared = requests.clear_all(NODE);

        assert_eq!(cleared.iter().map(|r| r.correlation_id).collect::<Vec<_>>(), [7, 8]);
        assert!(requests.can_send_more(NODE));
    }

    // SND-13
    #[test]
    fn time_spent_throttled_does_not_count() {
        let mut requests = InFlightRequests::new(2);
        requests.add(NODE, written(7));

        requests.extend_deadlines(NODE, Duration::from_secs(5));

        assert_eq!(requests.next_deadline(NODE), Some(Instant::ZERO + Duration::from_secs(35)));
    }

    #[test]
    fn time_spent_throttled_counts_where_nobody_waits_for_the_answer() {
        let mut requests = InFlightRequests::new(2);
        requests.add(NODE, written(7));
        requests.extend_deadlines(NODE, Duration::from_secs(5));

        let deadline = Some(Instant::ZERO + Duration::from_secs(30));
        assert_eq!(requests.set_unawaited(NODE, 7), deadline);
        requests.extend_deadlines(NODE, Duration::from_secs(5));
        assert_eq!(requests.next_deadline(NODE), deadline);
        assert_eq!(requests.set_unawaited(NODE, 8), None);
    }

    fn written(correlation_id: i32) -> InFlightRequest {
        InFlightRequest { send_completed: true, ..unwritten(correlation_id) }
    }

    fn unwritten(correlation_id: i32) -> InFlightRequest {
        let timeout = Duration::from_secs(30);
        InFlightRequest {
            correlation_id,
            origin: Origin::Sender,
            version: 9,
            size: 100,
            body: RequestBody::Metadata(MetadataRequest::default()),
            expect_response: true,
            send_completed: false,
            timeout,
            sent: Instant::ZERO,
            throttled: Duration::ZERO,
            is_awaited: true,
        }
    }
}
