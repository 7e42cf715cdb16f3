//! The counter that a processor keeps of its own time.

/// Whether the counter runs at one pace all the time, whatever the processor does.
#[cfg(target_arch = "x86_64")]
pub(super) fn is_reliable() -> bool {
    let features = raw_cpuid::CpuId::new().get_advanced_power_mgmt_info();
    features.is_some_and(|features| features.has_invariant_tsc())
}

/// Some ticks since some moment.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn ticks() -> u64 {
    tick_counter::x86_64_tick_counter()
}

/// Elsewhere the operating system's clock costs no more than a counter.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn is_reliable() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn ticks() -> u64 {
    0
}
