//! What `KafkaProducer::send` does, without waiting: for callers that can be parked, and for callbacks.

use std::sync::Arc;
use std::time::Duration;

use crate::common::header::{Header, Headers};
use crate::producer::callback::Callback;
use crate::producer::internals::buffer_pool::Demand;
use crate::producer::internals::built_in_partitioner::partition_for_key;
use crate::producer::internals::pooled_buffer::PooledBuffer;
use crate::producer::internals::record_accumulator::{Append, AppendError, News};
use crate::producer::internals::topic_table::TopicEntry;
use crate::record::default_record::RecordContents;
use crate::simulation::history::{History, SentRecord, value_of};
use crate::simulation::world::{EPOCH_MILLIS, Producer};
use crate::utils::clock::Instant;
use crate::utils::sync::Mutex;

/// Stands for the callbacks where callers are numbered: the sender thread runs them all, one after the other.
pub(super) const CALLBACKS: usize = usize::MAX;

/// A record that is not accepted yet.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) topic: String,
    pub(super) partition: Option<i32>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value_size: usize,
    pub(super) may_have_headers: bool,
    /// The end of `max.block.ms`.
    pub(super) until: Instant,
    /// How many more records follow, each sent by the callback of the one before.
    pub(super) follow_ups: usize,
}

/// What became of an attempt to hand over a record.
pub(super) enum Attempt {
    Accepted { id: usize },
    Refused,
    NeedsMetadata { past_version: u64 },
    NeedsMemory { requested: Demand },
    Closed,
}

/// Where records go in, and where it is written down.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    pub(super) producer: Producer,
    pub(super) history: Arc<Mutex<History>>,
}

impl Outlet {
    /// Hands over a record of `caller`, in `buffer` if that is what it waited for.
    pub(super) fn attempt(
        &self,
        caller: usize,
        draft: &Draft,
        buffer: Option<PooledBuffer>,
        now: Instant,
    ) -> Attempt {
        let Producer { accumulator, metadata, wakeup } = &self.producer;
        if accumulator.is_closed() {
            return Attempt::Closed;
        }
        let past_version = metadata.snapshot().version;
        let topics = accumulator.topics(metadata);
        let topic = topics.get(&draft.topic);
        let partition_count = topic.map_or(0, TopicEntry::partition_count);
        let number = draft.partition.map_or(Ok(0), usize::try_from);
        let Some(topic) = topic.filter(|_| number.is_ok_and(|number| number < partition_count))
        else {
            metadata.add_topic(&draft.topic.as_str().into(), now);
            metadata.request_update_for_topic(&draft.topic);
            wakeup.wake();
            return Attempt::NeedsMetadata { past_version };
        };
        let hash = |key: &Vec<u8>| partition_for_key(key, partition_count);
        let id = self.history.lock().next_id();
        let value = value_of(id, draft.value_size);
        let headers = headers_of(id, draft.may_have_headers);
        let timestamp_ms = EPOCH_MILLIS + millis_since_start(now);
        let append = Append {
            topic,
            partition_count,
            partition: draft.partition.or_else(|| draft.key.as_ref().map(hash)),
            record: RecordContents::new(timestamp_ms, draft.key.as_deref(), Some(&value), &headers),
            max_wait: Duration::ZERO,
        };
        let mut callback = Some(self.callback(id, draft));
        let appended = match buffer {
            None => accumulator.append(&append, &mut callback, &|| now),
            buffer => accumulator.append_into(&append, buffer, &mut callback, &|| now),
        };
        let appended = match appended {
            Ok(appended) => appended,
            Err(AppendError::Closed) => return Attempt::Closed,
            Err(AppendError::Exhausted { requested }) => return Attempt::NeedsMemory { requested },
            Err(AppendError::UnknownPartition { .. }) => return Attempt::Refused,
        };
        if matches!(appended.news, News::FirstBatch | News::NextBatch) {
            metadata.add_topic(&draft.topic.as_str().into(), now);
        }
        if appended.news != News::Nothing {
            wakeup.wake();
        }
        self.history.lock().accept(SentRecord {
            caller,
            topic: draft.topic.clone(),
            partition: draft.partition,
            key: draft.key.clone(),
            value_size: value.len(),
            timestamp_ms,
            accepted_at: now,
            answer: None,
            future: Some(appended.future(&append.record)),
        });
        Attempt::Accepted { id }
    }

    /// What record `id` was sent with.
    fn callback(&self, id: usize, draft: &Draft) -> Callback {
        let outlet = self.clone();
        let follow_ups = draft.follow_ups.checked_sub(1);
        let next = follow_ups.map(|follow_ups| Draft { follow_ups, ..draft.clone() });
        Box::new(move |result| {
            outlet.history.lock().answer(id, result);
            if let Some(next) = next {
                outlet.send_from_callback(&next);
            }
        })
    }

    /// A callback does not wait: what finds no room is given up.
    fn send_from_callback(&self, draft: &Draft) {
        let now = self.history.lock().now;
        if let Attempt::NeedsMemory { .. } = self.attempt(CALLBACKS, draft, None, now) {
            let mut history = self.history.lock();
            history.lacked_memory = true;
            history.callbacks_without_room += 1;
        }
    }
}

fn millis_since_start(now: Instant) -> i64 {
    let since_start = now.saturating_duration_since(Instant::ZERO).as_millis();
    i64::try_from(since_start).unwrap_or(0)
}

/// The headers of record `id`: every third one has some, where there are any.
pub(super) fn headers_of(id: usize, are_there: bool) -> Headers<'static> {
    let mut headers = Headers::new();
    if are_there && id % 3 == 0 {
        headers.add(Header::new("number", Some(id.to_string().into_bytes())));
        headers.add(Header::new("null", None::<Vec<u8>>));
    }
    headers
}
