//! Everything about a run that is decided before it begins, drawn from its seed.

use std::time::Duration;

use crate::compress::CompressionType;
use crate::simulation::quirks::Quirks;
use crate::utils::random::Random;

/// The cluster, the producer's settings, the workload and what may go wrong.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) brokers: usize,
    pub(super) topics: Vec<TopicPlan>,
    pub(super) settings: Settings,
    pub(super) callers: usize,
    /// How many records each caller sends at most.
    pub(super) records_per_caller: usize,
    /// The mean time between two records of a caller.
    pub(super) think_time: Duration,
    pub(super) max_value: usize,
    pub(super) families: Families,
    pub(super) quirks: Quirks,
    /// When everything that is wrong ends.
    pub(super) heals_at: Duration,
    /// Whether, and when, the application closes the producer amid its work.
    pub(super) closes_at: Option<Close>,
    /// The longest a segment takes while nothing is wrong.
    pub(super) usual_latency: Duration,
    pub(super) send_buffer: usize,
}

#[derive(Clone, Debug)]
pub(super) struct TopicPlan {
    pub(super) name: String,
    pub(super) partitions: i32,
    pub(super) min_in_sync: usize,
    pub(super) has_log_append_time: bool,
}

/// The producer's properties.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) acks: i16,
    pub(super) is_idempotent: bool,
    pub(super) max_in_flight: usize,
    pub(super) retries: u32,
    pub(super) batch_size: usize,
    pub(super) buffer_memory: usize,
    pub(super) max_request_size: usize,
    pub(super) linger: Duration,
    pub(super) request_timeout: Duration,
    pub(super) delivery_timeout: Duration,
    pub(super) max_block: Duration,
    pub(super) retry_backoff: Duration,
    pub(super) retry_backoff_max: Duration,
    pub(super) reconnect_backoff: Duration,
    pub(super) reconnect_backoff_max: Duration,
    pub(super) setup_timeout: Duration,
    pub(super) metadata_max_age: Duration,
    pub(super) rebootstrap_trigger: Option<Duration>,
    pub(super) is_adaptive: bool,
    pub(super) availability_timeout: Duration,
}

/// What may go wrong in a run, and how often: the mean time between two faults of a family, `None` for never.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Families {
    pub(super) network: Option<Duration>,
    pub(super) broker: Option<Duration>,
    pub(super) leaders: Option<Duration>,
    pub(super) errors: Option<Duration>,
    pub(super) answers: Option<Duration>,
    pub(super) state_loss: Option<Duration>,
    pub(super) metadata: Option<Duration>,
    /// Short reads and writes, and polls that return for no reason.
    pub(super) is_buggy_client: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Close {
    pub(super) at: Duration,
    pub(super) timeout: Duration,
}

impl Scenario {
    pub(super) fn draw(random: &mut Random) -> Self {
        let brokers = 1 + random.below(4);
        let topics =
            (0..1 + random.below(3)).map(|index| TopicPlan::draw(index, brokers, random)).collect();
        let is_calm = random.below(10) == 0;
        let families = if is_calm { Families::default() } else { Families::draw(random) };
        let heals_at = millis(2_000, 20_000, random);
        let closes = random.below(12) == 0;
        let close = Close { at: millis(500, 15_000, random), timeout: millis(0, 12_000, random) };
        let mut settings = Settings::draw(random);
        if families.are_none() {
            settings.request_timeout = Duration::from_secs(30);
            settings.delivery_timeout = Duration::from_secs(120);
            settings.setup_timeout = Duration::from_secs(10);
            // An answer about the cluster may have a large request in front of it, on a slow link.
            settings.rebootstrap_trigger =
                settings.rebootstrap_trigger.map(|_| Duration::from_secs(30));
        }
        Self {
            brokers,
            topics,
            settings,
            callers: 1 + random.below(4),
            records_per_caller: 10 + random.below(90),
            think_time: log_millis(1, 300, random),
            max_value: 8 << random.below(8),
            families,
            quirks: Quirks::default(),
            heals_at,
            closes_at: (closes && !is_calm).then_some(close),
            usual_latency: log_millis(1, 40, random),
            send_buffer: 64 << random.below(10),
        }
    }

    /// The sequence that each partition's first batch has, unless that is 0.
    pub(super) fn first_sequence(&self) -> Option<i32> {
        let records = self.quirks.records_before_wrap.filter(|_| self.settings.is_idempotent)?;
        Some(i32::MAX - (records - 1))
    }

    /// How many brokers are older than Kafka 0.11. Only a producer without what those lack can use them.
    pub(super) fn old_brokers(&self) -> usize {
        let can_use_them =
            !self.settings.is_idempotent && self.quirks.codec != CompressionType::Zstd;
        if can_use_them { self.quirks.old_brokers } else { 0 }
    }

    /// Whether nothing goes wrong.
    pub(super) fn is_calm(&self) -> bool {
        self.families.are_none() && self.quirks.rare_faults.is_none()
    }
}

impl TopicPlan {
    fn draw(index: usize, brokers: usize, random: &mut Random) -> Self {
        Self {
            name: format!("topic-{index}"),
            partitions: 1 + i32::try_from(random.below(6)).unwrap_or(0),
            min_in_sync: (1 + random.below(2)).min(brokers),
            has_log_append_time: random.below(8) == 0,
        }
    }
}

impl Settings {
    fn draw(random: &mut Random) -> Self {
        let is_idempotent = random.below(10) < 7;
        let batch_size = 150 << random.below(6);
        let linger = if random.below(2) == 0 { Duration::ZERO } else { log_millis(1, 500, random) };
        let request_timeout = millis(300, 4_000, random);
        let least_delivery = linger + request_timeout;
        let retry_backoff = log_millis(5, 200, random);
        let reconnect_backoff = log_millis(5, 200, random);
        Self {
            acks: if is_idempotent { -1 } else { [-1, -1, 1, 1, 0][random.below(5)] },
            is_idempotent,
            max_in_flight: 1 + random.below(5),
            retries: if random.below(8) == 0 { random_u32(3, random) } else { i32::MAX as u32 },
            batch_size,
            buffer_memory: batch_size.max(2_400) * (1 + random.below(30)),
            max_request_size: if random.below(4) == 0 { 2_500 } else { 1 << 20 },
            linger,
            request_timeout,
            delivery_timeout: least_delivery + log_millis(1, 15_000, random),
            max_block: log_millis(1, 10_000, random),
            retry_backoff,
            retry_backoff_max: log_millis(10, 1_000, random),
            reconnect_backoff,
            reconnect_backoff_max: log_millis(10, 1_000, random),
            setup_timeout: millis(300, 3_000, random),
            metadata_max_age: log_millis(500, 300_000, random),
            rebootstrap_trigger: (random.below(2) == 0).then(|| millis(1_000, 10_000, random)),
            is_adaptive: random.below(2) == 0,
            availability_timeout: if random.below(2) == 0 {
                Duration::ZERO
            } else {
                log_millis(1, 1_000, random)
            },
        }
    }
}

impl Settings {
    /// How long after an acknowledgement brokers surely remember the producer; short, for a run to see them forget.
    pub(super) fn trusted_silence(&self) -> Duration {
        self.request_timeout / 4
    }
}

impl Families {
    fn draw(random: &mut Random) -> Self {
        let mut family = || {
            let pace = log_millis(100, 5_000, random);
            (random.below(2) == 0).then_some(pace)
        };
        Self {
            network: family(),
            broker: family(),
            leaders: family(),
            errors: family(),
            answers: family(),
            state_loss: family(),
            metadata: family(),
            is_buggy_client: random.below(2) == 0,
        }
    }

    /// Whether nothing may go wrong, be it by chance.
    fn are_none(&self) -> bool {
        let Self { network, broker, leaders, errors, answers, state_loss, metadata, .. } = self;
        [network, broker, leaders, errors, answers, state_loss, metadata]
            .iter()
            .all(|family| family.is_none())
    }
}

/// Any time from `least` to `most` milliseconds.
pub(super) fn millis(least: usize, most: usize, random: &mut Random) -> Duration {
    Duration::from_micros(1_000 * (least + random.below(most - least + 1)) as u64)
}

/// As [`millis`], with small values as likely as large ones.
pub(super) fn log_millis(least: usize, most: usize, random: &mut Random) -> Duration {
    let (low, high) = ((least as f64).ln(), (most as f64).ln());
    Duration::from_secs_f64((low + (high - low) * random.unit_f64()).exp() / 1_000.0)
}

fn random_u32(bound: usize, random: &mut Random) -> u32 {
    u32::try_from(random.below(bound)).unwrap_or(0)
}
