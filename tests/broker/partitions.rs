//! The partition of a key is the one that Java's producer picks.

use crate::harness;
use kafka_producer::ProducerRecord;

const PARTITIONS: i32 = 7;

#[test]
fn random_keys_land_where_java_puts_them() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("keys-of-java", PARTITIONS, &[]);
    broker.create_topic("keys", PARTITIONS, &[]);
    let keys = random_keys(10_000);

    let expected = broker.partitions_of_java("keys-of-java", &keys);
    let producer = harness::producer(broker, &[]);
    let send = |key: &Vec<u8>| producer.send(ProducerRecord::new("keys", key.as_slice(), None));
    let sent: Vec<_> = keys.iter().map(send).collect();
    let partitions: Vec<_> =
        sent.into_iter().map(|sent| sent.get().expect("an acknowledgement").partition()).collect();

    assert_eq!(expected.len(), keys.len());
    assert!(partitions == expected, "ours {partitions:?}\njava {expected:?}");
    assert!((0..PARTITIONS).all(|partition| expected.contains(&partition)));
}

/// Keys of 0 to 31 random bytes, alike in every run.
fn random_keys(count: usize) -> Vec<Vec<u8>> {
    let mut state: u64 = 0x4b61_666b_6121;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    let key = |_| {
        let length = next() % 32;
        (0..length).map(|_| next()).collect()
    };
    (0..count).map(key).collect()
}
