//! Bytes of a target that one vectored read copied, addressed as the target addresses them.

use crate::process::memory::{Memory, MemoryError, Range};

/// Several ranges of a target, copied together.
///
/// The order in which ranges are added is the order in which the kernel copies them, which is what
/// makes two of them consistent with each other or not.
#[derive(Debug, Default)]
pub struct Image {
    ranges: Vec<Range>,
    /// Where each range begins in `bytes`.
    starts: Vec<usize>,
    bytes: Vec<u8>,
    /// How many bytes the last read filled.
    filled: usize,
}

impl Image {
    /// Forgets all ranges and keeps the allocations.
    pub fn clear(&mut self) {
        self.ranges.clear();
        self.starts.clear();
        self.filled = 0;
    }

    /// Adds a range to the next read and returns its number.
    pub fn add(&mut self, range: Range) -> usize {
        self.starts.push(self.wanted());
        self.ranges.push(range);
        self.ranges.len() - 1
    }

    /// Number of ranges.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there are no ranges.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Copies all ranges from the target.
    pub fn fill(&mut self, memory: &dyn Memory) -> Result<(), MemoryError> {
        let wanted = self.wanted();
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        self.filled = 0;
        self.filled = memory.read_vectored(&self.ranges, &mut self.bytes[..wanted])?;
        Ok(())
    }

    /// How many bytes the last read copied.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// The bytes of range `number` if they were copied completely.
    pub fn range(&self, number: usize) -> Option<&[u8]> {
        let start = *self.starts.get(number)?;
        let end = start + self.ranges.get(number)?.len;
        if end > self.filled {
            return None;
        }
        self.bytes.get(start..end)
    }

    /// Number of the first range that was not copied completely: it holds an address that is not
    /// mapped.
    pub fn first_unread(&self) -> Option<usize> {
        (0..self.ranges.len()).find(|&number| self.range(number).is_none())
    }

    /// Number of the range `among` these that holds the `len` bytes at `addr`.
    pub fn find(&self, among: std::ops::Range<usize>, addr: u64, len: usize) -> Option<usize> {
        let ranges = self.ranges.get(among.clone())?;
        Some(among.start + ranges.iter().position(|range| range.contains(addr, len))?)
    }

    /// The `len` bytes at `addr`, if one of the ranges `among` these holds them.
    pub fn at(&self, among: std::ops::Range<usize>, addr: u64, len: usize) -> Option<&[u8]> {
        let number = self.find(among, addr, len)?;
        let offset = (addr - self.ranges[number].addr) as usize;
        self.range(number)?.get(offset..offset + len)
    }

    fn wanted(&self) -> usize {
        match (self.starts.last(), self.ranges.last()) {
            (Some(start), Some(range)) => start + range.len,
            _ => 0,
        }
    }
}
