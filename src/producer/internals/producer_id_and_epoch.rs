//! Mirrors `org.apache.kafka.common.utils.ProducerIdAndEpoch`.

use crate::record::default_record_batch::ProducerState;

/// Who writes: the number that the brokers gave this producer, and how often it started its sequences anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerIdAndEpoch {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

impl ProducerIdAndEpoch {
    pub(super) fn of(state: &ProducerState) -> Self {
        Self { id: state.producer_id, epoch: state.producer_epoch }
    }

    pub(super) fn at_sequence(self, base_sequence: i32) -> ProducerState {
        ProducerState { producer_id: self.id, producer_epoch: self.epoch, base_sequence }
    }
}
