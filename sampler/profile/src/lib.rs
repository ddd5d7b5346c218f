//! The profile model of slowpath: what every recorder writes and every view reads.
//!
//! A profile is four interned tables (strings, functions, frames, stacks), the processes and threads
//! that were seen, a stream of samples that are one small record each, and [`evidence`] of why code
//! runs as it does. It knows no opcode number and no address: those stay in the crate that reads
//! interpreters.
//!
//! Invariants:
//! - no operating system calls and no unsafe code live here;
//! - this crate depends on no other slowpath crate;
//! - tables only grow, so an id stays valid and a writer can stream "what is new since the last chunk";
//! - all arithmetic that a person is shown (self, total, shares, differences) is in [`view`].
#![forbid(unsafe_code)]

pub mod batch;
pub mod evidence;
pub mod export;
pub mod file;
pub mod finding;
pub mod ids;
pub mod meta;
pub mod sample;
pub mod source;
pub mod source_text;
pub mod tables;
#[doc(hidden)]
pub mod testing;
pub mod text;
pub mod view;

pub use batch::{Batch, Mark};
pub use ids::{FrameId, FunctionId, ProcessId, StackId, StringId, ThreadId};
pub use meta::{BuildFlags, Meta, Mode, Process, SampleDuration, Stats, Thread};
pub use sample::{Quality, Sample, SampleFlags, ThreadState};
pub use source::{Profile, Source};
pub use tables::{Frame, Function, FunctionKind, Span, StackNode, Tables};
