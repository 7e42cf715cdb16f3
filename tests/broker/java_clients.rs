//! The harness itself: what Java's producer wrote is what the tests read.

use crate::harness;

#[test]
fn what_java_writes_is_read_back() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("java-clients", 3, &[]);
    let keys = [b"1".to_vec(), b"2".to_vec(), Vec::new(), b"33".to_vec()];

    let partitions = broker.partitions_of_java("java-clients", &keys);
    let records = broker.read("java-clients");

    assert_eq!(partitions.len(), keys.len());
    assert_eq!(records.len(), keys.len());
    for (key, partition) in keys.iter().zip(partitions) {
        let record = records.iter().find(|record| record.key.as_deref() == Some(&key[..]));
        let record = record.expect("each key is read back");
        assert_eq!(record.partition, partition);
        assert_eq!(record.value, None);
        assert_eq!(record.headers, []);
    }
}
