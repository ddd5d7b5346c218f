//! The loop of a session: waits for the tick, samples every process, hands batches on.

use std::time::{Duration, Instant};

use slowpath_profile::{ProcessId, Stats};

use crate::bundled::BundledSampler;
use crate::durations::Durations;
use crate::legacy_sampler::LegacySampler;
use crate::options::SampleOptions;
use crate::process::children::ProcessTree;
use crate::process::clock;
use crate::process::error::AttachError;
use crate::process::memory::MemoryError;
use crate::process::threads::FileBudget;
use crate::process_sampler::ProcessSampler;
use crate::recorder::Recorder;
use crate::same_core::SameCore;
use crate::sampled_process::{Counters, SampledProcess};
use crate::schedule::Schedule;
use crate::session::{BatchSink, End, Found, Outcome, Progress, StopFlag, find, may_pass};

/// The tree of processes is looked at so often when children are followed.
const CHILDREN_INTERVAL_NS: u64 = 20_000_000;
/// A child that shows no interpreter is tried again for so long.
const CHILD_PATIENCE_NS: u64 = 3_000_000_000;
/// Whether processes still run is asked so often.
const ALIVE_INTERVAL_NS: u64 = 50_000_000;
/// The longest sleep, so that a stop is noticed soon at any rate.
const MAX_SLEEP_NS: u64 = 50_000_000;
/// Most processes sampled at once.
const MAX_PROCESSES: usize = 512;

/// A child that has been seen and not been understood yet.
#[derive(Debug)]
struct Candidate {
    pid: u32,
    parent: u32,
    seen_ns: u64,
}

/// The sampling loop.
pub(crate) struct Loop<'a> {
    options: &'a SampleOptions,
    recorder: Recorder,
    processes: Vec<Box<dyn SampledProcess>>,
    /// What ended processes leave.
    finished: (Counters, u64),
    tree: Option<ProcessTree>,
    candidates: Vec<Candidate>,
    files: FileBudget,
    same_core: Option<SameCore>,
    schedule: Schedule,
    durations: Durations,
    ticks: u64,
    begun: Instant,
    python: String,
    warnings: Vec<String>,
    looked_alive_ns: u64,
    looked_children_ns: u64,
}

impl<'a> Loop<'a> {
    pub(crate) fn new(found: Found, options: &'a SampleOptions, sink: Box<dyn BatchSink>) -> Self {
        let files = FileBudget::from_limit();
        let mut recorder = Recorder::new(sink);
        let tree = options.children.then(|| ProcessTree::new(found.pid()));
        let python = found.python();
        let seed = u64::from(found.pid()) ^ u64::from(std::process::id()) << 32;
        // A call takes the bundled runtime less time than it takes to copy its stack: from another core only what
        // stands for long would be seen, and shares would be wrong.
        let wants_same_core = options.same_core || (found.is_bundled() && !options.blocking);
        let first = begin(found, None, 0, &files, options, &mut recorder);
        Self {
            options,
            recorder,
            processes: vec![first],
            finished: (Counters::default(), 0),
            tree,
            candidates: Vec::new(),
            files,
            same_core: wants_same_core.then(SameCore::new).flatten(),
            schedule: Schedule::new(options.rate.period(), seed),
            durations: Durations::default(),
            ticks: 0,
            begun: Instant::now(),
            python,
            warnings: Vec::new(),
            looked_alive_ns: 0,
            looked_children_ns: 0,
        }
    }

    /// Samples until something ends it.
    pub(crate) fn run(mut self, stop: &StopFlag, progress: &Progress) -> Outcome {
        clock::precise_sleep();
        let cpu_before = clock::process_cpu();
        let end = loop {
            if stop.is_stopped() {
                break End::Stopped;
            }
            let now_ns = self.now_ns();
            if let Some(limit) = self.options.duration
                && now_ns >= limit.as_nanos() as u64
            {
                break End::Duration;
            }
            let due_ns = self.schedule.next(now_ns);
            if !self.wait_until(due_ns, stop) {
                break End::Stopped;
            }
            self.tick();
            if self.recorder.is_due(self.now_ns()) {
                let now_ns = self.now_ns();
                self.processes.iter_mut().for_each(|process| process.close(now_ns, &mut self.recorder));
                if self.recorder.flush(self.now_ns()).is_err() {
                    break End::Stopped;
                }
                let counters = self.counters();
                let missed = self.schedule.missed();
                progress.publish(now_ns, self.ticks, counters.samples, counters.dropped, missed);
            }
            if self.processes.is_empty() && self.candidates.is_empty() {
                break End::TargetExited;
            }
        };
        self.finish(end, cpu_before)
    }

    fn now_ns(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    /// Sleeps until the tick; `false` when the session was stopped meanwhile.
    fn wait_until(&self, due_ns: u64, stop: &StopFlag) -> bool {
        loop {
            let now_ns = self.now_ns();
            if now_ns >= due_ns {
                return true;
            }
            if stop.is_stopped() {
                return false;
            }
            std::thread::sleep(Duration::from_nanos((due_ns - now_ns).min(MAX_SLEEP_NS)));
        }
    }

    fn tick(&mut self) {
        let now_ns = self.now_ns();
        if let Some(same_core) = &mut self.same_core {
            let processes = &self.processes;
            same_core.follow(now_ns, || processes.iter().find_map(|process| process.running_on()));
        }
        let (options, recorder) = (self.options, &mut self.recorder);
        let mut gone = Vec::new();
        for (number, process) in self.processes.iter_mut().enumerate() {
            match process.tick(now_ns, options, recorder) {
                // A head that cannot be read while the process lives means that it is starting,
                // forking or ending: the next tick tells.
                Ok(()) | Err(MemoryError::Unmapped(_)) => {}
                Err(MemoryError::Gone | MemoryError::Denied) => gone.push(number),
            }
        }
        self.durations.add(self.now_ns() - now_ns);
        self.ticks += 1;
        if now_ns - self.looked_alive_ns >= ALIVE_INTERVAL_NS {
            self.looked_alive_ns = now_ns;
            gone.extend((0..self.processes.len()).filter(|&number| self.processes[number].is_over()));
        }
        gone.sort_unstable();
        gone.dedup();
        for number in gone.into_iter().rev() {
            self.end_process(number, now_ns);
        }
        if now_ns - self.looked_children_ns >= CHILDREN_INTERVAL_NS {
            self.looked_children_ns = now_ns;
            self.follow_children(now_ns);
        }
    }

    /// Takes a process that ended, or runs another program, out of the loop.
    fn end_process(&mut self, number: usize, now_ns: u64) {
        let mut process = self.processes.swap_remove(number);
        process.end(now_ns, &mut self.recorder);
        self.finished.0.add(&process.counters());
        self.finished.1 += process.reads();
        // After exec the same id runs something else, perhaps Python again.
        if std::fs::exists(format!("/proc/{}/exe", process.pid())).unwrap_or(false) {
            self.candidates.push(Candidate { pid: process.pid(), parent: process.pid(), seen_ns: now_ns });
        }
    }

    fn follow_children(&mut self, now_ns: u64) {
        if let Some(tree) = &mut self.tree {
            let started = tree.poll().started.into_iter();
            self.candidates.extend(started.map(|(key, parent)| Candidate {
                pid: key.pid,
                parent,
                seen_ns: now_ns,
            }));
        }
        for candidate in std::mem::take(&mut self.candidates) {
            if self.processes.iter().any(|process| process.pid() == candidate.pid) {
                continue;
            }
            match find(candidate.pid) {
                Ok(found) if self.processes.len() < MAX_PROCESSES => {
                    self.add_process(found, candidate.parent, now_ns)
                }
                Ok(_) => self
                    .warn(format!("more than {MAX_PROCESSES} processes: {} is not sampled", candidate.pid)),
                Err(error) if may_pass(&error) && now_ns - candidate.seen_ns < CHILD_PATIENCE_NS => {
                    self.candidates.push(candidate);
                }
                // A child that is not Python is nobody's business here.
                Err(AttachError::NotPython { .. }) => {}
                Err(error) => self.warn(format!("child {}: {}", candidate.pid, error.what())),
            }
        }
    }

    fn add_process(&mut self, found: Found, parent: u32, now_ns: u64) {
        let parent: Option<ProcessId> =
            self.processes.iter().find(|process| process.pid() == parent).map(|process| process.id());
        let process = begin(found, parent, now_ns, &self.files, self.options, &mut self.recorder);
        self.processes.push(process);
    }

    fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) && self.warnings.len() < 32 {
            self.warnings.push(warning);
        }
    }

    fn counters(&self) -> Counters {
        let mut sum = self.finished.0;
        self.processes.iter().for_each(|process| sum.add(&process.counters()));
        sum
    }

    fn finish(mut self, end: End, cpu_before: Duration) -> Outcome {
        let now_ns = self.now_ns();
        self.processes.iter_mut().for_each(|process| process.end(now_ns, &mut self.recorder));
        let elapsed = self.begun.elapsed();
        let counters = self.counters();
        let reads = self.finished.1 + self.processes.iter().map(|process| process.reads()).sum::<u64>();
        let lost = self.recorder.lost;
        let mut stats = Stats {
            samples: counters.samples,
            stacks_valid: counters.valid,
            retried: counters.retried,
            dropped: counters.dropped + lost,
            missed: self.schedule.missed(),
            rate_wanted_hz: self.options.rate.hertz(),
            rate_achieved_hz: self.ticks as f64 / elapsed.as_secs_f64().max(1e-9),
            duration_s: elapsed.as_secs_f64(),
            profiler_cpu_s: 0.0,
            sample_us: self.durations.summary(),
            reads_per_sample: reads as f64 / (counters.samples.max(1)) as f64,
            threads: self.recorder.threads(),
            processes: self.recorder.processes(),
            python: self.python,
            bytes_written: 0,
        };
        let mut warnings = self.warnings;
        if lost > 0 {
            warnings.push(format!("{lost} samples were lost because they could not be written fast enough"));
        }
        let end = match self.recorder.finish() {
            Ok(()) => end,
            Err(error) => End::Sink(error),
        };
        // With what it took to write the samples down.
        stats.profiler_cpu_s = clock::process_cpu().saturating_sub(cpu_before).as_secs_f64();
        Outcome { stats, end, warnings }
    }
}

/// Begins to sample a process.
fn begin(
    found: Found,
    parent: Option<ProcessId>,
    now_ns: u64,
    files: &FileBudget,
    options: &SampleOptions,
    recorder: &mut Recorder,
) -> Box<dyn SampledProcess> {
    match found {
        Found::Current(found) => {
            Box::new(ProcessSampler::new(*found, parent, now_ns, files.clone(), options, recorder))
        }
        Found::Bundled(found) => {
            Box::new(BundledSampler::new(*found, parent, now_ns, files.clone(), options, recorder))
        }
        Found::Legacy(found) => Box::new(LegacySampler::new(*found, parent, now_ns, recorder)),
    }
}
