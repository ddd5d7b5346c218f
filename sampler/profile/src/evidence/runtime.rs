//! The interpreter as a whole.

use serde::{Deserialize, Serialize};
use serde_with::apply;

use super::is_default;

/// How a tool watches the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// `sys.settrace`.
    #[default]
    Trace,
    /// `sys.setprofile`.
    Profile,
    /// `sys.monitoring` (3.12+).
    Monitoring,
}

/// A tracer, profiler or monitoring tool.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tool {
    /// How it watches.
    pub kind: ToolKind,
    /// Its name (`sys.monitoring`), or the function or type that is called; empty if unknown.
    pub name: String,
    /// Events that it is told of for all code, as `sys.monitoring.events` names them.
    pub events: Vec<String>,
    /// Events that it is told of for some of the hot code objects only (`set_local_events`).
    pub local_events: Vec<String>,
    /// Looks at which it was active.
    pub looks: u32,
    /// Most threads on which it was active at once.
    pub threads: u32,
}

/// What makes a whole interpreter slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handicap {
    /// `Py_DEBUG`.
    DebugBuild,
    /// `PYTHONMALLOC=debug`, `-X dev`.
    MallocDebug,
    /// `tracemalloc` is tracing.
    Tracemalloc,
    /// Something replaces the evaluation of frames (PEP 523).
    EvalFrameHook,
    /// `PYTHON_SPECIALIZATION_OFF` (3.15).
    SpecialisationOff,
    /// `-X perf` or `sys.activate_stack_trampoline`.
    PerfTrampoline,
}

/// The just-in-time compiler.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JitFacts {
    /// It is compiled in.
    pub is_built: bool,
    /// It is switched on.
    pub is_on: bool,
}

/// `rare_events` of the interpreter (3.13+): counters that stop at 255.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RareEvents {
    /// `__class__` of an instance was set.
    pub set_class: u8,
    /// `__bases__` of a class was set.
    pub set_bases: u8,
    /// The evaluation of frames was replaced.
    pub set_eval_frame: u8,
    /// The builtins were changed.
    pub builtin_dict: u8,
    /// `__code__`, `__defaults__` or `__kwdefaults__` of a function was set.
    pub function_modification: u8,
}

/// One generation of the garbage collector.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GcGeneration {
    /// `threshold`.
    pub threshold: i64,
    /// `count` at the last look.
    pub count: i64,
    /// Collections so far.
    pub collections: u64,
    /// Objects collected so far.
    pub collected: u64,
}

/// The garbage collector.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GcFacts {
    /// `gc.isenabled()`.
    pub is_enabled: bool,
    /// Generations, the youngest first.
    pub generations: Vec<GcGeneration>,
    /// Collections of each generation while the process was watched.
    pub during: Vec<u64>,
}

/// Facts of an interpreter.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeFacts {
    /// `(3, 14)`.
    pub version: (u8, u8),
    /// Tracers, profilers and monitoring tools that were active in some look.
    pub tools: Vec<Tool>,
    /// What makes it slow as a whole.
    pub handicaps: Vec<Handicap>,
    /// `dict_state.next_keys_version` at the last look (3.12+): beyond 65,535 dict keys get no version.
    pub next_keys_version: Option<u32>,
    /// Its rare events.
    pub rare_events: Option<RareEvents>,
    /// Its just-in-time compiler.
    pub jit: JitFacts,
    /// Its garbage collector.
    pub gc: Option<GcFacts>,
    /// CPU architecture, as in `x86_64`.
    pub machine: String,
    /// What could not be read of this interpreter, in plain words.
    pub unreadable: Vec<String>,
}
