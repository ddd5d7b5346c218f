//! What the interpreter has made of each instruction: adaptive opcodes, their counters and caches.

use slowpath_profile::evidence::{OpFamily, SpecState};

/// An instruction as the compiler wrote it or as it was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Byte offset in the bytecode.
    pub offset: u32,
    /// Its opcode by name, specialised forms under their own.
    pub name: &'static str,
    /// Its argument, `EXTENDED_ARG` included.
    pub oparg: u32,
    /// Bytes up to the next instruction, inline caches included.
    pub len: u32,
}

/// An instruction that can be specialised, or that a rule asks about: what of it never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SitePlan {
    /// Byte offset in the bytecode.
    pub offset: u32,
    /// What it does.
    pub family: OpFamily,
    /// The attribute, global or module that it names, or the operator as it is written; else empty.
    pub name: String,
    /// Its argument, `EXTENDED_ARG` included.
    pub oparg: u32,
    /// Its position in [`CodeParts::instructions`].
    pub instruction: usize,
}

/// What a site is at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteView {
    /// In which state; [`SpecState::Deopted`] is for the history to tell.
    pub state: SpecState,
    /// The opcode by name as it stands in memory.
    pub form: &'static str,
    /// Its adaptive counter, if it has one.
    pub counter: Option<CounterView>,
    /// The version in its cache that a guard compares: of a type, of the keys of the globals, of a
    /// function. `None` if this form has none.
    pub tag: Option<u32>,
    /// Version of the keys of the builtins (`LOAD_GLOBAL_BUILTIN`), or of the type's shared keys
    /// (method forms).
    pub keys_tag: Option<u32>,
}

/// An adaptive counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterView {
    /// Misses (specialised) or executions (generic) to go until it is specialised again.
    pub value: u16,
    /// Exponent of the time to the next attempt; 0 while specialised.
    pub backoff: u8,
    /// Specialised, and has missed since it was.
    pub disturbed: bool,
}

/// What does not change of a code object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CodeParts {
    /// `co_names`.
    pub names: Vec<String>,
    /// `co_flags`.
    pub flags: u32,
    /// Address of the tuple `co_consts`.
    pub consts: u64,
    /// Its instructions in order.
    pub instructions: Vec<Instruction>,
    /// Those that are looked at, in order.
    pub sites: Vec<SitePlan>,
}
