//! Samples one process: one vectored read per tick for all its threads, then a local walk.

use slowpath_profile::{
    BuildFlags, Mode, Process, ProcessId, Quality, Sample, SampleFlags, StackId, ThreadState,
};

mod one_thread;
mod roster;
mod stopped;

use crate::heads::{Head, HeadPlan};
use crate::layout::spec::Layout;
use crate::options::SampleOptions;
use crate::process::find::Interpreter as Binary;
use crate::process::linux::LiveMemory;
use crate::process::memory::MemoryError;
use crate::process::stop::Stopper;
use crate::process::threads::FileBudget;
use crate::read::code_cache::CodeCache;
use crate::read::image::Image;
use crate::read::stack::RawFrame;
use crate::read::threads::Interpreter;
use crate::recorder::Recorder;
use crate::resolve::gc_frame;
use crate::sampled_process::{Counters, SampledProcess};
use crate::state::{Moment, Tracker};
use crate::thread_track::{Asleep, Track};

/// The thread list is read again at least so often.
const REFRESH_NS: u64 = 100_000_000;
/// Reads of one stack before it is given up, for wrong predictions: each teaches something.
const LESSONS: u32 = 64;
/// Ticks between two comparisons of code objects, where no counter tells of changes.
const WINDOW_TICKS: u32 = 16;

/// A process that is being sampled.
#[derive(Debug)]
pub(crate) struct ProcessSampler {
    memory: LiveMemory,
    layout: Layout,
    runtime: u64,
    binary: Binary,
    pid: u32,
    process: ProcessId,
    codes: CodeCache,
    interpreters: Vec<Interpreter>,
    heads: Vec<(HeadPlan, Head)>,
    tracks: Vec<Track>,
    files: FileBudget,
    image: Image,
    /// For reading one thread again.
    single: Image,
    frames: Vec<RawFrame>,
    /// The frames of the last read that was not believed.
    doubted: Vec<RawFrame>,
    refreshed_ns: Option<u64>,
    window_ticks: u32,
    /// Position among the pending samples at which the window and the tick began.
    window_begins: usize,
    tick_begins: usize,
    /// Stops the threads that are read, if asked for.
    stopper: Option<Stopper>,
    /// Looks at the state of hot code, if asked for.
    tracker: Option<Tracker>,
    counters: Counters,
}

/// A process with a Python that is read in full, as the session found it.
#[derive(Debug)]
pub(crate) struct CurrentFound {
    /// Process id.
    pub(crate) pid: u32,
    /// Its memory.
    pub(crate) memory: LiveMemory,
    /// Its layout.
    pub(crate) layout: Layout,
    /// Address of `_PyRuntime`.
    pub(crate) runtime: u64,
    /// Command line.
    pub(crate) command: String,
    /// Build flags.
    pub(crate) build: BuildFlags,
    /// The binary that holds the interpreter, and what it tells.
    pub(crate) binary: Binary,
}

impl ProcessSampler {
    /// Begins to sample a process.
    pub(crate) fn new(
        found: CurrentFound,
        parent: Option<ProcessId>,
        start_ns: u64,
        files: FileBudget,
        options: &SampleOptions,
        recorder: &mut Recorder,
    ) -> Self {
        let process = recorder.process(Process {
            pid: found.pid,
            parent,
            command: found.command,
            python: found.layout.version.to_string(),
            interpreter: found.binary.identity.clone(),
            build: found.build,
            start_ns,
        });
        let tracker = options.advice.then(|| Tracker::new(process, &found.layout, options.exact.as_deref()));
        Self {
            memory: found.memory,
            binary: found.binary,
            layout: found.layout,
            runtime: found.runtime,
            pid: found.pid,
            process,
            codes: CodeCache::default(),
            interpreters: Vec::new(),
            heads: Vec::new(),
            tracks: Vec::new(),
            files,
            image: Image::default(),
            single: Image::default(),
            frames: Vec::new(),
            doubted: Vec::new(),
            refreshed_ns: None,
            window_ticks: 0,
            window_begins: 0,
            tick_begins: 0,
            stopper: options.blocking.then(|| Stopper::new(found.pid)),
            tracker,
            counters: Counters::default(),
        }
    }

    /// Decides whose stack is read: threads that may have run since the last tick.
    fn choose(&mut self, now_ns: u64, options: &SampleOptions) -> Result<(), MemoryError> {
        if options.mode == Mode::Gil {
            // Only the holder's stack is wanted, so who that is must be known first.
            self.image.clear();
            self.heads.iter_mut().for_each(|(plan, _)| plan.add_to(&mut self.image));
            self.image.fill(&self.memory)?;
            let heads = self.heads.iter().filter_map(|(plan, _)| plan.decode(&self.image));
            let holders: Vec<u64> = heads.map(|head| head.holder).collect();
            for track in &mut self.tracks {
                track.update_cpu(now_ns);
                track.awake = track.wanted && holders.contains(&track.thread.addr);
            }
        } else {
            for track in &mut self.tracks {
                track.awake = track.wanted && track.update_cpu(now_ns);
            }
        }
        if self.stopper.is_some() {
            // A stopped thread tells nothing about what it was doing.
            self.tracks.iter_mut().filter(|track| track.awake).for_each(Track::look_before_stop);
        }
        Ok(())
    }

    /// Copies everything that the tick needs and samples each thread.
    fn read_all(
        &mut self,
        now_ns: u64,
        options: &SampleOptions,
        recorder: &mut Recorder,
    ) -> Result<(), MemoryError> {
        self.image.clear();
        self.heads.iter_mut().for_each(|(plan, _)| plan.add_to(&mut self.image));
        for track in self.tracks.iter_mut().filter(|track| track.awake) {
            track.plan.add_to(&self.layout, &mut self.image);
        }
        self.image.fill(&self.memory)?;
        for (plan, last) in &mut self.heads {
            let Some(head) = plan.decode(&self.image) else { continue };
            if head.threads_head != last.threads_head {
                // A thread has started; the ones that are known are still where they were.
                self.refreshed_ns = None;
            }
            *last = head;
        }
        self.observe_code_changes();
        for number in 0..self.tracks.len() {
            self.sample_thread(number, now_ns, options, recorder);
        }
        Ok(())
    }

    /// Copies the ranges of the last tick again; returns how many bytes.
    pub(crate) fn read_again(&mut self) -> Result<usize, MemoryError> {
        self.image.fill(&self.memory)?;
        Ok(self.image.filled())
    }

    fn observe_code_changes(&mut self) {
        // One counter per interpreter: their sum moves when one does.
        let generation =
            self.heads.iter().try_fold(0u64, |sum, (_, head)| Some(sum.wrapping_add(head.generation?)));
        if self.codes.observe_generation(generation) {
            self.tracks.iter_mut().for_each(|track| track.last.clear());
        }
    }

    /// Before 3.12, makes sure after a tick that code objects were what they seemed to be: the young
    /// ones now, the others when a window of ticks ends.
    fn verify_codes(&mut self, window_ends: bool, recorder: &mut Recorder) {
        if self.codes.counts_changes() {
            return;
        }
        let gone = self.codes.verify(&self.memory, &self.layout, window_ends);
        if !gone.is_empty() {
            self.tracks.iter_mut().for_each(|track| track.last.clear());
            let since = if window_ends { self.window_begins } else { self.tick_begins };
            let withdrawn = recorder.withdraw_functions(&gone, since);
            self.counters.withdraw(withdrawn);
        }
        if window_ends {
            self.window_ticks = 0;
            self.window_begins = recorder.pending();
        }
    }

    fn sample_thread(
        &mut self,
        number: usize,
        now_ns: u64,
        options: &SampleOptions,
        recorder: &mut Recorder,
    ) {
        let track = &mut self.tracks[number];
        let awake = track.awake;
        if !track.wanted || (options.mode == Mode::Gil && !awake) {
            return;
        }
        let head = self.heads.get(track.interpreter).map_or(Head::default(), |(_, head)| *head);
        let holds_gil = head.holder == track.thread.addr;
        let observed = match track.asleep() {
            Some(asleep) if !awake => asleep,
            _ => {
                let Some((stack, quality)) = self.read_thread(number, recorder) else { return };
                let gil = self.gil_range(number);
                let track = &mut self.tracks[number];
                let state = track.state(holds_gil, false, gil, now_ns);
                if state == ThreadState::Running && quality != Quality::Dropped {
                    self.tracker.iter_mut().for_each(|tracker| tracker.observe(&self.frames, &self.codes));
                }
                let seen = Asleep { state, stack, quality };
                if state != ThreadState::Running && quality != Quality::Dropped {
                    track.falls_asleep(seen);
                }
                seen
            }
        };
        let track = &mut self.tracks[number];
        let cpu_ns = track.take_cpu_ns();
        if options.mode == Mode::Cpu && observed.state != ThreadState::Running {
            return;
        }
        let in_gc = head.collecting && holds_gil;
        let mut flags = SampleFlags::default();
        if holds_gil {
            flags = flags.with(SampleFlags::HOLDS_GIL);
        }
        if in_gc {
            flags = flags.with(SampleFlags::IN_GC);
        }
        let stack = match in_gc && options.gc_frames {
            true => Self::with_gc(observed.stack, recorder),
            false => observed.stack,
        };
        let Asleep { state, quality, .. } = observed;
        self.counters.count(quality);
        recorder.sample(Sample {
            time_ns: now_ns,
            thread: self.tracks[number].id,
            stack,
            cpu_ns,
            state,
            flags,
            quality,
        });
    }

    /// Looks at hot code, if it is time.
    fn look(&mut self, now_ns: u64, recorder: &mut Recorder) {
        let Some(tracker) = &mut self.tracker else { return };
        tracker.look(Moment {
            memory: &self.memory,
            layout: &self.layout,
            pid: self.pid,
            binary: &self.binary,
            runtime: self.runtime,
            interpreters: &self.interpreters,
            now_ns,
            codes: &mut self.codes,
            tables: &mut recorder.tables,
        });
    }

    /// Makes what is pending ready to be handed on, with the evidence if there is some news or it is the
    /// last time.
    fn hand_on(&mut self, now_ns: u64, is_last: bool, recorder: &mut Recorder) {
        self.verify_codes(true, recorder);
        // What is pending is handed on after this.
        self.window_begins = 0;
        let tracker = self.tracker.as_mut().filter(|tracker| is_last || tracker.is_news(now_ns));
        let evidence = tracker.and_then(|tracker| tracker.evidence(now_ns, &mut recorder.tables));
        evidence.into_iter().for_each(|evidence| recorder.evidence(evidence));
    }

    fn with_gc(stack: Option<StackId>, recorder: &mut Recorder) -> Option<StackId> {
        let frame = gc_frame(&mut recorder.tables);
        recorder.tables.intern_stack(stack, frame).or(stack)
    }

    fn gil_range(&self, number: usize) -> std::ops::Range<u64> {
        let interpreter = self.interpreters.get(self.tracks[number].interpreter);
        let gil = interpreter.map_or(0, |interpreter| interpreter.gil);
        gil..gil.saturating_add(self.layout.interpreter.gil.size as u64)
    }
}

impl SampledProcess for ProcessSampler {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn id(&self) -> ProcessId {
        self.process
    }

    fn reads(&self) -> u64 {
        self.memory.reads()
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn is_over(&self) -> bool {
        self.memory.replaced()
    }

    fn running_on(&self) -> Option<u32> {
        let holds_gil = |track: &&Track| self.heads.iter().any(|(_, head)| head.holder == track.thread.addr);
        self.tracks.iter().find(holds_gil).and_then(Track::running_on)
    }

    fn tick(
        &mut self,
        now_ns: u64,
        options: &SampleOptions,
        recorder: &mut Recorder,
    ) -> Result<(), MemoryError> {
        let due = self.refreshed_ns.is_none_or(|at| now_ns.saturating_sub(at) >= REFRESH_NS);
        if due {
            self.refresh(now_ns, options, recorder)?;
        }
        self.tick_begins = recorder.pending();
        self.tracker.iter_mut().for_each(|tracker| tracker.begin_tick(now_ns));
        self.choose(now_ns, options)?;
        match self.stopper.take() {
            Some(mut stopper) => {
                let read = self.read_stopped(&mut stopper, now_ns, options, recorder);
                self.stopper = Some(stopper);
                read?;
            }
            None => self.read_all(now_ns, options, recorder)?,
        }
        self.window_ticks += 1;
        self.verify_codes(self.window_ticks >= WINDOW_TICKS, recorder);
        self.look(now_ns, recorder);
        Ok(())
    }

    fn close(&mut self, now_ns: u64, recorder: &mut Recorder) {
        self.hand_on(now_ns, false, recorder);
    }

    fn end(&mut self, now_ns: u64, recorder: &mut Recorder) {
        self.hand_on(now_ns, true, recorder);
    }
}
