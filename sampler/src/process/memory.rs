//! The one way to read a target's memory, whatever it is: a live process, recorded pages, test bytes.

use thiserror::Error;

/// A range of addresses in the target.
///
/// Laid out like `struct iovec`, so that ranges are handed to the kernel as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Range {
    /// First address.
    pub addr: u64,
    /// Length in bytes.
    pub len: usize,
}

impl Range {
    /// The range of `len` bytes at `addr`.
    pub fn new(addr: u64, len: usize) -> Self {
        Self { addr, len }
    }

    /// First address after the range, or `None` if the range wraps around (a hostile pointer).
    pub fn end(self) -> Option<u64> {
        self.addr.checked_add(self.len as u64)
    }

    /// Whether `[addr, addr + len)` lies wholly inside.
    pub fn contains(self, addr: u64, len: usize) -> bool {
        match (addr.checked_add(len as u64), self.end()) {
            (Some(last), Some(end)) => addr >= self.addr && last <= end,
            _ => false,
        }
    }
}

/// Why bytes of a target could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MemoryError {
    /// Nothing is mapped there (any more): the pointer was stale or hostile.
    #[error("address {0:#x} of the target is not mapped")]
    Unmapped(u64),
    /// The process is gone, or is a zombie without memory.
    #[error("the process has ended")]
    Gone,
    /// The operating system refuses.
    #[error("reading the target's memory is not permitted")]
    Denied,
}

/// Reads the memory of a target.
///
/// Reads see memory that the target goes on changing: a value may be torn, a pointer stale. Callers
/// validate what they read; implementations only promise not to panic on any address.
pub trait Memory {
    /// Fills `buf` with the bytes of `ranges`, one after the other and copied in that order, with as
    /// few system calls as the back end can. `buf.len()` must be the sum of the lengths.
    ///
    /// Returns how many bytes were filled: fewer than asked when a range is not mapped, in which case
    /// the bytes of all ranges before it are valid. An error means that nothing could be read.
    fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError>;

    /// Fills `buf` with the bytes at `addr`, or fails.
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let len = buf.len();
        match self.read_vectored(&[Range::new(addr, len)], buf)? {
            filled if filled == len => Ok(()),
            filled => Err(MemoryError::Unmapped(addr.wrapping_add(filled as u64))),
        }
    }

    /// The 64-bit word at `addr`.
    fn read_u64(&self, addr: u64) -> Result<u64, MemoryError> {
        let mut word = [0; 8];
        self.read(addr, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    /// The `len` bytes at `addr`. Callers bound `len` before asking.
    fn read_bytes(&self, addr: u64, len: usize) -> Result<Vec<u8>, MemoryError> {
        let mut bytes = vec![0; len];
        self.read(addr, &mut bytes)?;
        Ok(bytes)
    }
}

impl<M: Memory + ?Sized> Memory for &M {
    fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        (**self).read_vectored(ranges, buf)
    }
}

/// Little-endian fields of bytes that were copied from a target. Every access is checked.
pub trait Bytes {
    /// The byte at `offset`.
    fn u8_at(&self, offset: usize) -> Option<u8>;
    /// The 16-bit word at `offset`.
    fn u16_at(&self, offset: usize) -> Option<u16>;
    /// The 32-bit word at `offset`.
    fn u32_at(&self, offset: usize) -> Option<u32>;
    /// The 64-bit word at `offset`.
    fn u64_at(&self, offset: usize) -> Option<u64>;
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk::<N>().copied()
}

impl Bytes for [u8] {
    fn u8_at(&self, offset: usize) -> Option<u8> {
        self.get(offset).copied()
    }
    fn u16_at(&self, offset: usize) -> Option<u16> {
        array_at(self, offset).map(u16::from_le_bytes)
    }
    fn u32_at(&self, offset: usize) -> Option<u32> {
        array_at(self, offset).map(u32::from_le_bytes)
    }
    fn u64_at(&self, offset: usize) -> Option<u64> {
        array_at(self, offset).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_do_not_wrap() {
        let last = Range::new(u64::MAX - 3, 8);
        assert_eq!(last.end(), None);
        assert!(!last.contains(u64::MAX - 2, 1));
        assert!(Range::new(0x1000, 16).contains(0x1008, 8));
        assert!(!Range::new(0x1000, 16).contains(0x1009, 8));
    }

    #[test]
    fn fields_outside_the_bytes_are_none() {
        let bytes: &[u8] = &[1, 0, 0, 0, 2];
        assert_eq!(bytes.u32_at(0), Some(1));
        assert_eq!(bytes.u32_at(2), None);
        assert_eq!(bytes.u8_at(usize::MAX), None);
    }
}
