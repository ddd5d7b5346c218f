//! A sampling session: which processes, how often, and where the batches go.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use slowpath_profile::{Batch, BuildFlags, Meta, Stats};

use crate::bundled::BundledFound;
use crate::dump::{Dump, DumpOptions};
use crate::layout::{layout_for, published_len};
use crate::legacy_sampler::LegacyFound;
use crate::options::SampleOptions;
use crate::probe::Probe;
use crate::process::error::AttachError;
use crate::process::find::find_interpreter;
use crate::process::legacy::LegacyProcess;
use crate::process::linux::LiveMemory;
use crate::process::memory::{Memory, MemoryError};
use crate::process::recorded::RecordedMemory;
use crate::process_sampler::CurrentFound;
use crate::read::threads::interpreters;
use crate::remote_exec::{self, Handed, RemoteExecError};
use crate::sampling_loop::Loop;

/// Between two looks at a process that is not ready yet.
const ATTACH_INTERVAL: Duration = Duration::from_millis(1);

/// Asks a session to end after the current tick. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Asks the session to end.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of a running session for a progress line; reading them never disturbs sampling.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<ProgressCounters>);

#[derive(Debug, Default)]
struct ProgressCounters {
    ticks: AtomicU64,
    samples: AtomicU64,
    dropped: AtomicU64,
    missed: AtomicU64,
    elapsed_ns: AtomicU64,
}

impl Progress {
    /// Publishes the counters of a session.
    pub(crate) fn publish(&self, elapsed_ns: u64, ticks: u64, samples: u64, dropped: u64, missed: u64) {
        self.0.ticks.store(ticks, Ordering::Relaxed);
        self.0.samples.store(samples, Ordering::Relaxed);
        self.0.dropped.store(dropped, Ordering::Relaxed);
        self.0.missed.store(missed, Ordering::Relaxed);
        self.0.elapsed_ns.store(elapsed_ns, Ordering::Relaxed);
    }

    /// Ticks served so far.
    pub fn ticks(&self) -> u64 {
        self.0.ticks.load(Ordering::Relaxed)
    }
    /// Samples so far.
    pub fn samples(&self) -> u64 {
        self.0.samples.load(Ordering::Relaxed)
    }
    /// Samples without a consistent stack so far.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
    /// Ticks missed so far.
    pub fn missed(&self) -> u64 {
        self.0.missed.load(Ordering::Relaxed)
    }
    /// Nanoseconds from the beginning of the session to when these counters were published.
    pub fn elapsed_ns(&self) -> u64 {
        self.0.elapsed_ns.load(Ordering::Relaxed)
    }
}

/// Where batches go. A session hands on a batch at least twice a second; the receiver may be slow
/// (it runs on a thread of its own behind a bounded queue), sampling never waits for it.
pub trait BatchSink: Send {
    /// Takes the next batch. An error ends the session.
    fn batch(&mut self, batch: Batch) -> std::io::Result<()>;
}

/// Why a session ended.
#[derive(Debug)]
pub enum End {
    /// The last profiled process ended.
    TargetExited,
    /// The asked-for duration is over.
    Duration,
    /// The caller stopped it.
    Stopped,
    /// The sink failed.
    Sink(std::io::Error),
}

/// What a session leaves behind.
#[derive(Debug)]
pub struct Outcome {
    /// What happened; `bytes_written` is the caller's to fill in.
    pub stats: Stats,
    /// Why it ended.
    pub end: End,
    /// Sentences for the user about what went wrong on the way (children that could not be read,
    /// ticks missed), each once.
    pub warnings: Vec<String>,
}

/// A process whose interpreter has been found.
#[derive(Debug)]
pub(crate) enum Found {
    /// CPython 3.8+.
    Current(Box<CurrentFound>),
    /// Older.
    Legacy(Box<LegacyFound>),
    /// The runtime that comes with slowpath.
    Bundled(Box<BundledFound>),
}

impl Found {
    pub(crate) fn is_bundled(&self) -> bool {
        matches!(self, Self::Bundled(_))
    }

    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Current(found) => found.pid,
            Self::Legacy(found) => found.pid,
            Self::Bundled(found) => found.pid,
        }
    }

    pub(crate) fn python(&self) -> String {
        match self {
            Self::Current(found) => found.layout.version.to_string(),
            Self::Legacy(found) => found.process.version(),
            Self::Bundled(found) => found.version(),
        }
    }
}

/// A process that slowpath is attached to.
#[derive(Debug)]
pub struct Target {
    found: Found,
}

impl Target {
    /// Finds the interpreter of a process and learns how to read it, waiting up to `patience` for an
    /// interpreter to appear and to be initialised (a process that has just been started).
    pub fn attach(pid: u32, patience: Duration) -> Result<Self, AttachError> {
        let begun = Instant::now();
        loop {
            let attempt = find(pid);
            let left = patience.saturating_sub(begun.elapsed());
            match attempt {
                Ok(found) => return Ok(Self { found }),
                Err(error) if left.is_zero() || !may_pass(&error) => return Err(error),
                Err(_) => std::thread::sleep(ATTACH_INTERVAL.min(left)),
            }
        }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.found.pid()
    }

    /// Interpreter version, as in `3.14.2`.
    pub fn python(&self) -> String {
        self.found.python()
    }

    /// By what this build of the interpreter is known again; empty if unknown.
    pub fn interpreter(&self) -> &str {
        match &self.found {
            Found::Current(found) => &found.binary.identity,
            Found::Bundled(found) => &found.identity,
            Found::Legacy(_) => "",
        }
    }

    /// Build flags.
    pub fn build(&self) -> BuildFlags {
        match &self.found {
            Found::Current(found) => found.build,
            Found::Bundled(found) => found.build(),
            Found::Legacy(_) => BuildFlags::default(),
        }
    }

    /// Command line.
    pub fn command(&self) -> &str {
        match &self.found {
            Found::Current(found) => &found.command,
            Found::Legacy(found) => &found.command,
            Found::Bundled(found) => &found.command,
        }
    }

    /// Whether only stacks can be read: Python older than 3.8.
    pub fn is_legacy(&self) -> bool {
        matches!(self.found, Found::Legacy(_))
    }

    /// Whether it is the runtime that comes with slowpath, which has no GIL.
    pub fn is_bundled(&self) -> bool {
        self.found.is_bundled()
    }

    /// One look at all threads.
    pub fn dump(&mut self, options: DumpOptions) -> Result<Dump, AttachError> {
        match &mut self.found {
            Found::Current(found) => crate::snapshot::take(found, options),
            Found::Legacy(found) => crate::legacy_sampler::dump(found),
            Found::Bundled(found) => crate::bundled::dump(found, options),
        }
    }

    /// Has the main thread run a script (3.14+). This writes to the process: only for who asked for it by name.
    pub fn hand_over(&self, script: &Path) -> Result<Handed, RemoteExecError> {
        match &self.found {
            Found::Current(found) => remote_exec::hand_over(found, script),
            Found::Legacy(found) => Err(RemoteExecError::TooOld(found.process.version())),
            Found::Bundled(_) => Err(RemoteExecError::Bundled),
        }
    }

    /// For measuring: sample by sample. `None` for Python older than 3.8 and the bundled runtime.
    pub fn probe(self) -> Option<Probe> {
        match self.found {
            Found::Current(found) => Some(Probe::new(*found)),
            Found::Legacy(_) | Found::Bundled(_) => None,
        }
    }

    /// Keeps the memory that a dump reads, so that it can be read again without the process: for bug
    /// reports and for tests that need no interpreter. `None` for Python older than 3.8.
    pub fn record_memory(self, options: DumpOptions) -> Option<Result<RecordedMemory, MemoryError>> {
        match self.found {
            Found::Current(found) => Some(crate::snapshot::record(*found, options)),
            Found::Bundled(found) => Some(crate::bundled::record(*found)),
            Found::Legacy(_) => None,
        }
    }

    /// Samples until the target ends, the duration is over or `stop` is set.
    pub fn sample(
        self,
        options: &SampleOptions,
        sink: Box<dyn BatchSink>,
        stop: &StopFlag,
        progress: &Progress,
    ) -> Outcome {
        Loop::new(self.found, options, sink).run(stop, progress)
    }

    /// The description of a recording made with `options`.
    pub fn meta(&self, options: &SampleOptions) -> Meta {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Meta {
            slowpath: env!("CARGO_PKG_VERSION").into(),
            mode: options.mode,
            rate_wanted_mhz: (options.rate.hertz() * 1000.0).round() as u64,
            blocking: options.blocking,
            gc_frames: options.gc_frames,
            exact: options.exact.is_some(),
            started_unix_ns: now.map_or(0, |elapsed| elapsed.as_nanos() as u64),
        }
    }
}

/// Whether a process that cannot be attached to now may be attached to soon: it is starting.
pub(crate) fn may_pass(error: &AttachError) -> bool {
    matches!(error, AttachError::NotPython { .. } | AttachError::NotInitialised { .. })
}

/// The arguments of a process, separated by one space.
fn command_line(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let arguments = bytes.split(|&byte| byte == 0).filter(|argument| !argument.is_empty());
    arguments.map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

/// Finds the interpreter of a process and its layout.
pub(crate) fn find(pid: u32) -> Result<Found, AttachError> {
    let memory = LiveMemory::open(pid);
    let interpreter = match find_interpreter(pid, &memory) {
        Ok(interpreter) => interpreter,
        // The one Python without CPython in it.
        Err(error @ AttachError::NotPython { .. }) => {
            let bundled = BundledFound::find(pid, command_line(pid)).ok_or(error)?;
            return bundled.map(|found| Found::Bundled(Box::new(found)));
        }
        Err(error) => return Err(error),
    };
    if interpreter.is_legacy() {
        let process = LegacyProcess::attach(pid)?;
        return Ok(Found::Legacy(Box::new(LegacyFound { pid, process, command: command_line(pid) })));
    }
    let not_ready = || AttachError::NotInitialised { pid };
    let runtime = interpreter.runtime_addr.ok_or_else(not_ready)?;
    let published = match published_len(interpreter.version) {
        Some(len) => {
            Some(memory.read_bytes(runtime, len).map_err(|error| AttachError::from_memory(pid, error))?)
        }
        None => None,
    };
    let layout = layout_for(interpreter.version, interpreter.build, published.as_deref())
        .map_err(|error| AttachError::Layout { pid, error: error.to_string() })?;
    let ready = interpreters(&memory, &layout, runtime)
        .is_ok_and(|found| found.iter().any(|interpreter| !interpreter.threads.is_empty()));
    if !ready {
        return Err(not_ready());
    }
    let build = layout.build;
    let command = command_line(pid);
    Ok(Found::Current(Box::new(CurrentFound {
        pid,
        memory,
        layout,
        runtime,
        command,
        build,
        binary: interpreter,
    })))
}
