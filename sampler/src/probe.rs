//! One tick at a time, for measuring: the same reading as in a session, without its clock.

use slowpath_profile::Batch;

use crate::options::SampleOptions;
use crate::process::memory::MemoryError;
use crate::process::threads::FileBudget;
use crate::process_sampler::{CurrentFound, ProcessSampler};
use crate::recorder::Recorder;
use crate::sampled_process::SampledProcess;
use crate::session::BatchSink;

/// Takes nothing.
struct Nowhere;

impl BatchSink for Nowhere {
    fn batch(&mut self, _: Batch) -> std::io::Result<()> {
        Ok(())
    }
}

/// A process that is sampled when asked.
#[derive(Debug)]
pub struct Probe {
    sampler: ProcessSampler,
    recorder: Recorder,
    options: SampleOptions,
    now_ns: u64,
}

impl Probe {
    pub(crate) fn new(found: CurrentFound) -> Self {
        let mut recorder = Recorder::new(Box::new(Nowhere));
        // What is measured is a sample.
        let options = SampleOptions { advice: false, ..SampleOptions::default() };
        let sampler = ProcessSampler::new(found, None, 0, FileBudget::from_limit(), &options, &mut recorder);
        let mut probe = Self { sampler, recorder, options, now_ns: 0 };
        // Learns where the stack is, so that what follows is the steady state.
        for _ in 0..16 {
            let _ = probe.sample();
        }
        probe
    }

    /// One tick. Time advances by 10 us each, as if sampling were that fast.
    pub fn sample(&mut self) -> Result<(), MemoryError> {
        self.now_ns += 10_000;
        let result = self.sampler.tick(self.now_ns, &self.options, &mut self.recorder);
        if self.recorder.is_due(self.now_ns) {
            let _ = self.recorder.flush(self.now_ns);
        }
        result
    }

    /// The system call of the last tick once more: the same ranges, nothing decoded. Returns bytes.
    pub fn bare_read(&mut self) -> Result<usize, MemoryError> {
        self.sampler.read_again()
    }
}
