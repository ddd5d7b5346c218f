//! The interpreters of a process and their thread states.

use crate::layout::spec::{Field, GilPlace, Layout, ThreadOffsets};
use crate::process::memory::{Bytes, Memory, MemoryError, Range};

/// Upper bound of interpreters in one process.
pub const MAX_INTERPRETERS: usize = 256;
/// Upper bound of thread states in one interpreter.
pub const MAX_THREADS: usize = 16_384;

/// A `PyInterpreterState`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Its address.
    pub addr: u64,
    /// `id`.
    pub id: i64,
    /// Address of its `struct _gil_runtime_state`; 0 if it has none.
    pub gil: u64,
    /// Its thread states, in the order of the interpreter's list (the newest first).
    pub threads: Vec<ThreadRef>,
}

/// A `PyThreadState` and who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ThreadRef {
    /// Its address.
    pub addr: u64,
    /// `interp`.
    pub interpreter: u64,
    /// `thread_id`.
    pub thread_id: u64,
    /// `native_thread_id` (3.11+), 0 if unknown.
    pub native_id: u64,
}

impl ThreadRef {
    /// Reads who a thread state is from its bytes.
    pub fn decode(offsets: &ThreadOffsets, addr: u64, bytes: &[u8]) -> Option<Self> {
        Some(Self {
            addr,
            interpreter: bytes.u64_at(offsets.interp)?,
            thread_id: bytes.u64_at(offsets.thread_id)?,
            native_id: match offsets.native_thread_id {
                Some(offset) => bytes.u64_at(offset)?,
                None => 0,
            },
        })
    }
}

/// Reads all interpreters of the runtime at `runtime` and their thread states. A list that ends in
/// unreadable memory gives what was read before; only an unreadable runtime is an error.
pub fn interpreters(
    memory: &dyn Memory,
    layout: &Layout,
    runtime: u64,
) -> Result<Vec<Interpreter>, MemoryError> {
    let mut next = memory.read_u64(runtime.wrapping_add(layout.runtime.interpreters_head as u64))?;
    let mut found: Vec<Interpreter> = Vec::new();
    while next != 0 && found.len() < MAX_INTERPRETERS && found.iter().all(|known| known.addr != next) {
        let addr = next;
        let word = |offset: usize| memory.read_u64(addr.wrapping_add(offset as u64));
        let (Ok(id), Ok(head), Ok(after)) = (
            word(layout.interpreter.id),
            word(layout.interpreter.threads_head),
            word(layout.interpreter.next),
        ) else {
            break;
        };
        found.push(Interpreter {
            addr,
            id: id as i64,
            gil: gil_addr(memory, layout, runtime, addr),
            threads: threads(memory, layout, addr, head),
        });
        next = after;
    }
    Ok(found)
}

/// Address of the GIL that guards an interpreter.
fn gil_addr(memory: &dyn Memory, layout: &Layout, runtime: u64, interpreter: u64) -> u64 {
    match layout.interpreter.gil.place {
        GilPlace::Runtime(offset) => runtime.wrapping_add(offset as u64),
        GilPlace::InterpreterPointer(offset) => {
            memory.read_u64(interpreter.wrapping_add(offset as u64)).unwrap_or(0)
        }
    }
}

fn threads(memory: &dyn Memory, layout: &Layout, interpreter: u64, head: u64) -> Vec<ThreadRef> {
    let mut found: Vec<ThreadRef> = Vec::new();
    let mut seen = rustc_hash::FxHashSet::default();
    let mut bytes = vec![0; layout.thread.size];
    let mut next = head;
    while next != 0 && found.len() < MAX_THREADS && seen.insert(next) {
        if memory.read(next, &mut bytes).is_err() {
            break;
        }
        let Some(thread) = ThreadRef::decode(&layout.thread, next, &bytes) else { break };
        // A thread state of another interpreter means that the list changed under the walk.
        if thread.interpreter != interpreter {
            break;
        }
        // `thread_id` is 0 until the state is bound to a thread (3.12+).
        if thread.thread_id != 0 {
            found.push(thread);
        }
        next = bytes.u64_at(layout.thread.next).unwrap_or(0);
    }
    found
}

/// Where `collecting` of the garbage collector of an interpreter is.
pub fn gc_collecting(layout: &Layout, runtime: u64, interpreter: u64) -> Range {
    let addr = match layout.interpreter.gc_collecting {
        Field::Runtime(offset) => runtime.wrapping_add(offset as u64),
        Field::Interpreter(offset) => interpreter.wrapping_add(offset as u64),
    };
    Range::new(addr, 4)
}
