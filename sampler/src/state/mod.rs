//! In what state the interpreter executes hot code: read beside the samples, kept over time.
//!
//! A [`Tracker`] belongs to one sampled process. The sampler tells it of every stack that it believed
//! ([`Tracker::observe`]); now and then the tracker *looks* ([`Tracker::look`]): it takes the code
//! objects that were on top of stacks lately, copies the bytecode of all of them in one vectored read,
//! decodes it and adds what it sees to the history of each instruction. What else is to be seen in the
//! same moment is the business of a [`Collector`]: types and namespaces, what sites operate on, the
//! interpreter as a whole, stores.
//!
//! # For collectors
//!
//! - Implement [`Collector`] in a file of your own below `state`, and add it to [`collectors`].
//! - [`Collector::look`] is called at every look with everything that is known of that moment. Read
//!   memory through [`Moment::memory`] in as few calls as you can; do the expensive parts at every n-th
//!   look. The tracker measures how long looks take and makes them rarer until all of them together
//!   cost at most 1 % of a core: a slow collector starves everybody.
//! - Everything is keyed by `(FunctionId, byte offset)`: code objects of one function with the same
//!   instructions are one entry of the evidence. Code objects are verified before a look. Addresses of
//!   other objects may be used again between two looks: make sure (same type, same name) before a
//!   history is continued.
//! - [`Collector::write`] fills its part of the evidence from what it remembers. It is called about
//!   every two seconds and at the end, each time with a fresh [`ProcessEvidence`] in which `code` and
//!   its sites are filled already; collectors run in the order of [`collectors`], so a later one finds
//!   what an earlier one wrote.
//! - Bound everything (types, operands per site, names), and set `truncated` when a bound was reached.

mod attributes;
mod dict_watch;
mod exact;
mod frames;
mod functions;
mod history;
mod hot;
mod kinds;
mod namespaces;
mod objects;
mod operands;
mod report;
mod runtime;
mod scalars;
mod store_index;
mod tracker;
mod types;
mod writers;

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use slowpath_profile::evidence::ProcessEvidence;
use slowpath_profile::{FunctionId, Tables};

use crate::layout::spec::Layout;
use crate::process::find::Interpreter as Binary;
use crate::process::memory::Memory;
use crate::read::caches::{CodeParts, SiteView};
use crate::read::code_cache::CodeCache;
use crate::read::threads::Interpreter;

pub(crate) use frames::FrameSource;
pub(crate) use tracker::Tracker;

/// What the sampler knows at the moment of a look.
pub(crate) struct Moment<'a> {
    /// The target.
    pub(crate) memory: &'a dyn Memory,
    /// Its layout.
    pub(crate) layout: &'a Layout,
    /// Its process id.
    pub(crate) pid: u32,
    /// The binary of its interpreter.
    pub(crate) binary: &'a Binary,
    /// Address of `_PyRuntime`.
    pub(crate) runtime: u64,
    /// Its interpreters with their threads, as of the last 100 ms.
    pub(crate) interpreters: &'a [Interpreter],
    /// Nanoseconds since the session began.
    pub(crate) now_ns: u64,
    /// Known code objects: [`CodeCache::get`] names another one (of a function object, a method).
    pub(crate) codes: &'a mut CodeCache,
    /// Where names go.
    pub(crate) tables: &'a mut Tables,
}

/// One look at the hot code of a process, and all that the sampler knows at that moment.
pub(crate) struct Look<'a> {
    /// What the sampler knows.
    pub(crate) moment: Moment<'a>,
    /// The number of this look, from 0.
    pub(crate) number: u32,
    /// Hot code objects, the hottest first.
    pub(crate) hot: &'a [HotCode],
    /// Frames of hot code that are on stacks at this very tick.
    pub(crate) frames: &'a [LiveFrame],
    /// Time of this look that a collector answers for itself: it does not make looks rarer. Work that
    /// is done once, in slices, with a bound of its own.
    pub(crate) own_time: Duration,
}

impl<'a> Deref for Look<'a> {
    type Target = Moment<'a>;

    fn deref(&self) -> &Moment<'a> {
        &self.moment
    }
}

impl DerefMut for Look<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.moment
    }
}

/// A code object that is hot at this look.
#[allow(dead_code, reason = "what collectors may want")]
#[derive(Clone, Debug)]
pub(crate) struct HotCode {
    /// Address of the code object.
    pub(crate) addr: u64,
    /// Its function in the tables.
    pub(crate) function: FunctionId,
    /// Samples of the last seconds that had it on top (decaying).
    pub(crate) heat: u32,
    /// What does not change of it: names, flags, instructions, and which of them are sites.
    pub(crate) parts: Arc<CodeParts>,
    /// What each of `parts.sites` is at this look (same order and length); empty if the bytecode could
    /// not be read.
    pub(crate) views: Vec<SiteView>,
}

/// A frame of hot code, copied in one system call with the stack that it is part of.
#[allow(dead_code, reason = "what collectors may want")]
#[derive(Clone, Debug)]
pub(crate) struct LiveFrame {
    /// Position of its code in [`Look::hot`].
    pub(crate) hot: usize,
    /// Address of the frame.
    pub(crate) addr: u64,
    /// Byte offset of the instruction that it is at.
    pub(crate) offset: u32,
    /// Nothing was called from it: it runs, or is in C code.
    pub(crate) is_leaf: bool,
    /// The frame from its first byte: the fixed part (`layout.frame`), then `localsplus` and the value
    /// stack. A leaf keeps the top of its value stack in a register, so only the locals count. Words
    /// of 3.14+ are tagged in their low bits. Shorter where less was copied; always the fixed part.
    pub(crate) bytes: Vec<u8>,
}

/// Collects one part of the evidence of a process. See the module documentation.
pub(crate) trait Collector: std::fmt::Debug + Send {
    /// Sees what there is to see now.
    fn look(&mut self, look: &mut Look<'_>);
    /// Writes what was seen so far; names that nothing else has go to `tables`.
    fn write(&mut self, evidence: &mut ProcessEvidence, tables: &mut Tables);
}

/// The collectors of a process, in the order in which they look and write.
fn collectors(exact: Option<&Path>) -> Vec<Box<dyn Collector>> {
    let mut all: Vec<Box<dyn Collector>> = vec![
        Box::new(objects::Objects::default()),
        Box::new(runtime::RuntimeCollector::default()),
        Box::new(writers::Writers::default()),
    ];
    if let Some(directory) = exact {
        all.push(Box::new(exact::Exact::new(directory)));
    }
    all
}
