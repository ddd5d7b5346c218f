//! From `threading.get_ident()` to the kernel's thread id, for versions that do not keep it (before
//! 3.11).
//!
//! The ident is the address of the C library's `struct pthread`, which holds the kernel's id at an
//! offset that depends on library and machine. The offset is learnt: it is the place at which every
//! thread has a different id of the process.

use super::memory::{Bytes, Memory};

/// Bytes of `struct pthread` that are searched (glibc on x86-64 has the id at 720).
const SEARCHED: usize = 1536;

/// The kernel's id of each thread of `python_ids`, out of `tids`, the threads of the process.
/// `None` where it could not be learnt.
pub fn native_ids(memory: &dyn Memory, python_ids: &[u64], tids: &[u32]) -> Vec<Option<u32>> {
    let blocks: Vec<Option<Vec<u8>>> = python_ids.iter().map(|&id| block(memory, id)).collect();
    let best = (0..SEARCHED / 4).map(|word| word * 4).map(|offset| {
        let mut ids: Vec<u32> =
            blocks.iter().flatten().filter_map(|block| id_at(block, offset, tids)).collect();
        ids.sort_unstable();
        ids.dedup();
        (ids.len(), std::cmp::Reverse(offset))
    });
    match best.max() {
        Some((found, std::cmp::Reverse(offset))) if found > 0 => {
            blocks.iter().map(|block| id_at(block.as_ref()?, offset, tids)).collect()
        }
        _ => vec![None; python_ids.len()],
    }
}

/// As much as is mapped of the first [`SEARCHED`] bytes.
fn block(memory: &dyn Memory, addr: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; SEARCHED];
    let filled = memory.read_vectored(&[super::memory::Range::new(addr, SEARCHED)], &mut bytes).ok()?;
    bytes.truncate(filled);
    Some(bytes)
}

fn id_at(block: &[u8], offset: usize, tids: &[u32]) -> Option<u32> {
    block.u32_at(offset).filter(|id| tids.binary_search(id).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::memory::{MemoryError, Range};

    /// Threads at addresses 1, 2, …: the bytes of each.
    struct Threads(Vec<Vec<u8>>);

    impl Memory for Threads {
        fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
            let addr = ranges[0].addr;
            let bytes = self.0.get(addr as usize - 1).ok_or(MemoryError::Unmapped(addr))?;
            let len = bytes.len().min(buf.len());
            buf[..len].copy_from_slice(&bytes[..len]);
            Ok(len)
        }
    }

    fn pthread(words: &[(usize, u32)]) -> Vec<u8> {
        let mut bytes = vec![0; SEARCHED];
        for &(offset, value) in words {
            bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn the_offset_with_different_ids_wins() {
        // All threads hold the id of the process at 16; their own at 720.
        let threads = Threads(vec![pthread(&[(16, 7), (720, 7)]), pthread(&[(16, 7), (720, 9)])]);
        assert_eq!(native_ids(&threads, &[1, 2, 3], &[7, 8, 9]), [Some(7), Some(9), None]);
        assert_eq!(native_ids(&threads, &[1, 2], &[]), [None, None]);
        assert_eq!(native_ids(&threads, &[], &[7]), []);
    }
}
