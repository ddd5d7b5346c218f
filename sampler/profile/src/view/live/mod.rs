//! A profile that grows while it is looked at: the last seconds sample by sample, everything before
//! as counts.
//!
//! Invariants:
//! - memory does not grow with time: samples are kept for [`KEPT`] at most and never more than
//!   [`MAX_KEPT_SAMPLES`], what is older is counted and let go;
//! - a window is what [`Live::recording`] of the same window writes, to the last sample.

mod detail;
mod snapshot;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

pub use detail::{InstructionRow, SourceDetail, SourceLine, ThreadRow};
pub use snapshot::{Health, Moment, Query, Row, Scope, Snapshot, StateMix};
pub use tally::Tally;

use crate::batch::Batch;
use crate::evidence::ProcessEvidence;
use crate::file::FileError;
use crate::meta::{Meta, Process, Stats, Thread};
use crate::sample::{Quality, Sample};
use crate::source::{Profile, Source};
use crate::tables::Tables;

/// Samples are grouped by so much time; a window is a whole number of slots.
pub const SLOT: Duration = Duration::from_millis(500);
/// Samples are kept one by one for so long, which is the longest window.
pub const KEPT: Duration = Duration::from_secs(60);
/// Most samples that are kept one by one, 40 bytes each.
pub const MAX_KEPT_SAMPLES: usize = 1_000_000;

const SLOT_NS: u64 = SLOT.as_nanos() as u64;
const KEPT_SLOTS: u64 = KEPT.as_nanos() as u64 / SLOT_NS;

/// What a session has published of itself at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Nanoseconds since the session began.
    pub elapsed_ns: u64,
    /// Ticks served.
    pub ticks: u64,
    /// Samples taken.
    pub samples: u64,
    /// Samples without a consistent stack.
    pub dropped: u64,
    /// Ticks that were not served in time.
    pub missed: u64,
}

#[derive(Debug, Default)]
struct Slot {
    /// Position in time, in slots since the session began.
    number: u64,
    tally: Tally,
    /// Empty once it is let go.
    samples: Vec<Sample>,
}

/// A profile that grows.
#[derive(Debug, Default)]
pub struct Live {
    /// Everything but the samples.
    profile: Profile,
    slots: VecDeque<Slot>,
    since_start: Tally,
    /// What is no longer kept one by one.
    forgotten: Tally,
    kept: usize,
    resets: u64,
    /// What the session published lately, the newest last.
    counts: VecDeque<Counts>,
    /// What had been published when counting began.
    begun: Counts,
}

impl Live {
    /// A profile that is about to be recorded.
    pub fn new(meta: Meta) -> Self {
        Self { profile: Profile { meta, ..Profile::default() }, ..Self::default() }
    }

    /// Adds what is new.
    pub fn apply(&mut self, mut batch: Batch) {
        let samples = std::mem::take(&mut batch.samples);
        self.profile.apply(batch);
        let begun_ns = self.begun.elapsed_ns;
        for sample in samples.iter().filter(|sample| sample.time_ns >= begun_ns) {
            self.since_start.add(sample);
            self.kept += 1;
            let slot = self.slot(sample.time_ns / SLOT_NS);
            slot.tally.add(sample);
            slot.samples.push(*sample);
        }
        self.forget();
    }

    /// Takes over what the session says of itself.
    pub fn publish(&mut self, counts: Counts) {
        if self.counts.back().is_none_or(|last| last.elapsed_ns < counts.elapsed_ns) {
            self.counts.push_back(counts);
        }
        let oldest = self.now_ns().saturating_sub(KEPT.as_nanos() as u64 + SLOT_NS);
        while self.counts.len() > 2 && self.counts.get(1).is_some_and(|second| second.elapsed_ns <= oldest) {
            self.counts.pop_front();
        }
        self.forget();
    }

    /// When counting began, in nanoseconds since the session began: a reset moves it.
    pub fn begun_ns(&self) -> u64 {
        self.begun.elapsed_ns
    }

    /// Lets everything go that was counted so far; names and evidence stay.
    pub fn reset(&mut self) {
        self.begun = self.counts.back().copied().unwrap_or_default();
        self.begun.elapsed_ns = self.begun.elapsed_ns.max(self.newest_ns());
        self.slots.clear();
        self.since_start = Tally::default();
        self.forgotten = Tally::default();
        self.kept = 0;
        self.resets += 1;
    }

    /// How often it was reset.
    pub fn resets(&self) -> u64 {
        self.resets
    }

    /// The slots whose samples are kept, the oldest first: number and samples.
    pub fn slots(&self) -> impl Iterator<Item = (u64, &[Sample])> {
        self.slots.iter().map(|slot| (slot.number, slot.samples.as_slice()))
    }

    /// Everything before the slots that are kept.
    pub fn forgotten(&self) -> &Tally {
        &self.forgotten
    }

    /// What happened since counting began; rates are of the last seconds.
    pub fn stats_since_start(&self) -> Stats {
        const LATELY: Duration = Duration::from_secs(5);
        let (first, last) = self.counts_of(LATELY);
        let (samples, dropped) = (self.since_start.samples(), self.since_start.of_quality(Quality::Dropped));
        Stats {
            samples,
            dropped,
            stacks_valid: samples - dropped,
            retried: self.since_start.of_quality(Quality::Retried),
            missed: last.missed.saturating_sub(self.begun.missed),
            rate_wanted_hz: self.profile.meta.rate_wanted_mhz as f64 / 1000.0,
            rate_achieved_hz: rate(first, last),
            duration_s: self.span_since_start_ns() as f64 / 1e9,
            ..Stats::default()
        }
    }

    /// The last `length`, rounded up to whole slots.
    pub fn window(&self, length: Duration) -> Tally {
        let mut all = Tally::default();
        self.slots_of(length, 0).for_each(|slot| all.merge(&slot.tally));
        all
    }

    /// The same length of time before that.
    pub(super) fn window_before(&self, length: Duration) -> Tally {
        let mut all = Tally::default();
        self.slots_of(length, 1).for_each(|slot| all.merge(&slot.tally));
        all
    }

    /// Everything since counting began.
    pub fn since_start(&self) -> &Tally {
        &self.since_start
    }

    /// For how long the last `length` has been watched, in nanoseconds.
    pub fn span_ns(&self, length: Duration) -> u64 {
        let first = self.first_slot(length, 0) * SLOT_NS;
        self.now_ns().saturating_sub(first.max(self.begun.elapsed_ns).max(self.first_kept_ns()))
    }

    /// For how long has been counted, in nanoseconds.
    pub fn span_since_start_ns(&self) -> u64 {
        self.now_ns().saturating_sub(self.begun.elapsed_ns)
    }

    /// Samples of threads that ran, in every slot of the kept time; the newest last.
    pub fn activity(&self) -> Vec<u64> {
        let newest = self.newest_slot();
        let mut activity = vec![0; (newest + 1).min(KEPT_SLOTS) as usize];
        let first = newest + 1 - activity.len() as u64;
        for slot in self.slots.iter().filter(|slot| slot.number >= first) {
            if let Some(value) = activity.get_mut((slot.number - first) as usize) {
                *value = slot.tally.running();
            }
        }
        activity
    }

    /// The samples of the last `length` as a profile of their own, complete with names and evidence.
    pub fn recording(&self, length: Duration) -> Profile {
        let samples: Vec<Sample> =
            self.slots_of(length, 0).flat_map(|slot| slot.samples.iter().copied()).collect();
        Profile { stats: self.stats(&samples, length), samples, ..self.profile.clone() }
    }

    fn stats(&self, samples: &[Sample], length: Duration) -> Stats {
        let of = |quality| samples.iter().filter(|sample| sample.quality == quality).count() as u64;
        let (first, last) = self.counts_of(length);
        let seconds = last.elapsed_ns.saturating_sub(first.elapsed_ns) as f64 / 1e9;
        Stats {
            samples: samples.len() as u64,
            stacks_valid: samples.len() as u64 - of(Quality::Dropped),
            retried: of(Quality::Retried),
            dropped: of(Quality::Dropped),
            missed: last.missed.saturating_sub(first.missed),
            rate_wanted_hz: self.profile.meta.rate_wanted_mhz as f64 / 1000.0,
            rate_achieved_hz: rate(first, last),
            duration_s: seconds,
            threads: self.profile.threads.len() as u32,
            processes: self.profile.processes.len() as u32,
            python: self.profile.processes.first().map(|it| it.python.clone()).unwrap_or_default(),
            ..Stats::default()
        }
    }

    /// What was published at the beginning and at the end of the last `length`.
    fn counts_of(&self, length: Duration) -> (Counts, Counts) {
        let last = self.counts.back().copied().unwrap_or_default();
        let begin_ns = (self.first_slot(length, 0) * SLOT_NS).max(self.begun.elapsed_ns);
        let before = self.counts.iter().rev().find(|counts| counts.elapsed_ns <= begin_ns);
        (before.copied().unwrap_or(self.begun), last)
    }

    /// The slots of the last `length`, or those `back` lengths before.
    fn slots_of(&self, length: Duration, back: u64) -> impl Iterator<Item = &Slot> {
        let first = self.first_slot(length, back);
        let end = first + slots_in(length);
        let end = if back == 0 { u64::MAX } else { end };
        self.slots.iter().filter(move |slot| (first..end).contains(&slot.number))
    }

    fn first_slot(&self, length: Duration, back: u64) -> u64 {
        (self.newest_slot() + 1).saturating_sub(slots_in(length) * (back + 1))
    }

    fn first_kept_ns(&self) -> u64 {
        self.slots.front().filter(|_| self.kept >= MAX_KEPT_SAMPLES).map_or(0, |slot| slot.number * SLOT_NS)
    }

    fn newest_slot(&self) -> u64 {
        self.now_ns().saturating_sub(1) / SLOT_NS
    }

    fn newest_ns(&self) -> u64 {
        self.slots.back().and_then(|slot| slot.samples.last()).map_or(0, |sample| sample.time_ns + 1)
    }

    /// The latest moment that anything is known of.
    fn now_ns(&self) -> u64 {
        self.counts.back().map_or(0, |counts| counts.elapsed_ns).max(self.newest_ns())
    }

    fn slot(&mut self, number: u64) -> &mut Slot {
        let place = self.slots.partition_point(|slot| slot.number < number);
        if self.slots.get(place).is_none_or(|slot| slot.number != number) {
            self.slots.insert(place, Slot { number, ..Slot::default() });
        }
        &mut self.slots[place]
    }

    fn forget(&mut self) {
        let oldest = self.newest_slot().saturating_sub(KEPT_SLOTS);
        while let Some(slot) = self.slots.front() {
            let too_many = self.kept > MAX_KEPT_SAMPLES && self.slots.len() > 1;
            if slot.number > oldest && !too_many || slot.number == self.newest_slot() {
                break;
            }
            self.kept -= slot.samples.len();
            self.forgotten.merge(&slot.tally);
            self.slots.pop_front();
        }
    }
}

fn slots_in(length: Duration) -> u64 {
    (length.as_nanos() as u64).div_ceil(SLOT_NS).clamp(1, KEPT_SLOTS)
}

/// Ticks per second between two moments.
fn rate(first: Counts, last: Counts) -> f64 {
    let seconds = last.elapsed_ns.saturating_sub(first.elapsed_ns) as f64 / 1e9;
    if seconds > 0.0 { last.ticks.saturating_sub(first.ticks) as f64 / seconds } else { 0.0 }
}

/// The samples that are kept.
impl Source for Live {
    fn meta(&self) -> &Meta {
        &self.profile.meta
    }
    fn stats(&self) -> &Stats {
        &self.profile.stats
    }
    fn tables(&self) -> &Tables {
        &self.profile.tables
    }
    fn processes(&self) -> &[Process] {
        &self.profile.processes
    }
    fn threads(&self) -> &[Thread] {
        &self.profile.threads
    }
    fn evidence(&self) -> &[ProcessEvidence] {
        &self.profile.evidence
    }
    fn for_each_sample(&mut self, each: &mut dyn FnMut(&Sample)) -> Result<(), FileError> {
        self.slots.iter().flat_map(|slot| &slot.samples).for_each(each);
        Ok(())
    }
}
