//! CPython 3.14: tagged stack references, a generation of code objects, larger tuples.

use super::opcodes::v3_14::OPCODES;
use super::v3_12::{ATTRIBUTE_TAGS, CALL_TAGS};
use super::v3_13::{
    ADAPTIVE as PREVIOUS_ADAPTIVE, CLASS_TAG, FREE_THREADED as PREVIOUS_FREE_THREADED, GLOBAL_TAGS,
    LAYOUT as PREVIOUS, TRUTH_TAG,
};
use super::v3_12::tracemalloc_and_preconfig;
use super::v3_13::STATE as PREVIOUS_STATE;
use crate::layout::spec::*;
use crate::layout::state::*;

pub(super) static SPEC: VersionSpec = VersionSpec {
    minor: 14,
    offsets: OffsetSource::Published(&PublishedSpec {
        fields: FIELDS,
        lacking: &LAYOUT,
        lacking_free_threaded: &FREE_THREADED,
    }),
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    state: &STATE,
};

pub(super) const ADAPTIVE: Adaptive = Adaptive { tags: TAGS, ..PREVIOUS_ADAPTIVE };

pub(super) const TAGS: &[CacheTag] = &[
    GLOBAL_TAGS[0],
    GLOBAL_TAGS[1],
    ATTRIBUTE_TAGS[0],
    ATTRIBUTE_TAGS[1],
    ATTRIBUTE_TAGS[2],
    CALL_TAGS[0],
    CALL_TAGS[1],
    CLASS_TAG,
    TRUTH_TAG,
    // _PyCallCache.
    CacheTag { form: "CALL_KW_PY", tag: wide(1), keys: None },
    CacheTag { form: "CALL_KW_BOUND_METHOD", tag: wide(1), keys: None },
];

pub(super) const LAYOUT: Layout = Layout {
    version: Version { minor: 14, ..PREVIOUS.version },
    runtime: RuntimeOffsets { interpreters_head: 808, finalizing: 784 },
    interpreter: InterpreterOffsets {
        id: 7280,
        next: 7272,
        threads_main: Some(7360),
        modules: 7688,
        // _code_object_generation
        code_generation: Some(CodeGeneration { offset: 7992, width: 8, zero_is_unknown: false }),
        ..PREVIOUS.interpreter
    },
    frame: FrameOffsets {
        size: 80,
        localsplus: 80,
        owner: Some(74),
        // FRAME_OWNED_BY_INTERPRETER
        owner_shim: Some(3),
        stack_top: Some(StackTop::Pointer(64)),
        ..PREVIOUS.frame
    },
    code: CodeOffsets {
        size: 208,
        monitoring: Some(Monitoring { data: 176, lines: 96, lines_are_sized: Some(true), opcodes: 112 }),
        bytecode: Bytecode::Inline(208),
        ..PREVIOUS.code
    },
    object: ObjectOffsets {
        // After ob_hash.
        tuple_ob_item: 32,
        dict: DictOffsets {
            tag: DictTag { version_shift: None, ..PREVIOUS.object.dict.tag },
            ..PREVIOUS.object.dict
        },
        types: TypeOffsets { statics: STATICS, ..PREVIOUS.object.types },
        function: FunctionOffsets { func_version: Some(144), ..PREVIOUS.object.function },
        ..PREVIOUS.object
    },
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    ..PREVIOUS
};

const STATICS: Option<StaticTypes> =
    Some(StaticTypes { size: 48, tp_dict: 24, tp_subclasses: 32 });

/// `Py_GIL_DISABLED`.
pub(super) const FREE_THREADED: Layout = Layout {
    version: LAYOUT.version,
    runtime: LAYOUT.runtime,
    interpreter: InterpreterOffsets {
        modules: 7712,
        gil: PREVIOUS_FREE_THREADED.interpreter.gil,
        code_generation: Some(CodeGeneration { offset: 8024, width: 8, zero_is_unknown: false }),
        ..LAYOUT.interpreter
    },
    frame: FrameOffsets { owner: Some(78), tlbc_index: Some(72), ..LAYOUT.frame },
    code: CodeOffsets {
        size: 232,
        monitoring: Some(Monitoring { data: 192, lines: 96, lines_are_sized: Some(true), opcodes: 112 }),
        bytecode: Bytecode::Inline(232),
        tlbc: Some(224),
        ..PREVIOUS_FREE_THREADED.code
    },
    object: ObjectOffsets {
        unicode: UnicodeOffsets { kind_shift: 8, ..PREVIOUS_FREE_THREADED.object.unicode },
        tuple_ob_item: 48,
        dict: DictOffsets {
            tag: DictTag { version_shift: None, ..PREVIOUS_FREE_THREADED.object.dict.tag },
            ..PREVIOUS_FREE_THREADED.object.dict
        },
        types: TypeOffsets { statics: STATICS, ..PREVIOUS_FREE_THREADED.object.types },
        function: FunctionOffsets { func_version: Some(160), ..PREVIOUS_FREE_THREADED.object.function },
        ..PREVIOUS_FREE_THREADED.object
    },
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    ..PREVIOUS_FREE_THREADED
};

pub(super) const STATE: StateSpec = StateSpec {
    code: CodeExtra { local_monitors: Some(11), ..PREVIOUS_STATE.code },
    gc: GcState {
        collecting: 192,
        garbage: 200,
        generation0: 256,
        stats: GcStats::Inline(120),
        ..PREVIOUS_STATE.gc
    },
    eval: EvalState { section: Section { at: 8496, ..PREVIOUS_STATE.eval.section }, ..PREVIOUS_STATE.eval },
    keys: Some(Section {
        at: 79_816,
        anchors: &[
            Anchor { at: 72, is: Anchored::Object("dict") },
            Anchor { at: 96, is: Anchored::Type("ExceptionGroup") },
        ],
    }),
    monitoring: Some(MonitoringState {
        section: Section {
            at: 223_144,
            anchors: &[
                // common_consts[0], sys_profiling_threads, sys_tracing_threads; hamt_empty,
                // last_resort_memory_error
                Anchor { at: 0, is: Anchored::Type("AssertionError") },
                Anchor { at: 120, is: Anchored::Word(1 << 20) },
                Anchor { at: 128, is: Anchored::Word(1 << 20) },
                Anchor { at: 1664, is: Anchored::Embedded("hamt") },
                Anchor { at: 1704, is: Anchored::Embedded("MemoryError") },
            ],
        },
        monitors: 96,
        events: EVENTS,
        tool_names: 1352,
        rare_events: Some(80),
        jit: Some(JitSwitch::Flag(40)),
        specialisation: None,
    }),
    allocators: Some(AllocatorState {
        section: Section {
            at: 872,
            anchors: &[
                Anchor { at: 128, is: Anchored::Byte(b'r') },
                Anchor { at: 176, is: Anchored::Byte(b'm') },
                Anchor { at: 224, is: Anchored::Byte(b'o') },
            ],
        },
        raw: 8,
        debug_raw: 128,
    }),
    process: ProcessState {
        section: Section { at: 10_296, anchors: &tracemalloc_and_preconfig(280) },
        tracing: Some(4),
        allocator: 316,
    },
    ..PREVIOUS_STATE
};

/// Events of `sys.monitoring` that are not made up of others, by number.
#[rustfmt::skip]
pub(super) const EVENTS: &[&str] = &[
    "PY_START", "PY_RESUME", "PY_RETURN", "PY_YIELD", "CALL", "LINE", "INSTRUCTION", "JUMP",
    "BRANCH_LEFT", "BRANCH_RIGHT", "STOP_ITERATION", "RAISE", "EXCEPTION_HANDLED", "PY_UNWIND",
    "PY_THROW", "RERAISE",
];

/// `_Py_DebugOffsets` of 3.14.
#[rustfmt::skip]
const FIELDS: &[&str] = &[
    "version", "free_threaded",
    "runtime_state.size", "runtime_state.finalizing", "runtime_state.interpreters_head",
    "interpreter_state.size", "interpreter_state.id", "interpreter_state.next",
    "interpreter_state.threads_head", "interpreter_state.threads_main", "interpreter_state.gc",
    "interpreter_state.imports_modules", "interpreter_state.sysdict", "interpreter_state.builtins",
    "interpreter_state.ceval_gil", "interpreter_state.gil_runtime_state",
    "interpreter_state.gil_runtime_state_enabled", "interpreter_state.gil_runtime_state_locked",
    "interpreter_state.gil_runtime_state_holder", "interpreter_state.code_object_generation",
    "interpreter_state.tlbc_generation",
    "thread_state.size", "thread_state.prev", "thread_state.next", "thread_state.interp",
    "thread_state.current_frame", "thread_state.thread_id", "thread_state.native_thread_id",
    "thread_state.datastack_chunk", "thread_state.status",
    "interpreter_frame.size", "interpreter_frame.previous", "interpreter_frame.executable",
    "interpreter_frame.instr_ptr", "interpreter_frame.localsplus", "interpreter_frame.owner",
    "interpreter_frame.stackpointer", "interpreter_frame.tlbc_index",
    "code_object.size", "code_object.filename", "code_object.name", "code_object.qualname",
    "code_object.linetable", "code_object.firstlineno", "code_object.argcount",
    "code_object.localsplusnames", "code_object.localspluskinds", "code_object.co_code_adaptive",
    "code_object.co_tlbc",
    "pyobject.size", "pyobject.ob_type",
    "type_object.size", "type_object.tp_name", "type_object.tp_repr", "type_object.tp_flags",
    "tuple_object.size", "tuple_object.ob_item", "tuple_object.ob_size",
    "list_object.size", "list_object.ob_item", "list_object.ob_size",
    "set_object.size", "set_object.used", "set_object.table", "set_object.mask",
    "dict_object.size", "dict_object.ma_keys", "dict_object.ma_values",
    "float_object.size", "float_object.ob_fval",
    "long_object.size", "long_object.lv_tag", "long_object.ob_digit",
    "bytes_object.size", "bytes_object.ob_size", "bytes_object.ob_sval",
    "unicode_object.size", "unicode_object.state", "unicode_object.length",
    "unicode_object.asciiobject_size",
    "gc.size", "gc.collecting",
    "gen_object.size", "gen_object.gi_name", "gen_object.gi_iframe", "gen_object.gi_frame_state",
    "llist_node.next", "llist_node.prev",
    "debugger_support.eval_breaker", "debugger_support.remote_debugger_support",
    "debugger_support.remote_debugging_enabled", "debugger_support.debugger_pending_call",
    "debugger_support.debugger_script_path", "debugger_support.debugger_script_path_size",
];
