//! Samples a process whose Python is older than 3.8: stacks only, without the checks that other
//! versions get, and therefore marked.

use std::collections::HashMap;

use slowpath_profile::{
    BuildFlags, Frame, Function, FunctionKind, Mode, Process, ProcessId, Quality, Sample, SampleFlags, Span,
    StackId, Tables, Thread, ThreadId, ThreadState,
};

use crate::dump::{Dump, FrameDump, InterpreterDump, ThreadDump};
use crate::options::{SampleOptions, ThreadFilter};
use crate::process::children::ProcessKey;
use crate::process::error::AttachError;
use crate::process::legacy::{LegacyFrame, LegacyProcess, LegacyThread};
use crate::process::memory::MemoryError;
use crate::recorder::Recorder;
use crate::sampled_process::{Counters, SampledProcess};

/// A process with an old Python, as the session found it.
#[derive(Debug)]
pub(crate) struct LegacyFound {
    /// Process id.
    pub(crate) pid: u32,
    /// How it is read.
    pub(crate) process: LegacyProcess,
    /// Command line.
    pub(crate) command: String,
}

/// A process with an old Python that is being sampled.
#[derive(Debug)]
pub(crate) struct LegacySampler {
    found: LegacyFound,
    key: Option<ProcessKey>,
    id: ProcessId,
    threads: HashMap<u64, ThreadId>,
    counters: Counters,
}

impl LegacySampler {
    /// Begins to sample a process.
    pub(crate) fn new(
        found: LegacyFound,
        parent: Option<ProcessId>,
        start_ns: u64,
        recorder: &mut Recorder,
    ) -> Self {
        let id = recorder.process(Process {
            pid: found.pid,
            parent,
            command: found.command.clone(),
            python: found.process.version(),
            interpreter: String::new(),
            build: BuildFlags::default(),
            start_ns,
        });
        let key = ProcessKey::of(found.pid);
        Self { found, key, id, threads: HashMap::new(), counters: Counters::default() }
    }

    fn thread(&mut self, thread: &LegacyThread, recorder: &mut Recorder) -> ThreadId {
        let (pid, process) = (self.found.pid, self.id);
        *self.threads.entry(thread.python_id).or_insert_with(|| {
            let native_id = thread.native_id.unwrap_or(0);
            let is_main = native_id == pid;
            let name = recorder.tables.strings.intern_str(&name(thread, is_main));
            let python_id = thread.python_id;
            recorder.thread(Thread { process, interpreter: 0, python_id, native_id, name, is_main })
        })
    }
}

impl SampledProcess for LegacySampler {
    fn pid(&self) -> u32 {
        self.found.pid
    }

    fn id(&self) -> ProcessId {
        self.id
    }

    fn reads(&self) -> u64 {
        0
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn is_over(&self) -> bool {
        self.key.is_none_or(|key| !key.is_alive())
    }

    fn running_on(&self) -> Option<u32> {
        None
    }

    fn tick(
        &mut self,
        now_ns: u64,
        options: &SampleOptions,
        recorder: &mut Recorder,
    ) -> Result<(), MemoryError> {
        let Ok(threads) = self.found.process.stacks() else {
            self.counters.count(Quality::Dropped);
            return if self.is_over() { Err(MemoryError::Gone) } else { Ok(()) };
        };
        for thread in &threads {
            let is_main = thread.native_id == Some(self.found.pid);
            if !is_wanted(&options.threads, thread, is_main) || !counts(options.mode, thread) {
                continue;
            }
            let id = self.thread(thread, recorder);
            let stack = intern(&mut recorder.tables, &thread.frames);
            let state = if thread.active { ThreadState::Running } else { ThreadState::Idle };
            let flags = if thread.gil { SampleFlags::HOLDS_GIL } else { SampleFlags::default() };
            self.counters.count(Quality::Clean);
            let quality = Quality::Clean;
            recorder.sample(Sample { time_ns: now_ns, thread: id, stack, cpu_ns: 0, state, flags, quality });
        }
        Ok(())
    }

    fn close(&mut self, _: u64, _: &mut Recorder) {}
}

/// One look at all threads.
pub(crate) fn dump(found: &mut LegacyFound) -> Result<Dump, AttachError> {
    let (pid, threads) = (found.pid, found.process.stacks()?);
    let threads = threads.iter().map(|thread| {
        let is_main = thread.native_id == Some(pid);
        ThreadDump {
            native_id: thread.native_id.unwrap_or(0),
            python_id: thread.python_id,
            name: name(thread, is_main),
            is_main,
            state: if thread.active { ThreadState::Running } else { ThreadState::Idle },
            holds_gil: thread.gil,
            cpu_ns: None,
            quality: Quality::Clean,
            frames: thread.frames.iter().map(frame_dump).collect(),
        }
    });
    let threads = threads.collect();
    Ok(Dump {
        pid,
        command: found.command.clone(),
        python: found.process.version(),
        build: BuildFlags::default(),
        interpreters: vec![InterpreterDump { id: 0, gc_collecting: false, gil_locked: None, threads }],
    })
}

fn frame_dump(frame: &LegacyFrame) -> FrameDump {
    FrameDump {
        file: frame.file.clone(),
        name: frame.name.clone(),
        qualname: frame.name.clone(),
        first_line: 0,
        span: span(frame),
        instruction: None,
        opcode: None,
        locals: None,
    }
}

fn span(frame: &LegacyFrame) -> Span {
    Span { line: (frame.line > 0).then_some(frame.line), ..Span::default() }
}

fn name(thread: &LegacyThread, is_main: bool) -> String {
    match &thread.name {
        Some(name) => name.clone(),
        None if is_main => "MainThread".into(),
        None => String::new(),
    }
}

fn is_wanted(filter: &ThreadFilter, thread: &LegacyThread, is_main: bool) -> bool {
    filter.lets_through(thread.name.as_deref().unwrap_or(""), is_main)
}

fn counts(mode: Mode, thread: &LegacyThread) -> bool {
    match mode {
        Mode::Wall => true,
        Mode::Cpu => thread.active,
        Mode::Gil => thread.gil,
    }
}

fn intern(tables: &mut Tables, frames: &[LegacyFrame]) -> Option<StackId> {
    let mut stack = None;
    for frame in frames.iter().rev() {
        let name = tables.strings.intern_str(&frame.name);
        let file = tables.strings.intern_str(&frame.file);
        let function = Function { name, qualname: name, file, first_line: 0, kind: FunctionKind::Python };
        let function = tables.functions.intern(function);
        let frame = tables.frames.intern(Frame { function, instruction: None, span: span(frame) });
        stack = Some(tables.intern_stack(stack, frame)?);
    }
    stack
}
