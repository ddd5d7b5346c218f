//! Reads the bundled runtime, `slowpath-python`: RustPython, which publishes where its threads, frames and
//! code objects keep what. See `slowpath-runtime-layout`.
//!
//! It is read as CPython is: from outside, one vectored read a tick, believed only if it could have
//! existed. What is seen of it is a fact of this runtime and of no other.

mod codes;
mod dump;
mod evidence;
mod sampler;
mod stack;

use slowpath_profile::BuildFlags;
use slowpath_runtime_layout::{Refusal, THREAD_WORDS, Table, Thread, WORDS};

use crate::process::error::AttachError;
use crate::process::find::find_bundled;
use crate::process::linux::LiveMemory;
use crate::process::memory::{Memory, MemoryError};
use crate::process::threads::inner_thread_ids;

use codes::Opcodes;
pub(crate) use dump::dump;
pub(crate) use sampler::BundledSampler;

/// A process with the bundled runtime, as the session found it.
#[derive(Debug)]
pub(crate) struct BundledFound {
    /// Process id.
    pub(crate) pid: u32,
    /// Its memory.
    pub(crate) memory: LiveMemory,
    /// Address of what it publishes.
    base: u64,
    /// What it published when it was found.
    table: Table,
    /// Its opcodes.
    opcodes: Opcodes,
    /// By what this build is known again.
    pub(crate) identity: String,
    /// Command line.
    pub(crate) command: String,
}

impl BundledFound {
    /// Finds the bundled runtime in a process. `None`: it is not there.
    pub(crate) fn find(pid: u32, command: String) -> Option<Result<Self, AttachError>> {
        let memory = LiveMemory::open(pid);
        let (base, identity) = find_bundled(pid, &memory)?;
        Some(Self::open(pid, memory, base, identity, command))
    }

    fn open(
        pid: u32,
        memory: LiveMemory,
        base: u64,
        identity: String,
        command: String,
    ) -> Result<Self, AttachError> {
        let table = read_table(&memory, base).map_err(|error| AttachError::from_memory(pid, error))?;
        let table = table.map_err(|refusal| match refusal {
            Refusal::NoTable | Refusal::Starting => AttachError::NotInitialised { pid },
            refusal => AttachError::Layout { pid, error: refusal.to_string() },
        })?;
        if !is_of(&table, pid) {
            return Err(AttachError::NotInitialised { pid });
        }
        let opcodes = Opcodes::read(&memory, &table)
            .ok_or_else(|| AttachError::Layout { pid, error: Refusal::Field("opcodes").to_string() })?;
        Ok(Self { pid, memory, base, table, opcodes, identity, command })
    }

    /// What it calls itself. Not a version of CPython, so that nothing that holds for one is said of it.
    pub(crate) fn version(&self) -> String {
        let [patch, minor, major, ..] = self.table.rustpython.to_le_bytes();
        format!("{} {major}.{minor}.{patch}", slowpath_profile::Process::BUNDLED)
    }

    /// It runs without a GIL.
    pub(crate) fn build(&self) -> BuildFlags {
        BuildFlags { free_threaded: true, static_link: true, ..BuildFlags::default() }
    }
}

/// Reads what is published at `base`.
fn read_table(memory: &dyn Memory, base: u64) -> Result<Result<Table, Refusal>, MemoryError> {
    Ok(Table::parse(&memory.read_bytes(base, WORDS * 8)?))
}

/// Whether a table was written by process `pid`: after a fork the child has its parent's for a moment.
fn is_of(table: &Table, pid: u32) -> bool {
    let Ok(own) = u32::try_from(table.pid) else { return false };
    match inner_thread_ids(pid) {
        Some(ids) => ids.get(&own) == Some(&pid),
        None => own == pid,
    }
}

/// The threads that are published now.
fn threads(memory: &dyn Memory, table: &Table) -> Result<Vec<Thread>, MemoryError> {
    // Bounded by the table's own check.
    let bytes = memory.read_bytes(table.threads, table.threads_used as usize * THREAD_WORDS * 8)?;
    Ok(bytes.chunks_exact(THREAD_WORDS * 8).filter_map(Thread::parse).collect())
}
