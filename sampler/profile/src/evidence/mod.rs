//! Why code runs as it does: what was read of the interpreter besides stacks.
//!
//! Samples say where time goes. Evidence says in what state the interpreter executes that code: which
//! instructions it specialised and which it gave up on, what the objects there look like, what changed
//! while it was watched, and which code could have changed it. The sampler writes it, the advisor
//! judges it, views show it beside lines; it travels in the recording, so that all of that works on
//! another machine.
//!
//! Invariants:
//! - everything here is an observation: it says what was seen and in how many looks, never why;
//! - no addresses and no opcode numbers; opcode names are for people, [`OpFamily`] is for rules;
//! - versions of CPython differ in what they show: what could not be seen is absent (`None`, an empty
//!   list), not zero;
//! - every list is bounded by whoever fills it, and says so where something was left out;
//! - written out, a field that has its default is left out: recordings stay small.

mod class_write;
mod code;
mod exact;
mod namespace;
mod object;
mod runtime;
mod site;
mod writer;

pub use class_write::ClassWrite;
pub use code::CodeEvidence;
pub use exact::{ExactFacts, GcPause, GcTotal, HookState, Import, Write, WriteKind, WrittenKind};
pub use namespace::{KeyChange, KeyEvent, KeysFacts, KeysKind, Namespace};
pub use object::{
    Attribute, AttributeHooks, AttributeKind, Construction, FunctionFacts, SharedKeys, TypeFacts, VersionTag,
};
pub use runtime::{GcFacts, GcGeneration, Handicap, JitFacts, RareEvents, RuntimeFacts, Tool, ToolKind};
pub use site::{
    Counter, InstanceDict, Loss, OpFamily, Operand, OperandRole, Seen, Site, SpecState, StateCounts, Value,
};
pub use writer::{Store, StoreKind};

use serde::{Deserialize, Serialize};
use serde_with::apply;

use crate::ids::{Id, ProcessId};

macro_rules! references {
    ($($(#[$doc:meta])* $name:ident in $list:ident: $entry:ty),* $(,)?) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[serde(transparent)]
            pub struct $name(pub u32);

            impl Id for $name {
                fn from_index(index: usize) -> Self {
                    Self(u32::try_from(index).unwrap_or(u32::MAX))
                }
                fn index(self) -> usize {
                    self.0 as usize
                }
            }
        )*

        impl ProcessEvidence {
            $(
                #[doc = concat!("The entry of `", stringify!($list), "`, or `None` if the recording is damaged.")]
                pub fn $list(&self, id: $name) -> Option<&$entry> {
                    self.$list.get(id.index())
                }
            )*
        }
    };
}

references! {
    /// A type in [`ProcessEvidence::types`].
    TypeRef in types: TypeFacts,
    /// A function object in [`ProcessEvidence::functions`].
    FunctionRef in functions: FunctionFacts,
    /// A dict of globals in [`ProcessEvidence::namespaces`].
    NamespaceRef in namespaces: Namespace,
}

/// All evidence of one profiled process.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessEvidence {
    /// The process.
    pub process: ProcessId,
    /// How often the process was looked at.
    pub looks: u32,
    /// The interpreter as a whole.
    pub runtime: RuntimeFacts,
    /// Code objects that were hot, the hottest first.
    pub code: Vec<CodeEvidence>,
    /// Types that sites of hot code met, and their bases.
    pub types: Vec<TypeFacts>,
    /// Function objects that sites of hot code call.
    pub functions: Vec<FunctionFacts>,
    /// Globals of hot code, and builtins.
    pub namespaces: Vec<Namespace>,
    /// Instructions anywhere in the program that store to names that matter here.
    pub stores: Vec<Store>,
    /// Writes to classes that the bundled runtime counted: exact, and facts of that runtime.
    pub class_writes: Vec<ClassWrite>,
    /// Code objects that were searched for such stores; 0: none was.
    pub searched: u32,
    /// What hooks inside of the process saw, if they were asked for.
    pub exact: Option<ExactFacts>,
    /// Something was left out because a bound was reached.
    pub truncated: bool,
}

impl ProcessEvidence {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.looks == 0
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
