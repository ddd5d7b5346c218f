//! Where the numbers come from.

use std::sync::Arc;
use std::time::Duration;

use slowpath_profile::finding::Findings;
use slowpath_profile::view::live::{Query, Snapshot};

/// What is new since the last look.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// The newest numbers; `None` if there are no newer ones.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The newest findings; `None` if there are no newer ones.
    pub findings: Option<Arc<Findings>>,
    /// Why there will be no more, once the target ended.
    pub ended: Option<String>,
    /// Snapshots that were replaced before they were looked at.
    pub skipped: u64,
    /// Resident memory of the target in bytes, if it is known.
    pub memory: Option<u64>,
    /// What the user should know, in a sentence with its remedy.
    pub warning: Option<String>,
}

/// What the view asks of whoever samples. Nothing here may take long: the keyboard waits meanwhile.
pub trait Feed {
    /// From now on this is shown.
    fn ask(&mut self, query: &Query);
    /// Whether the numbers stand still from now on; counting goes on.
    fn freeze(&mut self, frozen: bool);
    /// How often new numbers are wanted.
    fn set_interval(&mut self, interval: Duration);
    /// What is new.
    fn update(&mut self) -> Update;
    /// The lines of a source file, if it can be read.
    fn source(&mut self, file: &str) -> Option<Vec<String>>;
    /// All that is known of one of the findings, and the manual page of its rule, in lines of `width` columns.
    fn explain(&self, findings: &Findings, at: usize, width: usize) -> String;
    /// Counts anew.
    fn reset(&mut self);
    /// Writes the window to a file whose extension says the format: what was written, or why not.
    fn write(&mut self, path: &str) -> Result<String, String>;
}
