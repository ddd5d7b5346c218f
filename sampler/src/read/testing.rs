//! Memory for unit tests.

use crate::process::memory::{Memory, MemoryError, Range};

/// One range of mapped bytes.
pub(crate) struct Image {
    /// Address of the first byte.
    pub(crate) start: u64,
    /// What is there.
    pub(crate) bytes: Vec<u8>,
}

impl Memory for Image {
    fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        let mut filled = 0;
        for range in ranges {
            let whole = Range::new(self.start, self.bytes.len());
            if !whole.contains(range.addr, range.len) {
                break;
            }
            let from = (range.addr - self.start) as usize;
            buf[filled..filled + range.len].copy_from_slice(&self.bytes[from..from + range.len]);
            filled += range.len;
        }
        if filled == 0 && !buf.is_empty() {
            return Err(MemoryError::Unmapped(ranges[0].addr));
        }
        Ok(filled)
    }
}
