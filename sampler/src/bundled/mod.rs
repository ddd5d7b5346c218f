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
#[cfg(test)]
mod testing;

use slowpath_profile::BuildFlags;
use slowpath_runtime_layout::{Refusal, THREAD_WORDS, Table, Thread, WORDS};

use crate::process::error::AttachError;
use crate::process::find::find_bundled;
use crate::process::linux::LiveMemory;
use crate::process::memory::{Memory, MemoryError};
use crate::process::threads::inner_thread_ids;

use codes::Opcodes;
pub(crate) use dump::{NOTE, dump, record, replay};
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
        self.table.name()
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_called_as_profiles_call_it() {
        let table = Table { rustpython: 0x00_06_01, ..Table::default() };
        assert_eq!(table.name(), "RustPython 0.6.1");
        assert!(table.name().starts_with(slowpath_profile::Process::BUNDLED));
    }

    proptest! {
        /// A table that is taken describes structures that can be read and numbers that can be counted to.
        #[test]
        fn any_table_is_refused_or_stays_in_bounds(
            changes in prop::collection::vec((0..WORDS, any::<u64>()), 0..6),
            small in prop::collection::vec((0..WORDS, 0_u64..200), 0..6),
            cut in 0..=WORDS * 8 + 8,
        ) {
            let mut words = testing::table().words();
            changes.into_iter().chain(small).for_each(|(at, word)| words[at] = word);
            let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            if let Ok(table) = Table::parse(&bytes) {
                for size in [table.frame_size, table.code_size, table.text_size] {
                    prop_assert!(size <= 4096);
                }
                for (offset, size) in [
                    (table.frame_code, table.frame_size),
                    (table.frame_previous, table.frame_size),
                    (table.code_units, table.code_size),
                    (table.code_names_len, table.code_size),
                    (table.text_len, table.text_size),
                ] {
                    prop_assert!(offset + 8 <= size);
                }
                prop_assert!(table.threads_used <= 1024 && table.class_writes_used <= 128);
                let world = testing::World::default();
                prop_assert!(threads(&world, &table).is_err() || table.threads_used == 0);
                prop_assert!(Opcodes::read(&world, &table).is_none());
            }
            bytes.resize(cut, 0xff);
            let _ = Table::parse(&bytes);
        }
    }
}
