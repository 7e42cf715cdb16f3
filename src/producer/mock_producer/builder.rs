//! Takes the place of `MockProducer`'s constructors.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::common::cluster::{Cluster, TopicInfo};
use crate::common::node::{Node, NodeId};
use crate::common::partition_info::PartitionInfo;
use crate::common::uuid::Uuid;
use crate::network::wakeup::Wakeup;
use crate::producer::internals::field_serializer::FieldSerializer;
use crate::producer::internals::sender_signal::SenderSignal;
use crate::producer::mock_producer::{MockProducer, Shared, State};
use crate::producer::partitioner::Partitioner;
use crate::serialization::serializer::Serializer;
use crate::utils::sync::Mutex;

/// Builds a [`MockProducer`].
///
/// ```
/// use kafka_producer::{MockProducer, RoundRobinPartitioner, StringSerializer};
///
/// let producer: MockProducer<str, str> = MockProducer::builder()
///     .topic("orders", 3)
///     .partitioner(RoundRobinPartitioner::new())
///     .auto_complete(false)
///     .build(StringSerializer::default(), StringSerializer::default());
/// ```
pub struct MockProducerBuilder<K: ?Sized, V: ?Sized> {
    cluster: Cluster,
    auto_complete: bool,
    partitioner: Option<Box<dyn Partitioner>>,
    of: PhantomData<fn(&K, &V)>,
}

/// The one broker of a mock's cluster, which leads every partition.
const BROKER: NodeId = NodeId(0);

impl<K: ?Sized, V: ?Sized> MockProducerBuilder<K, V> {
    pub(super) fn new() -> Self {
        let node = Node::new(BROKER, "localhost", 9092, None);
        let cluster = Cluster { nodes: BTreeMap::from([(BROKER, node)]), ..Cluster::default() };
        Self { cluster, auto_complete: true, partitioner: None, of: PhantomData }
    }

    /// Lets `topic` have this many partitions, at least one.
    ///
    /// A topic that is not declared comes into being with one partition when it is first named.
    #[must_use]
    pub fn topic(mut self, topic: &str, partitions: i32) -> Self {
        add_topic(&mut self.cluster, topic, partitions);
        self
    }

    /// Whether each record is acknowledged inside `send`, which is the default, or waits for the test to answer it.
    #[must_use]
    pub fn auto_complete(mut self, auto_complete: bool) -> Self {
        self.auto_complete = auto_complete;
        self
    }

    /// Chooses the partition of records that name none; without it they go to partition 0.
    #[must_use]
    pub fn partitioner(mut self, partitioner: impl Partitioner + 'static) -> Self {
        self.partitioner = Some(Box::new(partitioner));
        self
    }

    /// The producer, with the serializers that the real one would have.
    pub fn build(
        self,
        key_serializer: impl Serializer<K> + 'static,
        value_serializer: impl Serializer<V> + 'static,
    ) -> MockProducer<K, V> {
        MockProducer(Arc::new(Shared {
            key_serializer: FieldSerializer::of_keys(key_serializer),
            value_serializer: FieldSerializer::of_values(value_serializer),
            partitioner: self.partitioner,
            auto_complete: self.auto_complete,
            signal: Arc::new(SenderSignal::new(Wakeup::detached())),
            state: Mutex::new(State {
                cluster: Arc::new(self.cluster),
                history: Vec::new(),
                next_offsets: BTreeMap::new(),
                unanswered: VecDeque::new(),
                is_closed: false,
                send_error: None,
                flush_error: None,
                partitions_for_error: None,
                close_error: None,
            }),
        }))
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for MockProducerBuilder<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MockProducerBuilder")
            .field("cluster", &self.cluster)
            .field("auto_complete", &self.auto_complete)
            .finish_non_exhaustive()
    }
}

pub(super) fn add_topic(cluster: &mut Cluster, topic: &str, partitions: i32) {
    let info = |partition| PartitionInfo {
        replicas: vec![BROKER],
        in_sync_replicas: vec![BROKER],
        ..PartitionInfo::new(partition, Some(BROKER))
    };
    let name: Arc<str> = topic.into();
    let partitions = (0..partitions.max(1)).map(info).collect();
    let topic = TopicInfo::new(Arc::clone(&name), Uuid::ZERO, false, partitions);
    cluster.topics.insert(name, Arc::new(topic));
}
