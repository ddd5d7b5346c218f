//! Where the time goes: one pass over the samples.
//!
//! An atom is a distinct stack in one state. Every charge of every finding is a set of atoms, so what
//! two findings have in common is counted once.

use rustc_hash::FxHashMap;
use slowpath_profile::file::FileError;
use slowpath_profile::ids::Id;
use slowpath_profile::{
    Frame, FunctionId, FunctionKind, ProcessId, Sample, SampleFlags, Source, StackId, Tables, ThreadId,
    ThreadState,
};

/// Samples that cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Atom {
    /// The process.
    pub process: ProcessId,
    /// The stack.
    pub stack: StackId,
    /// What the thread did.
    pub state: ThreadState,
    /// Whether it collected garbage.
    pub in_gc: bool,
    /// So many samples.
    pub count: u64,
}

impl Atom {
    /// Whether the thread ran code of the program: neither waiting nor collecting garbage.
    pub fn runs(&self) -> bool {
        self.state == ThreadState::Running && !self.in_gc
    }
}

/// A part of the time of one process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Extent {
    /// The interpreter runs this instruction of the innermost frame.
    Instruction(FunctionId, u32),
    /// The interpreter runs the innermost frame, which is of this function.
    Own(FunctionId),
    /// A thread runs, whatever it does.
    Running,
    /// One of these functions is on the stack of a thread that runs.
    Under(Vec<FunctionId>),
    /// One of these functions is on the stack of a thread that sleeps in the kernel.
    IdleUnder(Vec<FunctionId>),
    /// The garbage collector runs.
    Collecting,
    /// A thread waits for the GIL.
    WaitingForGil,
    /// These atoms, by their positions.
    Atoms(Vec<u32>),
}

/// All samples with a stack.
///
/// Threads that slept in every sample are left out: a pool of workers without work would otherwise
/// make everything look small.
#[derive(Clone, Debug, Default)]
pub struct Weight {
    atoms: Vec<Atom>,
    total: u64,
    instructions: FxHashMap<(ProcessId, FunctionId, u32), Vec<u32>>,
    own: FxHashMap<(ProcessId, FunctionId), Vec<u32>>,
    /// Samples of a thread that runs with this function on its stack.
    under: FxHashMap<(ProcessId, FunctionId), u64>,
    /// The longest time that a stack stood still, in nanoseconds, where it was long.
    still: FxHashMap<StackId, u64>,
}

/// A stack that stands still for so long is stuck in one call.
const STILL_NS: u64 = 30_000_000;

/// Between two samples of a thread that are this many periods apart anything may have happened.
const GAP_PERIODS: u64 = 10;

/// What consecutive samples of a thread with the same stack tell.
#[derive(Clone, Copy, Debug)]
struct Streak {
    stack: StackId,
    last_ns: u64,
    /// For how long it stood there: time on a CPU, and time asleep. A thread that waits for a CPU stands
    /// still because the machine is busy, not because of what it does.
    stood_ns: u64,
    samples: u64,
}

/// How long the threads of a program stand still, by stack.
#[derive(Clone, Debug, Default)]
struct Stillness {
    streaks: FxHashMap<ThreadId, Streak>,
    /// Longest streak, samples in long streaks, samples in all.
    stacks: FxHashMap<StackId, (u64, u64, u64)>,
    gap_ns: u64,
    has_cpu_times: bool,
}

impl Stillness {
    fn new(period_ns: Option<u64>) -> Self {
        let gap_ns = period_ns.map_or(u64::MAX, |period| period.saturating_mul(GAP_PERIODS));
        Self { gap_ns, ..Self::default() }
    }

    fn add(&mut self, sample: &Sample, stack: StackId) {
        self.has_cpu_times |= sample.cpu_ns > 0;
        let begun = Streak { stack, last_ns: sample.time_ns, stood_ns: 0, samples: 0 };
        let streak = self.streaks.entry(sample.thread).or_insert(begun);
        let gap = sample.time_ns.saturating_sub(streak.last_ns);
        if streak.stack != stack || gap > self.gap_ns {
            let ended = std::mem::replace(streak, begun);
            self.end(ended);
        } else {
            let ran = sample.state == ThreadState::Running && self.has_cpu_times;
            streak.stood_ns += if ran { sample.cpu_ns.min(gap) } else { gap };
            streak.last_ns = sample.time_ns;
        }
        if let Some(streak) = self.streaks.get_mut(&sample.thread) {
            streak.samples += 1;
        }
    }

    fn end(&mut self, streak: Streak) {
        let (longest, long, all) = self.stacks.entry(streak.stack).or_default();
        *longest = streak.stood_ns.max(*longest);
        *all += streak.samples;
        if streak.stood_ns >= STILL_NS {
            *long += streak.samples;
        }
    }

    /// The stacks that stand still. An instruction that is executed again and again, each time for a
    /// short time, has a long streak by chance; most of its samples are in short ones.
    fn finish(mut self) -> FxHashMap<StackId, u64> {
        for streak in std::mem::take(&mut self.streaks).into_values() {
            self.end(streak);
        }
        let still = self.stacks.into_iter().filter(|(_, (_, long, all))| *long * 2 > *all);
        still.map(|(stack, (longest, _, _))| (stack, longest)).collect()
    }
}

/// The kernel tells of CPU time at each clock tick (4 ms at 250 Hz): a thread that has used none for so long
/// has no processor.
const STARVED_NS: u64 = 12_000_000;

type Key = (ThreadId, StackId, ThreadState, bool);

impl Weight {
    /// Reads all samples once.
    pub fn collect(source: &mut dyn Source) -> Result<Self, FileError> {
        let mut counts = FxHashMap::<Key, u64>::default();
        let mut ran = vec![false; source.threads().len()];
        let mut stillness = Stillness::new(source.meta().period_ns());
        // When each thread was last seen to have used a processor.
        let mut used_ns = vec![None; source.threads().len()];
        source.for_each_sample(&mut |sample: &Sample| {
            if let Some(used_ns) = used_ns.get_mut(sample.thread.index()).filter(|_| sample.cpu_ns > 0) {
                *used_ns = Some(sample.time_ns);
            }
            let Some(stack) = sample.stack else { return };
            stillness.add(sample, stack);
            if is_starved(sample, used_ns.get(sample.thread.index()).copied().flatten()) {
                return;
            }
            let in_gc = sample.flags.contains(SampleFlags::IN_GC);
            *counts.entry((sample.thread, stack, sample.state, in_gc)).or_default() += 1;
            if sample.state != ThreadState::Idle
                && let Some(ran) = ran.get_mut(sample.thread.index())
            {
                *ran = true;
            }
        })?;
        let mut merged = FxHashMap::<(ProcessId, StackId, ThreadState, bool), u64>::default();
        for ((thread, stack, state, in_gc), count) in counts {
            let Some(known) = source.threads().get(thread.index()) else { continue };
            if ran.get(thread.index()) == Some(&true) {
                *merged.entry((known.process, stack, state, in_gc)).or_default() += count;
            }
        }
        let atom = |((process, stack, state, in_gc), count)| Atom { process, stack, state, in_gc, count };
        let mut atoms: Vec<Atom> = merged.into_iter().map(atom).collect();
        atoms.sort_unstable_by_key(|atom| (atom.process, atom.stack, atom.state, atom.in_gc));
        Ok(Self { still: stillness.finish(), ..Self::index(atoms, source.tables()) })
    }

    fn index(atoms: Vec<Atom>, tables: &Tables) -> Self {
        let mut weight = Self { total: atoms.iter().map(|atom| atom.count).sum(), ..Self::default() };
        for (at, atom) in atoms.iter().enumerate() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            if !atom.runs() {
                continue;
            }
            let Some(frame) = innermost(tables, atom.stack) else { continue };
            weight.own.entry((atom.process, frame.function)).or_default().push(at);
            if let Some(offset) = frame.instruction {
                let key = (atom.process, frame.function, offset);
                weight.instructions.entry(key).or_default().push(at);
            }
        }
        weight.under = under(&atoms, tables);
        weight.atoms = atoms;
        weight
    }

    /// Samples of [`Extent::Under`] one function.
    pub fn under(&self, process: ProcessId, function: FunctionId) -> u64 {
        self.under.get(&(process, function)).copied().unwrap_or_default()
    }

    /// Samples that are counted: what every share is a share of.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The longest time for which this stack was seen to stand still, in nanoseconds; 0 if it never
    /// did so for long.
    pub fn stood_still_ns(&self, stack: StackId) -> u64 {
        self.still.get(&stack).copied().unwrap_or_default()
    }

    /// All atoms, in a fixed order.
    pub fn atoms(&self) -> &[Atom] {
        &self.atoms
    }

    /// The share of so many samples.
    pub fn share(&self, samples: u64) -> f64 {
        if self.total == 0 { 0.0 } else { samples as f64 / self.total as f64 }
    }

    /// Samples in these atoms.
    pub fn count(&self, atoms: &[u32]) -> u64 {
        atoms.iter().filter_map(|at| self.atoms.get(*at as usize)).map(|atom| atom.count).sum()
    }

    /// Samples in an extent.
    pub fn samples(&self, process: ProcessId, extent: &Extent, tables: &Tables) -> u64 {
        self.count(&self.select(process, extent, tables))
    }

    /// The atoms of an extent, in ascending order.
    pub fn select(&self, process: ProcessId, extent: &Extent, tables: &Tables) -> Vec<u32> {
        let known = |found: Option<&Vec<u32>>| found.cloned().unwrap_or_default();
        let running = |atom: &Atom| atom.state == ThreadState::Running;
        match extent {
            Extent::Instruction(function, offset) => {
                known(self.instructions.get(&(process, *function, *offset)))
            }
            Extent::Own(function) => known(self.own.get(&(process, *function))),
            Extent::Running => self.filter(process, running),
            Extent::Collecting => self.filter(process, |atom| running(atom) && atom.in_gc),
            Extent::Atoms(atoms) => atoms.clone(),
            Extent::WaitingForGil => self.filter(process, |atom| atom.state == ThreadState::WaitingForGil),
            Extent::Under(functions) => {
                let holds = stacks_with(tables, functions);
                self.filter(process, |atom| running(atom) && holds.get(atom.stack.index()) == Some(&true))
            }
            Extent::IdleUnder(functions) => {
                let holds = stacks_with(tables, functions);
                self.filter(process, |atom| {
                    atom.state == ThreadState::Idle && holds.get(atom.stack.index()) == Some(&true)
                })
            }
        }
    }

    fn filter(&self, process: ProcessId, wanted: impl Fn(&Atom) -> bool) -> Vec<u32> {
        let atoms = self.atoms.iter().enumerate();
        let wanted = atoms.filter(|(_, atom)| atom.process == process && wanted(atom));
        wanted.map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect()
    }
}

/// Samples of running threads under every function, each sample once however often the function called
/// itself.
fn under(atoms: &[Atom], tables: &Tables) -> FxHashMap<(ProcessId, FunctionId), u64> {
    let mut under = FxHashMap::default();
    // Atoms are in the order of processes.
    for of_process in atoms.chunk_by(|one, other| one.process == other.process) {
        let mut totals = vec![0_u64; tables.stacks.len()];
        for atom in of_process.iter().filter(|atom| atom.state == ThreadState::Running) {
            if let Some(total) = totals.get_mut(atom.stack.index()) {
                *total += atom.count;
            }
        }
        // A child is younger than its parent, so from the last to the first all children are added up.
        for (at, node) in tables.stacks.values().iter().enumerate().rev() {
            let total = totals.get(at).copied().unwrap_or_default();
            let parent = node.parent.filter(|parent| parent.index() < at);
            if let Some(sum) = parent.and_then(|parent| totals.get_mut(parent.index())) {
                *sum += total;
            }
        }
        let Some(process) = of_process.first().map(|atom| atom.process) else { continue };
        for (stack, total) in totals.into_iter().enumerate().filter(|(_, total)| *total > 0) {
            if let Some(function) = outermost(tables, StackId::from_index(stack)) {
                *under.entry((process, function)).or_default() += total;
            }
        }
    }
    under
}

/// The function of a stack's innermost frame, if it is on the stack only there.
fn outermost(tables: &Tables, stack: StackId) -> Option<FunctionId> {
    let mut functions = tables.frames_of(stack).filter_map(|frame| Some(tables.frames.get(frame)?.function));
    let function = functions.next()?;
    functions.all(|above| above != function).then_some(function)
}

/// Whether a thread could run and was not let: a busy machine stops a program wherever it is, for longer
/// than most code takes, and that says nothing of the code.
fn is_starved(sample: &Sample, used_ns: Option<u64>) -> bool {
    sample.state == ThreadState::Running
        && used_ns.is_some_and(|used_ns| sample.time_ns.saturating_sub(used_ns) > STARVED_NS)
}

/// The innermost frame of Python code; `None` if the runtime itself is at work.
fn innermost(tables: &Tables, stack: StackId) -> Option<Frame> {
    let frame = tables.leaf(stack)?;
    let function = tables.functions.get(frame.function)?;
    (function.kind == FunctionKind::Python).then_some(*frame)
}

/// For every stack, whether one of the functions is on it.
pub fn stacks_with(tables: &Tables, functions: &[FunctionId]) -> Vec<bool> {
    let mut holds = Vec::with_capacity(tables.stacks.len());
    for node in tables.stacks.values() {
        let frame = tables.frames.get(node.frame);
        let here = frame.is_some_and(|frame| functions.contains(&frame.function));
        // A parent is older than its child; anything else is a damaged file.
        let above = node.parent.is_some_and(|parent| holds.get(parent.index()) == Some(&true));
        holds.push(here || above);
    }
    holds
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::ThreadState::{Idle, Running, WaitingForGil};
    use slowpath_profile::testing::ProfileBuilder;

    #[test]
    fn a_thread_without_a_processor_does_not_count() {
        let mut profile = ProfileBuilder::new()
            .thread("MainThread")
            .sample(&["main", "work"], Running, 100)
            .sample(&["main", "print"], Running, 60)
            .build();
        let ms = 1_000_000;
        for (at, sample) in profile.samples.iter_mut().enumerate() {
            sample.time_ns = at as u64 * 2 * ms;
            // Two of three samples come between clock ticks; in the last fifty nothing runs.
            sample.cpu_ns = if at % 3 == 0 && at < 110 { 6 * ms } else { 0 };
        }
        let counted = |profile: &mut slowpath_profile::Profile| Weight::collect(profile).unwrap().total();
        assert_eq!(counted(&mut profile), 115);
        profile.samples.iter_mut().for_each(|sample| sample.cpu_ns = 0);
        assert_eq!(counted(&mut profile), 160, "CPU time is not known");
    }

    #[test]
    fn extents_divide_the_samples() {
        let mut profile = ProfileBuilder::new()
            .thread("MainThread")
            .sample(&["main", "work"], Running, 7)
            .sample(&["main", "work"], WaitingForGil, 2)
            .sample(&["main"], Running, 3)
            .flags(SampleFlags::IN_GC)
            .sample(&["main", "work"], Running, 4)
            .flags(SampleFlags::default())
            .thread("pool")
            .sample(&["wait"], Idle, 100)
            .build();
        let weight = Weight::collect(&mut profile).unwrap();
        let tables = &profile.tables;
        let find = |name| crate::testing::function(tables, name);
        let (main, work) = (find("main"), find("work"));
        let samples = |extent: Extent| weight.samples(ProcessId(0), &extent, tables);
        assert_eq!(weight.total(), 16, "a thread that only slept is left out");
        assert_eq!(samples(Extent::Own(work)), 7);
        assert_eq!(samples(Extent::Own(main)), 3);
        assert_eq!(samples(Extent::Running), 14);
        assert_eq!(samples(Extent::Under(vec![work])), 11);
        assert_eq!(samples(Extent::Collecting), 4);
        assert_eq!(samples(Extent::WaitingForGil), 2);
    }

    #[test]
    fn samples_under_every_function_are_those_of_its_extent() {
        let mut profile = ProfileBuilder::new()
            .thread("MainThread")
            .sample(&["main", "walk", "walk", "visit", "walk"], Running, 7)
            .sample(&["main", "walk", "visit"], Running, 2)
            .sample(&["main", "visit"], WaitingForGil, 5)
            .flags(SampleFlags::IN_GC)
            .sample(&["main", "walk"], Running, 4)
            .flags(SampleFlags::default())
            .build();
        let weight = Weight::collect(&mut profile).unwrap();
        for (name, wanted) in [("main", 13), ("walk", 13), ("visit", 9)] {
            let function = crate::testing::function(&profile.tables, name);
            assert_eq!(weight.under(ProcessId(0), function), wanted, "{name}");
            let extent = Extent::Under(vec![function]);
            assert_eq!(weight.samples(ProcessId(0), &extent, &profile.tables), wanted, "{name}");
        }
    }
}
