//! CPython 3.8: the base that later versions state their differences from.

use slowpath_profile::BuildFlags;

use super::opcodes::v3_8::OPCODES;
use crate::layout::spec::*;
use crate::layout::state::*;

pub(super) static SPEC: VersionSpec = VersionSpec {
    minor: 8,
    offsets: OffsetSource::Table(&LAYOUT),
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    state: &STATE,
};

/// Nothing is specialised in place.
pub(super) const ADAPTIVE: Adaptive = Adaptive { counter: None, tags: &[], renamed: &[], flag_bits: &[] };

/// Release builds; debug builds have the same layout since 3.8 (without `Py_TRACE_REFS`).
pub(super) const LAYOUT: Layout = Layout {
    version: Version { major: 3, minor: 8, micro: 0, level_serial: 0xf0 },
    build: BuildFlags { debug: false, free_threaded: false, jit: false, tail_call: false, static_link: false },
    runtime: RuntimeOffsets { interpreters_head: 32, finalizing: 16 },
    interpreter: INTERPRETER,
    thread: THREAD,
    frame: FRAME,
    code: CODE,
    object: OBJECT,
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
};

const INTERPRETER: InterpreterOffsets = InterpreterOffsets {
    id: 16,
    next: 0,
    threads_head: 8,
    threads_main: None,
    modules: 56,
    gil: Gil { place: GilPlace::Runtime(1152), last_holder: 8, locked: 16, enabled: None, size: 208 },
    gc_collecting: Field::Runtime(544),
    code_generation: None,
};

const THREAD: ThreadOffsets = ThreadOffsets {
    next: 8,
    interp: 16,
    frame: FrameLink::Direct(24),
    thread_id: 176,
    native_thread_id: None,
    datastack_chunk: None,
    gil_requested: None,
    c_profilefunc: Some(56),
    c_tracefunc: Some(64),
    size: 184,
};

/// `PyFrameObject`.
const FRAME: FrameOffsets = FrameOffsets {
    size: 360,
    previous: 24,
    code: 32,
    instruction: Instruction::LastIndex { offset: 104, unit: 1 },
    localsplus: 360,
    owner: None,
    owner_shim: None,
    is_entry: None,
    stack_top: None,
    executing: Some(Executing { offset: 116, value: 1 }),
    tlbc_index: None,
    f_globals: 48,
    f_builtins: 40,
    f_locals: 56,
};

const CODE: CodeOffsets = CodeOffsets {
    size: 176,
    argcount: 16,
    kwonlyargcount: 24,
    firstlineno: 40,
    filename: 104,
    name: 112,
    qualname: None,
    consts: 56,
    names: 64,
    flags: 36,
    executors: None,
    monitoring: None,
    linetable: 120,
    linetable_format: LineTableFormat::Lnotab,
    localsplusnames: 72,
    localspluskinds: None,
    bytecode: Bytecode::Object(48),
    frame_words: None,
    tlbc: None,
    opcache: Some(OPCACHE),
    // co_argcount … co_firstlineno; co_code … co_cellvars; co_name, co_lnotab. Not co_filename, which
    // the import system may replace.
    identity: &[(16, 28), (48, 48), (112, 16)],
};

/// `_PyOpcache`, in `Include/internal/pycore_code.h`.
pub(super) const OPCACHE: Opcache = Opcache {
    map: 152,
    entries: 160,
    len: 172,
    entry_size: 32,
    optimized: 24,
    globals_version: 8,
    builtins_version: 16,
    type_version: None,
};

const OBJECT: ObjectOffsets = ObjectOffsets {
    ob_type: 8,
    ob_size: 16,
    tp_name: 24,
    tp_flags: 168,
    tp_basicsize: 32,
    tp_dictoffset: 288,
    ht_cached_keys: 872,
    unicode: UnicodeOffsets { length: 16, state: 32, kind_shift: 2, ascii_size: 48, compact_size: 72 },
    bytes_ob_sval: 32,
    tuple_ob_item: 24,
    list_ob_item: 24,
    float_ob_fval: 16,
    long: LongOffsets { size_or_tag: 16, tagged: false, digits: 24 },
    dict: DictOffsets {
        ma_used: 16,
        tag: DictTag { offset: 24, version_shift: Some(0), mutations_shift: None },
        ma_keys: 32,
        ma_values: 40,
        // Objects/dict-common.h, not among the installed headers; checked on live interpreters.
        keys: DictKeys::Sized { dk_size: 8, dk_nentries: 32, dk_indices: 40 },
        values_first: 0,
    },
    instance_dict: InstanceDict::Offset,
    types: TypeOffsets {
        tp_getattro: 144,
        tp_setattro: 152,
        tp_dict: 264,
        tp_descr_get: 272,
        tp_descr_set: 280,
        tp_new: 312,
        tp_mro: 344,
        tp_subclasses: 360,
        tp_version_tag: 384,
        tag_needs_flag: true,
        tp_versions_used: None,
        ht_qualname: 864,
        size: 388,
        statics: None,
    },
    function: FunctionOffsets { func_code: 16, func_globals: 24, func_version: None },
    md_dict: 16,
    wr_object: 16,
    cell_ob_ref: 16,
};

pub(super) const STATE: StateSpec = StateSpec {
    c_profileobj: 72,
    function: FunctionExtra { closure: 48, qualname: 104, module: 88 },
    code: CodeExtra { closure: Some((88, 80)), local_monitors: None },
    gc: GcState {
        collecting: 200,
        enabled: 12,
        generations: 24,
        generation0: 96,
        garbage: 208,
        stats: GcStats::Inline(128),
    },
    eval: EvalState {
        section: Section {
            at: 544,
            anchors: &[
                // builtins_copy, import_func, co_extra_user_count
                Anchor { at: 8, is: Anchored::Object("dict") },
                Anchor { at: 16, is: Anchored::Object("builtin_function_or_method") },
                Anchor { at: 32, is: Anchored::Word(255) },
            ],
        },
        eval_frame: 24,
    },
    keys: None,
    monitoring: None,
    allocators: None,
    process: ProcessState {
        section: Section { at: 1400, anchors: &preconfig(0) },
        tracing: None,
        allocator: 36,
    },
};

/// The fields of a `PyPreConfig` that has been filled in: `_config_init` is one of three enumerators,
/// the others are switches up to `allocator`, a `PyMemAllocatorName`.
pub(super) const fn preconfig(at: Offset) -> [Anchor; 10] {
    const SWITCH: Anchored = Anchored::Int(-1, 2);
    [
        Anchor { at, is: Anchored::Int(1, 3) },
        Anchor { at: at + 4, is: SWITCH },
        Anchor { at: at + 8, is: SWITCH },
        Anchor { at: at + 12, is: SWITCH },
        Anchor { at: at + 16, is: SWITCH },
        Anchor { at: at + 20, is: SWITCH },
        Anchor { at: at + 24, is: SWITCH },
        Anchor { at: at + 28, is: SWITCH },
        Anchor { at: at + 32, is: SWITCH },
        Anchor { at: at + 36, is: Anchored::Int(0, 8) },
    ]
}
