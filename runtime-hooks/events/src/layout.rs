//! Where things are in the file, in words of 8 bytes.

/// The first word of a file that is complete.
pub const MAGIC: u64 = u64::from_le_bytes(*b"SLOWEVT1");
/// Version of this layout.
pub const VERSION: u64 = 2;

/// Most slots.
pub const SLOTS: usize = 8192;
/// Most code objects.
pub const CODES: usize = 4096;
/// Most objects.
pub const OBJECTS: usize = 16384;
/// Bytes of text.
pub const TEXT: usize = 2 << 20;
/// Entries of the ring; a power of two.
pub const RING: usize = 8192;

/// Entries of the ring of collections; a power of two.
pub const COLLECTIONS: usize = 4096;
/// Generations of the garbage collector.
pub const GENERATIONS: usize = 3;

/// Words of the header.
pub const HEADER_WORDS: usize = 512;
/// Words of a slot: one cache line.
pub const SLOT_WORDS: usize = 8;
/// Words of a code object.
pub const CODE_WORDS: usize = 4;
/// Words of an object.
pub const OBJECT_WORDS: usize = 4;
/// Words of an entry of the ring.
pub const EVENT_WORDS: usize = 16;
/// Words of a collection.
pub const COLLECTION_WORDS: usize = 8;
/// Frames of a stack in an event.
pub const FRAMES: usize = 8;

/// Where the slots begin, in words.
pub const SLOTS_AT: usize = HEADER_WORDS;
/// Where the codes begin.
pub const CODES_AT: usize = SLOTS_AT + SLOTS * SLOT_WORDS;
/// Where the objects begin.
pub const OBJECTS_AT: usize = CODES_AT + CODES * CODE_WORDS;
/// Where the ring begins.
pub const RING_AT: usize = OBJECTS_AT + OBJECTS * OBJECT_WORDS;
/// Where the ring of collections begins.
pub const COLLECTIONS_AT: usize = RING_AT + RING * EVENT_WORDS;
/// Where the text begins.
pub const TEXT_AT: usize = COLLECTIONS_AT + COLLECTIONS * COLLECTION_WORDS;
/// Length of the file in bytes.
pub const FILE_LEN: usize = TEXT_AT * 8 + TEXT;

/// Words of the header.
pub mod header {
    /// [`super::MAGIC`], written last.
    pub const MAGIC: usize = 0;
    /// [`super::VERSION`].
    pub const VERSION: usize = 1;
    /// Process id as the process sees it.
    pub const PID: usize = 2;
    /// Address of `_PyRuntime`.
    pub const RUNTIME: usize = 3;
    /// `PY_VERSION_HEX`; 0 if the interpreter does not tell.
    pub const PYTHON: usize = 4;
    /// One of [`super::status`].
    pub const STATUS: usize = 5;
    /// `CLOCK_MONOTONIC` in nanoseconds when the file was made.
    pub const BEGUN_NS: usize = 6;
    /// Events that were ever put into the ring.
    pub const RING: usize = 8;
    /// Slots in use.
    pub const SLOTS: usize = 9;
    /// Codes in use.
    pub const CODES: usize = 10;
    /// Objects in use.
    pub const OBJECTS: usize = 11;
    /// Bytes of text in use.
    pub const TEXT: usize = 12;
    /// Writes that found no slot: counted here and nowhere else.
    pub const UNCOUNTED: usize = 13;
    /// Names that modules other than `__main__` defined while they ran for the first time.
    pub const DEFINED: usize = 14;
    /// Writes of native code with no Python code below it: the end of the interpreter, mostly.
    pub const NATIVE: usize = 15;
    /// Objects that are not watched because a table was full.
    pub const UNWATCHED: usize = 16;
    /// Interpreters that are watched.
    pub const INTERPRETERS: usize = 17;
    /// Whether names were left out because there was no room for text.
    pub const TEXT_FULL: usize = 18;
    /// A mask of [`super::watcher`]s that the interpreter refused.
    pub const REFUSED: usize = 19;
    /// Collections that were ever put into their ring.
    pub const COLLECTIONS: usize = 20;
    /// Collections of each generation, the youngest first: [`super::GENERATIONS`] words.
    pub const COLLECTED: usize = 21;
    /// Nanoseconds that they took: [`super::GENERATIONS`] words.
    pub const COLLECTING_NS: usize = 24;
}

/// What became of the hooks.
pub mod status {
    /// Being set up.
    pub const STARTING: u64 = 0;
    /// They watch.
    pub const ACTIVE: u64 = 1;
    /// The interpreter is older than 3.12.
    pub const TOO_OLD: u64 = 2;
    /// The interpreter is free-threaded.
    pub const FREE_THREADED: u64 = 3;
    /// The interpreter is newer than what is known.
    pub const TOO_NEW: u64 = 4;
    /// Its structures are not where they should be.
    pub const UNKNOWN_LAYOUT: u64 = 5;
    /// The program took the modules apart before the hooks came in.
    pub const NO_MODULES: u64 = 6;
    /// They were taken out again.
    pub const STOPPED: u64 = 7;
}

/// Kinds of watchers, as bits.
pub mod watcher {
    /// `PyDict_AddWatcher`.
    pub const DICT: u64 = 1;
    /// `PyType_AddWatcher`.
    pub const TYPE: u64 = 2;
    /// `PyFunction_AddWatcher`.
    pub const FUNCTION: u64 = 4;
    /// `PyCode_AddWatcher`.
    pub const CODE: u64 = 8;
    /// An entry of `gc.callbacks`.
    pub const COLLECTIONS: u64 = 16;
}

/// What was written. The first ones are `PyDict_WatchEvent`.
pub mod kind {
    /// A new key.
    pub const ADDED: u8 = 0;
    /// A key got another value.
    pub const MODIFIED: u8 = 1;
    /// A key was deleted.
    pub const DELETED: u8 = 2;
    /// An empty dict was filled from another at once.
    pub const CLONED: u8 = 3;
    /// All keys were deleted.
    pub const CLEARED: u8 = 4;
    /// A class lost its version tag: what is cached of it is void.
    pub const VERSION: u8 = 16;
    /// `__code__` of a function.
    pub const CODE: u8 = 17;
    /// `__defaults__`.
    pub const DEFAULTS: u8 = 18;
    /// `__kwdefaults__`.
    pub const KWDEFAULTS: u8 = 19;
    /// A module appeared in `sys.modules`.
    pub const IMPORT: u8 = 32;
}

/// Kinds of objects.
pub mod object {
    /// The dict of a module.
    pub const MODULE: u64 = 0;
    /// The dict of `builtins`.
    pub const BUILTINS: u64 = 1;
    /// A class.
    pub const CLASS: u64 = 2;
    /// The dict of a class.
    pub const CLASS_DICT: u64 = 3;
    /// A function.
    pub const FUNCTION: u64 = 4;
    /// `sys.modules`.
    pub const MODULES: u64 = 5;
}

/// Words of a slot.
pub mod slot {
    /// Identity of the object: its address.
    pub const OBJECT: usize = 0;
    /// The key: the hash of a string, else the address.
    pub const KEY: usize = 1;
    /// Address of the writing code object; 0 once it is gone.
    pub const CODE: usize = 2;
    /// Byte offset of the writing instruction, shifted by 8, and the kind.
    pub const WHAT: usize = 3;
    /// How often.
    pub const COUNT: usize = 4;
    /// Number of the code (high half) and of the object (low half).
    pub const REFERENCES: usize = 5;
    /// The key's text: its length (high half), its place (low half).
    pub const NAME: usize = 6;
    /// Line of the instruction (low half), 1 in the high half as long as it was only seen to run while
    /// a module was imported.
    pub const LINE: usize = 7;
}

/// Words of a code.
pub mod code {
    /// Its address; 0 once it is gone.
    pub const ADDRESS: usize = 0;
    /// `co_filename` as text.
    pub const FILE: usize = 1;
    /// `co_qualname` as text.
    pub const QUALNAME: usize = 2;
    /// `co_firstlineno` (low half), bytes of `co_qualname` before `co_name` (high half).
    pub const LINE: usize = 3;
}

/// Words of an object.
pub mod objects {
    /// Its address; 0 once it is gone.
    pub const ADDRESS: usize = 0;
    /// One of [`super::object`].
    pub const KIND: usize = 1;
    /// Its name as text.
    pub const NAME: usize = 2;
    /// The name of its module as text, where it has one of its own.
    pub const MODULE: usize = 3;
}

/// Words of an event.
pub mod event {
    /// Twice the number of the event from 1, less one while it is being written.
    pub const SEQUENCE: usize = 0;
    /// `CLOCK_MONOTONIC` in nanoseconds.
    pub const TIME: usize = 1;
    /// Native thread id (low half), kind (high half).
    pub const THREAD: usize = 2;
    /// Number of the slot; text of the name for an import.
    pub const SUBJECT: usize = 3;
    /// Which of the slot's writes it was, from 1.
    pub const NUMBER: usize = 4;
    /// Number of frames.
    pub const DEPTH: usize = 5;
    /// The frames, the innermost first: number of the code (high half), line (low half).
    pub const FRAMES: usize = 6;
}

/// Words of a collection.
pub mod collection {
    /// Twice the number of the collection from 1, less one while it is being written.
    pub const SEQUENCE: usize = 0;
    /// `CLOCK_MONOTONIC` in nanoseconds when it began.
    pub const START: usize = 1;
    /// Nanoseconds until it ended.
    pub const DURATION: usize = 2;
    /// Native thread id (low half), generation (high half).
    pub const THREAD: usize = 3;
    /// Objects that were freed.
    pub const FREED: usize = 4;
    /// Objects that are garbage and could not be freed.
    pub const UNCOLLECTABLE: usize = 5;
}

/// Two halves of a word.
pub const fn pair(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

/// The halves of a word, the high one first.
pub const fn halves(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}
