//! What a test wants to go wrong, as a value.

use std::sync::Arc;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::error::ErrorCode;
use crate::mock_cluster::api::Api;

/// Something that goes wrong with the next matching request, or with several of them.
///
/// A fault says what happens ([`error`](Self::error), [`delay`](Self::delay), …), to which requests
/// ([`on`](Self::on), [`at`](Self::at), [`topic`](Self::topic), [`partition`](Self::partition); without any, to
/// every request) and how often ([`times`](Self::times), by default once). Faults are looked at in the order in which they
/// were injected. Those of different kinds act together: a delay, a throttle, an error for one partition, an error for
/// another and the loss of the answer may all meet in one request. Of one kind the first acts and the others wait for the
/// next request.
///
/// ```
/// use kafka_producer::mock_cluster::{Api, Fault};
/// use kafka_producer::{ErrorCode, NodeId};
///
/// // The first two batches of partition 0 are refused, whoever sends them.
/// let refused = Fault::error(ErrorCode::NotLeaderOrFollower).partition("orders", 0).times(2);
/// // The third produce request at broker 1 is appended, then the connection closes without an answer.
/// let lost = Fault::close_after_append().on(Api::Produce).at(NodeId(1)).after(2);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    pub(super) effect: Effect,
    pub(super) scope: Scope,
    /// How many more matching requests it lets pass.
    pub(super) skip: u32,
    /// How many more requests it acts on; `None` is without end.
    pub(super) remaining: Option<u32>,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Outcome(Outcome),
    LeaveOut,
    Throttle(Duration),
    Delay(Duration),
    Hold,
    Delivery(Delivery),
}

/// What becomes of a batch, or of another request, instead of success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Refuse(ErrorCode),
    ApplyThenFail(ErrorCode),
    FailThenApply { code: ErrorCode, after: Duration },
}

impl Outcome {
    /// The code that the client sees.
    pub(super) fn code(self) -> ErrorCode {
        match self {
            Self::Refuse(code) | Self::ApplyThenFail(code) | Self::FailThenApply { code, .. } => {
                code
            }
        }
    }
}

/// What becomes of the request, or of its answer, on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    LoseRequest,
    LoseResponse,
    CloseBefore,
    CloseAfter,
    CutAfter(usize),
    Bytes(Vec<u8>),
    Body(Vec<u8>),
    Corrupt { at: usize, mask: u8 },
}

/// Which requests a fault is about; `None` matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) api: Option<Api>,
    pub(super) node: Option<NodeId>,
    pub(super) topic: Option<Arc<str>>,
    pub(super) partition: Option<i32>,
}

impl Fault {
    /// The request, or the batches it matches, is refused with `code`; nothing is appended.
    pub fn error(code: ErrorCode) -> Self {
        Self::new(Effect::Outcome(Outcome::Refuse(code)))
    }

    /// The batches are appended, then answered with `code` all the same.
    pub fn append_then_error(code: ErrorCode) -> Self {
        Self::new(Effect::Outcome(Outcome::ApplyThenFail(code)))
    }

    /// The batches are answered with `code` at once and appended only when `after` has passed, if they still may be.
    pub fn error_then_append(code: ErrorCode, after: Duration) -> Self {
        Self::new(Effect::Outcome(Outcome::FailThenApply { code, after }))
    }

    /// The answer leaves out the topics or partitions that match, as if nobody had asked for them. Batches are appended.
    pub fn leave_out() -> Self {
        Self::new(Effect::LeaveOut)
    }

    /// The answer asks the client to pause for `duration` (`throttle_time_ms`).
    pub fn throttle(duration: Duration) -> Self {
        Self::new(Effect::Throttle(duration))
    }

    /// The request acts at once; its answer, and those behind it on that connection, leave `duration` later.
    pub fn delay(duration: Duration) -> Self {
        Self::new(Effect::Delay(duration))
    }

    /// The request acts at once; its answer, and those behind it on that connection, wait for
    /// [`release`](crate::mock_cluster::MockCluster::release).
    pub fn hold() -> Self {
        Self::new(Effect::Hold)
    }

    /// The request is read and forgotten: no effect, no answer.
    pub fn lose_request() -> Self {
        Self::new(Effect::Delivery(Delivery::LoseRequest))
    }

    /// The request acts; its answer is never sent.
    pub fn lose_response() -> Self {
        Self::new(Effect::Delivery(Delivery::LoseResponse))
    }

    /// The connection closes as soon as the request is read, which has no effect.
    pub fn close_before_append() -> Self {
        Self::new(Effect::Delivery(Delivery::CloseBefore))
    }

    /// The request acts, then the connection closes without an answer.
    pub fn close_after_append() -> Self {
        Self::new(Effect::Delivery(Delivery::CloseAfter))
    }

    /// The request acts; the connection closes after the first `bytes` of the answer, its length included.
    pub fn close_after_bytes(bytes: usize) -> Self {
        Self::new(Effect::Delivery(Delivery::CutAfter(bytes)))
    }

    /// The request acts; these bytes go out in place of the whole answer.
    pub fn respond_with_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Effect::Delivery(Delivery::Bytes(bytes.into())))
    }

    /// The request acts; these bytes go out as the answer's body, behind the right length and header.
    pub fn respond_with_body(body: impl Into<Vec<u8>>) -> Self {
        Self::new(Effect::Delivery(Delivery::Body(body.into())))
    }

    /// The request acts; byte `at` of the answer is combined with `mask` by exclusive or. Bytes 0 to 3 are the length,
    /// 4 to 7 the correlation id.
    pub fn corrupt_response(at: usize, mask: u8) -> Self {
        Self::new(Effect::Delivery(Delivery::Corrupt { at, mask }))
    }

    /// Only requests of this kind.
    pub fn on(mut self, api: Api) -> Self {
        self.scope.api = Some(api);
        self
    }

    /// Only requests to this broker.
    pub fn at(mut self, node: NodeId) -> Self {
        self.scope.node = Some(node);
        self
    }

    /// Only produce and metadata requests that name this topic; an error is for its part of the answer.
    pub fn topic(mut self, topic: impl Into<Arc<str>>) -> Self {
        self.scope.topic = Some(topic.into());
        self
    }

    /// Only produce and metadata requests that name this partition's topic; an error is for the partition alone.
    pub fn partition(mut self, topic: impl Into<Arc<str>>, partition: i32) -> Self {
        self.scope.topic = Some(topic.into());
        self.scope.partition = Some(partition);
        self
    }

    /// Acts on `count` requests. Default: 1.
    pub fn times(mut self, count: u32) -> Self {
        self.remaining = Some(count);
        self
    }

    /// Acts until the faults are cleared.
    pub fn always(mut self) -> Self {
        self.remaining = None;
        self
    }

    /// Lets the first `count` matching requests pass.
    pub fn after(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    fn new(effect: Effect) -> Self {
        Self { effect, scope: Scope::default(), skip: 0, remaining: Some(1) }
    }
}
