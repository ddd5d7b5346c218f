//! What a profile says of its target, its recording and itself.

use serde::{Deserialize, Serialize};

use crate::ids::{ProcessId, StringId};

/// What time means in a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every thread at every tick, whatever it does.
    #[default]
    Wall,
    /// Only threads that run.
    Cpu,
    /// Only threads that hold the GIL.
    Gil,
}

/// How an interpreter was built or started, as far as it changes what is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildFlags {
    /// `Py_DEBUG`.
    pub debug: bool,
    /// `Py_GIL_DISABLED`.
    pub free_threaded: bool,
    /// The just-in-time compiler is compiled in and switched on.
    pub jit: bool,
    /// The interpreter loop is built from tail calls.
    pub tail_call: bool,
    /// The interpreter is in the program itself, not in `libpython`.
    pub static_link: bool,
}

impl BuildFlags {
    /// The flags that are set, in words.
    pub fn names(self) -> Vec<&'static str> {
        let names = [
            (self.debug, "debug"),
            (self.free_threaded, "free-threaded"),
            (self.jit, "JIT"),
            (self.tail_call, "tail-call"),
            (self.static_link, "static"),
        ];
        names.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect()
    }
}

/// A profiled process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Process id as the profiler sees it.
    pub pid: u32,
    /// The profiled process that started it, if that is profiled too.
    pub parent: Option<ProcessId>,
    /// Command line, arguments separated by one space.
    pub command: String,
    /// Full interpreter version, as in `3.14.2`; an unknown or absent part is left out.
    pub python: String,
    /// By what this very build of the interpreter is known again: the build id of its binary, or a hash
    /// of its code. Empty if unknown.
    pub interpreter: String,
    /// Build flags.
    pub build: BuildFlags,
    /// Nanoseconds from the beginning of the recording to the first sample of the process.
    pub start_ns: u64,
}

impl Process {
    /// What the version of the bundled runtime begins with. It is no version of CPython, and nothing that
    /// holds for CPython is said of it.
    pub const BUNDLED: &str = "RustPython";

    /// Whether it runs the runtime that comes with slowpath.
    pub fn is_bundled(&self) -> bool {
        self.python.starts_with(Self::BUNDLED)
    }

    /// Implementation and version, as in `CPython 3.14.2`.
    pub fn interpreter_name(&self) -> String {
        interpreter_name(&self.python)
    }
}

/// Implementation and version, as in `CPython 3.14.2`, out of a version as [`Process::python`] has it.
pub fn interpreter_name(python: &str) -> String {
    if python.starts_with(Process::BUNDLED) { python.to_owned() } else { format!("CPython {python}") }
}

/// A thread of a profiled process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Thread {
    /// Its process.
    pub process: ProcessId,
    /// `PyInterpreterState.id` of the interpreter it belongs to.
    pub interpreter: i64,
    /// `threading.get_ident()`.
    pub python_id: u64,
    /// `threading.get_native_id()`, the kernel's thread id; 0 if unknown.
    pub native_id: u32,
    /// `threading.Thread.name` or the kernel's name of the thread.
    pub name: StringId,
    /// Whether it is the main thread of its process.
    pub is_main: bool,
}

/// How a profile was made. Known at the beginning, unlike [`Stats`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// Version of slowpath that recorded it.
    pub slowpath: String,
    /// What time means.
    pub mode: Mode,
    /// Wanted rate in milli-Hertz per thread; 0 means "as fast as possible".
    pub rate_wanted_mhz: u64,
    /// Whether the target was paused for each sample.
    pub blocking: bool,
    /// Whether garbage collection is shown as a frame.
    pub gc_frames: bool,
    /// Whether hooks were asked for that watch from inside of the process.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exact: bool,
    /// Wall-clock time at the beginning, in nanoseconds since the Unix epoch.
    pub started_unix_ns: u64,
}

impl Meta {
    /// The nominal time one sample stands for, in nanoseconds, if the rate was bounded.
    pub fn period_ns(&self) -> Option<u64> {
        (self.rate_wanted_mhz > 0).then(|| 1_000_000_000_000 / self.rate_wanted_mhz)
    }
}

/// Distribution of the time one tick took to read, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleDuration {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Longest.
    pub max: f64,
}

/// What happened while recording. Every count is what happened; nothing is estimated.
///
/// The field names and their order are the stable format of `--stats-json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Samples taken: one per thread and tick.
    pub samples: u64,
    /// Samples whose stack passed every check, threads without Python frames included.
    pub stacks_valid: u64,
    /// Reads that were broken and were tried again.
    pub retried: u64,
    /// Samples without a consistent stack.
    pub dropped: u64,
    /// Ticks that should have been and were not, because the profiler could not keep up.
    pub missed: u64,
    /// Wanted ticks per second; 0 for "as fast as possible".
    pub rate_wanted_hz: f64,
    /// Ticks per second that were served.
    pub rate_achieved_hz: f64,
    /// Length of the recording in seconds.
    pub duration_s: f64,
    /// CPU time of the profiler itself in seconds.
    pub profiler_cpu_s: f64,
    /// How long one tick took.
    pub sample_us: SampleDuration,
    /// Remote read system calls per sample.
    pub reads_per_sample: f64,
    /// Threads seen.
    pub threads: u32,
    /// Processes seen.
    pub processes: u32,
    /// Version of the first interpreter.
    pub python: String,
    /// Bytes written to outputs.
    pub bytes_written: u64,
}

impl Stats {
    /// The trust score: the share of samples whose stack is right as far as can be known, out of the
    /// samples and the ticks that were missed; 1.0 for a recording without samples.
    pub fn trust(&self) -> f64 {
        let wanted = self.samples + self.missed;
        if wanted == 0 { 1.0 } else { self.stacks_valid as f64 / wanted as f64 }
    }
}
