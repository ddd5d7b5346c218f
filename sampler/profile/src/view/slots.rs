//! A profile cut into slots of time, so that a reader can add up any range of them, for any threads.
//!
//! What a slot holds of a thread are its samples in the order of time, equal neighbours together: enough
//! for a time line, and a sum over slots is what [`super::Weights`] counts of the same samples.

use std::collections::{BTreeMap, VecDeque};

use super::live::Tally;
use crate::file::FileError;
use crate::ids::{StackId, ThreadId};
use crate::sample::{Quality, Sample, SampleFlags, ThreadState};
use crate::source::Source;

/// The shortest slot of a recording.
const SHORTEST_NS: u64 = 10_000_000;
/// A recording has at most so many slots; they are doubled in length until it has.
const MOST_SLOTS: u64 = 1_000;
/// Beyond so many runs the order within slots is given up, which leaves one run per distinct stack.
const MOST_RUNS: usize = 3_000_000;
/// Collections that are listed.
const MOST_COLLECTIONS: usize = 10_000;

/// What equal samples have in common, in one number: what the thread did, and three facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind(u8);

impl Kind {
    /// A garbage collection runs.
    pub const GC: u8 = 4;
    /// The thread holds the GIL.
    pub const GIL: u8 = 8;
    /// No consistent stack could be read: no part of any base.
    pub const DROPPED: u8 = 16;

    fn of(sample: &Sample) -> Self {
        let state = match sample.state {
            ThreadState::Running => 0,
            ThreadState::WaitingForGil => 1,
            ThreadState::Idle => 2,
        };
        let facts = [
            (sample.flags.contains(SampleFlags::IN_GC), Self::GC),
            (sample.flags.contains(SampleFlags::HOLDS_GIL), Self::GIL),
            (sample.quality == Quality::Dropped, Self::DROPPED),
        ];
        Self(facts.into_iter().filter(|(is_set, _)| *is_set).fold(state, |kind, (_, bit)| kind | bit))
    }

    /// The number: 0 running, 1 waiting for the GIL, 2 idle, and the facts added to it.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// Equal samples, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// Their stack; `None` for no Python code, and for dropped samples.
    pub stack: Option<StackId>,
    /// What they have in common.
    pub kind: Kind,
    /// How many.
    pub count: u32,
}

/// The samples of one thread in one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// In the order of time.
    pub runs: Vec<Run>,
    /// CPU time of the thread.
    pub cpu_ns: u64,
}

impl Runs {
    /// Adds samples behind the others; whether that took a new run.
    fn add(&mut self, sample: &Sample, count: u32, cpu_ns: u64) -> bool {
        let dropped = sample.quality == Quality::Dropped;
        let run = Run { stack: sample.stack.filter(|_| !dropped), kind: Kind::of(sample), count };
        self.cpu_ns = self.cpu_ns.saturating_add(cpu_ns);
        self.push(run)
    }

    fn push(&mut self, run: Run) -> bool {
        let last = self.runs.last_mut().filter(|last| (last.stack, last.kind) == (run.stack, run.kind));
        match last {
            Some(last) if last.count.checked_add(run.count).is_some() => last.count += run.count,
            _ => {
                self.runs.push(run);
                return true;
            }
        }
        false
    }

    /// One run for each distinct stack, without order.
    fn merge_equal(&mut self) {
        let mut runs = std::mem::take(&mut self.runs);
        runs.sort_unstable();
        for run in runs {
            self.push(run);
        }
    }
}

/// A garbage collection, as far as samples show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Nanoseconds from the beginning to its first sample.
    pub time_ns: u64,
    /// The thread that ran it.
    pub thread: ThreadId,
    /// Samples that saw it.
    pub samples: u32,
}

/// Garbage collections as samples tell of them, the last of them if there are very many.
#[derive(Clone, Debug, Default)]
pub struct Collections {
    over: VecDeque<Collection>,
    /// Those that still run.
    open: BTreeMap<ThreadId, Collection>,
}

impl Collections {
    /// Looks at the next sample.
    pub fn see(&mut self, sample: &Sample) {
        if sample.flags.contains(SampleFlags::IN_GC) {
            let (time_ns, thread) = (sample.time_ns, sample.thread);
            let first = Collection { time_ns, thread, samples: 0 };
            self.open.entry(thread).or_insert(first).samples += 1;
        } else if let Some(over) = self.open.remove(&sample.thread) {
            self.over.push_back(over);
            if self.over.len() > MOST_COLLECTIONS {
                self.over.pop_front();
            }
        }
    }

    /// In the order of time.
    pub fn list(&self) -> Vec<Collection> {
        let mut list: Vec<Collection> = self.over.iter().chain(self.open.values()).copied().collect();
        list.sort_by_key(|one| (one.time_ns, one.thread));
        list
    }
}

/// Samples by slot and thread.
#[derive(Clone, Debug)]
pub struct Slots {
    /// Length of a slot.
    pub length_ns: u64,
    /// Whether runs are in the order of time.
    pub is_ordered: bool,
    /// By number of the slot and thread.
    pub slots: BTreeMap<(u64, ThreadId), Runs>,
    /// Garbage collections.
    pub collections: Collections,
    runs: usize,
    most_runs: usize,
}

impl Slots {
    fn new() -> Self {
        Self {
            length_ns: SHORTEST_NS,
            is_ordered: true,
            slots: BTreeMap::new(),
            collections: Collections::default(),
            runs: 0,
            most_runs: MOST_RUNS,
        }
    }

    /// Reads all samples once. Slots are 10 ms long, or as many times twice that as it takes for at most a
    /// thousand of them.
    pub fn collect(source: &mut dyn Source) -> Result<Self, FileError> {
        let mut slots = Self::new();
        source.for_each_sample(&mut |sample| slots.add(sample))?;
        Ok(slots)
    }

    fn add(&mut self, sample: &Sample) {
        while sample.time_ns / self.length_ns >= MOST_SLOTS {
            self.double();
        }
        let runs = self.slots.entry((sample.time_ns / self.length_ns, sample.thread)).or_default();
        self.runs += usize::from(runs.add(sample, 1, sample.cpu_ns));
        self.collections.see(sample);
        if self.runs > self.most_runs {
            self.is_ordered = false;
            self.slots.values_mut().for_each(Runs::merge_equal);
            self.runs = self.slots.values().map(|runs| runs.runs.len()).sum();
            self.most_runs = self.most_runs.max(2 * self.runs);
        }
    }

    /// Puts every two slots together.
    fn double(&mut self) {
        self.length_ns = self.length_ns.saturating_mul(2);
        for ((slot, thread), runs) in std::mem::take(&mut self.slots) {
            let into = self.slots.entry((slot / 2, thread)).or_default();
            into.cpu_ns = into.cpu_ns.saturating_add(runs.cpu_ns);
            for run in runs.runs {
                into.push(run);
            }
        }
        self.runs = self.slots.values().map(|runs| runs.runs.len()).sum();
    }
}

/// The samples of one slot by thread.
pub fn runs_of(samples: &[Sample]) -> BTreeMap<ThreadId, Runs> {
    let mut threads = BTreeMap::<ThreadId, Runs>::new();
    for sample in samples {
        threads.entry(sample.thread).or_default().add(sample, 1, sample.cpu_ns);
    }
    threads
}

/// Counted samples by thread, without order.
pub fn runs_of_tally(tally: &Tally) -> BTreeMap<ThreadId, Runs> {
    let mut threads = BTreeMap::<ThreadId, Runs>::new();
    tally.for_each(|sample, samples, cpu_ns| {
        let runs = threads.entry(sample.thread).or_default();
        runs.cpu_ns = runs.cpu_ns.saturating_add(cpu_ns);
        let mut left = samples;
        while left > 0 {
            let count = u32::try_from(left).unwrap_or(u32::MAX);
            runs.add(sample, count, 0);
            left -= u64::from(count);
        }
    });
    threads.values_mut().for_each(Runs::merge_equal);
    threads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ThreadState::{Idle, Running, WaitingForGil};
    use crate::ids::Id;
    use crate::testing::ProfileBuilder;
    use crate::view::{Base, Filter, Weights};

    fn sum(slots: &Slots, wanted: impl Fn(u64, ThreadId) -> bool) -> (u64, u64) {
        let chosen = slots.slots.iter().filter(|((slot, thread), _)| wanted(*slot, *thread));
        let runs = chosen.flat_map(|(_, runs)| &runs.runs);
        runs.fold((0, 0), |(base, dropped), run| {
            let is_dropped = run.kind.number() & Kind::DROPPED != 0;
            let count = u64::from(run.count);
            if is_dropped { (base, dropped + count) } else { (base + count, dropped) }
        })
    }

    fn base(profile: &mut crate::Profile, filter: &Filter) -> (u64, u64) {
        let Base { weight, dropped, .. } =
            Weights::collect(profile, filter).expect("nothing of it is unreadable").base;
        (weight.sum(), dropped)
    }

    #[test]
    fn sums_over_slots_are_weights() {
        let mut profile = ProfileBuilder::new()
            .thread("MainThread")
            .sample(&["<module>", "parse"], Running, 25)
            .dropped(2)
            .sample(&["<module>"], WaitingForGil, 14)
            .thread("other")
            .sample(&["run"], Idle, 31)
            .build();
        let slots = Slots::collect(&mut profile).expect("nothing of it is unreadable");
        assert_eq!(slots.length_ns, SHORTEST_NS);
        assert_eq!(sum(&slots, |_, _| true), base(&mut profile, &Filter::default()));
        for (first, end) in [(0, 1), (1, 5), (2, 8), (7, 9)] {
            let range = first * SHORTEST_NS..end * SHORTEST_NS;
            let filter = Filter { time_ns: Some(range), threads: vec!["main".into()], ..Filter::default() };
            let counted = sum(&slots, |slot, thread| (first..end).contains(&slot) && thread == ThreadId(0));
            assert_eq!(counted, base(&mut profile, &filter), "{first}..{end}");
        }
    }

    #[test]
    fn slots_grow_until_they_are_few() {
        let build = || {
            let profile = ProfileBuilder::new().thread("MainThread").sample(&["a"], Running, 5);
            profile.pause_ns(u64::MAX / 2).sample(&["b"], Running, 7).build()
        };
        let slots = Slots::collect(&mut build()).expect("nothing of it is unreadable");
        assert!(slots.slots.keys().all(|(slot, _)| *slot < MOST_SLOTS), "{slots:?}");
        assert_eq!(sum(&slots, |_, _| true), (12, 0));
    }

    #[test]
    fn without_order_nothing_is_lost() {
        let mut slots = Slots::new();
        slots.most_runs = 10;
        let mut profile = ProfileBuilder::new().thread("MainThread");
        for round in 0..40 {
            profile = profile.sample(&[["a", "b", "c"][round % 3]], Running, 1);
        }
        profile.build().for_each_sample(&mut |sample| slots.add(sample)).expect("it is in memory");
        assert!(!slots.is_ordered);
        assert_eq!(sum(&slots, |_, _| true), (40, 0));
        assert!(slots.slots.values().map(|runs| runs.runs.len()).sum::<usize>() < 40);
    }

    #[test]
    fn a_collection_is_one_event() {
        let gc = SampleFlags::IN_GC;
        let profile = ProfileBuilder::new().thread("MainThread").sample(&["a"], Running, 3);
        let profile = profile.flags(gc).sample(&["a"], Running, 4).flags(SampleFlags::default());
        let mut profile = profile.sample(&["a"], Running, 1).flags(gc).sample(&["a"], Running, 1).build();
        let found = Slots::collect(&mut profile).expect("it is in memory").collections.list();
        assert_eq!(found.iter().map(|one| one.samples).collect::<Vec<_>>(), [4, 1]);
        assert_eq!(found.first().map(|one| one.thread.index()), Some(0));
    }
}
