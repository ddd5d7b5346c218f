//! Memory that is copied before it is asked for, so that many small reads cost one system call.

use crate::process::memory::{Memory, MemoryError, Range};
use crate::read::image::Image;

/// A target with copies of some of its memory. What has not been copied is read when it is needed.
pub struct Ahead<'a> {
    memory: &'a dyn Memory,
    copies: Vec<Image>,
}

impl<'a> Ahead<'a> {
    /// Nothing is copied yet.
    pub fn new(memory: &'a dyn Memory) -> Self {
        Self { memory, copies: Vec::new() }
    }

    /// Copies these ranges, as far as they are mapped.
    pub fn fetch(&mut self, ranges: impl IntoIterator<Item = Range>) {
        let mut image = Image::default();
        for range in ranges {
            image.add(range);
        }
        // What could not be copied is read later, or fails then.
        if !image.is_empty() && image.fill(self.memory).is_ok() {
            self.copies.push(image);
        }
    }

    fn copied(&self, range: Range) -> Option<&[u8]> {
        self.copies.iter().find_map(|image| image.at(0..image.len(), range.addr, range.len))
    }
}

impl Memory for Ahead<'_> {
    fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        let mut filled = 0;
        for range in ranges {
            let (Some(copied), Some(place)) = (self.copied(*range), buf.get_mut(filled..filled + range.len))
            else {
                return self.memory.read_vectored(ranges, buf);
            };
            place.copy_from_slice(copied);
            filled += range.len;
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::Image as Bytes;

    #[test]
    fn what_was_copied_is_not_read_again() {
        let target = Bytes { start: 0x1000, bytes: (0..64).collect() };
        let mut ahead = Ahead::new(&target);
        // The second range is not mapped: it ends the copy.
        ahead.fetch([Range::new(0x1000, 16), Range::new(0x9000, 8), Range::new(0x1020, 16)]);
        assert_eq!(ahead.copied(Range::new(0x1004, 4)), Some(&[4, 5, 6, 7][..]));
        assert_eq!(ahead.copied(Range::new(0x1020, 4)), None);
        assert_eq!(ahead.read_bytes(0x1020, 2), Ok(vec![32, 33]));
        assert_eq!(ahead.read_bytes(0x100e, 4), Ok(vec![14, 15, 16, 17]));
        assert!(ahead.read_bytes(0x9000, 4).is_err());
    }

    #[test]
    fn a_copy_stays_as_it_was_when_the_target_changes() {
        let target = Bytes { start: 0x1000, bytes: (0..64).collect() };
        let mut ahead = Ahead::new(&target);
        ahead.fetch([Range::new(0x1000, 16)]);
        let now = Bytes { start: 0x1000, bytes: vec![0xff; 64] };
        let copied = Ahead { memory: &now, ..ahead };
        assert_eq!(copied.read_bytes(0x1004, 4).unwrap(), [4, 5, 6, 7]);
        assert_eq!(copied.read_bytes(0x1010, 2).unwrap(), [0xff; 2]);
        assert_eq!(copied.read_bytes(0x100c, 8).unwrap(), [0xff; 8], "partly copied");
        assert_eq!(copied.read_u64(0x2000), Err(MemoryError::Unmapped(0x2000)));
    }
}
