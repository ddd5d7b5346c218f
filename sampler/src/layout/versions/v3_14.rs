//! CPython 3.14: tagged stack references, a generation of code objects, larger tuples.

use super::opcodes::v3_14::OPCODES;
use super::v3_12::{ATTRIBUTE_TAGS, CALL_TAGS};
use super::v3_13::{
    ADAPTIVE as PREVIOUS_ADAPTIVE, CLASS_TAG, FREE_THREADED as PREVIOUS_FREE_THREADED, GLOBAL_TAGS,
    LAYOUT as PREVIOUS, TRUTH_TAG,
};
use crate::layout::spec::*;

pub(super) static SPEC: VersionSpec = VersionSpec {
    minor: 14,
    offsets: OffsetSource::Published(&PublishedSpec {
        fields: FIELDS,
        lacking: &LAYOUT,
        lacking_free_threaded: &FREE_THREADED,
    }),
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
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
        ..PREVIOUS.object
    },
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    ..PREVIOUS
};

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
        ..PREVIOUS_FREE_THREADED.object
    },
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    ..PREVIOUS_FREE_THREADED
};

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
