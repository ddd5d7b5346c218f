//! Has a process run a script: the protocol of PEP 768 (3.14+), by which `sys.remote_exec` works.
//!
//! This is the one place that writes to a target, and only because its user asked for it by name. What is
//! written is what the interpreter reserves for that: a path and a flag in the state of its main thread, and one
//! bit of its eval breaker. The interpreter runs the script when that thread next runs Python code.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use thiserror::Error;

use crate::layout::{DebuggerSupport, debugger_support, published_len};
use crate::process::memory::Memory;
use crate::process_sampler::CurrentFound;
use crate::read::threads::interpreters;

/// `_PY_EVAL_PLEASE_STOP_BIT` (3.14, 3.15).
const PLEASE_STOP: u64 = 1 << 5;

/// Why a process does not take a script.
#[derive(Debug, Error)]
pub enum RemoteExecError {
    /// Before 3.14 there is no such protocol.
    #[error("Python {0} takes no scripts from outside; 3.14 was the first to")]
    TooOld(String),
    /// The bundled runtime has no such protocol, and tells of writes to classes without it.
    #[error("the bundled runtime takes no scripts from outside")]
    Bundled,
    /// `-X disable-remote-debug`, `PYTHON_DISABLE_REMOTE_DEBUG`, or built without.
    #[error("remote debugging is switched off in it")]
    Disabled,
    /// What it says of itself makes no sense.
    #[error("its interpreter could not be read")]
    Unreadable,
    /// Somebody else's script is waiting.
    #[error("another script is waiting to be run in it")]
    Busy,
    /// Its memory may be read and not be written.
    #[error("its memory cannot be written: {0}")]
    Unwritable(#[source] io::Error),
    /// The path does not fit.
    #[error("the path of the script has more than {0} bytes")]
    PathTooLong(u64),
}

/// A script that was handed over.
#[derive(Debug)]
pub struct Handed {
    memory: File,
    pending: u64,
}

impl Handed {
    /// Takes the script back, if it has not been begun.
    pub fn take_back(&self) {
        // The process may have ended; then there is nothing to take back.
        let _ = self.memory.write_all_at(&0_i32.to_ne_bytes(), self.pending);
    }
}

/// Hands a script over.
pub(crate) fn hand_over(found: &CurrentFound, script: &Path) -> Result<Handed, RemoteExecError> {
    let version = found.layout.version;
    let too_old = || RemoteExecError::TooOld(version.to_string());
    let len = published_len(version).ok_or_else(too_old)?;
    let published = found.memory.read_bytes(found.runtime, len).map_err(|_| RemoteExecError::Unreadable)?;
    let support = debugger_support(version, &published).ok_or_else(too_old)?;
    let (interpreter, thread) = main_thread(found).ok_or(RemoteExecError::Unreadable)?;
    let word = |at: u64| found.memory.read_u64(at).map_err(|_| RemoteExecError::Unreadable);
    // Both are ints.
    let int = |at: u64| word(at & !7).map(|word| (word >> ((at & 4) * 8)) as u32);
    if int(interpreter.wrapping_add(support.enabled))? != 1 {
        return Err(RemoteExecError::Disabled);
    }
    let pending = thread.wrapping_add(support.pending);
    if int(pending)? != 0 {
        return Err(RemoteExecError::Busy);
    }
    let memory = OpenOptions::new().write(true).open(format!("/proc/{}/mem", found.pid));
    let memory = memory.map_err(RemoteExecError::Unwritable)?;
    write(&memory, support, thread, script, word(thread.wrapping_add(support.eval_breaker))?)?;
    Ok(Handed { memory, pending })
}

/// Path, flag, bit: in the order in which nothing is acted on before it is complete.
fn write(
    memory: &File,
    support: DebuggerSupport,
    thread: u64,
    script: &Path,
    eval_breaker: u64,
) -> Result<(), RemoteExecError> {
    let mut path = script.as_os_str().as_bytes().to_vec();
    path.push(0);
    if path.len() as u64 > support.path_size {
        return Err(RemoteExecError::PathTooLong(support.path_size - 1));
    }
    let put = |bytes: &[u8], offset: u64| {
        memory.write_all_at(bytes, thread.wrapping_add(offset)).map_err(RemoteExecError::Unwritable)
    };
    put(&path, support.path)?;
    put(&1_i32.to_ne_bytes(), support.pending)?;
    put(&(eval_breaker | PLEASE_STOP).to_ne_bytes(), support.eval_breaker)
}

/// Addresses of the main interpreter and of the state of its main thread.
fn main_thread(found: &CurrentFound) -> Option<(u64, u64)> {
    let all = interpreters(&found.memory, &found.layout, found.runtime).ok()?;
    let main = all.iter().find(|interpreter| interpreter.id == 0)?;
    let is_main = |native_id: u64| native_id == u64::from(found.pid);
    // In another pid namespace ids differ: the oldest thread is the main one.
    let thread = main.threads.iter().find(|thread| is_main(thread.native_id)).or(main.threads.last())?;
    Some((main.addr, thread.addr))
}
