//! Recorded memory: the pages of a target that a reader touched, in a file that replays them.
//!
//! Lets tests read an interpreter without having one, and keeps what a bug report needs. The file
//! (`.slowpath-mem`) is a line that names format and version, followed by one zstd frame with
//! checksum, of little-endian fields: length and bytes of a note in UTF-8, number of pages, then
//! address and 4,096 bytes of each page in ascending order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use thiserror::Error;

use super::memory::{Memory, MemoryError, Range};

/// First line of a file.
const HEADER: &[u8] = b"slowpath-mem 1\n";
/// Bytes of a page.
const PAGE: usize = 4096;
/// Most pages of a recording: 256 MiB.
const MAX_PAGES: usize = 65_536;
/// Longest note in bytes.
const MAX_NOTE: usize = 65_536;

type Page = Box<[u8; PAGE]>;

/// Why a file of recorded memory was not read.
#[derive(Debug, Error)]
pub enum RecordedError {
    /// It is not such a file, or one of a later format.
    #[error("not recorded memory that this slowpath reads (it begins with {0:?})")]
    Format(String),
    /// It does not keep to the format.
    #[error("recorded memory is damaged: {0}")]
    Damaged(&'static str),
    /// It could not be read or unpacked.
    #[error("recorded memory could not be read: {0}")]
    Io(#[from] io::Error),
}

/// Pages of memory with a note on where they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedMemory {
    pages: BTreeMap<u64, Page>,
    note: String,
}

impl RecordedMemory {
    /// What the recorder noted, such as the version and the address of `_PyRuntime`.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// How many pages there are.
    pub fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// Writes the file.
    pub fn write<W: Write>(&self, mut output: W) -> io::Result<()> {
        output.write_all(HEADER)?;
        let mut packed = zstd::Encoder::new(output, 9)?;
        packed.include_checksum(true)?;
        packed.write_all(&(self.note.len() as u32).to_le_bytes())?;
        packed.write_all(self.note.as_bytes())?;
        packed.write_all(&(self.pages.len() as u32).to_le_bytes())?;
        for (addr, page) in &self.pages {
            packed.write_all(&addr.to_le_bytes())?;
            packed.write_all(&page[..])?;
        }
        packed.finish()?.flush()
    }

    /// Reads a file. Memory is bounded whatever it holds.
    pub fn read_from<R: Read>(mut input: R) -> Result<Self, RecordedError> {
        let mut header = [0; HEADER.len()];
        input.read_exact(&mut header)?;
        if header != HEADER {
            return Err(RecordedError::Format(String::from_utf8_lossy(&header).into_owned()));
        }
        let mut plain = zstd::Decoder::new(input)?;
        let note_len = read_u32(&mut plain)?;
        let mut note = vec![0; bounded(note_len, MAX_NOTE, "the note is too long")?];
        plain.read_exact(&mut note)?;
        let note = String::from_utf8(note).map_err(|_| RecordedError::Damaged("the note is not text"))?;
        let count = bounded(read_u32(&mut plain)?, MAX_PAGES, "it has too many pages")?;
        let mut pages = BTreeMap::new();
        for _ in 0..count {
            let mut entry = [0; 8 + PAGE];
            plain.read_exact(&mut entry)?;
            let (addr, bytes) =
                entry.split_first_chunk::<8>().ok_or(RecordedError::Damaged("a short page"))?;
            let addr = u64::from_le_bytes(*addr);
            if !addr.is_multiple_of(PAGE as u64)
                || pages.last_key_value().is_some_and(|(&last, _)| addr <= last)
            {
                return Err(RecordedError::Damaged("the pages are not in order"));
            }
            let page = bytes.first_chunk().ok_or(RecordedError::Damaged("a short page"))?;
            pages.insert(addr, Box::new(*page));
        }
        // Reads up to the checksum behind the last page.
        if plain.read(&mut [0])? != 0 {
            return Err(RecordedError::Damaged("bytes follow the last page"));
        }
        Ok(Self { pages, note })
    }

    /// Copies what is recorded from `addr` on; how many bytes that is.
    fn copy(&self, addr: u64, out: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < out.len() {
            let Some(at) = addr.checked_add(filled as u64) else { break };
            let Some(page) = self.pages.get(&(at & !(PAGE as u64 - 1))) else { break };
            let skip = (at % PAGE as u64) as usize;
            let len = (PAGE - skip).min(out.len() - filled);
            out[filled..filled + len].copy_from_slice(&page[skip..skip + len]);
            filled += len;
        }
        filled
    }
}

impl Memory for RecordedMemory {
    fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        read_each(ranges, buf, |addr, out| self.copy(addr, out))
    }
}

/// Reads range after range with `copy`, which says how many bytes it had, and stops at the first that
/// is not all there, as [`Memory::read_vectored`] promises.
pub(super) fn read_each(
    ranges: &[Range],
    buf: &mut [u8],
    mut copy: impl FnMut(u64, &mut [u8]) -> usize,
) -> Result<usize, MemoryError> {
    let mut filled = 0_usize;
    for range in ranges {
        let end = filled.saturating_add(range.len).min(buf.len());
        let out = &mut buf[filled..end];
        let (wanted, had) = (out.len(), copy(range.addr, out));
        filled += had;
        if had < wanted {
            return if filled == 0 { Err(MemoryError::Unmapped(range.addr)) } else { Ok(filled) };
        }
    }
    Ok(filled)
}

fn read_u32(input: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn bounded(len: u32, max: usize, what: &'static str) -> Result<usize, RecordedError> {
    usize::try_from(len).ok().filter(|&len| len <= max).ok_or(RecordedError::Damaged(what))
}

/// Reads through to other memory and keeps every page that is touched, as it was at the first touch.
///
/// What it answers comes from the kept pages, so that a replay gives the same answers. A target that
/// runs changes between two first touches: stop it for a consistent recording.
#[derive(Debug)]
pub struct RecordingMemory<M> {
    inner: M,
    recorded: RefCell<RecordedMemory>,
}

impl<M: Memory> RecordingMemory<M> {
    /// Records what is read from `inner`.
    pub fn new(inner: M) -> Self {
        Self { inner, recorded: RefCell::default() }
    }

    /// What was recorded, with a note of at most 64 KiB.
    pub fn finish(self, note: impl Into<String>) -> RecordedMemory {
        let mut note = note.into();
        let end = (0..=MAX_NOTE).rev().find(|&end| note.is_char_boundary(end.min(note.len())));
        note.truncate(end.unwrap_or(0));
        RecordedMemory { note, ..self.recorded.into_inner() }
    }

    fn touch(&self, range: Range) -> Result<(), MemoryError> {
        let Some(end) = range.end().filter(|_| range.len > 0) else { return Ok(()) };
        let mut recorded = self.recorded.borrow_mut();
        let first = range.addr & !(PAGE as u64 - 1);
        for addr in (first..end).step_by(PAGE) {
            if recorded.pages.contains_key(&addr) || recorded.pages.len() >= MAX_PAGES {
                continue;
            }
            let mut page = Box::new([0; PAGE]);
            match self.inner.read(addr, &mut page[..]) {
                Ok(()) => _ = recorded.pages.insert(addr, page),
                Err(MemoryError::Unmapped(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<M: Memory> Memory for RecordingMemory<M> {
    fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        ranges.iter().try_for_each(|&range| self.touch(range))?;
        self.recorded.borrow().read_vectored(ranges, buf)
    }
}

/// The value of `key` in a note of lines `key: value`.
pub fn noted<'a>(note: &'a str, key: &str) -> Option<&'a str> {
    note.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Memory of three pages with a hole before the last, each byte telling its address.
    struct Striped;

    impl Striped {
        fn byte(addr: u64) -> Option<u8> {
            matches!(addr >> 12, 4 | 5 | 7).then_some((addr ^ (addr >> 8)) as u8)
        }
    }

    impl Memory for Striped {
        fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
            read_each(ranges, buf, |addr, out| {
                let bytes = (addr..).map_while(Self::byte);
                out.iter_mut().zip(bytes).map(|(place, byte)| *place = byte).count()
            })
        }
    }

    fn file_of(recorded: &RecordedMemory) -> Vec<u8> {
        let mut file = Vec::new();
        recorded.write(&mut file).unwrap();
        file
    }

    proptest! {
        #[test]
        fn a_replay_answers_as_the_original(
            ranges in prop::collection::vec((0x3f00_u64..0x8100, 0_usize..9000), 1..6)
        ) {
            let ranges: Vec<Range> = ranges.into_iter().map(|(addr, len)| Range::new(addr, len)).collect();
            let len = ranges.iter().map(|range| range.len).sum();
            let read = |memory: &dyn Memory| {
                let mut buf = vec![0; len];
                let filled = memory.read_vectored(&ranges, &mut buf);
                buf.truncate(filled.unwrap_or(0));
                (filled, buf)
            };
            let recording = RecordingMemory::new(Striped);
            let first = read(&recording);
            prop_assert_eq!(&first, &read(&Striped));
            let recorded = recording.finish("python: 3.14.2");
            let replayed = RecordedMemory::read_from(&file_of(&recorded)[..]).unwrap();
            prop_assert_eq!(&replayed, &recorded);
            prop_assert_eq!(&first, &read(&replayed));
            prop_assert_eq!(noted(replayed.note(), "python"), Some("3.14.2"));
        }

        #[test]
        fn damage_is_noticed(at in any::<prop::sample::Index>(), mask in 1_u8..) {
            let recording = RecordingMemory::new(Striped);
            recording.read_bytes(0x4ff0, 64).unwrap();
            let recorded = recording.finish("note");
            let mut file = file_of(&recorded);
            let at = at.index(file.len());
            file[at] ^= mask;
            // A flipped bit that zstd gives no meaning to may pass; what is read is then right.
            prop_assert!(RecordedMemory::read_from(&file[..]).is_err_and(|_| true)
                || RecordedMemory::read_from(&file[..]).is_ok_and(|read| read == recorded));
            prop_assert!(RecordedMemory::read_from(&file[..at]).is_err());
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = RecordedMemory::read_from(&bytes[..]);
            let mut file = HEADER.to_vec();
            file.extend(zstd::encode_all(&bytes[..], 1).unwrap());
            let _ = RecordedMemory::read_from(&file[..]);
        }
    }

    #[test]
    fn claims_are_bounded_and_order_is_kept() {
        let file = |body: &[u8]| {
            let mut file = HEADER.to_vec();
            file.extend(zstd::encode_all(body, 1).unwrap());
            RecordedMemory::read_from(&file[..]).unwrap_err().to_string()
        };
        assert!(file(&[0xff; 8]).contains("note is too long"));
        assert!(file(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]).contains("too many pages"));
        let mut twice = vec![0, 0, 0, 0, 2, 0, 0, 0];
        twice.extend([0; 2 * (8 + PAGE)]);
        assert!(file(&twice).contains("not in order"));
        let later = RecordedMemory::read_from(&b"slowpath-mem 9\nxyz"[..]).unwrap_err();
        assert!(later.to_string().contains("slowpath-mem 9"));
    }
}
