//! What a version of CPython must state so that its memory can be read.
//!
//! A [`VersionSpec`] is what the source code of a version fixes (one file each in
//! [`crate::layout::versions`]); a [`Layout`] is what holds for one process, where the offsets come
//! from that file (3.8-3.12) or from the table that the process itself publishes (3.13+). Fields are
//! named as CPython names them. All offsets are in bytes. What is stated of objects is in `objects`, what
//! is stated of opcodes in `instructions`.

use slowpath_profile::BuildFlags;

pub use self::instructions::*;
pub use self::objects::*;
use super::state::StateSpec;

mod instructions;
mod objects;

/// An offset of a field in a structure, in bytes.
pub type Offset = usize;

/// A CPython version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// As in **3**.14.2.
    pub major: u8,
    /// As in 3.**14**.2.
    pub minor: u8,
    /// As in 3.14.**2**.
    pub micro: u8,
    /// `PY_RELEASE_LEVEL` (0xA alpha, 0xB beta, 0xC candidate, 0xF final) and serial, as the low byte
    /// of `PY_VERSION_HEX`.
    pub level_serial: u8,
}

/// All that reading needs to know of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Full version.
    pub version: Version,
    /// Build flags.
    pub build: BuildFlags,
    /// `_PyRuntimeState`.
    pub runtime: RuntimeOffsets,
    /// `PyInterpreterState`.
    pub interpreter: InterpreterOffsets,
    /// `PyThreadState`.
    pub thread: ThreadOffsets,
    /// `_PyInterpreterFrame`, or `PyFrameObject` before 3.11.
    pub frame: FrameOffsets,
    /// `PyCodeObject`.
    pub code: CodeOffsets,
    /// Built-in object types.
    pub object: ObjectOffsets,
    /// Opcode names and inline cache sizes.
    pub opcodes: &'static OpcodeTable,
    /// How instructions are specialised.
    pub adaptive: &'static Adaptive,
}

/// `_PyRuntimeState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeOffsets {
    /// `interpreters.head`.
    pub interpreters_head: Offset,
    /// `_finalizing` (3.9+; `finalizing` on 3.8): the thread state that tears the runtime down.
    pub finalizing: Offset,
}

/// `PyInterpreterState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterpreterOffsets {
    /// `id`.
    pub id: Offset,
    /// `next`.
    pub next: Offset,
    /// `threads.head` (`tstate_head` before 3.11).
    pub threads_head: Offset,
    /// `threads.main` (3.13+).
    pub threads_main: Option<Offset>,
    /// `imports.modules` (`modules` before 3.12): the dict behind `sys.modules`.
    pub modules: Offset,
    /// Where the GIL is.
    pub gil: Gil,
    /// Where `collecting` of the garbage collector's state is.
    pub gc_collecting: Field,
    /// A counter that moves whenever a code object is created or destroyed, and its width. With it
    /// unchanged, every known code object is still the same: `_code_object_generation` (3.14+),
    /// `func_state.next_version` (3.13, moves at least once per new code object). Absent before.
    pub code_generation: Option<CodeGeneration>,
}

/// A counter in the interpreter state that tells that code objects may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeGeneration {
    /// Offset in `PyInterpreterState`.
    pub offset: Offset,
    /// 4 or 8 bytes.
    pub width: u8,
    /// Whether 0 means "overflowed, no longer counting" (`next_version`).
    pub zero_is_unknown: bool,
}

/// A field that moved between the runtime and the interpreter state over the versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Offset in `_PyRuntimeState`.
    Runtime(Offset),
    /// Offset in `PyInterpreterState`.
    Interpreter(Offset),
}

/// `struct _gil_runtime_state` and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gil {
    /// Where the structure is.
    pub place: GilPlace,
    /// `last_holder`.
    pub last_holder: Offset,
    /// `locked`: an `int` that is 1 while the GIL is held.
    pub locked: Offset,
    /// `enabled` (free-threaded builds): 0 when there is no GIL.
    pub enabled: Option<Offset>,
    /// Size of the structure: a thread that sleeps on a futex in it waits for the GIL.
    pub size: usize,
}

/// Where `struct _gil_runtime_state` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GilPlace {
    /// Embedded in `_PyRuntimeState` as `ceval.gil` (before 3.12).
    Runtime(Offset),
    /// Behind the pointer `ceval.gil` in `PyInterpreterState` (3.12+).
    InterpreterPointer(Offset),
}

/// `PyThreadState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadOffsets {
    /// `next`.
    pub next: Offset,
    /// `interp`.
    pub interp: Offset,
    /// How the current frame is reached.
    pub frame: FrameLink,
    /// `thread_id`: `threading.get_ident()`.
    pub thread_id: Offset,
    /// `native_thread_id` (3.11+).
    pub native_thread_id: Option<Offset>,
    /// `datastack_chunk` (3.11+), followed by `datastack_top` and `datastack_limit`.
    pub datastack_chunk: Option<Offset>,
    /// `gil_requested`: an `int` that is 1 while the thread waits for the GIL (3.14+).
    pub gil_requested: Option<Offset>,
    /// `c_profilefunc`, `c_tracefunc` (`use_tracing` says whether they are active before 3.12).
    pub c_profilefunc: Option<Offset>,
    /// `c_tracefunc`.
    pub c_tracefunc: Option<Offset>,
    /// Size of the part that reading needs, up to the end of the last field above.
    pub size: usize,
}

/// How a thread state leads to its current frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameLink {
    /// A field of the thread state: `frame` (3.8-3.10) or `current_frame` (3.13+).
    Direct(Offset),
    /// `cframe` (3.11-3.12): a pointer to a `_PyCFrame` on the C stack with its `current_frame`.
    CFrame {
        /// `PyThreadState.cframe`.
        cframe: Offset,
        /// `_PyCFrame.current_frame`.
        current_frame: Offset,
    },
}

/// `_PyInterpreterFrame` (3.11+) or `PyFrameObject` (3.8-3.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameOffsets {
    /// Size of the fixed part, without locals.
    pub size: usize,
    /// `previous` (`f_back` before 3.11).
    pub previous: Offset,
    /// `f_code`, `f_executable` from 3.13: a pointer whose low bits are a tag from 3.14.
    pub code: Offset,
    /// Where the instruction is.
    pub instruction: Instruction,
    /// First local variable: `localsplus` (`f_localsplus` before 3.11).
    pub localsplus: Offset,
    /// `owner` (3.11+), a byte.
    pub owner: Option<Offset>,
    /// The value of `owner` that marks a frame which belongs to the C stack and not to Python code:
    /// `FRAME_OWNED_BY_CSTACK` (3.12-3.13), `FRAME_OWNED_BY_INTERPRETER` (3.14+).
    pub owner_shim: Option<u8>,
    /// `is_entry` (3.11 only), a byte: the frame was entered from C code, not by its caller's opcode.
    pub is_entry: Option<Offset>,
    /// Where the frame keeps the top of its value stack while it does not run (3.11+).
    pub stack_top: Option<StackTop>,
    /// A byte that says whether the frame runs (before 3.11).
    pub executing: Option<Executing>,
    /// `tlbc_index` (free-threaded 3.14+).
    pub tlbc_index: Option<Offset>,
    /// `f_globals`: a dict.
    pub f_globals: Offset,
    /// `f_builtins`: a dict.
    pub f_builtins: Offset,
    /// `f_locals`: the namespace of a module or class body; null in functions.
    pub f_locals: Offset,
}

/// How a frame keeps the top of its value stack. While its instructions run, the interpreter holds it
/// in a register and the field says so; a call from opcode to opcode stores it; a return empties it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackTop {
    /// `stacktop`, an `int` that counts from `localsplus`: -1 while running (3.11-3.13).
    Index(Offset),
    /// `stackpointer`: null while running (3.14+).
    Pointer(Offset),
}

/// The byte of a `PyFrameObject` that says whether it runs: a frame on the stack of a thread always
/// does, so another value tells a torn read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executing {
    /// `f_executing` (3.8-3.9) or `f_state` (3.10).
    pub offset: Offset,
    /// 1 (3.8-3.9) or `FRAME_EXECUTING`, 0 (3.10).
    pub value: u8,
}

/// How a frame says where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// `f_lasti`, an `int`: an index in units of so many bytes (1 before 3.10, 2 on 3.10).
    LastIndex {
        /// Offset of `f_lasti`.
        offset: Offset,
        /// Bytes per unit.
        unit: u8,
    },
    /// `prev_instr` (3.11-3.12) or `instr_ptr` (3.13+): an address in the bytecode.
    Address(Offset),
}

/// `PyCodeObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeOffsets {
    /// Size of the fixed part.
    pub size: usize,
    /// `co_argcount`.
    pub argcount: Offset,
    /// `co_kwonlyargcount`, an `int`.
    pub kwonlyargcount: Offset,
    /// `co_firstlineno`.
    pub firstlineno: Offset,
    /// `co_filename`.
    pub filename: Offset,
    /// `co_name`.
    pub name: Offset,
    /// `co_qualname` (3.11+).
    pub qualname: Option<Offset>,
    /// `co_consts`: a tuple.
    pub consts: Offset,
    /// `co_names`: a tuple.
    pub names: Offset,
    /// `co_flags`, an `int`.
    pub flags: Offset,
    /// `co_executors` (3.13+): a pointer to what stands behind each `ENTER_EXECUTOR`.
    pub executors: Option<Offset>,
    /// Where tools keep the opcodes that they have replaced (3.12+).
    pub monitoring: Option<Monitoring>,
    /// `co_linetable` (`co_lnotab` before 3.10): a bytes object.
    pub linetable: Offset,
    /// How that table is encoded.
    pub linetable_format: LineTableFormat,
    /// Names of locals: `co_localsplusnames` (3.11+) or `co_varnames`.
    pub localsplusnames: Offset,
    /// `co_localspluskinds` (3.11+).
    pub localspluskinds: Option<Offset>,
    /// Where the instructions are.
    pub bytecode: Bytecode,
    /// How many words a frame of this code takes on the data stack (3.11+): frames that call each
    /// other tile the stack without gaps, which tells torn reads.
    pub frame_words: Option<FrameWords>,
    /// `co_tlbc` (free-threaded 3.14+).
    pub tlbc: Option<Offset>,
    /// Caches beside the bytecode (3.8-3.10).
    pub opcache: Option<Opcache>,
    /// Immutable bytes that tell two code objects at the same address apart (with the text of the
    /// name), as ranges `(offset, length)`.
    pub identity: &'static [(Offset, usize)],
}

/// `_PyCoMonitoringData`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monitoring {
    /// `_co_monitoring` in the code object: a pointer, null while no tool watches it.
    pub data: Offset,
    /// `lines` in it: a pointer to entries, one per unit, whose first byte is the opcode.
    pub lines: Offset,
    /// Whether `lines` begins with a byte that says how many bytes an entry has (3.14+); two before.
    /// `None`: that differs between the releases of the version (3.13.0 has two, 3.13.18 says it).
    pub lines_are_sized: Option<bool>,
    /// `per_instruction_opcodes` in it: a pointer to one byte per unit.
    pub opcodes: Offset,
}

/// The size of a frame of some code, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameWords {
    /// `co_framesize`, an `int` (3.12+).
    Field(Offset),
    /// `co_nlocalsplus + co_stacksize + FRAME_SPECIALS_SIZE` (3.11).
    Sum {
        /// `co_nlocalsplus`, an `int`.
        nlocalsplus: Offset,
        /// `co_stacksize`, an `int`.
        stacksize: Offset,
        /// `FRAME_SPECIALS_SIZE`.
        specials: u32,
    },
}

/// Encoding of the table that maps instructions to lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineTableFormat {
    /// `co_lnotab` (3.8-3.9): pairs of byte and signed line increments.
    Lnotab,
    /// `co_linetable` of 3.10 (PEP 626): pairs of byte and signed line deltas.
    Lines,
    /// `co_linetable` of 3.11+ (PEP 657): variable-length entries with columns.
    Locations,
}

/// Where the instructions of a code object are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytecode {
    /// `co_code`: a pointer to a bytes object (before 3.11).
    Object(Offset),
    /// `co_code_adaptive`: at the end of the object itself; `ob_size` counts 2-byte units (3.11+).
    Inline(Offset),
}

/// What the source code of a version fixes.
#[derive(Debug)]
pub struct VersionSpec {
    /// Minor version of 3.x.
    pub minor: u8,
    /// Where offsets come from.
    pub offsets: OffsetSource,
    /// Opcodes.
    pub opcodes: &'static OpcodeTable,
    /// How instructions are specialised.
    pub adaptive: &'static Adaptive,
    /// The state of the interpreter as a whole.
    pub state: &'static StateSpec,
}

impl VersionSpec {
    /// The layout as the headers of the version state it, for tests and tools: what holds for a process
    /// is told by [`layout_for`](super::layout_for). Versions before 3.13 have no free-threaded build.
    pub fn headers(&self, free_threaded: bool) -> &'static Layout {
        match self.offsets {
            OffsetSource::Table(layout) => layout,
            OffsetSource::Published(known) if free_threaded => known.lacking_free_threaded,
            OffsetSource::Published(known) => known.lacking,
        }
    }
}

/// Where the offsets of a version come from.
#[derive(Debug)]
pub enum OffsetSource {
    /// This table, exact for all releases of the version (3.8-3.12). The field values are those of a
    /// release build; `version` and `build` are replaced by what the process says.
    Table(&'static Layout),
    /// `_Py_DebugOffsets` that the process publishes (3.13+), plus what that table lacks.
    Published(&'static PublishedSpec),
}

/// What `_Py_DebugOffsets` of a version holds and lacks.
#[derive(Debug)]
pub struct PublishedSpec {
    /// Names of its fields in order (each a `uint64_t` after the 8-byte cookie), as
    /// `structure.field`, such as `thread_state.current_frame`.
    pub fields: &'static [&'static str],
    /// What the table lacks, from the headers of that version.
    pub lacking: &'static Layout,
    /// The same for free-threaded builds, whose object headers are larger.
    pub lacking_free_threaded: &'static Layout,
}
