//! Reads the file of a process that may be writing to it, or may have put anything there.

use std::fmt;

use crate::layout::*;

/// Longest text that is read: longer names are cut by the writer.
const MAX_TEXT: usize = 1024;
/// An entry that is being written is tried again so often.
const TRIES: u32 = 3;

/// Where the bytes of the file are.
pub trait Bytes {
    /// Copies the bytes from `at` on; `false` if some are not there.
    fn copy(&self, at: usize, into: &mut [u8]) -> bool;
}

impl Bytes for [u8] {
    fn copy(&self, at: usize, into: &mut [u8]) -> bool {
        let found = at.checked_add(into.len()).and_then(|end| self.get(at..end));
        found.inspect(|found| into.copy_from_slice(found)).is_some()
    }
}

impl Bytes for Vec<u8> {
    fn copy(&self, at: usize, into: &mut [u8]) -> bool {
        self.as_slice().copy(at, into)
    }
}

#[cfg(unix)]
impl Bytes for std::fs::File {
    fn copy(&self, at: usize, into: &mut [u8]) -> bool {
        std::os::unix::fs::FileExt::read_exact_at(self, into, at as u64).is_ok()
    }
}

/// Why a file is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is being made, or is something else.
    NotReady,
    /// It was made by another version of slowpath; the version of its layout.
    OtherVersion(u64),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => write!(f, "the hooks have written nothing"),
            Self::OtherVersion(version) => {
                write!(f, "the hooks write layout {version}, this slowpath reads {VERSION}")
            }
        }
    }
}

impl std::error::Error for Problem {}

/// The counters of the header; see [`header`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Process id as the process sees it.
    pub pid: u32,
    /// Address of `_PyRuntime`.
    pub runtime: u64,
    /// `PY_VERSION_HEX`.
    pub python: u64,
    /// One of [`status`].
    pub status: u64,
    /// `CLOCK_MONOTONIC` in nanoseconds when the file was made.
    pub begun_ns: u64,
    /// Writes that found no slot.
    pub uncounted: u64,
    /// Names that modules defined while they were imported.
    pub defined: u64,
    /// Writes without Python code below them.
    pub native: u64,
    /// Objects that are not watched.
    pub unwatched: u64,
    /// Interpreters that are watched.
    pub interpreters: u64,
    /// Whether names are missing.
    pub text_full: bool,
    /// Watchers that the interpreter refused, bits of [`watcher`].
    pub refused: u64,
}

/// A kind of write that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Number of the object.
    pub object: u32,
    /// Number of the writing code object.
    pub code: u32,
    /// Byte offset of the writing instruction.
    pub offset: u32,
    /// Its line; 0 if it has none.
    pub line: u32,
    /// Whether it was only seen while a module other than `__main__` was imported.
    pub at_import: bool,
    /// One of [`kind`].
    pub kind: u8,
    /// The key, as text.
    pub key: String,
    /// How often.
    pub count: u64,
}

/// A code object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// `co_filename`.
    pub file: String,
    /// `co_qualname`.
    pub qualname: String,
    /// `co_name`.
    pub name: String,
    /// `co_firstlineno`.
    pub first_line: u32,
}

/// An object that is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// One of [`object`].
    pub kind: u64,
    /// `__name__` of a module, `__qualname__` of a class or function.
    pub name: String,
    /// `__module__` of a class.
    pub module: String,
}

/// A single event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `CLOCK_MONOTONIC` in nanoseconds.
    pub time_ns: u64,
    /// Native thread id.
    pub thread: u32,
    /// One of [`kind`].
    pub kind: u8,
    /// Number of the slot, unless it is an import.
    pub slot: Option<u32>,
    /// The name of what was imported.
    pub name: String,
    /// Which of the slot's writes it was, from 1.
    pub number: u64,
    /// Number of a code and line, the innermost first.
    pub frames: Vec<(u32, u32)>,
}

/// Reads one file.
#[derive(Debug)]
pub struct Reader<B> {
    bytes: B,
    /// Number of the next event, from 0.
    next: u64,
    lost: u64,
}

impl<B: Bytes> Reader<B> {
    /// A reader of a file that is complete.
    pub fn new(bytes: B) -> Result<Self, Problem> {
        let reader = Self { bytes, next: 0, lost: 0 };
        if reader.word(header::MAGIC) != Some(MAGIC) {
            return Err(Problem::NotReady);
        }
        match reader.word(header::VERSION) {
            Some(VERSION) => Ok(reader),
            version => Err(Problem::OtherVersion(version.unwrap_or(0))),
        }
    }

    /// Events that were overwritten before they could be read, or were never whole.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The counters.
    pub fn header(&self) -> Header {
        let word = |at| self.word(at).unwrap_or(0);
        Header {
            pid: word(header::PID) as u32,
            runtime: word(header::RUNTIME),
            python: word(header::PYTHON),
            status: word(header::STATUS),
            begun_ns: word(header::BEGUN_NS),
            uncounted: word(header::UNCOUNTED),
            defined: word(header::DEFINED),
            native: word(header::NATIVE),
            unwatched: word(header::UNWATCHED),
            interpreters: word(header::INTERPRETERS),
            text_full: word(header::TEXT_FULL) != 0,
            refused: word(header::REFUSED),
        }
    }

    /// All kinds of writes that were seen so far.
    pub fn slots(&self) -> Vec<Slot> {
        let rows = self.rows::<SLOT_WORDS>(SLOTS_AT, header::SLOTS, SLOTS);
        let slot = |row: &[u64; SLOT_WORDS]| {
            let (code, object) = halves(row[slot::REFERENCES]);
            let (at_import, line) = halves(row[slot::LINE]);
            Slot {
                object,
                code,
                line,
                offset: (row[slot::WHAT] >> 8) as u32,
                at_import: at_import != 0,
                kind: row[slot::WHAT] as u8,
                key: self.text(row[slot::NAME]),
                count: row[slot::COUNT],
            }
        };
        rows.iter().map(slot).collect()
    }

    /// The code object with a number.
    pub fn code(&self, number: u32) -> Option<Code> {
        let row = self.row::<CODE_WORDS>(CODES_AT, number, header::CODES, CODES)?;
        let (before, first_line) = halves(row[code::LINE]);
        let qualname = self.text(row[code::QUALNAME]);
        let name = qualname.get(before as usize..).unwrap_or(&qualname).to_owned();
        Some(Code { file: self.text(row[code::FILE]), qualname, name, first_line })
    }

    /// The object with a number.
    pub fn object(&self, number: u32) -> Option<Object> {
        let row = self.row::<OBJECT_WORDS>(OBJECTS_AT, number, header::OBJECTS, OBJECTS)?;
        Some(Object {
            kind: row[objects::KIND],
            name: self.text(row[objects::NAME]),
            module: self.text(row[objects::MODULE]),
        })
    }

    /// The events since the last call, at most as many as the ring has entries.
    pub fn events(&mut self) -> Vec<Event> {
        let Some(head) = self.word(header::RING) else { return Vec::new() };
        if head < self.next {
            // Counters do not go back: the file is not what it was.
            self.next = head;
            return Vec::new();
        }
        let first = head.saturating_sub(RING as u64).max(self.next);
        self.lost = self.lost.saturating_add(first - self.next);
        let mut events = Vec::new();
        for number in first..head {
            match self.event(number) {
                Some(event) => events.push(event),
                None => self.lost = self.lost.saturating_add(1),
            }
        }
        self.next = head;
        events
    }

    fn event(&self, number: u64) -> Option<Event> {
        let at = RING_AT + (number as usize % RING) * EVENT_WORDS;
        let whole = number.checked_add(1)?.checked_mul(2)?;
        let row = (0..TRIES).find_map(|_| {
            let row = self.words::<EVENT_WORDS>(at)?;
            (row[event::SEQUENCE] == whole && self.word(at) == Some(whole)).then_some(row)
        })?;
        let (kind, thread) = halves(row[event::THREAD]);
        let is_import = kind == u32::from(kind::IMPORT);
        let depth = (row[event::DEPTH] as usize).min(FRAMES);
        Some(Event {
            time_ns: row[event::TIME],
            thread,
            kind: kind as u8,
            slot: (!is_import).then_some(row[event::SUBJECT] as u32),
            name: if is_import { self.text(row[event::SUBJECT]) } else { String::new() },
            number: row[event::NUMBER],
            frames: row[event::FRAMES..][..depth].iter().map(|word| halves(*word)).collect(),
        })
    }

    fn text(&self, place: u64) -> String {
        let (len, at) = halves(place);
        let len = (len as usize).min(MAX_TEXT);
        let mut bytes = vec![0; len];
        let inside = (at as usize).checked_add(len).is_some_and(|end| end <= TEXT);
        let copied = inside && self.bytes.copy(TEXT_AT * 8 + at as usize, &mut bytes);
        if copied { String::from_utf8_lossy(&bytes).into_owned() } else { String::new() }
    }

    fn rows<const N: usize>(&self, at: usize, count: usize, most: usize) -> Vec<[u64; N]> {
        let count = (self.word(count).unwrap_or(0) as usize).min(most);
        let mut bytes = vec![0; count * N * 8];
        if !self.bytes.copy(at * 8, &mut bytes) {
            return Vec::new();
        }
        bytes.chunks_exact(N * 8).map(row).collect()
    }

    fn row<const N: usize>(&self, at: usize, number: u32, count: usize, most: usize) -> Option<[u64; N]> {
        let count = (self.word(count)? as usize).min(most);
        if number as usize >= count {
            return None;
        }
        self.words(at + number as usize * N)
    }

    fn words<const N: usize>(&self, at: usize) -> Option<[u64; N]> {
        let mut bytes = [0; EVENT_WORDS * 8];
        let bytes = &mut bytes[..N * 8];
        self.bytes.copy(at * 8, bytes).then(|| row(bytes))
    }

    fn word(&self, at: usize) -> Option<u64> {
        self.words::<1>(at).map(|words| words[0])
    }
}

fn row<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = bytes.try_into().map_or(0, u64::from_ne_bytes);
    }
    words
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
