//! Samples in the order of time, per thread, in a few bytes each, for formats with a time axis.
//!
//! Those formats write thread after thread, column after column, while samples arrive interleaved.
//! Reading the source once per thread would take minutes for many threads, holding the samples
//! would take 48 bytes each; this log takes about seven, and less where consecutive samples of a
//! thread are equal, because they are stored as one run.

use rustc_hash::FxHashMap;

use super::counts::{Clock, Place, Read};
use super::{ExportError, ExportOptions};
use crate::ids::{StackId, ThreadId};
use crate::sample::ThreadState;
use crate::source::Source;

/// Consecutive samples of one thread at the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Where.
    pub(super) place: Place,
    /// Time of the first sample in microseconds since the recording began.
    pub(super) first_us: u64,
    /// Time of the last sample.
    pub(super) last_us: u64,
    /// Number of samples, at least 1.
    pub(super) samples: u64,
    /// Time they stand for, in nanoseconds.
    pub(super) wall_ns: u64,
    /// CPU time used, in nanoseconds.
    pub(super) cpu_ns: u64,
}

/// All wanted samples of a profile.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// The threads that have samples, in the order of their ids.
    pub(super) threads: Vec<ThreadLog>,
}

impl Timeline {
    /// Reads the samples, once.
    pub(super) fn read(source: &mut dyn Source, options: &ExportOptions) -> Result<Self, ExportError> {
        let period_ns = source.meta().period_ns();
        let mut clock = Clock::new(period_ns);
        let mut logs: FxHashMap<ThreadId, ThreadLog> = FxHashMap::default();
        source.for_each_sample(&mut |sample| {
            let wall_ns = clock.weigh(sample);
            if !options.wants(sample) {
                return;
            }
            let log = logs.entry(sample.thread).or_insert_with(|| ThreadLog::new(sample.thread, period_ns));
            let time_us = sample.time_ns / 1000;
            let (place, cpu_ns) = (Place::of(sample), sample.cpu_ns);
            log.add(Run { place, first_us: time_us, last_us: time_us, samples: 1, wall_ns, cpu_ns });
        })?;
        let mut threads: Vec<ThreadLog> = logs.into_values().collect();
        threads.iter_mut().for_each(ThreadLog::flush);
        threads.sort_unstable_by_key(|log| log.thread);
        Ok(Self { threads })
    }
}

/// The runs of one thread, encoded.
#[derive(Debug)]
pub(super) struct ThreadLog {
    /// Whose.
    pub(super) thread: ThreadId,
    /// Number of runs.
    pub(super) runs: usize,
    period_ns: Option<u64>,
    bytes: Vec<u8>,
    /// The run that may still grow.
    pending: Option<Run>,
    /// Start and stack of the run encoded last, which the next one is relative to.
    base_us: u64,
    base_stack: u32,
}

impl ThreadLog {
    fn new(thread: ThreadId, period_ns: Option<u64>) -> Self {
        Self { thread, runs: 0, period_ns, bytes: Vec::new(), pending: None, base_us: 0, base_stack: 0 }
    }

    fn add(&mut self, run: Run) {
        if let Some(pending) = self.pending.as_mut().filter(|pending| pending.place == run.place) {
            pending.last_us = run.last_us.max(pending.last_us);
            pending.samples += 1;
            pending.wall_ns = pending.wall_ns.saturating_add(run.wall_ns);
            pending.cpu_ns = pending.cpu_ns.saturating_add(run.cpu_ns);
            return;
        }
        self.flush();
        // A clock that runs backwards is a damaged recording; every consumer wants times in order.
        let first_us = run.first_us.max(self.base_us);
        self.pending = Some(Run { first_us, last_us: first_us, ..run });
    }

    fn flush(&mut self) {
        let Some(run) = self.pending.take() else { return };
        let stack = run.place.stack.map_or(0, |stack| stack.0.wrapping_add(1));
        let many = run.samples > 1;
        self.bytes.push(pack(&run.place) | u8::from(many) << 5);
        put(&mut self.bytes, run.first_us - self.base_us);
        put(&mut self.bytes, zigzag(i64::from(stack) - i64::from(self.base_stack)));
        put(&mut self.bytes, run.cpu_ns);
        if many {
            put(&mut self.bytes, run.samples);
            put(&mut self.bytes, run.last_us - run.first_us);
        }
        if self.period_ns.is_none() {
            put(&mut self.bytes, run.wall_ns);
        }
        self.base_us = run.last_us;
        self.base_stack = stack;
        self.runs += 1;
    }

    /// The runs in the order of time.
    pub(super) fn iter(&self) -> Runs<'_> {
        Runs { log: self, rest: &self.bytes, base_us: 0, base_stack: 0 }
    }
}

/// Decodes the runs of a thread.
#[derive(Debug)]
pub(super) struct Runs<'a> {
    log: &'a ThreadLog,
    rest: &'a [u8],
    base_us: u64,
    base_stack: i64,
}

impl Iterator for Runs<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let (&packed, rest) = self.rest.split_first()?;
        self.rest = rest;
        let first_us = self.base_us + take(&mut self.rest);
        let stack = self.base_stack + unzigzag(take(&mut self.rest));
        let cpu_ns = take(&mut self.rest);
        let (samples, length_us) =
            if packed >> 5 != 0 { (take(&mut self.rest), take(&mut self.rest)) } else { (1, 0) };
        let wall_ns = match self.log.period_ns {
            Some(period) => period.saturating_mul(samples),
            None => take(&mut self.rest),
        };
        let last_us = first_us + length_us;
        (self.base_us, self.base_stack) = (last_us, stack);
        let place = unpack(packed, self.log.thread, stack);
        Some(Run { place, first_us, last_us, samples, wall_ns, cpu_ns })
    }
}

/// State in bits 0-1, read in bits 2-3, collection in bit 4.
fn pack(place: &Place) -> u8 {
    place.state as u8 | (place.read as u8) << 2 | u8::from(place.in_gc) << 4
}

fn unpack(packed: u8, thread: ThreadId, stack: i64) -> Place {
    let state = match packed & 3 {
        0 => ThreadState::Running,
        1 => ThreadState::WaitingForGil,
        _ => ThreadState::Idle,
    };
    let read = match packed >> 2 & 3 {
        0 => Read::Whole,
        1 => Read::Truncated,
        _ => Read::Dropped,
    };
    let stack = u32::try_from(stack - 1).ok().map(StackId);
    Place { thread, stack, state, read, in_gc: packed >> 4 & 1 != 0 }
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Appends seven bits per byte, the lowest first.
fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else { break };
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{Quality, Sample, SampleFlags};
    use crate::source::Profile;

    fn sample() -> impl Strategy<Value = Sample> {
        let stack = prop_oneof![Just(None), (0..4_u32).prop_map(Some), any::<u32>().prop_map(Some)];
        let quality = prop::sample::select(&Quality::ALL[..]);
        let state = prop::sample::select(&ThreadState::ALL[..]);
        (any::<u32>(), 0..3_u32, stack, any::<u32>(), state, 0..4_u8, quality).prop_map(
            |(time, thread, stack, cpu_ns, state, flags, quality)| Sample {
                time_ns: u64::from(time) * 5000,
                thread: ThreadId(thread),
                stack: stack.map(|id| StackId(id.min(u32::MAX - 1))),
                cpu_ns: cpu_ns.into(),
                state,
                flags: SampleFlags(flags),
                quality,
            },
        )
    }

    proptest! {
        #[test]
        fn the_log_gives_back_what_it_was_given(
            mut samples in prop::collection::vec(sample(), 0..60),
            rate_wanted_mhz in prop_oneof![Just(0), Just(1_000_000)],
        ) {
            samples.sort_by_key(|sample| sample.time_ns);
            let mut profile = Profile { samples: samples.clone(), ..Profile::default() };
            profile.meta.rate_wanted_mhz = rate_wanted_mhz;
            let timeline = Timeline::read(&mut profile, &ExportOptions::default()).unwrap();
            for log in &timeline.threads {
                let expected: Vec<_> = samples.iter().filter(|it| it.thread == log.thread).collect();
                let runs: Vec<Run> = log.iter().collect();
                prop_assert_eq!(runs.len(), log.runs);
                let mut at = 0;
                for run in runs {
                    let members = &expected[at..at + run.samples as usize];
                    at += members.len();
                    prop_assert!(members.iter().all(|it| Place::of(it) == run.place));
                    prop_assert_eq!(run.first_us, members[0].time_ns / 1000);
                    prop_assert_eq!(run.last_us, members[members.len() - 1].time_ns / 1000);
                    prop_assert_eq!(run.cpu_ns, members.iter().map(|it| it.cpu_ns).sum::<u64>());
                }
                prop_assert_eq!(at, expected.len());
            }
        }
    }
}
