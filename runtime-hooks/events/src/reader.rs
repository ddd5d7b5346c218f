//! Reads the file of a process that may be writing to it, or may have put anything there.

use std::fmt;

use crate::layout::*;
use crate::ring::{Ring, row, words};

/// Longest text that is read: longer names are cut by the writer.
const MAX_TEXT: usize = 1024;

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
    /// Collections of each generation, the youngest first.
    pub collected: [u64; GENERATIONS],
    /// Nanoseconds that they took.
    pub collecting_ns: [u64; GENERATIONS],
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

/// One run of the garbage collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// `CLOCK_MONOTONIC` in nanoseconds when it began.
    pub start_ns: u64,
    /// Nanoseconds until it ended.
    pub duration_ns: u64,
    /// The oldest generation that was collected.
    pub generation: u32,
    /// Native thread id.
    pub thread: u32,
    /// Objects that were freed.
    pub freed: u64,
    /// Objects that are garbage and could not be freed.
    pub uncollectable: u64,
}

/// Reads one file.
#[derive(Debug)]
pub struct Reader<B> {
    bytes: B,
    events: Ring,
    collections: Ring,
}

impl<B: Bytes> Reader<B> {
    /// A reader of a file that is complete.
    pub fn new(bytes: B) -> Result<Self, Problem> {
        let reader = Self {
            bytes,
            events: Ring::new(RING_AT, RING, EVENT_WORDS, header::RING),
            collections: Ring::new(COLLECTIONS_AT, COLLECTIONS, COLLECTION_WORDS, header::COLLECTIONS),
        };
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
        self.events.lost
    }

    /// The same of collections.
    pub fn lost_collections(&self) -> u64 {
        self.collections.lost
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
            collected: std::array::from_fn(|generation| word(header::COLLECTED + generation)),
            collecting_ns: std::array::from_fn(|generation| word(header::COLLECTING_NS + generation)),
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
        let rows = self.events.take(&self.bytes);
        rows.iter().map(|row| self.event(row)).collect()
    }

    fn event(&self, row: &[u64; EVENT_WORDS]) -> Event {
        let (kind, thread) = halves(row[event::THREAD]);
        let is_import = kind == u32::from(kind::IMPORT);
        let depth = (row[event::DEPTH] as usize).min(FRAMES);
        Event {
            time_ns: row[event::TIME],
            thread,
            kind: kind as u8,
            slot: (!is_import).then_some(row[event::SUBJECT] as u32),
            name: if is_import { self.text(row[event::SUBJECT]) } else { String::new() },
            number: row[event::NUMBER],
            frames: row[event::FRAMES..][..depth].iter().map(|word| halves(*word)).collect(),
        }
    }

    /// The collections since the last call, at most as many as their ring has entries.
    pub fn collections(&mut self) -> Vec<Collection> {
        let rows: Vec<[u64; COLLECTION_WORDS]> = self.collections.take(&self.bytes);
        let collection = |row: &[u64; COLLECTION_WORDS]| {
            let (generation, thread) = halves(row[collection::THREAD]);
            Collection {
                start_ns: row[collection::START],
                duration_ns: row[collection::DURATION],
                generation,
                thread,
                freed: row[collection::FREED],
                uncollectable: row[collection::UNCOLLECTABLE],
            }
        };
        rows.iter().map(collection).collect()
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
        words(&self.bytes, at)
    }

    fn word(&self, at: usize) -> Option<u64> {
        self.words::<1>(at).map(|words| words[0])
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
