//! Where views and exporters take a profile from: memory, or a recording read as a stream.

use crate::evidence::ProcessEvidence;
use crate::file::FileError;
use crate::meta::{Meta, Process, Stats, Thread};
use crate::sample::Sample;
use crate::tables::Tables;

/// A profile whose tables are in memory and whose samples may be read as a stream, any number of
/// times. Views and exporters take this, so that a recording of any length needs bounded memory.
pub trait Source {
    /// How it was made.
    fn meta(&self) -> &Meta;
    /// What happened while recording.
    fn stats(&self) -> &Stats;
    /// The interned tables, complete.
    fn tables(&self) -> &Tables;
    /// Processes in the order of their ids.
    fn processes(&self) -> &[Process];
    /// Threads in the order of their ids.
    fn threads(&self) -> &[Thread];
    /// Evidence of why code runs as it does, by process; empty if none was collected.
    fn evidence(&self) -> &[ProcessEvidence] {
        &[]
    }
    /// Calls `each` for every sample, in the order in which they were taken.
    fn for_each_sample(&mut self, each: &mut dyn FnMut(&Sample)) -> Result<(), FileError>;
}

/// A profile that is wholly in memory: tests, one-shot dumps, windows of the live views.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// How it was made.
    pub meta: Meta,
    /// What happened while recording.
    pub stats: Stats,
    /// The interned tables.
    pub tables: Tables,
    /// Processes.
    pub processes: Vec<Process>,
    /// Threads.
    pub threads: Vec<Thread>,
    /// Samples in the order in which they were taken.
    pub samples: Vec<Sample>,
    /// Evidence by process.
    pub evidence: Vec<ProcessEvidence>,
}

impl Source for Profile {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn stats(&self) -> &Stats {
        &self.stats
    }
    fn tables(&self) -> &Tables {
        &self.tables
    }
    fn processes(&self) -> &[Process] {
        &self.processes
    }
    fn threads(&self) -> &[Thread] {
        &self.threads
    }
    fn evidence(&self) -> &[ProcessEvidence] {
        &self.evidence
    }
    fn for_each_sample(&mut self, each: &mut dyn FnMut(&Sample)) -> Result<(), FileError> {
        self.samples.iter().for_each(each);
        Ok(())
    }
}
