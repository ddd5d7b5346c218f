//! One instruction over time.

use serde::{Deserialize, Serialize};
use serde_with::apply;

use super::{FunctionRef, NamespaceRef, TypeRef, is_default};
use crate::tables::Span;

/// What an instruction does, the same name for every version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpFamily {
    /// Reads a global or builtin.
    LoadGlobal,
    /// Reads a name in a module or class body.
    LoadName,
    /// Reads an attribute, that of a method to be called included.
    LoadAttr,
    /// `super().name`.
    LoadSuperAttr,
    /// Writes an attribute.
    StoreAttr,
    /// Writes a global, or a name in a module or class body.
    StoreGlobal,
    /// Calls with positional arguments, keywords included before 3.13.
    Call,
    /// Calls with keywords (3.13+).
    CallKw,
    /// Calls with `*args` or `**kwargs`.
    CallUnpacked,
    /// `+`, `-`, `*` and the other binary operators, subscription excepted.
    BinaryOp,
    /// `a[b]`.
    Subscript,
    /// `a[b] = c`.
    StoreSubscript,
    /// `==`, `<` and the like.
    Compare,
    /// `in`.
    Contains,
    /// Truth test (3.13+; part of the jump before).
    ToBool,
    /// The step of a `for` loop.
    Iterate,
    /// `iter()` of a `for` loop.
    GetIter,
    /// `yield from`, `await`.
    Send,
    /// Unpacks into several targets.
    Unpack,
    /// The jump back of a loop, where compiled code begins.
    Loop,
    /// The beginning of a function.
    Resume,
    /// `import`.
    Import,
    /// `raise`.
    Raise,
    /// The beginning of an exception handler (3.11+). Since 3.12 handlers stand behind all other code.
    Catch,
    /// Where an exception leaves its handler (3.11+), behind the code of that handler.
    Reraise,
    /// Anything else.
    #[default]
    Other,
}

/// What the interpreter has made of an instruction at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpecState {
    /// Runs as a specialised form.
    Specialised,
    /// Has run too rarely to be specialised.
    Warming,
    /// Specialising failed or was given up; it will be tried again after some executions.
    BackedOff,
    /// A specialised form was given up, by an event that was observed.
    Deopted,
    /// This version has no faster form for it.
    NotSpecialisable,
    /// Runs in compiled code, which hides its state.
    Compiled,
    /// It could not be told.
    #[default]
    Unknown,
}

/// In how many looks a site was in each state.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StateCounts {
    /// [`SpecState::Specialised`].
    pub specialised: u32,
    /// [`SpecState::Warming`].
    pub warming: u32,
    /// [`SpecState::BackedOff`].
    pub backed_off: u32,
    /// [`SpecState::Deopted`].
    pub deopted: u32,
    /// [`SpecState::NotSpecialisable`].
    pub not_specialisable: u32,
    /// [`SpecState::Compiled`].
    pub compiled: u32,
    /// [`SpecState::Unknown`].
    pub unknown: u32,
}

impl StateCounts {
    /// Counts one look.
    pub fn add(&mut self, state: SpecState) {
        *match state {
            SpecState::Specialised => &mut self.specialised,
            SpecState::Warming => &mut self.warming,
            SpecState::BackedOff => &mut self.backed_off,
            SpecState::Deopted => &mut self.deopted,
            SpecState::NotSpecialisable => &mut self.not_specialisable,
            SpecState::Compiled => &mut self.compiled,
            SpecState::Unknown => &mut self.unknown,
        } += 1;
    }
}

/// A value and in how many looks it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen<T> {
    /// The value.
    pub value: T,
    /// Looks that saw it.
    pub looks: u32,
}

/// The adaptive counter of a site over all looks. While a form is specialised the counter stands at
/// its start and goes down by one with each miss, so any other value tells of misses.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counter {
    /// Looks at which the site was specialised and had a counter.
    pub specialised: u32,
    /// Of those, looks at which it had missed since it was specialised.
    pub disturbed: u32,
    /// Consecutive looks at a specialised site between which the counter moved.
    pub moved: u32,
    /// The highest backoff exponent of the generic form.
    pub backoff: u8,
    /// The backoff exponent at which this version stops raising it: the site "cannot specialise".
    pub backoff_limit: u8,
    /// Pairs of looks microseconds apart at a specialised site, and those between which it missed.
    pub pairs: u32,
    /// Of those, pairs between which the counter moved.
    pub pairs_moved: u32,
}

/// How an instance kept its attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceDict {
    /// In values that are laid out by the keys of its type; there is no dict.
    Values,
    /// A dict exists, and shares those values or keys.
    Shared,
    /// A dict of its own.
    Own,
    /// It has none: `__slots__`, or a built-in type.
    None,
    /// It could not be told.
    #[default]
    Unknown,
}

/// What part an object plays in an instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperandRole {
    /// The object whose attribute is used.
    #[default]
    Receiver,
    /// What is called.
    Callee,
    /// The left side of an operator; the value of a truth test; what is unpacked or iterated.
    Left,
    /// The right side of an operator; the container of `in`; the index of a subscript.
    Right,
}

/// An object that a site met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// An instance of a type.
    Instance(TypeRef),
    /// A class itself.
    Class(TypeRef),
    /// A Python function.
    Function(FunctionRef),
    /// A module.
    Module(NamespaceRef),
}

/// What a site met in one place, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operand {
    /// Which place.
    pub role: OperandRole,
    /// What.
    pub value: Value,
    /// How an instance kept its attributes.
    #[serde(default)]
    pub dict: InstanceDict,
    /// A property of the value that a specialised form demands and that it lacks: a negative index, an
    /// int of more than one digit. In plain words; empty if there is none.
    #[serde(default)]
    pub note: String,
    /// Looks that saw it.
    pub looks: u32,
}

/// A specialised form that was given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Loss {
    /// When a look found it gone, in nanoseconds since the session began.
    pub time_ns: u64,
    /// The opcode name that it had.
    pub form: String,
}

/// One instruction of a hot code object.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Site {
    /// Byte offset in the bytecode, as in [`crate::Frame::instruction`].
    pub offset: u32,
    /// Where it stands in the source.
    pub span: Span,
    /// What it does.
    pub family: OpFamily,
    /// The attribute, global or module that it names, or the operator as it is written.
    pub name: String,
    /// How often it was looked at.
    pub looks: u32,
    /// In which states.
    pub states: StateCounts,
    /// Under which opcode names, the most frequent first.
    pub forms: Vec<Seen<String>>,
    /// Its counter.
    pub counter: Counter,
    /// Version tags in its cache (of a type, of dict keys, of a function), the most frequent first;
    /// several that alternate tell of several types, ever new ones of a type that changes.
    pub versions: Vec<Seen<u32>>,
    /// Consecutive looks between which that tag changed.
    pub version_changes: u32,
    /// Consecutive looks between which its specialised form was given up.
    pub given_up: u32,
    /// The first of those.
    pub losses: Vec<Loss>,
    /// Looks at which the type version in its cache was one that a write to a class had killed, by the
    /// position of that write in [`super::ProcessEvidence::class_writes`]. The bundled runtime keeps such
    /// a form for ever, so it misses each time.
    pub stale: Vec<Seen<u32>>,
    /// Objects that it met, as far as locals or the cache led to them.
    pub operands: Vec<Operand>,
    /// Pairs of different objects that it met within microseconds, where it asks a local for an attribute.
    pub class_pairs: u32,
    /// Of those, pairs of objects of different classes: whether classes alternate, or come in groups.
    pub class_pairs_differed: u32,
}

impl Site {
    /// The most frequent opcode name.
    pub fn form(&self) -> &str {
        self.forms.first().map_or("", |form| &form.value)
    }

    /// Operands in one place.
    pub fn operands_as(&self, role: OperandRole) -> impl Iterator<Item = &Operand> {
        self.operands.iter().filter(move |operand| operand.role == role)
    }
}
