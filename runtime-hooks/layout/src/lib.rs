//! What the bundled runtime publishes about itself, and how it is read.
//!
//! The runtime (`slowpath-python`) keeps one [`Table`] of 64-bit words in a section of its own,
//! [`SECTION`], as CPython keeps `_PyRuntime` in `.PyRuntime`. It is written once, at start, from offsets
//! that were measured on live objects; until then, and if a measurement was ambiguous,
//! [`Table::state`] says so and nothing else may be believed. Threads are in an array of
//! [`THREAD_WORDS`] words each, at [`Table::threads`].
//!
//! This crate depends on nothing, so that the sampler can be built without the runtime. Whoever reads a
//! table reads foreign bytes: [`Table::parse`] takes none that is not of this version and
//! whose every offset cannot be right.

#![forbid(unsafe_code)]

mod entries;

pub use entries::{ClassWrite, Opcode};

/// Name of the ELF section that begins with the table.
pub const SECTION: &str = ".slowpath.runtime";

/// First word of a table: `slowpath`, as little-endian bytes.
pub const COOKIE: u64 = u64::from_le_bytes(*b"slowpath");

/// Version of this table. A change of meaning, order or number of its words makes a new one.
pub const VERSION: u64 = 1;

/// [`Table::state`]: the offsets have not been measured yet.
pub const STARTING: u64 = 0;
/// [`Table::state`]: the table holds.
pub const READY: u64 = 1;
/// [`Table::state`]: a measurement was ambiguous or failed; there is nothing to read.
pub const REFUSED: u64 = 2;

/// Most threads that are published at a time; more are counted in [`Table::thread_overflow`].
pub const MAX_THREADS: usize = 1024;
/// Words of one thread: [`Thread`].
pub const THREAD_WORDS: usize = 16;
/// Bytes of a thread's name.
pub const NAME_BYTES: usize = 72;

/// Opcodes are one byte.
pub const OPCODES: usize = 256;
/// Words of one opcode: [`Opcode`].
pub const OPCODE_WORDS: usize = 6;

/// Most places that are published as writing to classes.
pub const MAX_CLASS_WRITES: usize = 128;
/// Words of one of them: [`ClassWrite`].
pub const CLASS_WRITE_WORDS: usize = 48;
/// Killed type versions that are remembered: the first ones, in the first half, because most instructions
/// are specialized early and for ever, and the last ones.
pub const DEAD_VERSIONS: usize = 4096;

/// The word that the killed version of this number is put into.
pub const fn place_of_dead(number: u64) -> usize {
    let half = DEAD_VERSIONS as u64 / 2;
    (if number < half { number } else { half + number % half }) as usize
}

/// No structure of the runtime that is read is larger, in bytes.
const MAX_OFFSET: u64 = 4096;

macro_rules! table {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The published words, in their order. Offsets are in bytes, from the beginning of the structure.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Table {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// Words of a table.
        pub const WORDS: usize = [$(stringify!($name)),*].len();

        impl Table {
            /// The words as they are published.
            pub const fn words(&self) -> [u64; WORDS] {
                [$(self.$name),*]
            }

            /// The table of these words, without a look at whether it can be right.
            const fn from_words(words: &[u64; WORDS]) -> Self {
                let [$($name),*] = *words;
                Self { $($name),* }
            }
        }
    };
}

table! {
    /// [`COOKIE`].
    cookie,
    /// [`VERSION`].
    version,
    /// Words of the table: [`WORDS`].
    words,
    /// [`STARTING`], [`READY`] or [`REFUSED`].
    state,
    /// Process that wrote the table: after a fork the child has its parent's until it has its own.
    pid,
    /// Language version as `PY_VERSION_HEX` has it, `0x030e00f0`.
    python,
    /// Version of RustPython: major, minor and patch, one byte each, `0x000600`.
    rustpython,
    /// Address of the array of [`Thread`]s.
    threads,
    /// Entries of it that have ever been used.
    threads_used,
    /// Counts up when a thread begins or ends.
    threads_generation,
    /// Threads that found no free entry.
    thread_overflow,
    /// Address of [`OPCODES`] times [`OPCODE_WORDS`] words.
    opcodes,
    /// Address of an array of [`ClassWrite`]s.
    class_writes,
    /// Entries of it that are in use.
    class_writes_used,
    /// Class writes that were not entered: no entry was free, or somebody else was entering one.
    class_writes_missed,
    /// Address of [`DEAD_VERSIONS`] words, see [`place_of_dead`]: a type version that a write killed in the low half,
    /// the number of the entry of that write in the high one.
    dead_versions,
    /// Words that were ever put into it.
    dead_versions_put,
    /// Bytes of `InterpreterFrame` that are read.
    frame_size,
    /// `InterpreterFrame.code`, address of a code object.
    frame_code,
    /// `InterpreterFrame.lasti`, 32 bits: index of the code unit after the one that is executed.
    frame_lasti,
    /// `InterpreterFrame.previous`, address of the caller's frame, or 0.
    frame_previous,
    /// Bytes of a code object, `Py<PyCode>`.
    code_size,
    /// Address of the code units, two bytes each.
    code_units,
    /// Number of code units.
    code_units_len,
    /// Address of the adaptive counters, 16 bits each, one for each code unit.
    code_counters,
    /// Address of the caches of the size of a pointer, one for each code unit.
    code_pointers,
    /// Address of the line table in CPython's format of 3.11 and later.
    code_linetable,
    /// Bytes of it.
    code_linetable_len,
    /// First line, 32 bits, 0 if there is none.
    code_first_line,
    /// `co_flags`, 32 bits.
    code_flags,
    /// Address of the name, a text object.
    code_name,
    /// Address of the qualified name, a text object.
    code_qualname,
    /// Address of the path of the source, a text object.
    code_source_path,
    /// Address of the names that instructions use: addresses of text objects.
    code_names,
    /// Number of them.
    code_names_len,
    /// Bytes of a text object, `Py<PyStr>`.
    text_size,
    /// Address of its bytes, WTF-8.
    text_data,
    /// Number of its bytes.
    text_len,
}

/// Why a table is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Fewer bytes than a table has, or not one.
    NoTable,
    /// A table of another version, which is given.
    OtherVersion(u64),
    /// The runtime is starting.
    Starting,
    /// The runtime could not tell where its own fields are.
    Refused,
    /// The field of this name cannot be right.
    Field(&'static str),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoTable => write!(f, "it publishes no table"),
            Self::OtherVersion(version) => {
                write!(f, "its table has version {version}, this slowpath reads version {VERSION}")
            }
            Self::Starting => write!(f, "it is starting"),
            Self::Refused => write!(f, "it could not tell where its own fields are"),
            Self::Field(name) => write!(f, "its table says something impossible of `{name}`"),
        }
    }
}

impl Table {
    /// Reads a table out of foreign bytes.
    ///
    /// # Errors
    /// When they are no table of this version, when it is not (or never will be) ready, and when a field
    /// lies outside of the structure it belongs to.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut words = [0; WORDS];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = chunk.try_into().map_or(0, u64::from_le_bytes);
        }
        let table = Self::from_words(&words);
        if bytes.len() < 16 || table.cookie != COOKIE {
            return Err(Refusal::NoTable);
        }
        if table.version != VERSION {
            return Err(Refusal::OtherVersion(table.version));
        }
        if bytes.len() < WORDS * 8 || table.words != WORDS as u64 {
            return Err(Refusal::Field("words"));
        }
        match table.state {
            STARTING => Err(Refusal::Starting),
            READY => table.validate().map_or(Ok(table), |name| Err(Refusal::Field(name))),
            _ => Err(Refusal::Refused),
        }
    }

    /// Name of the first field that cannot be right.
    fn validate(&self) -> Option<&'static str> {
        let fields = [
            ("frame_code", self.frame_code, 8, self.frame_size),
            ("frame_lasti", self.frame_lasti, 4, self.frame_size),
            ("frame_previous", self.frame_previous, 8, self.frame_size),
            ("code_units", self.code_units, 8, self.code_size),
            ("code_units_len", self.code_units_len, 8, self.code_size),
            ("code_counters", self.code_counters, 8, self.code_size),
            ("code_pointers", self.code_pointers, 8, self.code_size),
            ("code_linetable", self.code_linetable, 8, self.code_size),
            ("code_linetable_len", self.code_linetable_len, 8, self.code_size),
            ("code_first_line", self.code_first_line, 4, self.code_size),
            ("code_flags", self.code_flags, 4, self.code_size),
            ("code_name", self.code_name, 8, self.code_size),
            ("code_qualname", self.code_qualname, 8, self.code_size),
            ("code_source_path", self.code_source_path, 8, self.code_size),
            ("code_names", self.code_names, 8, self.code_size),
            ("code_names_len", self.code_names_len, 8, self.code_size),
            ("text_data", self.text_data, 8, self.text_size),
            ("text_len", self.text_len, 8, self.text_size),
        ];
        let sizes =
            [("frame_size", self.frame_size), ("code_size", self.code_size), ("text_size", self.text_size)];
        let outside = |&&(_, offset, len, size): &&(_, u64, u64, u64)| {
            offset % len != 0 || offset.checked_add(len).is_none_or(|end| end > size)
        };
        let too_large = sizes.iter().find(|(_, size)| *size > MAX_OFFSET).map(|(name, _)| *name);
        let counts =
            [("threads", self.threads == 0), ("threads_used", self.threads_used > MAX_THREADS as u64)];
        let counts = counts.iter().find(|(_, wrong)| *wrong).map(|(name, _)| *name);
        too_large.or(fields.iter().find(outside).map(|(name, ..)| *name)).or(counts)
    }
}

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

    fn bytes(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn ready() -> Table {
        Table {
            cookie: COOKIE,
            version: VERSION,
            words: WORDS as u64,
            state: READY,
            threads: 0x1000,
            frame_size: 144,
            frame_previous: 136,
            code_size: 512,
            text_size: 64,
            ..Table::default()
        }
    }

    #[test]
    fn a_table_comes_back_as_it_was_published() {
        assert_eq!(Table::parse(&bytes(&ready().words())), Ok(ready()));
    }

    #[test]
    fn what_cannot_be_a_table_is_refused_with_the_reason() {
        assert_eq!(Table::parse(&[]), Err(Refusal::NoTable));
        assert_eq!(Table::parse(&[0; 1024]), Err(Refusal::NoTable));
        let refused = |change: fn(&mut Table)| {
            let mut table = ready();
            change(&mut table);
            Table::parse(&bytes(&table.words())).unwrap_err()
        };
        assert_eq!(refused(|it| it.version = 9), Refusal::OtherVersion(9));
        assert_eq!(refused(|it| it.state = STARTING), Refusal::Starting);
        assert_eq!(refused(|it| it.state = 77), Refusal::Refused);
        assert_eq!(refused(|it| it.words = 3), Refusal::Field("words"));
        assert_eq!(refused(|it| it.frame_previous = 140), Refusal::Field("frame_previous"));
        assert_eq!(refused(|it| it.frame_code = u64::MAX - 7), Refusal::Field("frame_code"));
        assert_eq!(refused(|it| it.code_size = 1 << 40), Refusal::Field("code_size"));
        assert_eq!(refused(|it| it.threads_used = 1 << 20), Refusal::Field("threads_used"));
        let short = bytes(&ready().words());
        assert_eq!(Table::parse(&short[..short.len() - 8]), Err(Refusal::Field("words")));
    }

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

    #[test]
    fn an_opcode_comes_back_and_a_name_of_other_bytes_does_not() {
        let opcode = Opcode { caches: 9, base: 80, name: "LOAD_ATTR_SLOT".into() };
        let mut words = opcode.words();
        assert_eq!(Opcode::parse(&bytes(&words)), Some(opcode));
        words[1] = 0x1b1b_1b1b;
        assert_eq!(Opcode::parse(&bytes(&words)), None);
    }

    #[test]
    fn a_class_write_comes_back_with_the_end_of_a_long_path() {
        let write = ClassWrite {
            count: 9,
            line: 12,
            class: "Order".into(),
            attribute: "created".into(),
            function: "Order.__init__".into(),
            file: format!("/{}/shop.py", "x".repeat(200)),
        };
        let read = ClassWrite::parse(&bytes(&write.words())).unwrap();
        assert_eq!((read.file.len(), read.file.ends_with("xx/shop.py")), (120, true));
        assert_eq!(ClassWrite { file: write.file.clone(), ..read }, write);
        assert!(ClassWrite::parse(&[255; CLASS_WRITE_WORDS * 8]).is_some());
        assert_eq!(ClassWrite::parse(&[7; 20]), None);
    }
}
