//! One look at all threads of a process, in full detail.

use serde::Serialize;
use slowpath_profile::{BuildFlags, Quality, Span, ThreadState};

/// What to include beyond the stacks.
#[derive(Clone, Copy, Debug, Default)]
pub struct DumpOptions {
    /// Render local variables, each to at most so many characters.
    pub locals: Option<usize>,
    /// Pause the process while it is read.
    pub blocking: bool,
}

/// All stacks of a process at one instant. Serialized, this is the stable format of `dump --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Dump {
    /// Process id.
    pub pid: u32,
    /// Command line.
    pub command: String,
    /// Interpreter version, as in `3.14.2`.
    pub python: String,
    /// Build flags.
    pub build: BuildFlags,
    /// Interpreters of the process, the main one first.
    pub interpreters: Vec<InterpreterDump>,
}

/// One interpreter of a process.
#[derive(Clone, Debug, Serialize)]
pub struct InterpreterDump {
    /// `PyInterpreterState.id`.
    pub id: i64,
    /// Whether a garbage collection is in progress.
    pub gc_collecting: bool,
    /// Whether a thread holds its GIL; `None` on a build that runs without one.
    pub gil_locked: Option<bool>,
    /// Its threads, the main one first.
    pub threads: Vec<ThreadDump>,
}

/// One thread.
#[derive(Clone, Debug, Serialize)]
pub struct ThreadDump {
    /// `threading.get_native_id()`; 0 if unknown.
    pub native_id: u32,
    /// `threading.get_ident()`.
    pub python_id: u64,
    /// `threading.Thread.name`, or the kernel's name of the thread.
    pub name: String,
    /// Whether it is the main thread of the process.
    pub is_main: bool,
    /// What it is doing.
    pub state: ThreadState,
    /// Whether it holds the GIL.
    pub holds_gil: bool,
    /// CPU time it has used in all, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// How far to trust the stack.
    pub quality: Quality,
    /// Frames, the leaf first.
    pub frames: Vec<FrameDump>,
}

/// One frame.
#[derive(Clone, Debug, Serialize)]
pub struct FrameDump {
    /// `co_filename`.
    pub file: String,
    /// `co_name`.
    pub name: String,
    /// `co_qualname`; equal to `name` before 3.11.
    pub qualname: String,
    /// `co_firstlineno`.
    pub first_line: u32,
    /// Place in the source.
    #[serde(flatten)]
    pub span: Span,
    /// Byte offset of the instruction.
    pub instruction: Option<u32>,
    /// Name of the instruction, specialised variants under their own name.
    pub opcode: Option<String>,
    /// Local variables, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locals: Option<Vec<Local>>,
}

/// A local variable.
#[derive(Clone, Debug, Serialize)]
pub struct Local {
    /// Its name.
    pub name: String,
    /// Whether it is an argument.
    pub argument: bool,
    /// A bounded rendering like `repr`, made without running code in the target.
    pub value: String,
}
