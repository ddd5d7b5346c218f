//! Hand-made profiles for the tests of views, exporters and the command line.
//!
//! A test should read like the program it imagines:
//!
//! ```
//! use slowpath_profile::ThreadState::{Idle, Running};
//! use slowpath_profile::testing::ProfileBuilder;
//!
//! let profile = ProfileBuilder::new()
//!     .thread("MainThread")
//!     .sample(&["<module>", "serve", "shop.py:Cart.total:12"], Running, 3)
//!     .thread("worker-1")
//!     .sample(&["run", "wait"], Idle, 2)
//!     .dropped(1)
//!     .build();
//! assert_eq!(profile.samples.len(), 6);
//! ```

mod steady;

pub use steady::Steady;

use crate::ids::{FrameId, FunctionId, Id, ProcessId, StackId, ThreadId};
use crate::meta::{Meta, Process, SampleDuration, Stats, Thread};
use crate::sample::{Quality, Sample, SampleFlags, ThreadState};
use crate::source::Profile;
use crate::tables::{Frame, Function, FunctionKind, Span};

/// Nanoseconds between two samples of a built profile: 1 kHz.
pub const PERIOD_NS: u64 = 1_000_000;

/// Builds a [`Profile`] sample by sample. The clock advances [`PERIOD_NS`] with each; a running
/// sample used all of it on the CPU, any other sample none.
///
/// A frame is written `[FILE:]QUALNAME[:LINE]`, from the root to the leaf. The file is `app.py`
/// unless it is given, the line the second of the function. `<GC>` is a frame of the runtime.
#[derive(Clone, Debug)]
pub struct ProfileBuilder {
    profile: Profile,
    process: ProcessId,
    thread: Option<ThreadId>,
    flags: SampleFlags,
    now_ns: u64,
}

impl Default for ProfileBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ProfileBuilder {
    /// One sample of each of `stacks` stacks, 4 to 20 frames deep, in the order of a walk through a tree, so
    /// that neighbours share most of their callers; all of the last of `threads` threads.
    pub fn tree(threads: u64, stacks: u32) -> Self {
        let builder = (0..threads).fold(Self::new(), |it, thread| it.thread(&format!("worker-{thread}")));
        (0..stacks).fold(builder, |builder, stack| {
            let frames: Vec<String> = (0..4 + stack % 17)
                .map(|depth| {
                    let branch = stack >> 18_u32.saturating_sub(depth).min(11);
                    format!("package/module_{depth}.py:Class.method_{branch}:{}", branch * 10 + 1 + stack % 5)
                })
                .collect();
            let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
            builder.sample(&frames, ThreadState::Running, 1)
        })
    }

    /// A profile without samples, of process 4242 running `python app.py` on CPython 3.14.2.
    pub fn new() -> Self {
        let meta = Meta {
            slowpath: "0.1.0".into(),
            rate_wanted_mhz: 1_000_000,
            started_unix_ns: 1_750_000_000_000_000_000,
            ..Meta::default()
        };
        let profile = Profile { meta, ..Profile::default() };
        let flags = SampleFlags::default();
        Self { profile, process: ProcessId(0), thread: None, flags, now_ns: 0 }.process(4242)
    }

    /// What follows belongs to this process, which is added if it is new.
    #[must_use]
    pub fn process(mut self, pid: u32) -> Self {
        if let Some(at) = self.profile.processes.iter().position(|known| known.pid == pid) {
            return self.select_process(ProcessId::from_index(at));
        }
        // Before the first thread, naming a process replaces the one that a builder begins with.
        if self.profile.threads.is_empty() {
            self.profile.processes.clear();
        }
        let parent = (!self.profile.processes.is_empty()).then_some(ProcessId(0));
        self.profile.processes.push(Process {
            pid,
            parent,
            command: "python app.py".into(),
            python: "3.14.2".into(),
            start_ns: self.now_ns,
            ..Process::default()
        });
        let id = ProcessId::from_index(self.profile.processes.len() - 1);
        self.select_process(id)
    }

    /// What follows belongs to the thread of this name, which is added if it is new.
    #[must_use]
    pub fn thread(mut self, name: &str) -> Self {
        self.thread = Some(self.add_thread(name));
        self
    }

    /// The samples that follow carry these flags.
    #[must_use]
    pub fn flags(mut self, flags: SampleFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Lets time pass without a sample.
    #[must_use]
    pub fn pause_ns(mut self, ns: u64) -> Self {
        self.now_ns += ns;
        self
    }

    /// `count` samples of the current thread in this stack; an empty stack is "no Python code".
    #[must_use]
    pub fn sample(mut self, stack: &[&str], state: ThreadState, count: u64) -> Self {
        let stack = self.intern(stack);
        let cpu_ns = if state == ThreadState::Running { PERIOD_NS } else { 0 };
        for _ in 0..count {
            self.push(stack, state, cpu_ns, Quality::Clean);
        }
        self
    }

    /// `count` samples of the current thread without a consistent stack.
    #[must_use]
    pub fn dropped(mut self, count: u64) -> Self {
        for _ in 0..count {
            self.push(None, ThreadState::Running, PERIOD_NS, Quality::Dropped);
        }
        self
    }

    /// The profile, with the statistics that follow from its samples.
    #[must_use]
    pub fn build(mut self) -> Profile {
        let samples = &self.profile.samples;
        let dropped = samples.iter().filter(|sample| sample.quality == Quality::Dropped).count() as u64;
        self.profile.stats = Stats {
            samples: samples.len() as u64,
            stacks_valid: samples.len() as u64 - dropped,
            retried: dropped,
            dropped,
            rate_wanted_hz: 1000.0,
            rate_achieved_hz: 1000.0,
            duration_s: self.now_ns as f64 / 1e9,
            profiler_cpu_s: 0.001,
            sample_us: SampleDuration { p50: 10.0, p99: 20.0, max: 40.0 },
            reads_per_sample: 1.0,
            threads: self.profile.threads.len() as u32,
            processes: self.profile.processes.len() as u32,
            python: "3.14.2".into(),
            ..Stats::default()
        };
        self.profile
    }

    fn select_process(mut self, process: ProcessId) -> Self {
        self.process = process;
        let threads = &self.profile.threads;
        let known = threads.iter().position(|thread| thread.process == process);
        self.thread = known.map(ThreadId::from_index);
        self
    }

    fn add_thread(&mut self, name: &str) -> ThreadId {
        let process = self.process;
        let name = self.profile.tables.strings.intern_str(name);
        let threads = &mut self.profile.threads;
        if let Some(at) = threads.iter().position(|known| (known.process, known.name) == (process, name)) {
            return ThreadId::from_index(at);
        }
        let before = threads.iter().filter(|known| known.process == process).count() as u32;
        let native_id = self.profile.processes[process.index()].pid + before;
        threads.push(Thread {
            process,
            interpreter: 0,
            python_id: 0x7f00_0000_0000 + u64::from(before) * 0x1000,
            native_id,
            name,
            is_main: before == 0,
        });
        ThreadId::from_index(threads.len() - 1)
    }

    fn push(&mut self, stack: Option<StackId>, state: ThreadState, cpu_ns: u64, quality: Quality) {
        let thread = self.thread.unwrap_or_else(|| self.add_thread("MainThread"));
        self.thread = Some(thread);
        let time_ns = self.now_ns;
        self.now_ns += PERIOD_NS;
        let flags = self.flags;
        self.profile.samples.push(Sample { time_ns, thread, stack, cpu_ns, state, flags, quality });
    }

    fn intern(&mut self, stack: &[&str]) -> Option<StackId> {
        let mut node = None;
        for frame in stack {
            let frame = self.intern_frame(frame);
            node = self.profile.tables.intern_stack(node, frame);
        }
        node
    }

    fn intern_frame(&mut self, text: &str) -> FrameId {
        let (file, qualname, line) = parse_frame(text);
        let function = self.intern_function(file, qualname);
        let first_line = self.profile.tables.functions.values()[function.index()].first_line;
        let span = match (line, first_line) {
            (Some(line), _) => Span::of_line(line),
            (None, 0) => Span::default(),
            (None, first) => Span::of_line(first + 1),
        };
        self.profile.tables.frames.intern(Frame { function, instruction: None, span })
    }

    /// Functions of a file begin at line 1, 11, 21 … in the order in which they are mentioned.
    fn intern_function(&mut self, file: &str, qualname: &str) -> FunctionId {
        let tables = &mut self.profile.tables;
        let runtime = qualname == "<GC>";
        let file = tables.strings.intern_str(if runtime { "" } else { file });
        let name = tables.strings.intern_str(qualname.rsplit('.').next().unwrap_or(qualname));
        let qualname = tables.strings.intern_str(qualname);
        let known = tables.functions.values();
        if let Some(at) = known.iter().position(|known| (known.file, known.qualname) == (file, qualname)) {
            return FunctionId::from_index(at);
        }
        let before = known.iter().filter(|known| known.file == file).count() as u32;
        let kind = if runtime { FunctionKind::Runtime } else { FunctionKind::Python };
        let first_line = if runtime { 0 } else { before * 10 + 1 };
        tables.functions.intern(Function { name, qualname, file, first_line, kind })
    }
}

/// Splits `[FILE:]QUALNAME[:LINE]`.
fn parse_frame(text: &str) -> (&str, &str, Option<u32>) {
    let (text, line) = match text.rsplit_once(':') {
        Some((before, last)) if last.parse::<u32>().is_ok() => (before, last.parse().ok()),
        _ => (text, None),
    };
    let (file, qualname) = text.rsplit_once(':').unwrap_or(("app.py", text));
    (file, qualname, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_written_as_text() {
        assert_eq!(parse_frame("work"), ("app.py", "work", None));
        assert_eq!(parse_frame("work:7"), ("app.py", "work", Some(7)));
        assert_eq!(parse_frame("lib/a.py:A.f:7"), ("lib/a.py", "A.f", Some(7)));
        assert_eq!(parse_frame("lib/a.py:A.f"), ("lib/a.py", "A.f", None));
    }

    #[test]
    fn threads_and_processes_are_found_again() {
        let profile = ProfileBuilder::new()
            .thread("a")
            .sample(&["f"], ThreadState::Running, 2)
            .thread("b")
            .sample(&["f", "g"], ThreadState::Idle, 1)
            .process(5000)
            .thread("a")
            .dropped(1)
            .process(4242)
            .thread("a")
            .sample(&[], ThreadState::Running, 1)
            .build();
        let threads: Vec<u32> = profile.samples.iter().map(|sample| sample.thread.0).collect();
        assert_eq!(threads, [0, 0, 1, 2, 0]);
        assert_eq!((profile.threads.len(), profile.processes.len()), (3, 2));
        assert_eq!(profile.threads[2].process, ProcessId(1));
        assert_eq!((profile.stats.samples, profile.stats.dropped), (5, 1));
        assert_eq!(profile.tables.stacks.len(), 2);
    }
}
