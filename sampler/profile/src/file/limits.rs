//! Bounds that writer and reader share, so that every recording that can be written can be read, and
//! no file makes a reader allocate without bound.

use crate::batch::Batch;
use crate::tables::MAX_STACKS;

/// Bytes of one part of a chunk, compressed or not.
pub(super) const MAX_PART: u64 = 64 << 20;
/// Samples of one chunk; longer batches are written as several chunks.
pub(super) const MAX_CHUNK_SAMPLES: usize = 1 << 16;
/// Bytes of table entries after which a writer begins another chunk.
pub(super) const CHUNK_TABLE_BYTES: usize = 16 << 20;
/// Bytes of one string; a longer one is cut when it is written.
pub(super) const MAX_STRING: usize = 1 << 20;

const MAX_TEXT: u64 = 256 << 20;
const MAX_ENTRIES: u64 = 4_000_000;
const MAX_PROCESSES: u64 = 1 << 16;
const MAX_THREADS: u64 = 1 << 20;

/// How much of everything a recording holds so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) strings: u64,
    pub(super) text: u64,
    pub(super) functions: u64,
    pub(super) frames: u64,
    pub(super) stacks: u64,
    pub(super) processes: u64,
    pub(super) threads: u64,
}

/// A bound that is exceeded: its name, the value, the bound.
pub(super) type Exceeded = (&'static str, u64, u64);

impl Totals {
    /// The totals after a batch, or the first bound that it exceeds.
    pub(super) fn after(self, batch: &Batch) -> Result<Self, Exceeded> {
        let text = |text: &str| text.len().min(MAX_STRING) as u64;
        let sum = Self {
            strings: self.strings + batch.strings.len() as u64,
            text: self.text + batch.strings.iter().map(|string| text(string)).sum::<u64>(),
            functions: self.functions + batch.functions.len() as u64,
            frames: self.frames + batch.frames.len() as u64,
            stacks: self.stacks + batch.stacks.len() as u64,
            processes: self.processes + batch.processes.len() as u64,
            threads: self.threads + batch.threads.len() as u64,
        };
        for (what, value, limit) in [
            ("strings", sum.strings, MAX_ENTRIES),
            ("bytes of text", sum.text, MAX_TEXT),
            ("functions", sum.functions, MAX_ENTRIES),
            ("frames", sum.frames, MAX_ENTRIES),
            ("stacks", sum.stacks, MAX_STACKS as u64),
            ("processes", sum.processes, MAX_PROCESSES),
            ("threads", sum.threads, MAX_THREADS),
        ] {
            if value > limit {
                return Err((what, value, limit));
            }
        }
        Ok(sum)
    }

    /// The most entries that any one table may still take; bounds an allocation before its entries
    /// are read.
    pub(super) const ENTRIES: usize = MAX_ENTRIES as usize;
}
