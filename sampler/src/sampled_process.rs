//! What the sampling loop needs of a process, whatever Python it runs.

use slowpath_profile::{ProcessId, Quality};

use crate::options::SampleOptions;
use crate::process::memory::MemoryError;
use crate::recorder::Recorder;

/// What happened, summed over ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    /// Samples taken.
    pub(crate) samples: u64,
    /// Samples whose stack passed every check.
    pub(crate) valid: u64,
    /// Broken reads that were tried again.
    pub(crate) retried: u64,
    /// Samples without a consistent stack.
    pub(crate) dropped: u64,
}

impl Counters {
    /// Counts one sample.
    pub(crate) fn count(&mut self, quality: Quality) {
        self.samples += 1;
        match quality {
            Quality::Dropped => self.dropped += 1,
            _ => self.valid += 1,
        }
    }

    /// Counts samples that were valid and are withdrawn.
    pub(crate) fn withdraw(&mut self, samples: u64) {
        self.valid = self.valid.saturating_sub(samples);
        self.dropped += samples;
    }

    /// Adds the counts of another process.
    pub(crate) fn add(&mut self, other: &Self) {
        self.samples += other.samples;
        self.valid += other.valid;
        self.retried += other.retried;
        self.dropped += other.dropped;
    }
}

/// A process in the sampling loop.
pub(crate) trait SampledProcess {
    /// Process id.
    fn pid(&self) -> u32;
    /// What the recorder calls the process.
    fn id(&self) -> ProcessId;
    /// System calls made to read the target.
    fn reads(&self) -> u64;
    /// What happened so far.
    fn counters(&self) -> Counters;
    /// Whether the process has ended or runs another program.
    fn is_over(&self) -> bool;
    /// Takes one sample of each wanted thread.
    fn tick(
        &mut self,
        now_ns: u64,
        options: &SampleOptions,
        recorder: &mut Recorder,
    ) -> Result<(), MemoryError>;
    /// Makes sure that pending samples may be handed on.
    fn close(&mut self, now_ns: u64, recorder: &mut Recorder);
    /// As [`SampledProcess::close`], for the last time.
    fn end(&mut self, now_ns: u64, recorder: &mut Recorder) {
        self.close(now_ns, recorder);
    }
}
