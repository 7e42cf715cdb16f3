//! Many partitions: what those cost that nobody uses any more.

use super::*;
use crate::utils::clock::{Clock, SystemClock};

const PARTITIONS: i32 = 20_000;
/// How many partitions are used at a time.
const SHARE: i32 = 50;
/// What a partition may keep in memory, the topic's metadata included.
const BYTES_PER_PARTITION: i64 = 1024;

// MET-13
#[test]
fn partitions_that_were_used_once_cost_little_memory_and_no_time() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();

    let taken = allocation_counter::measure(|| {
        fixture.add_partitions();
        for first in (0..PARTITIONS).step_by(usize::try_from(SHARE).expect("small")) {
            fixture.use_partitions(first..first + SHARE);
        }
    });

    let bytes = taken.bytes_current / i64::from(PARTITIONS);
    assert!(bytes < BYTES_PER_PARTITION, "{bytes} bytes a partition");
    let (few, start) = (0..10, SystemClock.now());
    for _ in 0..10 {
        fixture.use_partitions(few.clone());
    }
    let taken = SystemClock.now().saturating_duration_since(start);
    assert!(taken < Duration::from_millis(200), "{taken:?}: every turn looks at every partition");
}

impl Fixture {
    fn add_partitions(&mut self) {
        let mut response = self.metadata_response(&[]);
        let partitions = &mut response.topics[0].partitions;
        let template = partitions.remove(0);
        *partitions = (0..PARTITIONS)
            .map(|partition_index| MetadataResponsePartition {
                partition_index,
                ..template.clone()
            })
            .collect();
        let _ = self.metadata.next_request(self.now);
        self.metadata.handle_response(&response, 13, self.now);
    }

    /// Sends a record to each, and has it acknowledged.
    fn use_partitions(&mut self, partitions: std::ops::Range<i32>) {
        for partition in partitions {
            self.append(partition, 10);
        }
        self.rest();
        for request in self.requests() {
            self.acknowledge(&request, 0);
        }
        assert!(self.sender.is_drained());
    }
}
