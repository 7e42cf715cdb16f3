//! What few worlds have, drawn apart from everything else: a world without any is as it was before there were some.

use std::time::Duration;

use crate::compress::CompressionType;
use crate::simulation::scenario::log_millis;
use crate::utils::random::Random;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quirks {
    /// Whether callbacks send records, too.
    pub(super) callbacks_send: bool,
    /// `compression.type`.
    pub(super) codec: CompressionType,
    /// `connections.max.idle.ms`; `None` where idle connections stay.
    pub(super) max_idle: Option<Duration>,
    /// The mean time between two of the rarer faults.
    pub(super) rare_faults: Option<Duration>,
    /// How many records each partition takes before sequences go round to 0; `None` where they begin there.
    pub(super) records_before_wrap: Option<i32>,
    /// How many brokers know message sets only, until they are restarted.
    pub(super) old_brokers: usize,
}

impl Quirks {
    pub(super) fn draw(random: &mut Random, is_calm: bool) -> Self {
        let mut has = |one_in| random.below(one_in) == 0;
        let (callbacks_send, closes_idle, has_rare_faults) = (has(3), has(4), has(4));
        let wraps = has(4);
        let max_idle = log_millis(1_000, 8_000, random);
        let pace = log_millis(200, 5_000, random);
        let records = i32::try_from(1 + random.below(60)).unwrap_or(1);
        let codec = CompressionType::ALL.get(random.below(15)).copied().unwrap_or_default();
        let (has_old_brokers, old_brokers) = (random.below(3) == 0, 1 + random.below(4));
        Self {
            callbacks_send,
            codec,
            max_idle: closes_idle.then_some(max_idle),
            rare_faults: (has_rare_faults && !is_calm).then_some(pace),
            records_before_wrap: wraps.then_some(records),
            old_brokers: if has_old_brokers { old_brokers } else { 0 },
        }
    }
}
