//! The table itself: which words it has, and which tables are taken.

use crate::{COOKIE, MAX_CLASS_WRITES, MAX_THREADS, NAME, READY, STARTING, VERSION};
#[cfg(doc)]
use crate::{ClassWrite, DEAD_VERSIONS, OPCODE_WORDS, OPCODES, REFUSED, Thread, place_of_dead};

/// No structure of the runtime that is read is larger, in bytes.
const MAX_OFFSET: u64 = 4096;

macro_rules! table {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The published words, in their order. Offsets are in bytes, from the beginning of the structure.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(C)]
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

    /// What the runtime calls itself: `RustPython 0.6.0`.
    pub fn name(&self) -> String {
        let [patch, minor, major, ..] = self.rustpython.to_le_bytes();
        format!("{NAME} {major}.{minor}.{patch}")
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
        let counts = [
            ("threads", self.threads == 0),
            ("threads_used", self.threads_used > MAX_THREADS as u64),
            ("class_writes_used", self.class_writes_used > MAX_CLASS_WRITES as u64),
        ];
        let counts = counts.iter().find(|(_, wrong)| *wrong).map(|(name, _)| *name);
        too_large.or(fields.iter().find(outside).map(|(name, ..)| *name)).or(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes;

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
        assert_eq!(refused(|it| it.class_writes_used = 1 << 60), Refusal::Field("class_writes_used"));
        let short = bytes(&ready().words());
        assert_eq!(Table::parse(&short[..short.len() - 8]), Err(Refusal::Field("words")));
    }
}
