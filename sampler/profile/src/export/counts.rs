//! Samples added up per distinct thread, stack and state, for formats without a time axis.

use rustc_hash::FxHashMap;

use super::label::Level;
use super::{ExportError, ExportOptions};
use crate::ids::{StackId, ThreadId};
use crate::sample::{Quality, Sample, SampleFlags, ThreadState};
use crate::source::Source;
use crate::tables::Tables;

/// What an exporter tells samples apart by, besides their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    /// The thread.
    pub(super) thread: ThreadId,
    /// Its stack, unless dropped or without Python code.
    pub(super) stack: Option<StackId>,
    /// What it was doing.
    pub(super) state: ThreadState,
    /// Whether the stack is whole.
    pub(super) read: Read,
    /// Whether it ran the garbage collector.
    pub(super) in_gc: bool,
}

/// How the read of a stack ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Read {
    /// The stack is complete.
    Whole,
    /// Callers are missing.
    Truncated,
    /// There is no consistent stack.
    Dropped,
}

impl Place {
    /// The place of a sample.
    pub(super) fn of(sample: &Sample) -> Self {
        let read = match sample.quality {
            Quality::Clean | Quality::Retried => Read::Whole,
            Quality::Truncated => Read::Truncated,
            Quality::Dropped => Read::Dropped,
        };
        let stack = if read == Read::Dropped { None } else { sample.stack };
        let in_gc = sample.flags.contains(SampleFlags::IN_GC);
        Self { thread: sample.thread, stack, state: sample.state, read, in_gc }
    }

    /// The levels from the root to the leaf, written over `levels`.
    pub(super) fn levels(&self, tables: &Tables, mark_state: bool, levels: &mut Vec<Level>) {
        levels.clear();
        if mark_state {
            levels.extend(Level::of_state(self.state));
        }
        match (self.read, self.stack) {
            (Read::Dropped, _) => levels.push(Level::Dropped),
            (_, None) => levels.push(Level::NoPython),
            (_, Some(stack)) => levels.extend(tables.frames_of(stack).map(Level::Frame)),
        }
        // The stack of a damaged recording may have no frames at all.
        let frameless = levels.last().is_none_or(|level| Level::of_state(self.state) == Some(*level));
        if self.read == Read::Truncated || frameless {
            levels.push(Level::Truncated);
        }
        levels.reverse();
    }
}

/// What the samples of one place amount to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// Number of samples.
    pub(super) samples: u64,
    /// Time they stand for, in nanoseconds.
    pub(super) wall_ns: u64,
    /// CPU time the thread used, in nanoseconds.
    pub(super) cpu_ns: u64,
}

/// How much time a sample stands for.
#[derive(Debug, Default)]
pub(super) struct Clock {
    period_ns: Option<u64>,
    /// Time of the previous sample per thread, for unbounded rates.
    previous_ns: FxHashMap<ThreadId, u64>,
}

impl Clock {
    /// A clock for samples at this nominal period; `None` is an unbounded rate.
    pub(super) fn new(period_ns: Option<u64>) -> Self {
        Self { period_ns, previous_ns: FxHashMap::default() }
    }

    /// The nanoseconds that the sample stands for. At an unbounded rate the first sample of a thread
    /// has nothing before it and counts no time.
    pub(super) fn weigh(&mut self, sample: &Sample) -> u64 {
        if let Some(period) = self.period_ns {
            return period;
        }
        let previous = self.previous_ns.insert(sample.thread, sample.time_ns);
        previous.map_or(0, |previous| sample.time_ns.saturating_sub(previous))
    }
}

/// Adds up all wanted samples; sorted by thread, then stack, so that the result is the same each time.
pub(super) fn count(
    source: &mut dyn Source,
    options: &ExportOptions,
) -> Result<Vec<(Place, Weight)>, ExportError> {
    let mut clock = Clock::new(source.meta().period_ns());
    let mut counts: FxHashMap<Place, Weight> = FxHashMap::default();
    source.for_each_sample(&mut |sample| {
        // The clock sees every sample: one that is filtered out still ends the time of its thread.
        let wall_ns = clock.weigh(sample);
        if options.wants(sample) {
            let weight = counts.entry(Place::of(sample)).or_default();
            weight.samples += 1;
            weight.wall_ns = weight.wall_ns.saturating_add(wall_ns);
            weight.cpu_ns = weight.cpu_ns.saturating_add(sample.cpu_ns);
        }
    })?;
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_unstable_by_key(|(place, _)| *place);
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ThreadState::{Idle, Running};
    use crate::testing::{PERIOD_NS, ProfileBuilder};

    #[test]
    fn counts_keep_states_apart() {
        let mut profile = ProfileBuilder::new().sample(&["f"], Running, 3).sample(&["f"], Idle, 2).build();
        let counts = count(&mut profile, &ExportOptions::default()).unwrap();
        let weights: Vec<_> =
            counts.iter().map(|(place, weight)| (place.state, weight.samples, weight.cpu_ns)).collect();
        assert_eq!(weights, [(Running, 3, 3 * PERIOD_NS), (Idle, 2, 0)]);
        let no_idle = ExportOptions { idle: false, ..ExportOptions::default() };
        assert_eq!(count(&mut profile, &no_idle).unwrap().len(), 1);
    }

    #[test]
    fn at_an_unbounded_rate_time_is_what_passed() {
        let mut profile = ProfileBuilder::new()
            .thread("a")
            .sample(&["f"], Running, 2)
            .thread("b")
            .sample(&["f"], Running, 1)
            .pause_ns(500)
            .thread("a")
            .sample(&["f"], Running, 1)
            .build();
        profile.meta.rate_wanted_mhz = 0;
        let counts = count(&mut profile, &ExportOptions::default()).unwrap();
        let wall: Vec<_> = counts.iter().map(|(_, weight)| weight.wall_ns).collect();
        assert_eq!(wall, [3 * PERIOD_NS + 500, 0]);
    }
}
