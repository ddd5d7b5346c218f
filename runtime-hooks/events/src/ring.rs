//! Rings that the target overwrites while they are read.

use crate::layout::EVENT_WORDS;
use crate::reader::Bytes;

/// An entry that is being written is tried again so often.
const TRIES: u32 = 3;

/// How far a ring was read.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Number of the next entry, from 0.
    next: u64,
    /// Entries that were overwritten before they could be read, or were never whole.
    pub(crate) lost: u64,
    /// Where it is, its entries and words of each, the header's word with the number that were ever put in.
    at: usize,
    len: usize,
    words: usize,
    count: usize,
}

impl Ring {
    pub(crate) const fn new(at: usize, len: usize, words: usize, count: usize) -> Self {
        Self { next: 0, lost: 0, at, len, words, count }
    }

    /// The entries since the last call, each as far as it was whole when it was read.
    pub(crate) fn take<const N: usize, B: Bytes + ?Sized>(&mut self, bytes: &B) -> Vec<[u64; N]> {
        let Some([head]) = words(bytes, self.count) else { return Vec::new() };
        if head < self.next {
            // Counters do not go back: the file is not what it was.
            self.next = head;
            return Vec::new();
        }
        let first = head.saturating_sub(self.len as u64).max(self.next);
        let found: Vec<[u64; N]> = (first..head).filter_map(|number| self.entry(bytes, number)).collect();
        self.lost = self.lost.saturating_add(head - self.next - found.len() as u64);
        self.next = head;
        found
    }

    /// One entry; `None` if it is not that one any more, or not whole. Its first word is its sequence number.
    fn entry<const N: usize, B: Bytes + ?Sized>(&self, bytes: &B, number: u64) -> Option<[u64; N]> {
        let at = self.at + (number as usize % self.len) * self.words;
        let whole = number.checked_add(1)?.checked_mul(2)?;
        (0..TRIES).find_map(|_| {
            let row: [u64; N] = words(bytes, at)?;
            (row[0] == whole && words(bytes, at) == Some([whole])).then_some(row)
        })
    }
}

/// Words from a place on; `None` if some are not there.
pub(crate) fn words<const N: usize>(bytes: &(impl Bytes + ?Sized), at: usize) -> Option<[u64; N]> {
    let mut words = [0; EVENT_WORDS * 8];
    let words = &mut words[..N * 8];
    bytes.copy(at * 8, words).then(|| row(words))
}

/// Words of bytes.
pub(crate) fn row<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = bytes.try_into().map_or(0, u64::from_ne_bytes);
    }
    words
}
