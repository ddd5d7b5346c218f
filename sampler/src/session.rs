//! A sampling session: which processes, how often, and where the batches go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use slowpath_profile::{Batch, Meta, Stats};

use crate::dump::{Dump, DumpOptions};
use crate::options::SampleOptions;
use crate::process::error::AttachError;

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
}

impl Progress {
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

/// A process that slowpath is attached to.
#[derive(Debug)]
pub struct Target {
    pid: u32,
}

impl Target {
    /// Finds the interpreter of a process and learns how to read it, waiting up to `patience` for an
    /// interpreter to appear and to be initialised (a process that has just been started).
    pub fn attach(pid: u32, patience: Duration) -> Result<Self, AttachError> {
        let _ = patience;
        Ok(Self { pid })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Interpreter version, as in `3.14.2`.
    pub fn python(&self) -> String {
        String::new()
    }

    /// One look at all threads.
    pub fn dump(&mut self, options: DumpOptions) -> Result<Dump, AttachError> {
        let _ = options;
        Err(AttachError::NoSuchProcess { pid: self.pid })
    }

    /// Samples until the target ends, the duration is over or `stop` is set.
    pub fn sample(
        self,
        options: &SampleOptions,
        sink: Box<dyn BatchSink>,
        stop: &StopFlag,
        progress: &Progress,
    ) -> Outcome {
        let _ = (options, sink, stop, progress);
        Outcome { stats: Stats::default(), end: End::TargetExited, warnings: Vec::new() }
    }

    /// The description of a recording made with `options`.
    pub fn meta(&self, options: &SampleOptions) -> Meta {
        Meta {
            slowpath: env!("CARGO_PKG_VERSION").into(),
            mode: options.mode,
            rate_wanted_mhz: (options.rate.hertz() * 1000.0) as u64,
            blocking: options.blocking,
            gc_frames: options.gc_frames,
            started_unix_ns: 0,
        }
    }
}
