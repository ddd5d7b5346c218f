//! The `.slowpath` recording: a stream of chunks, each checksummed and compressed on its own.
//!
//! # Format
//!
//! ```text
//! file    = "\x89slowpath\n"  version: u16  chunk*
//! chunk   = F5 "chk"  kind: u8  head bytes: u32  body bytes: u32  crc32: u32  head  body
//! kind    = 1 description (Meta as JSON), the first chunk
//!           2 batch: head = what is new in the tables, body = samples by column
//!           3 statistics (Stats as JSON), ends a complete recording
//!           4 evidence of a process (ProcessEvidence as JSON), replaces an earlier one
//! head    = length: varint  block
//! block   = 00 byte (all bytes equal) | 01 bytes | 02 length: varint  zstd frame
//!         | 02+n bytes of n bits each, n = 1 to 7
//! ```
//!
//! Numbers are little-endian; the checksum covers everything after the marker. The parts are in
//! `increment` (tables), `samples` and `columns`. A chunk needs those before it only for ids.
//! Samples are apart from tables, so that opening a recording decompresses no sample.
//!
//! A writer hands each chunk to the operating system at once. If it is killed or the disk is full, the
//! file ends in a part of a chunk or without statistics, and is read up to there. A chunk whose
//! checksum does not match ends the reading too, wherever it stands: ids after it would dangle.
//!
//! Times are kept in whole steps of 1 to 16 microseconds, at most a 64th of the period, so a reader gives
//! multiples of that. Version 1 had no steps but whole microseconds.
//!
//! # Versions
//!
//! A later version may add, without another version number: kinds of chunks, sample columns, fields
//! of JSON objects with a default. Readers skip what they do not know. Everything else (another
//! encoding, another meaning, another value of an enumeration) takes the next version number. A
//! reader refuses a newer number and keeps reading every older one.
//!
//! # Trust
//!
//! A file is foreign input. Sizes are bounded by the bytes that are left before anything is
//! allocated, a decompressed part by 64 MiB, tables by the bounds in `limits`; every id is checked.

mod bytes;
mod chunk;
mod columns;
mod error;
mod increment;
mod limits;
mod pack;
mod recording;
mod samples;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{Damage, FileError};
pub use recording::Recording;
pub use writer::Writer;

/// How every recording begins. A transfer that changes line ends or the eighth bit is noticed.
const MAGIC: [u8; 10] = *b"\x89slowpath\n";

/// The version of the format that this crate writes, and the latest that it reads. Older ones are read too.
pub const FORMAT_VERSION: u16 = 2;

/// Rewrites the checksums of a changed recording, so that tests reach what is below them.
#[doc(hidden)]
pub fn reseal(file: &mut [u8]) {
    chunk::reseal(file, recording::START_BYTES);
}

/// The same recording with its tables and evidence not compressed, for those who compress many together.
/// What is damaged ends it.
#[doc(hidden)]
pub fn without_compression(file: &[u8]) -> Vec<u8> {
    chunk::without_compression(file, recording::START_BYTES)
}

/// Appends a chunk of any kind and content with a checksum that matches.
#[doc(hidden)]
pub fn append_chunk(file: &mut Vec<u8>, kind: u8, head: &[u8], body: &[u8]) {
    let chunk = pack::Packer::new().and_then(|mut packer| chunk::encode(kind, head, body, &mut packer));
    file.extend(chunk.unwrap_or_default());
}
