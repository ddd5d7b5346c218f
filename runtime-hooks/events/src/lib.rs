//! The shared memory in which the exact hooks leave what they saw, and its reader.
//!
//! The hooks run inside of a Python process and write; slowpath reads from outside. Both take the
//! layout from [`layout`], so that it is written down once. The file lives in memory (a `tmpfs`), has a
//! fixed size ([`layout::FILE_LEN`]) and these parts:
//!
//! - a header of counters;
//! - *slots*, one for each kind of write that was seen (which object, which key, which instruction wrote),
//!   with an exact count;
//! - *codes* and *objects*, the tables that slots refer to, and *text*, which has the names of all three;
//! - a ring of single events: the first of each slot and every one whose number is a power of two, with
//!   time, thread and a short stack; imports;
//! - a ring of runs of the garbage collector, with beginning, duration, generation and what was freed; the
//!   header counts them by generation, whatever becomes of the ring.
//!
//! Tables only grow; the ring overwrites its oldest entry and never waits. Words are of 8 bytes, aligned,
//! in the byte order of the machine.
//!
//! # What the reader relies on
//!
//! Nothing. The file belongs to the target, which may write anything, at any time, or cut it short. Every
//! count, index and text is bounded before it is used, a ring entry is believed only if its sequence number
//! is the same before and after, and a read beyond the end is an end. The reader copies with `pread`: a
//! mapping of a file that its owner cuts short would end the reader by a signal.

#![forbid(unsafe_code)]

pub mod environment;
pub mod layout;
mod reader;
mod ring;

pub use reader::{Bytes, Code, Collection, Event, Header, Object, Problem, Reader, Slot};
