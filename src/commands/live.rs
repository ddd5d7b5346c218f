//! What the live views, in the terminal and in the browser, have in common.

use std::time::{Duration, Instant};

use slowpath_profile::view::live::Counts;
use slowpath_sampler::session::Progress;

/// The shortest time between two judgements.
const JUDGE_EVERY: Duration = Duration::from_secs(3);
/// Judging takes at most one part in so many of a core.
const JUDGE_SHARE: u32 = 25;

/// When to judge a profile that grows: every few seconds, and less often where that takes long.
#[derive(Debug)]
pub(super) struct Pace {
    judged: Instant,
    rest: Duration,
}

impl Pace {
    /// The first judgement is due after the shortest time.
    pub(super) fn new() -> Self {
        Self { judged: Instant::now(), rest: JUDGE_EVERY }
    }

    /// Whether it is time.
    pub(super) fn is_due(&self) -> bool {
        self.judged.elapsed() >= self.rest
    }

    /// Judges; how long it takes says when the next is due.
    pub(super) fn judge(&mut self, judge: impl FnOnce()) {
        let begun = Instant::now();
        judge();
        self.judged = Instant::now();
        self.rest = ((self.judged - begun) * JUDGE_SHARE).max(JUDGE_EVERY);
    }
}

/// What a session has published of itself.
pub(super) fn counts(progress: &Progress) -> Counts {
    Counts {
        elapsed_ns: progress.elapsed_ns(),
        ticks: progress.ticks(),
        samples: progress.samples(),
        dropped: progress.dropped(),
        missed: progress.missed(),
    }
}
