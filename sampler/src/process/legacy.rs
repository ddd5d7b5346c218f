//! Python 2.7 and 3.3-3.7, read through the `py-spy` crate: stacks only.
//!
//! These versions no longer change, so their layouts are not described again here. Reads are made
//! while the target runs, frame by frame, and are less exact than those of supported versions.

use std::panic::{AssertUnwindSafe, catch_unwind};

use py_spy::config::{Config, LockingStrategy};
use py_spy::{PythonSpy, StackTrace};

use super::error::AttachError;
use super::linux::LiveMemory;
use super::pthread::native_ids;
use super::threads::thread_ids;

/// A process that runs an old Python.
pub struct LegacyProcess {
    pid: u32,
    spy: PythonSpy,
    memory: LiveMemory,
}

/// The stack of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegacyThread {
    /// The kernel's id of the thread, where it could be learnt.
    pub native_id: Option<u32>,
    /// `threading.get_ident()`.
    pub python_id: u64,
    /// `threading.Thread.name`, where it could be read (3.6+).
    pub name: Option<String>,
    /// Whether it seems to run.
    pub active: bool,
    /// Whether it holds the GIL.
    pub gil: bool,
    /// Frames, the leaf first.
    pub frames: Vec<LegacyFrame>,
}

/// One frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegacyFrame {
    /// `co_filename`.
    pub file: String,
    /// `co_name`.
    pub name: String,
    /// Line; 0 if unknown.
    pub line: u32,
}

impl LegacyProcess {
    /// Attaches to process `pid` without pausing it.
    pub fn attach(pid: u32) -> Result<Self, AttachError> {
        let config = Config { blocking: LockingStrategy::NonBlocking, ..Config::default() };
        let id = py_spy::Pid::try_from(pid).map_err(|_| AttachError::NoSuchProcess { pid })?;
        let spy = guarded(pid, || PythonSpy::new(id, &config).map_err(|error| unreadable(pid, &error)))?;
        Ok(Self { pid, spy, memory: LiveMemory::open(pid) })
    }

    /// The version, as in `2.7.18`.
    pub fn version(&self) -> String {
        let version = &self.spy.version;
        format!("{}.{}.{}", version.major, version.minor, version.patch)
    }

    /// The stacks of all threads. An error is of this moment: a frame may have ended while it was
    /// read, and the next attempt may succeed.
    pub fn stacks(&mut self) -> Result<Vec<LegacyThread>, AttachError> {
        let pid = self.pid;
        let spy = &mut self.spy;
        let traces = guarded(pid, || spy.get_stack_traces().map_err(|error| unreadable(pid, &error)))?;
        let python_ids: Vec<u64> = traces.iter().map(|trace| trace.thread_id).collect();
        let native = native_ids(&self.memory, &python_ids, &thread_ids(pid));
        Ok(traces.into_iter().zip(native).map(|(trace, native_id)| thread(trace, native_id)).collect())
    }
}

impl std::fmt::Debug for LegacyProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LegacyProcess").field("pid", &self.pid).field("version", &self.version()).finish()
    }
}

fn thread(trace: StackTrace, native_id: Option<u32>) -> LegacyThread {
    let os_id = trace.os_thread_id.and_then(|id| u32::try_from(id).ok());
    let frames = trace.frames.into_iter().map(|frame| LegacyFrame {
        file: frame.filename,
        name: frame.name,
        line: u32::try_from(frame.line).unwrap_or(0),
    });
    LegacyThread {
        native_id: os_id.or(native_id),
        python_id: trace.thread_id,
        name: trace.thread_name,
        active: trace.active,
        gil: trace.owns_gil,
        frames: frames.collect(),
    }
}

fn unreadable(pid: u32, error: &impl std::fmt::Display) -> AttachError {
    AttachError::Unreadable { pid, detail: error.to_string() }
}

/// The bytes of the target are hostile and the crate below makes no promise about them.
fn guarded<T>(pid: u32, read: impl FnOnce() -> Result<T, AttachError>) -> Result<T, AttachError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(AttachError::Unreadable { pid, detail: "its memory makes no sense".into() }))
}
