//! The queues of one topic.

use std::iter;
use std::sync::{Arc, OnceLock};

use crate::producer::internals::partition_queue::PartitionQueue;

/// The queues of a topic by partition number. A partition keeps its queue for as long as the producer lives, so that
/// `send` borrows it, with no lock and no count of references.
#[derive(Debug, Default)]
pub(crate) struct PartitionQueues {
    /// One for each time that partitions were added.
    first: OnceLock<Box<Segment>>,
}

#[derive(Debug)]
struct Segment {
    queues: Box<[Arc<PartitionQueue>]>,
    next: OnceLock<Box<Self>>,
}

impl PartitionQueues {
    /// The queue of the partition with this number.
    #[inline]
    pub(crate) fn get(&self, mut partition: usize) -> Option<&Arc<PartitionQueue>> {
        let mut segment = self.first.get()?;
        loop {
            if let Some(queue) = segment.queues.get(partition) {
                return Some(queue);
            }
            partition -= segment.queues.len();
            segment = segment.next.get()?;
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.segments().map(|segment| segment.queues.len()).sum()
    }

    /// Adds the queues of the partitions that follow. One thread at a time.
    pub(crate) fn extend(&self, queues: Vec<Arc<PartitionQueue>>) {
        if queues.is_empty() {
            return;
        }
        let end = self.segments().last().map_or(&self.first, |last| &last.next);
        // Where two did so at once, the later one would be lost: whoever adds holds the lock of the table.
        let _ = end.set(Box::new(Segment { queues: queues.into(), next: OnceLock::new() }));
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        iter::successors(self.first.get(), |segment| segment.next.get()).map(Box::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::topic_partition::TopicPartition;
    use crate::producer::internals::partition_ref::{PartitionId, PartitionRef};
    use crate::producer::internals::sender_signal::SenderSignal;

    #[test]
    fn finds_what_was_added_at_any_time() {
        let queues = PartitionQueues::default();
        assert!(queues.get(0).is_none());

        for added in [0..3, 3..3, 3..4, 4..9] {
            queues.extend(added.map(queue).collect());
        }

        assert_eq!(queues.len(), 9);
        let ids = (0..9).map(|number| queues.get(number).map(|queue| queue.partition().id()));
        assert!(ids.eq((0..9).map(|number| Some(PartitionId::new(number)))));
        assert!(queues.get(9).is_none());
    }

    fn queue(index: usize) -> Arc<PartitionQueue> {
        let signal = SenderSignal::detached();
        let number = i32::try_from(index).expect("small");
        let name = TopicPartition::new("t", number);
        PartitionQueue::new(PartitionRef::new(PartitionId::new(index), name, signal)).into()
    }
}
