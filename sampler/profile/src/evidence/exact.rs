//! What hooks inside of the process saw, where they were asked for: who wrote, exactly and counted.

use serde::{Deserialize, Serialize};
use serde_with::apply;

use super::is_default;
use crate::ids::FunctionId;

/// What became of the hooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookState {
    /// They were asked for and never came up.
    #[default]
    NotLoaded,
    /// They watched until the end of the recording.
    Watching,
    /// They were taken out before.
    Stopped,
    /// The interpreter is older than 3.12.
    TooOld,
    /// The interpreter is newer than what is known.
    TooNew,
    /// The interpreter has no GIL.
    FreeThreaded,
    /// The interpreter's structures are not where they should be.
    UnknownLayout,
    /// What they wrote could not be read.
    Unreadable,
}

/// What is written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenKind {
    /// A module's globals.
    #[default]
    Module,
    /// The builtins.
    Builtins,
    /// A class.
    Class,
    /// A function object.
    Function,
}

/// How it is written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteKind {
    /// A key got another value. A store of the same object is none.
    #[default]
    Rebound,
    /// A key that was not there.
    Inserted,
    /// A key was deleted.
    Deleted,
    /// Keys of another dict came into an empty one, all at once.
    Filled,
    /// All keys were deleted.
    Cleared,
    /// A class lost its version tag: all that was cached of it is void. Only a class that has a tag can lose
    /// it, so this falls silent when the class gets no more (3.13+: after 1,000).
    VersionLost,
    /// `__code__` of a function was replaced.
    CodeReplaced,
    /// `__defaults__`.
    DefaultsReplaced,
    /// `__kwdefaults__`.
    KwDefaultsReplaced,
}

/// All writes of one instruction to one key.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Write {
    /// What is written to.
    pub to: WrittenKind,
    /// Its name: `__name__` of a module, `__qualname__` of a class or a function.
    pub name: String,
    /// `__module__` of a class.
    pub module: String,
    /// The key; empty where there is none.
    pub key: String,
    /// How.
    pub kind: WriteKind,
    /// The function that writes.
    pub function: FunctionId,
    /// Byte offset of its instruction.
    pub offset: u32,
    /// Its line.
    pub line: Option<u32>,
    /// How often: exact.
    pub times: u64,
    /// It was only seen while modules were imported.
    pub at_import: bool,
    /// The first and the last of the writes whose time was kept, in nanoseconds since the recording began.
    pub first_ns: u64,
    /// See `first_ns`.
    pub last_ns: u64,
    /// Kernel ids of the threads of those writes.
    pub threads: Vec<u32>,
    /// Who called the function, at the first write: functions and lines, the innermost first.
    pub callers: Vec<(FunctionId, u32)>,
}

impl Write {
    /// What is written to, for people: `shop.models.Model`, `shop.settings`.
    pub fn owner(&self) -> String {
        match self.module.as_str() {
            "" | "builtins" => self.name.clone(),
            module => format!("{module}.{}", self.name),
        }
    }

    /// The same with the key, if there is one: `shop.settings.LIMIT`.
    pub fn symbol(&self) -> String {
        match self.key.as_str() {
            "" => self.owner(),
            key => format!("{}.{key}", self.owner()),
        }
    }
}

/// A module that was imported.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Import {
    /// `__name__`.
    pub module: String,
    /// Nanoseconds since the recording began.
    pub start_ns: u64,
    /// How long its body ran, imports of its own included; `None` if it did not end, or has none.
    pub duration_ns: Option<u64>,
    /// Kernel id of the thread.
    pub thread: u32,
}

/// One run of the garbage collector, for which the thread that ran it paused, and with it all that wait for
/// the GIL.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GcPause {
    /// The oldest generation that was collected.
    pub generation: u32,
    /// Nanoseconds since the recording began.
    pub start_ns: u64,
    /// Nanoseconds until it ended.
    pub duration_ns: u64,
    /// Objects that were freed.
    pub freed: u64,
    /// Objects that are garbage and could not be freed.
    pub uncollectable: u64,
    /// Kernel id of the thread.
    pub thread: u32,
}

/// All collections of one generation: exact, however many of them are listed.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GcTotal {
    /// How often.
    pub times: u64,
    /// Nanoseconds that they took.
    pub duration_ns: u64,
}

/// What the hooks saw.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExactFacts {
    /// What became of them.
    pub state: HookState,
    /// Writes, the most frequent first.
    pub writes: Vec<Write>,
    /// Writes that found no room in the hooks' table: these, and no others, are missing above.
    pub uncounted: u64,
    /// Modules and classes that are not watched because there was no room.
    pub unwatched: u64,
    /// Writes by native code without Python code that called it; they are in no list.
    pub native: u64,
    /// Single events that were overwritten before they were read: times and callers may be missing, counts
    /// are not.
    pub lost_events: u64,
    /// Imports, in the order of their beginning.
    pub imports: Vec<Import>,
    /// Runs of the garbage collector in the order of their beginning; the longest, if there are very many.
    pub collections: Vec<GcPause>,
    /// All of them by generation, the youngest first.
    pub collected: Vec<GcTotal>,
    /// Less frequent writes, or imports, are left out.
    pub truncated: bool,
}

impl ExactFacts {
    /// Nanoseconds of the longest collection of a generation; 0 if there was none.
    pub fn longest_pause_ns(&self, generation: u32) -> u64 {
        let of = self.collections.iter().filter(|pause| pause.generation == generation);
        of.map(|pause| pause.duration_ns).max().unwrap_or(0)
    }
}

impl ExactFacts {
    /// Whether counts can be relied on.
    pub fn is_watching(&self) -> bool {
        matches!(self.state, HookState::Watching | HookState::Stopped)
    }
}
