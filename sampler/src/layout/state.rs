//! Where the state of an interpreter as a whole is: tracers, monitors, hooks, the collector.
//!
//! `_Py_DebugOffsets` names none of this, and in `PyInterpreterState` and `_PyRuntimeState` it moves
//! between patch releases and builds. So nothing here is believed at its offset alone. Fields are
//! grouped into sections of neighbours whose distances hold for all releases of a version, and each
//! section states *anchors*: what must be found at certain places in it (an embedded `MemoryError`, a
//! pointer to the type `ExceptionGroup`, the letters `r`, `m`, `o` of the three debug allocators). A
//! section is looked for where the headers have it and, failing that, nearby; where its anchors hold,
//! and hold nowhere else, it is. Otherwise its facts are unknown. [`crate::read::sections`] does that.

use super::spec::Offset;

/// What a version fixes of the state of an interpreter. Builds without a GIL are not covered.
#[derive(Debug)]
pub struct StateSpec {
    /// `PyThreadState.c_profileobj`; `c_profilefunc` and `c_tracefunc` are the two words before it,
    /// `c_traceobj` is the word after it.
    pub c_profileobj: Offset,
    /// What else is read of `PyFunctionObject`.
    pub function: FunctionExtra,
    /// What else is read of `PyCodeObject`.
    pub code: CodeExtra,
    /// `struct _gc_runtime_state`.
    pub gc: GcState,
    /// Around `eval_frame`, in `PyInterpreterState`.
    pub eval: EvalState,
    /// Around `dict_state`, in `PyInterpreterState` (3.12+).
    pub keys: Option<Section>,
    /// Around `monitors`, in `PyInterpreterState` (3.12+).
    pub monitoring: Option<MonitoringState>,
    /// `allocators`, in `_PyRuntimeState` (3.12+).
    pub allocators: Option<AllocatorState>,
    /// Around `preconfig`, in `_PyRuntimeState`.
    pub process: ProcessState,
}

/// Neighbouring fields and how to know them.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Offset of its first field in the release whose headers were measured.
    pub at: Offset,
    /// What must be found in it.
    pub anchors: &'static [Anchor],
}

/// Something that must be found at a place.
#[derive(Clone, Copy, Debug)]
pub struct Anchor {
    /// Offset from the start of the section.
    pub at: Offset,
    /// What is there.
    pub is: Anchored,
}

/// What is found at the place of an anchor.
#[derive(Clone, Copy, Debug)]
pub enum Anchored {
    /// A pointer to an object whose type has this `tp_name`.
    Object(&'static str),
    /// A pointer to a type with this `tp_name`.
    Type(&'static str),
    /// An object, not a pointer to one, whose type has this `tp_name`.
    Embedded(&'static str),
    /// A word from 0 to this.
    Word(u64),
    /// An `int` in this range.
    Int(i32, i32),
    /// This byte.
    Byte(u8),
}

/// Fields of `PyFunctionObject` that stacks do without.
#[derive(Clone, Copy, Debug)]
pub struct FunctionExtra {
    /// `func_closure`: a tuple of cells, or null.
    pub closure: Offset,
    /// `func_qualname`.
    pub qualname: Offset,
    /// `func_module`.
    pub module: Offset,
}

/// Fields of `PyCodeObject` that stacks do without.
#[derive(Clone, Copy, Debug)]
pub struct CodeExtra {
    /// `co_cellvars` and `co_freevars` (before 3.11; part of `co_localsplusnames` since).
    pub closure: Option<(Offset, Offset)>,
    /// Size of `local_monitors` at the beginning of `_PyCoMonitoringData` (3.12+): a byte per event with
    /// one bit per tool.
    pub local_monitors: Option<usize>,
}

/// `struct _gc_runtime_state`. Where it starts is known: `collecting` is published (3.13+) or in the
/// table of the version.
#[derive(Clone, Copy, Debug)]
pub struct GcState {
    /// `collecting`.
    pub collecting: Offset,
    /// `enabled`.
    pub enabled: Offset,
    /// `generations`: three times `struct gc_generation`. Its alignment changed within 3.13.
    pub generations: Offset,
    /// `generation0`: a pointer to the first of them, which tells where they are. Absent from the
    /// incremental collector of the first releases of 3.14.
    pub generation0: Offset,
    /// `garbage`, a list.
    pub garbage: Offset,
    /// `generation_stats`.
    pub stats: GcStats,
}

/// Counts of collections.
#[derive(Clone, Copy, Debug)]
pub enum GcStats {
    /// `generation_stats[3]` of three words: collections, collected, uncollectable (3.8-3.14).
    Inline(Offset),
    /// A pointer to `struct gc_stats` (3.15): ring buffers of records, each with totals.
    Rings {
        /// `generation_stats`.
        at: Offset,
        /// Where the ring of each generation begins in it, and how many records that has.
        rings: [(Offset, usize); 3],
        /// Size of a record.
        size: usize,
        /// `collections` in a record; `collected` is the word after it.
        collections: Offset,
    },
}

/// `dict`, copies of the dicts of `sys` and `builtins`, `eval_frame`, `co_extra_user_count`.
#[derive(Clone, Copy, Debug)]
pub struct EvalState {
    /// Where they are.
    pub section: Section,
    /// `eval_frame`: up to 3.11 never null.
    pub eval_frame: Offset,
}

/// `rare_events` (3.13+), `monitors` and what lies around them.
#[derive(Clone, Copy, Debug)]
pub struct MonitoringState {
    /// Where it is.
    pub section: Section,
    /// `monitors`: a byte per event with one bit per tool.
    pub monitors: Offset,
    /// Names of the events, in the order of those bytes.
    pub events: &'static [&'static str],
    /// `monitoring_tool_names`: eight pointers.
    pub tool_names: Offset,
    /// `rare_events`: five bytes (3.13+).
    pub rare_events: Option<Offset>,
    /// Whether the just-in-time compiler is on (3.13+).
    pub jit: Option<JitSwitch>,
    /// `opt_config.specialization_enabled`, a `bool` (3.15).
    pub specialisation: Option<Offset>,
}

/// How an interpreter says that it compiles.
#[derive(Clone, Copy, Debug)]
pub enum JitSwitch {
    /// `optimizer`, a pointer to an object (3.13): its type is not the one that does nothing.
    Optimizer(Offset),
    /// `jit`, a `bool` (3.14+).
    Flag(Offset),
}

/// `struct _pymem_allocators`.
#[derive(Clone, Copy, Debug)]
pub struct AllocatorState {
    /// Where it is.
    pub section: Section,
    /// `standard.raw.ctx`.
    pub raw: Offset,
    /// `debug.raw`: what that points to while memory is debugged.
    pub debug_raw: Offset,
}

/// `tracemalloc.config` (3.12+) and `preconfig`.
#[derive(Clone, Copy, Debug)]
pub struct ProcessState {
    /// Where they are.
    pub section: Section,
    /// `tracemalloc.config.tracing` (3.12+; a variable of its own before).
    pub tracing: Option<Offset>,
    /// `preconfig.allocator`, a `PyMemAllocatorName`.
    pub allocator: Offset,
}
