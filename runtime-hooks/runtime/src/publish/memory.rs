//! This process's own memory, read as the sampler reads it: through the kernel, so that an address that
//! turns out to be none is an error and not the end of the program.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// What calibration looks at.
pub(super) trait Memory: Send + Sync {
    /// Fills `bytes` with what is at `addr`; `None` if that is not all there.
    fn fill(&self, addr: usize, bytes: &mut [u8]) -> Option<()>;
}

/// This process.
pub(super) struct OwnMemory(File);

impl OwnMemory {
    pub(super) fn open() -> Option<Self> {
        File::open("/proc/self/mem").ok().map(Self)
    }
}

impl Memory for OwnMemory {
    fn fill(&self, addr: usize, bytes: &mut [u8]) -> Option<()> {
        self.0.read_exact_at(bytes, addr as u64).ok()
    }
}

impl dyn Memory + '_ {
    /// `N` bytes at `addr`.
    pub(super) fn read<const N: usize>(&self, addr: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(addr, &mut bytes)?;
        Some(bytes)
    }

    /// `len` bytes at `addr` as words.
    pub(super) fn words(&self, addr: usize, len: usize) -> Option<Vec<usize>> {
        let mut bytes = vec![0; len - len % 8];
        self.fill(addr, &mut bytes)?;
        let (words, _) = bytes.as_chunks();
        Some(words.iter().map(|word| usize::from_ne_bytes(*word)).collect())
    }

    /// The word at `addr`.
    pub(super) fn word(&self, addr: usize) -> Option<usize> {
        self.read(addr).map(usize::from_ne_bytes)
    }
}

/// Where `wanted` is among these words, in bytes: `None` unless it is there exactly once.
pub(super) fn only(words: &[usize], wanted: usize) -> Option<u64> {
    let mut places = words.iter().enumerate().filter(|(_, word)| **word == wanted);
    let (at, _) = places.next()?;
    places.next().is_none().then_some(at as u64 * 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_there_twice_or_not_at_all_has_no_place() {
        assert_eq!(only(&[7, 8, 9], 8), Some(8));
        assert_eq!(only(&[7, 8, 8], 8), None);
        assert_eq!(only(&[7, 9], 8), None);
    }

    #[test]
    fn a_wrong_address_is_no_end_of_the_program() {
        let memory: &dyn Memory = &OwnMemory::open().unwrap();
        let known = 0x5107_u64;
        assert_eq!(memory.word((&raw const known).addr()), Some(0x5107));
        assert_eq!(memory.word(8), None);
    }
}
