//! One pass over the samples: how much of what per thread and stack.

use std::fmt;

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::filter::Filter;
use crate::file::FileError;
use crate::ids::{FunctionId, Id, StackId, ThreadId};
use crate::sample::{Quality, Sample, ThreadState};
use crate::source::Source;
use crate::tables::Tables;

/// The unit of a weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Samples.
    #[default]
    Samples,
    /// Nanoseconds of CPU time, as the kernel counted them for the thread.
    Cpu,
}

/// A weight, split by what the thread did. The parts are never mixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Split {
    /// On a CPU or ready to be.
    pub running: u64,
    /// Wants the GIL and does not have it.
    pub waiting_for_gil: u64,
    /// Sleeps in the kernel.
    pub idle: u64,
}

impl Split {
    /// A weight of one state.
    pub fn of(state: ThreadState, amount: u64) -> Self {
        let mut split = Self::default();
        match state {
            ThreadState::Running => split.running = amount,
            ThreadState::WaitingForGil => split.waiting_for_gil = amount,
            ThreadState::Idle => split.idle = amount,
        }
        split
    }

    /// All states together.
    pub fn sum(&self) -> u64 {
        self.running + self.waiting_for_gil + self.idle
    }

    /// Adds another weight.
    pub fn add(&mut self, other: Self) {
        self.running += other.running;
        self.waiting_for_gil += other.waiting_for_gil;
        self.idle += other.idle;
    }
}

/// The weight of one stack in one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackWeight {
    /// The thread.
    pub thread: ThreadId,
    /// The stack; `None` for no Python code.
    pub stack: Option<StackId>,
    /// How much.
    pub weight: Split,
}

/// What every share of a view is a share of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Base {
    /// Unit.
    pub metric: Metric,
    /// The weight of all counted samples with a consistent stack or without Python code.
    pub weight: Split,
    /// Counted samples without a consistent stack, which are not in the weight.
    pub dropped: u64,
}

impl Base {
    /// The share of `weight` in the base, from 0 to 1; 0 if there is nothing to share.
    pub fn share(&self, weight: u64) -> f64 {
        let all = self.weight.sum();
        if all == 0 { 0.0 } else { weight as f64 / all as f64 }
    }
}

/// Names the base in words: `1200 samples` or `3.201 s of CPU time`.
impl fmt::Display for Base {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.metric, self.weight.sum()) {
            (Metric::Samples, 1) => write!(out, "1 sample"),
            (Metric::Samples, all) => write!(out, "{all} samples"),
            (Metric::Cpu, all) => write!(out, "{:.3} s of CPU time", all as f64 / 1e9),
        }
    }
}

/// The weights of a profile under a filter.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    /// What shares are shares of.
    pub base: Base,
    /// Distinct threads and stacks, in the order of their ids.
    pub stacks: Vec<StackWeight>,
    /// Dropped samples per thread id.
    pub dropped: Vec<u64>,
    /// Counted samples whose callers could not be read.
    pub truncated: u64,
    /// Dropped samples per function, `None` where it cannot be told. A dropped sample has no stack,
    /// so this is an inference: the innermost function that was on the thread's stack both in the
    /// last consistent sample before and in the first after it. Sorted by count, then id.
    pub dropped_in: Vec<(Option<FunctionId>, u64)>,
    /// For every function, whether its frames are shown.
    shown: Vec<bool>,
}

impl Weights {
    /// Reads all samples once.
    pub fn collect(source: &mut dyn Source, filter: &Filter) -> Result<Self, FileError> {
        let threads = filter.threads_of(source);
        let shown = filter.functions_of(source.tables());
        let mut pass = Pass::new(threads.len());
        source.for_each_sample(&mut |sample| {
            if threads.get(sample.thread.index()) == Some(&true) && filter.wants_sample(sample) {
                pass.add(sample, filter.metric);
            }
        })?;
        Ok(pass.weights(source.tables(), shown, filter.metric))
    }

    /// The functions of a stack that are shown, from the leaf to the root.
    pub fn functions_of<'a>(
        &'a self,
        tables: &'a Tables,
        stack: StackId,
    ) -> impl Iterator<Item = FunctionId> + 'a {
        let functions = tables.frames_of(stack).filter_map(|frame| tables.frames.get(frame));
        functions.map(|frame| frame.function).filter(|function| self.shows(*function))
    }

    /// Whether frames of this function are shown.
    pub fn shows(&self, function: FunctionId) -> bool {
        self.shown.get(function.index()) == Some(&true)
    }

    /// Distinct stacks with the weights of all threads together, in the order of their ids.
    pub fn merged(&self) -> Vec<(Option<StackId>, Split)> {
        let mut merged = FxHashMap::<Option<StackId>, Split>::default();
        for entry in &self.stacks {
            merged.entry(entry.stack).or_default().add(entry.weight);
        }
        let mut merged: Vec<_> = merged.into_iter().collect();
        merged.sort_unstable_by_key(|(stack, _)| *stack);
        merged
    }
}

#[derive(Default)]
pub(super) struct Pass {
    weights: FxHashMap<(ThreadId, Option<StackId>), Split>,
    drops: Vec<Drops>,
    /// Runs of dropped samples per pair of consistent stacks around them.
    runs: FxHashMap<(Option<StackId>, Option<StackId>), u64>,
    truncated: u64,
}

/// The dropped samples of one thread.
#[derive(Clone, Default)]
struct Drops {
    all: u64,
    /// The last consistent stack.
    last: Option<StackId>,
    /// Dropped samples since then.
    pending: u64,
}

impl Pass {
    /// Nothing counted yet, of so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self { drops: vec![Drops::default(); threads], ..Self::default() }
    }

    /// Adds samples that are all alike, and of which only the number is known, not the order.
    pub(super) fn add_counted(&mut self, sample: &Sample, samples: u64, cpu_ns: u64, metric: Metric) {
        if sample.quality == Quality::Dropped {
            let drops = &mut self.drops[sample.thread.index()];
            drops.all += samples;
            drops.pending += samples;
            return;
        }
        if sample.quality == Quality::Truncated {
            self.truncated += samples;
        }
        let amount = match metric {
            Metric::Samples => samples,
            Metric::Cpu => cpu_ns,
        };
        self.weights.entry((sample.thread, sample.stack)).or_default().add(Split::of(sample.state, amount));
    }

    fn add(&mut self, sample: &Sample, metric: Metric) {
        if sample.quality != Quality::Dropped {
            let drops = &mut self.drops[sample.thread.index()];
            // The callers of a truncated stack are unknown: it shares nothing with its neighbours.
            let stack = sample.stack.filter(|_| sample.quality != Quality::Truncated);
            if drops.pending > 0 {
                *self.runs.entry((drops.last, stack)).or_default() += std::mem::take(&mut drops.pending);
            }
            drops.last = stack;
        }
        self.add_counted(sample, 1, sample.cpu_ns, metric);
    }

    /// What it comes to.
    pub(super) fn weights(mut self, tables: &Tables, shown: Vec<bool>, metric: Metric) -> Weights {
        let mut stacks: Vec<StackWeight> = self.weights.into_iter().map(StackWeight::from).collect();
        stacks.sort_unstable_by_key(|entry| (entry.thread, entry.stack));
        let mut base = Base { metric, ..Base::default() };
        stacks.iter().for_each(|entry| base.weight.add(entry.weight));
        let dropped: Vec<u64> = self.drops.iter().map(|drops| drops.all).collect();
        base.dropped = dropped.iter().sum();
        // What nothing consistent follows cannot be told.
        let open: u64 = self.drops.iter().map(|drops| drops.pending).sum();
        if open > 0 {
            *self.runs.entry((None, None)).or_default() += open;
        }
        let mut by_function = FxHashMap::<Option<FunctionId>, u64>::default();
        for ((before, after), count) in self.runs {
            let function = before.zip(after).and_then(|(before, after)| shared(tables, before, after));
            *by_function.entry(function).or_default() += count;
        }
        let mut dropped_in: Vec<_> = by_function.into_iter().collect();
        dropped_in.sort_unstable_by_key(|(function, count)| (std::cmp::Reverse(*count), *function));
        Weights { base, stacks, dropped, truncated: self.truncated, dropped_in, shown }
    }
}

impl From<((ThreadId, Option<StackId>), Split)> for StackWeight {
    fn from(((thread, stack), weight): ((ThreadId, Option<StackId>), Split)) -> Self {
        Self { thread, stack, weight }
    }
}

/// The innermost function that is on both stacks from the root on.
fn shared(tables: &Tables, one: StackId, other: StackId) -> Option<FunctionId> {
    let path = |stack| {
        let frames = tables.frames_of(stack).filter_map(|frame| tables.frames.get(frame));
        frames.map(|frame| frame.function).collect::<Vec<_>>()
    };
    let (one, other) = (path(one), path(other));
    let pairs = one.iter().rev().zip(other.iter().rev());
    pairs.take_while(|(one, other)| one == other).last().map(|(one, _)| *one)
}
