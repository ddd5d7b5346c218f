//! Samples a process with the bundled runtime.

use std::time::Duration;

use slowpath_profile::{
    Mode, Process, ProcessId, Quality, Sample, SampleFlags, StackId, Thread as Entry, ThreadId, ThreadState,
};
use slowpath_runtime_layout::{Table, Thread, WORDS};

use super::codes::Codes;
use super::evidence::Watch;
use super::stack::{Attempt, Frame, Plan};
use super::{BundledFound, is_of, threads};
use crate::identify::os_thread;
use crate::options::SampleOptions;
use crate::process::memory::{MemoryError, Range};
use crate::process::stop::{MAX_WAIT, Stopper};
use crate::process::threads::{FileBudget, inner_thread_ids};
use crate::read::image::Image;
use crate::read::threads::ThreadRef;
use crate::recorder::Recorder;
use crate::sampled_process::{Counters, SampledProcess};
use crate::thread_track::{Asleep, Track};

/// Reads of one stack before it is given up, for copies of no one moment.
const TRIES: u32 = 72;
/// Reads before it is given up, for frames that lie elsewhere than expected.
const LESSONS: u32 = 64;
/// Reads in a row before the thread is given a moment to get on, and half of the first such moment. Each is
/// twice as long as the one before.
const EAGER: u32 = 12;
const NAP: Duration = Duration::from_micros(8);
/// Between two times that evidence is handed on.
const NEWS_NS: u64 = 2_000_000_000;

/// A process with the bundled runtime that is being sampled.
#[derive(Debug)]
pub(crate) struct BundledSampler {
    found: BundledFound,
    id: ProcessId,
    codes: Codes,
    /// The registered threads, at the generation of the registry at which they were read.
    threads: Vec<Sampled>,
    generation: Option<u64>,
    files: FileBudget,
    image: Image,
    single: Image,
    frames: Vec<Frame>,
    stopper: Option<Stopper>,
    /// Looks at the state of hot code, if asked for.
    watch: Option<Watch>,
    handed_on_ns: u64,
    counters: Counters,
}

/// A thread that is being sampled.
#[derive(Debug)]
struct Sampled {
    thread: Thread,
    track: Track,
    plan: Plan,
    /// Its last believed stack, the root first: what it shares with the next one has its nodes.
    last: Vec<(Frame, StackId)>,
}

impl BundledSampler {
    /// Begins to sample a process.
    pub(crate) fn new(
        found: BundledFound,
        parent: Option<ProcessId>,
        start_ns: u64,
        files: FileBudget,
        options: &SampleOptions,
        recorder: &mut Recorder,
    ) -> Self {
        let id = recorder.process(Process {
            pid: found.pid,
            parent,
            command: found.command.clone(),
            python: found.version(),
            interpreter: found.identity.clone(),
            build: found.build(),
            start_ns,
        });
        let stopper = options.blocking.then(|| Stopper::new(found.pid));
        Self {
            found,
            id,
            codes: Codes::default(),
            threads: Vec::new(),
            generation: None,
            files,
            image: Image::default(),
            single: Image::default(),
            frames: Vec::new(),
            stopper,
            watch: options.advice.then(Watch::default),
            handed_on_ns: 0,
            counters: Counters::default(),
        }
    }

    /// Reads the registry of threads again.
    fn refresh(&mut self, options: &SampleOptions, recorder: &mut Recorder) -> Result<(), MemoryError> {
        let listed = threads(&self.found.memory, &self.found.table)?;
        self.threads.retain(|sampled| listed.contains(&sampled.thread));
        let inner = inner_thread_ids(self.found.pid);
        for thread in listed {
            if self.threads.iter().any(|sampled| sampled.thread == thread) {
                continue;
            }
            let native = u32::try_from(thread.native_id).unwrap_or(0);
            let native_id = inner.as_ref().map_or(native, |ids| ids.get(&native).copied().unwrap_or(0));
            let sampled = self.begin_thread(thread, native_id, options, recorder);
            self.threads.push(sampled);
        }
        Ok(())
    }

    fn begin_thread(
        &self,
        thread: Thread,
        native_id: u32,
        options: &SampleOptions,
        recorder: &mut Recorder,
    ) -> Sampled {
        let os = os_thread(self.found.pid, native_id, &self.files);
        let name = match (thread.name.is_empty(), &os) {
            (true, Some(os)) => os.comm(),
            _ => thread.name.clone(),
        };
        let (python_id, is_main) = (thread.python_id, thread.is_main);
        let entry = Entry {
            process: self.id,
            interpreter: 0,
            python_id,
            native_id,
            name: recorder.tables.strings.intern_str(&name),
            is_main,
        };
        let id: ThreadId = recorder.thread(entry.clone());
        let who =
            ThreadRef { addr: thread.top, interpreter: 0, thread_id: python_id, native_id: thread.native_id };
        let mut track = Track::new(who, 0, id, entry, os);
        track.wanted = options.threads.lets_through(&name, is_main);
        Sampled { plan: Plan::new(thread.top), thread, track, last: Vec::new() }
    }

    /// Copies the table and the stacks of all threads that may have run since the last tick.
    fn copy(&mut self, now_ns: u64) -> Result<Option<Table>, MemoryError> {
        self.image.clear();
        self.image.add(Range::new(self.found.base, WORDS * 8));
        for sampled in &mut self.threads {
            let track = &mut sampled.track;
            track.awake = track.wanted && track.update_cpu(now_ns);
            let is_seen_asleep = sampled.plan.is_doubtful() && track.running_on().is_none();
            sampled.plan.begin(if is_seen_asleep { now_ns } else { track.moved_ns() });
            if track.awake {
                sampled.plan.add_to(&mut self.image);
            }
        }
        self.image.fill(&self.found.memory)?;
        Ok(self.image.range(0).and_then(|bytes| Table::parse(bytes).ok()))
    }

    fn sample_all(&mut self, now_ns: u64, options: &SampleOptions, recorder: &mut Recorder) {
        for number in 0..self.threads.len() {
            let track = &self.threads[number].track;
            if !track.wanted {
                continue;
            }
            let observed = match track.asleep() {
                Some(asleep) if !track.awake => asleep,
                _ => {
                    let (stack, quality) = self.read(number, recorder);
                    let track = &mut self.threads[number].track;
                    // Without a GIL nobody holds it or waits for it.
                    let state = track.state(false, false, 0..0, now_ns);
                    let seen = Asleep { state, stack, quality };
                    if state != ThreadState::Running && quality != Quality::Dropped {
                        track.falls_asleep(seen);
                    }
                    if let (ThreadState::Running, Some(watch), Some((leaf, _))) =
                        (state, &mut self.watch, self.threads[number].last.last())
                    {
                        watch.observe(leaf.code);
                    }
                    seen
                }
            };
            let track = &mut self.threads[number].track;
            let cpu_ns = track.take_cpu_ns();
            let Asleep { state, stack, quality } = observed;
            let counts = match options.mode {
                Mode::Wall => true,
                Mode::Cpu => state == ThreadState::Running,
                Mode::Gil => false,
            };
            if !counts {
                continue;
            }
            self.counters.count(quality);
            let (thread, flags) = (track.id, SampleFlags::default());
            recorder.sample(Sample { time_ns: now_ns, thread, stack, cpu_ns, state, flags, quality });
        }
    }

    /// The stack of a thread, from the tick's copy or by reading again.
    fn read(&mut self, number: usize, recorder: &mut Recorder) -> (Option<StackId>, Quality) {
        let Self { found, threads, image, single, frames, codes, .. } = self;
        let Some(sampled) = threads.get_mut(number) else { return (None, Quality::Dropped) };
        let (mut broken, mut lessons, mut first) = (0, 0, true);
        let certain = sampled.track.stopped;
        while broken < TRIES && lessons < LESSONS {
            if !first {
                single.clear();
                sampled.plan.add_to(single);
                if single.fill(&found.memory).is_err() {
                    break;
                }
            }
            let copied = if first { &*image } else { &*single };
            first = false;
            match sampled.plan.read(&found.memory, &found.table, copied, certain, frames) {
                Attempt::Learned => {
                    lessons += 1;
                    continue;
                }
                Attempt::Broken => {
                    broken += 1;
                    if broken % EAGER == 0 {
                        // A thread that we have displaced from its processor does not move while we look.
                        std::thread::sleep(NAP * (1 << (broken / EAGER).min(6)));
                    }
                    continue;
                }
                Attempt::Stack => {}
            }
            // The code may have gone with its frame while it was looked up.
            if codes.confirm(&found.memory, &found.table, &found.opcodes, frames).is_err() {
                sampled.last.clear();
                lessons += 1;
                continue;
            }
            if codes.intern(frames, &mut sampled.last, &mut recorder.tables).is_err() {
                broken += 1;
                continue;
            }
            self.counters.retried += u64::from(broken);
            let quality = if broken == 0 { Quality::Clean } else { Quality::Retried };
            return (sampled.last.last().map(|(_, stack)| *stack), quality);
        }
        self.counters.retried += u64::from(broken);
        (None, Quality::Dropped)
    }

    fn hand_on(&self, recorder: &mut Recorder) {
        let evidence = self.watch.as_ref().and_then(|watch| watch.evidence(self.id));
        evidence.into_iter().for_each(|evidence| recorder.evidence(evidence));
    }

    fn look(
        &mut self,
        now_ns: u64,
        options: &SampleOptions,
        recorder: &mut Recorder,
    ) -> Result<(), MemoryError> {
        if self.generation.is_none() {
            self.refresh(options, recorder)?;
        }
        let Some(table) = self.copy(now_ns)? else { return Ok(()) };
        if self.generation.is_none() && !is_of(&table, self.found.pid) {
            return Ok(());
        }
        if self.generation != Some(table.threads_generation) {
            // Threads that began or ended meanwhile: the others are still where they were.
            self.generation = Some(table.threads_generation);
            self.found.table = table;
            self.refresh(options, recorder)?;
            self.copy(now_ns)?;
        } else {
            self.found.table = table;
        }
        self.sample_all(now_ns, options, recorder);
        let Self { found, watch, codes, .. } = self;
        if let Some(watch) = watch {
            watch.look(now_ns, &found.memory, &found.table, &found.opcodes, codes);
        }
        Ok(())
    }
}

impl SampledProcess for BundledSampler {
    fn pid(&self) -> u32 {
        self.found.pid
    }

    fn id(&self) -> ProcessId {
        self.id
    }

    fn reads(&self) -> u64 {
        self.found.memory.reads()
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn is_over(&self) -> bool {
        self.found.memory.replaced()
    }

    fn running_on(&self) -> Option<u32> {
        self.threads.iter().find_map(|sampled| sampled.track.running_on())
    }

    fn tick(
        &mut self,
        now_ns: u64,
        options: &SampleOptions,
        recorder: &mut Recorder,
    ) -> Result<(), MemoryError> {
        let Some(mut stopper) = self.stopper.take() else { return self.look(now_ns, options, recorder) };
        // What a thread waits for cannot be seen while it is stopped.
        self.threads.iter_mut().for_each(|sampled| sampled.track.look_before_stop());
        let wanted = self.threads.iter().filter(|sampled| sampled.track.wanted);
        let tids: Vec<u32> =
            wanted.map(|sampled| sampled.track.entry.native_id).filter(|tid| *tid != 0).collect();
        let stopped = stopper.stop(&tids, MAX_WAIT);
        for sampled in &mut self.threads {
            sampled.track.stopped = stopped.tids().contains(&sampled.track.entry.native_id);
        }
        let looked = self.look(now_ns, options, recorder);
        drop(stopped);
        self.stopper = Some(stopper);
        looked
    }

    fn close(&mut self, now_ns: u64, recorder: &mut Recorder) {
        if now_ns.saturating_sub(self.handed_on_ns) >= NEWS_NS {
            self.handed_on_ns = now_ns;
            self.hand_on(recorder);
        }
    }

    fn end(&mut self, _: u64, recorder: &mut Recorder) {
        self.hand_on(recorder);
    }
}
