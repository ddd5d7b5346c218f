//! The clocks and timers of the profiler itself.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of the whole profiler.
pub fn process_cpu() -> Duration {
    to_duration(clock_gettime(ClockId::ProcessCPUTime))
}

fn to_duration(time: rustix::time::Timespec) -> Duration {
    Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.clamp(0, 999_999_999) as u32)
}

/// Asks the kernel to wake the calling thread on time: by default sleeps may be 50 us late so that
/// wake-ups can be merged. Where it is refused, ticks are late by so much and nothing else happens.
pub fn precise_sleep() {
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}
