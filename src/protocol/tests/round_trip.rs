//! What we write, we read back.

use super::*;

#[test]
fn every_message_survives_in_every_version() {
    for_each_message!(survives);
}

fn survives<M: Message>() {
    for_samples::<M>(50, |version, message| {
        let bytes = message.to_bytes(version);
        let mut reader = Reader::new(&bytes);

        assert_eq!(M::decode(version, &mut reader).as_ref(), Ok(&message), "v{version}");
        assert_eq!(reader.remaining(), 0, "v{version} {message:?}");
    });
}

#[test]
fn records_spliced_in_give_the_bytes_of_a_request_written_whole() {
    for_samples(50, |version, mut request: ProduceRequest<Vec<u8>>| {
        let every_other =
            request.topics.iter_mut().flat_map(|topic| &mut topic.partitions).step_by(2);
        every_other.for_each(|partition| partition.records.resize(2000, 7));
        let mut out = vec![0xaa; 3];
        let spliced = request.encode_spliced(version, &mut out);

        let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
        let large = partitions.map(|partition| &partition.records).filter(|it| it.len() == 2000);
        assert!(spliced.iter().map(|(_, records)| records).eq(large));
        for (position, records) in spliced.into_iter().rev() {
            out.splice(position..position, records);
        }
        assert_eq!(out[3..], request.to_bytes(version), "v{version}");
    });
}
