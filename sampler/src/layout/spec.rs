//! What a version of CPython must state so that its memory can be read.
//!
//! A [`VersionSpec`] is what the source code of a version fixes (one file each in
//! [`crate::layout::versions`]); a [`Layout`] is what holds for one process, where the offsets come
//! from that file (3.8-3.12) or from the table that the process itself publishes (3.13+). Fields are
//! named as CPython names them. All offsets are in bytes.

use slowpath_profile::BuildFlags;

use super::state::StateSpec;

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

/// Layouts of the built-in objects that names, locals and modules are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectOffsets {
    /// `PyObject.ob_type`.
    pub ob_type: Offset,
    /// `PyVarObject.ob_size`.
    pub ob_size: Offset,
    /// `PyTypeObject.tp_name`: a C string.
    pub tp_name: Offset,
    /// `PyTypeObject.tp_flags`: fast-subclass bits and `Py_TPFLAGS_INLINE_VALUES`, `_MANAGED_DICT`.
    pub tp_flags: Offset,
    /// `PyTypeObject.tp_basicsize`.
    pub tp_basicsize: Offset,
    /// `PyTypeObject.tp_dictoffset`.
    pub tp_dictoffset: Offset,
    /// `PyHeapTypeObject.ht_cached_keys`.
    pub ht_cached_keys: Offset,
    /// `PyASCIIObject`/`PyUnicodeObject`.
    pub unicode: UnicodeOffsets,
    /// `PyBytesObject.ob_sval`.
    pub bytes_ob_sval: Offset,
    /// `PyTupleObject.ob_item`.
    pub tuple_ob_item: Offset,
    /// `PyListObject.ob_item`: a pointer.
    pub list_ob_item: Offset,
    /// `PyFloatObject.ob_fval`.
    pub float_ob_fval: Offset,
    /// `PyLongObject`.
    pub long: LongOffsets,
    /// `PyDictObject` and its keys.
    pub dict: DictOffsets,
    /// How an instance finds its attributes.
    pub instance_dict: InstanceDict,
    /// `PyTypeObject` and `PyHeapTypeObject`, as far as attribute lookup and its caches need them.
    pub types: TypeOffsets,
    /// `PyFunctionObject`.
    pub function: FunctionOffsets,
    /// `PyModuleObject.md_dict`.
    pub md_dict: Offset,
    /// `PyWeakReference.wr_object`.
    pub wr_object: Offset,
    /// `PyCellObject.ob_ref`.
    pub cell_ob_ref: Offset,
}

/// `PyTypeObject` and `PyHeapTypeObject`, beyond the fields that naming an object needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeOffsets {
    /// `tp_getattro`.
    pub tp_getattro: Offset,
    /// `tp_setattro`.
    pub tp_setattro: Offset,
    /// `tp_dict`: a dict; of static built-in types see [`TypeOffsets::statics`] (3.12+).
    pub tp_dict: Offset,
    /// `tp_descr_get`.
    pub tp_descr_get: Offset,
    /// `tp_descr_set`.
    pub tp_descr_set: Offset,
    /// `tp_new`.
    pub tp_new: Offset,
    /// `tp_mro`: a tuple.
    pub tp_mro: Offset,
    /// `tp_subclasses`: a dict of weak references by address; of static built-in types the index in
    /// [`TypeOffsets::statics`] plus 1 (3.12+).
    pub tp_subclasses: Offset,
    /// `tp_version_tag`, an `unsigned int`.
    pub tp_version_tag: Offset,
    /// The tag means something only while `Py_TPFLAGS_VALID_VERSION_TAG` is set (before 3.13).
    pub tag_needs_flag: bool,
    /// `tp_versions_used`, 2 bytes, and `MAX_VERSIONS_PER_CLASS` (3.13+).
    pub tp_versions_used: Option<(Offset, u16)>,
    /// `ht_qualname`.
    pub ht_qualname: Offset,
    /// Size of the part of a static type that reading needs, up to the end of the last field above.
    pub size: usize,
    /// Where static built-in types keep `tp_dict` and `tp_subclasses` (3.12+).
    pub statics: Option<StaticTypes>,
}

/// Entries of `types.builtins` in `PyInterpreterState`, one for each static built-in type. Where they
/// begin moves between releases of a version, and is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticTypes {
    /// Size of an entry; its first word is the address of the type.
    pub size: usize,
    /// `tp_dict` in an entry.
    pub tp_dict: Offset,
    /// `tp_subclasses` in an entry.
    pub tp_subclasses: Offset,
}

/// `PyFunctionObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionOffsets {
    /// `func_code`.
    pub func_code: Offset,
    /// `func_globals`.
    pub func_globals: Offset,
    /// `func_version`, a `uint32_t` (3.11+).
    pub func_version: Option<Offset>,
}

/// `PyASCIIObject` and `PyCompactUnicodeObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnicodeOffsets {
    /// `length`, in code points.
    pub length: Offset,
    /// `state`: the bit field with `interned`, `kind`, `compact`, `ascii`.
    pub state: Offset,
    /// First bit of `kind` in `state` (`compact` and `ascii` follow after its 3 bits).
    pub kind_shift: u8,
    /// `sizeof(PyASCIIObject)`: where the text of a compact ASCII string begins.
    pub ascii_size: usize,
    /// `sizeof(PyCompactUnicodeObject)`: where other compact text begins.
    pub compact_size: usize,
}

/// `PyLongObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongOffsets {
    /// `ob_size` (sign and digit count, before 3.12) or `long_value.lv_tag`.
    pub size_or_tag: Offset,
    /// Whether the former is `lv_tag` (3.12+).
    pub tagged: bool,
    /// `ob_digit`: digits of 30 bits.
    pub digits: Offset,
}

/// `PyDictObject` and `PyDictKeysObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DictOffsets {
    /// `ma_used`: the number of items.
    pub ma_used: Offset,
    /// `ma_version_tag` (`_ma_watcher_tag` from 3.14 on).
    pub tag: DictTag,
    /// `ma_keys`.
    pub ma_keys: Offset,
    /// `ma_values`.
    pub ma_values: Offset,
    /// Layout of the keys object.
    pub keys: DictKeys,
    /// Offset of the first value behind `ma_values`, in bytes (`PyDictValues.values`).
    pub values_first: Offset,
}

/// The word of a dict that counts what is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DictTag {
    /// Where it is.
    pub offset: Offset,
    /// First bit of the version, which every store changes (before 3.14).
    pub version_shift: Option<u8>,
    /// First of the 4 bits that count stores to a dict which compiled code relies on (3.13+).
    pub mutations_shift: Option<u8>,
}

/// `PyDictKeysObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DictKeys {
    /// 3.8-3.10: `dk_size` is a word, entries always carry the hash.
    Sized {
        /// `dk_size`.
        dk_size: Offset,
        /// `dk_nentries`.
        dk_nentries: Offset,
        /// `dk_indices`; entries follow them.
        dk_indices: Offset,
    },
    /// 3.11+: `dk_log2_size`, `dk_log2_index_bytes`, `dk_kind`; entries of kind 1 and 2 are
    /// (key, value) without the hash.
    Logarithmic {
        /// `dk_log2_size`, a byte.
        dk_log2_size: Offset,
        /// `dk_log2_index_bytes`, a byte.
        dk_log2_index_bytes: Offset,
        /// `dk_kind`, a byte: 0 general, 1 unicode, 2 split.
        dk_kind: Offset,
        /// `dk_version`, a `uint32_t`.
        dk_version: Offset,
        /// `dk_usable`.
        dk_usable: Offset,
        /// `dk_nentries`.
        dk_nentries: Offset,
        /// `dk_indices`; entries follow them.
        dk_indices: Offset,
    },
}

/// How an instance of a Python class finds its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceDict {
    /// `tp_dictoffset` leads to a dict pointer (3.8-3.10).
    Offset,
    /// Before the object: a dict pointer at -3 words, a values pointer at -4 words (3.11).
    ManagedPair,
    /// Before the object at -3 words: a dict pointer, or a values pointer plus 1 (3.12).
    ManagedTagged,
    /// Dict pointer before the object at -3 words (`managed_words` words before, 1 on free-threaded
    /// builds); values inline after `tp_basicsize` when the type has `Py_TPFLAGS_INLINE_VALUES` (3.13+).
    Inline {
        /// Distance of the managed dict pointer before the object, in words.
        managed_words: u8,
    },
}

/// One opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode {
    /// As `dis` prints it; specialised variants under their own name. Empty: not an opcode.
    pub name: &'static str,
    /// Inline cache entries that follow it, in 2-byte units.
    pub caches: u8,
}

/// Names and cache sizes of all opcodes of a version, by number.
#[derive(Debug, PartialEq, Eq)]
pub struct OpcodeTable(pub [Opcode; 256]);

impl OpcodeTable {
    /// The name of an opcode, or `None` if the number is not one.
    pub fn name(&self, opcode: u8) -> Option<&'static str> {
        Some(self.0[opcode as usize].name).filter(|name| !name.is_empty())
    }
}

/// How a version specialises instructions.
#[derive(Debug, PartialEq, Eq)]
pub struct Adaptive {
    /// Its adaptive counters (3.11+): the first cache entry of every instruction that has one.
    pub counter: Option<CounterFormat>,
    /// Versions in inline caches, by the beginning of the name of a specialised form. The longest
    /// beginning that fits holds.
    pub tags: &'static [CacheTag],
    /// Specialised forms that are not named like the instruction they stand for: beginning of their
    /// name, and that instruction.
    pub renamed: &'static [(&'static str, &'static str)],
    /// Instructions whose argument holds flags below what it names, and how many bits of them.
    pub flag_bits: &'static [(&'static str, u8)],
}

impl Adaptive {
    /// How many low bits of the argument of an instruction are flags.
    pub fn flag_bits_of(&self, instruction: &str) -> u8 {
        self.flag_bits.iter().find(|(flagged, _)| *flagged == instruction).map_or(0, |(_, bits)| *bits)
    }
}

/// The 16 bits of an adaptive counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterFormat {
    /// Low bits that hold the backoff exponent; those above hold the value.
    pub backoff_bits: u8,
    /// The exponent at which backing off stops (`MAX_BACKOFF`).
    pub backoff_limit: u8,
    /// The highest exponent of an instruction for which specialising has not failed yet.
    pub backoff_warming: u8,
    /// All 16 bits right after an instruction was specialised.
    pub specialised: u16,
    /// While specialised all 16 bits count misses; there is no exponent (3.11).
    pub specialised_is_plain: bool,
}

/// A version in an inline cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheTag {
    /// How the name of the specialised form begins.
    pub form: &'static str,
    /// The version that its guard compares.
    pub tag: CacheField,
    /// A second one: of the keys of the builtins, or of a type's shared keys.
    pub keys: Option<CacheField>,
}

/// A number in an inline cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheField {
    /// Its cache entry; 0 is the counter.
    pub entry: u8,
    /// 16-bit entries that it takes, the low one first: 1 or 2.
    pub entries: u8,
}

/// A version of 32 bits.
pub(super) const fn wide(entry: u8) -> CacheField {
    CacheField { entry, entries: 2 }
}

/// A version of 16 bits.
pub(super) const fn narrow(entry: u8) -> CacheField {
    CacheField { entry, entries: 1 }
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
