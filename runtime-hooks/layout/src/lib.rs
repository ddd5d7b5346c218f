//! What the bundled runtime publishes about itself, and how it is read.
//!
//! The runtime (`slowpath-python`) keeps one [`Table`] of 64-bit words in a section of its own,
//! [`SECTION`], as CPython keeps `_PyRuntime` in `.PyRuntime`. It is written once, at start, from offsets
//! that were measured on live objects; until then, and if a measurement was ambiguous,
//! [`Table::state`] says so and nothing else may be believed. Threads are in an array of
//! [`THREAD_WORDS`] words each, at [`Table::threads`].
//!
//! This crate depends on nothing, so that the sampler can be built without the runtime. Whoever reads a
//! table reads foreign bytes: [`Table::parse`] takes none that is not of this version and
//! whose every offset cannot be right.

#![forbid(unsafe_code)]

mod entries;
mod table;
mod thread;

pub use entries::{ClassWrite, Opcode};
pub use table::{Refusal, Table, WORDS};
pub use thread::{Thread, ThreadState};

/// Name of the ELF section that begins with the table.
pub const SECTION: &str = ".slowpath.runtime";

/// First word of a table: `slowpath`, as little-endian bytes.
pub const COOKIE: u64 = u64::from_le_bytes(*b"slowpath");

/// The implementation that runs in it.
pub const NAME: &str = "RustPython";

/// Version of this table. A change of meaning, order or number of its words makes a new one.
pub const VERSION: u64 = 1;

/// [`Table::state`]: the offsets have not been measured yet.
pub const STARTING: u64 = 0;
/// [`Table::state`]: the table holds.
pub const READY: u64 = 1;
/// [`Table::state`]: a measurement was ambiguous or failed; there is nothing to read.
pub const REFUSED: u64 = 2;

/// Most threads that are published at a time; more are counted in [`Table::thread_overflow`].
pub const MAX_THREADS: usize = 1024;
/// Words of one thread: [`Thread`].
pub const THREAD_WORDS: usize = 16;
/// Bytes of a thread's name.
pub const NAME_BYTES: usize = 72;

/// Opcodes are one byte.
pub const OPCODES: usize = 256;
/// Words of one opcode: [`Opcode`].
pub const OPCODE_WORDS: usize = 6;

/// Most places that are published as writing to classes.
pub const MAX_CLASS_WRITES: usize = 128;
/// Words of one of them: [`ClassWrite`].
pub const CLASS_WRITE_WORDS: usize = 48;
/// Killed type versions that are remembered: the first ones, in the first half, because most instructions
/// are specialized early and for ever, and the last ones.
pub const DEAD_VERSIONS: usize = 4096;

/// The word that the killed version of this number is put into.
pub const fn place_of_dead(number: u64) -> usize {
    let half = DEAD_VERSIONS as u64 / 2;
    (if number < half { number } else { half + number % half }) as usize
}

#[cfg(test)]
/// Words as the bytes that a reader outside gets.
fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
