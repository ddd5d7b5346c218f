//! Samples added up by everything that views tell them apart by, except their time.

use rustc_hash::FxHashMap;

use super::super::filter::Filter;
use super::super::weights::{Pass, Weights};
use crate::ids::{Id, StackId, ThreadId};
use crate::sample::{Quality, Sample, SampleFlags, ThreadState};
use crate::source::Source;

/// What samples of one entry have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    thread: ThreadId,
    stack: Option<StackId>,
    state: ThreadState,
    flags: SampleFlags,
    quality: Quality,
}

/// How much of it there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    samples: u64,
    cpu_ns: u64,
}

/// Counted samples. It grows with the variety of what a program does, not with time.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    amounts: FxHashMap<Kind, Amount>,
}

impl Tally {
    /// Counts a sample.
    pub(super) fn add(&mut self, sample: &Sample) {
        let Sample { thread, stack, state, flags, quality, cpu_ns, time_ns: _ } = *sample;
        let amount = self.amounts.entry(Kind { thread, stack, state, flags, quality }).or_default();
        amount.samples += 1;
        amount.cpu_ns += cpu_ns;
    }

    /// Adds everything that another one counted.
    pub(super) fn merge(&mut self, other: &Self) {
        for (kind, more) in &other.amounts {
            let amount = self.amounts.entry(*kind).or_default();
            amount.samples += more.samples;
            amount.cpu_ns += more.cpu_ns;
        }
    }

    /// Samples in it.
    pub fn samples(&self) -> u64 {
        self.amounts.values().map(|amount| amount.samples).sum()
    }

    /// Samples of threads that ran.
    pub(super) fn running(&self) -> u64 {
        let runs = |kind: &Kind| kind.state == ThreadState::Running;
        self.amounts.iter().filter(|(kind, _)| runs(kind)).map(|(_, amount)| amount.samples).sum()
    }

    /// Samples that were taken while garbage was collected.
    pub(super) fn in_gc(&self) -> u64 {
        let is = |kind: &Kind| kind.flags.contains(SampleFlags::IN_GC);
        self.amounts.iter().filter(|(kind, _)| is(kind)).map(|(_, amount)| amount.samples).sum()
    }

    /// CPU time of all threads, in nanoseconds.
    pub(super) fn cpu_ns(&self) -> u64 {
        self.amounts.values().map(|amount| amount.cpu_ns).sum()
    }

    /// Samples of this quality.
    pub(super) fn of_quality(&self, quality: Quality) -> u64 {
        let is = |kind: &Kind| kind.quality == quality;
        self.amounts.iter().filter(|(kind, _)| is(kind)).map(|(_, amount)| amount.samples).sum()
    }

    /// The weights under a filter, as [`Weights::collect`] has them of the same samples; in which functions
    /// samples were dropped is not known, because their order is not.
    pub fn weights(&self, source: &dyn Source, filter: &Filter) -> Weights {
        let threads = filter.threads_of(source);
        let shown = filter.functions_of(source.tables());
        let mut pass = Pass::new(threads.len());
        for (kind, amount) in &self.amounts {
            let sample = kind.sample();
            if threads.get(kind.thread.index()) == Some(&true) && filter.wants_sample(&sample) {
                pass.add_counted(&sample, amount.samples, amount.cpu_ns, filter.metric);
            }
        }
        pass.weights(source.tables(), shown, filter.metric)
    }

    /// What each thread used and held: CPU time in nanoseconds and samples in which it held the GIL.
    pub(super) fn by_thread(&self, threads: usize) -> Vec<(u64, u64)> {
        let mut sums = vec![(0, 0); threads];
        for (kind, amount) in &self.amounts {
            let Some((cpu_ns, held)) = sums.get_mut(kind.thread.index()) else { continue };
            *cpu_ns += amount.cpu_ns;
            if kind.flags.contains(SampleFlags::HOLDS_GIL) {
                *held += amount.samples;
            }
        }
        sums
    }

    /// Calls `each` with a sample that stands for all that are alike, their number and their CPU time. The
    /// order is not that of time.
    pub fn for_each(&self, mut each: impl FnMut(&Sample, u64, u64)) {
        for (kind, amount) in &self.amounts {
            each(&kind.sample(), amount.samples, amount.cpu_ns);
        }
    }

    /// Calls `each` with the leaf stack and the number of samples of threads that ran it.
    pub(super) fn for_each_running(&self, mut each: impl FnMut(ThreadId, StackId, u64)) {
        for (kind, amount) in &self.amounts {
            if let (ThreadState::Running, Some(stack)) = (kind.state, kind.stack) {
                each(kind.thread, stack, amount.samples);
            }
        }
    }
}

impl Kind {
    fn sample(&self) -> Sample {
        let Self { thread, stack, state, flags, quality } = *self;
        Sample { thread, stack, state, flags, quality, ..Sample::default() }
    }
}
