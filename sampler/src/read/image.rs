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

/// Memory of which some has been copied already: what lies in the image costs no system call.
pub struct Copied<'a> {
    /// What has been copied.
    pub image: &'a Image,
    /// Where the rest is.
    pub memory: &'a dyn Memory,
}

impl Copied<'_> {
    fn copy(&self, ranges: &[Range], buf: &mut [u8]) -> Option<usize> {
        let mut filled = 0;
        for range in ranges {
            let bytes = self.image.at(0..self.image.len(), range.addr, range.len)?;
            buf.get_mut(filled..filled + range.len)?.copy_from_slice(bytes);
            filled += range.len;
        }
        Some(filled)
    }
}

impl Memory for Copied<'_> {
    fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        match self.copy(ranges, buf) {
            Some(filled) => Ok(filled),
            None => self.memory.read_vectored(ranges, buf),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::Image as Target;

    #[test]
    fn what_was_copied_is_not_read_again() {
        let target = Target { start: 0x1000, bytes: (0..64).collect() };
        let mut image = Image::default();
        image.add(Range::new(0x1000, 16));
        image.fill(&target).unwrap();
        // Memory has changed since: the copy has not.
        let now = Target { start: 0x1000, bytes: vec![0xff; 64] };
        let copied = Copied { image: &image, memory: &now };
        assert_eq!(copied.read_bytes(0x1004, 4).unwrap(), [4, 5, 6, 7]);
        assert_eq!(copied.read_bytes(0x1010, 2).unwrap(), [0xff; 2]);
        assert_eq!(copied.read_bytes(0x100c, 8).unwrap(), [0xff; 8], "partly copied");
        assert_eq!(copied.read_u64(0x2000), Err(MemoryError::Unmapped(0x2000)));
    }
}
