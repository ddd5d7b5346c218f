//! Threads, as the runtime enters them.

use crate::{NAME_BYTES, THREAD_WORDS};

/// One published thread. Its first word is even while the others hold, and counts up by two for each
/// thread that uses the entry; 0 and odd numbers mean that the entry is free or being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// Which use of the entry this is.
    pub sequence: u64,
    /// Address of `ThreadSlot.top_iframe`: of the address of the innermost frame.
    pub top: u64,
    /// Address of `ThreadSlot.state`, 32 bits: [`ThreadState`].
    pub state: u64,
    /// The kernel's id of the thread.
    pub native_id: u64,
    /// `threading.get_ident()`.
    pub python_id: u64,
    /// Whether it is the main thread.
    pub is_main: bool,
    /// `threading.Thread.name` when the thread began, cut to [`NAME_BYTES`].
    pub name: String,
}

impl Thread {
    /// The words as they are published, without the sequence number.
    pub fn words(&self) -> [u64; THREAD_WORDS - 1] {
        let mut bytes = [0; NAME_BYTES];
        let len = self.name.floor_char_boundary(NAME_BYTES);
        bytes[..len].copy_from_slice(&self.name.as_bytes()[..len]);
        let mut words = [0; THREAD_WORDS - 1];
        words[..5].copy_from_slice(&[
            self.top,
            self.state,
            self.native_id,
            self.python_id,
            u64::from(self.is_main),
        ]);
        words[5] = len as u64;
        for (word, chunk) in words[6..].iter_mut().zip(bytes.chunks_exact(8)) {
            *word = chunk.try_into().map_or(0, u64::from_le_bytes);
        }
        words
    }

    /// Reads a thread out of foreign bytes; `None` if the entry is free, being written, or is no thread.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at * 8..at * 8 + 8)?.try_into().ok()?));
        let (sequence, top) = (word(0)?, word(1)?);
        if sequence == 0 || sequence % 2 != 0 || top == 0 {
            return None;
        }
        let len = usize::try_from(word(6)?).ok().filter(|len| *len <= NAME_BYTES)?;
        let name = String::from_utf8_lossy(bytes.get(56..56 + len)?).into_owned();
        let (state, native_id, python_id) = (word(2)?, word(3)?, word(4)?);
        Some(Self { sequence, top, state, native_id, python_id, is_main: word(5)? == 1, name })
    }
}

/// `ThreadState` of RustPython.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadState {
    /// Waits, or runs native code.
    Detached,
    /// Executes bytecode.
    Attached,
    /// Waits for somebody who stopped all threads, such as a garbage collection.
    Suspended,
    /// Not one of these.
    Unknown,
}

impl From<u32> for ThreadState {
    fn from(state: u32) -> Self {
        match state {
            0 => Self::Detached,
            1 => Self::Attached,
            2 => Self::Suspended,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes;

    #[test]
    fn a_thread_comes_back_and_a_free_entry_does_not() {
        let name = "\u{e9}".repeat(60);
        let thread =
            Thread { sequence: 4, top: 8, state: 16, native_id: 1, python_id: 2, is_main: true, name };
        let words: Vec<u64> = std::iter::once(4).chain(thread.words()).collect();
        let read = Thread::parse(&bytes(&words)).unwrap();
        assert_eq!(read, Thread { name: "\u{e9}".repeat(36), ..thread });
        for sequence in [0, 1, 5] {
            let words: Vec<u64> = std::iter::once(sequence).chain(read.words()).collect();
            assert_eq!(Thread::parse(&bytes(&words)), None);
        }
        let mut long = words;
        long[6] = 1 << 40;
        assert_eq!(Thread::parse(&bytes(&long)), None);
    }
}
