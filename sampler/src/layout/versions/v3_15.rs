//! CPython 3.15: threads say that they want the GIL, the published table has types and exceptions.

use super::opcodes::v3_15::OPCODES;
use super::v3_14::{FREE_THREADED as PREVIOUS_FREE_THREADED, LAYOUT as PREVIOUS, TAGS};
use super::v3_12::tracemalloc_and_preconfig;
use super::v3_14::{EVENTS, STATE as PREVIOUS_STATE};
use crate::layout::spec::*;
use crate::layout::state::*;

pub(super) static SPEC: VersionSpec = VersionSpec {
    minor: 15,
    offsets: OffsetSource::Published(&PublishedSpec {
        fields: FIELDS,
        lacking: &LAYOUT,
        lacking_free_threaded: &FREE_THREADED,
    }),
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    state: &STATE,
};

pub(super) const ADAPTIVE: Adaptive = Adaptive {
    // pycore_backoff.h: three bits, steps of four.
    counter: Some(CounterFormat {
        backoff_bits: 3,
        backoff_limit: 6,
        backoff_warming: 1,
        specialised: 52 << 3,
        specialised_is_plain: false,
    }),
    tags: TAGS,
    renamed: &[("CALL_EX_", "CALL_FUNCTION_EX")],
    flag_bits: &[
        ("LOAD_GLOBAL", 1),
        ("LOAD_ATTR", 1),
        ("LOAD_SUPER_ATTR", 2),
        ("COMPARE_OP", 5),
        // Lazy, eager.
        ("IMPORT_NAME", 2),
    ],
};

pub(super) const LAYOUT: Layout = Layout {
    version: Version { minor: 15, ..PREVIOUS.version },
    runtime: RuntimeOffsets { interpreters_head: 936, finalizing: 912 },
    interpreter: InterpreterOffsets {
        id: 7272,
        next: 7264,
        threads_head: 7336,
        threads_main: Some(7352),
        modules: 7592,
        gc_collecting: Field::Interpreter(7512),
        code_generation: Some(CodeGeneration { offset: 7944, width: 8, zero_is_unknown: false }),
        ..PREVIOUS.interpreter
    },
    thread: ThreadOffsets {
        thread_id: 176,
        native_thread_id: Some(184),
        datastack_chunk: Some(256),
        gil_requested: Some(40),
        c_profilefunc: Some(104),
        c_tracefunc: Some(112),
        size: 280,
        ..PREVIOUS.thread
    },
    code: CodeOffsets {
        monitoring: Some(Monitoring { data: 176, lines: 104, lines_are_sized: Some(true), opcodes: 120 }),
        ..PREVIOUS.code
    },
    object: ObjectOffsets {
        ht_cached_keys: 888,
        types: TypeOffsets { ht_qualname: 880, ..PREVIOUS.object.types },
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
        gil: PREVIOUS_FREE_THREADED.interpreter.gil,
        code_generation: Some(CodeGeneration { offset: 7952, width: 8, zero_is_unknown: false }),
        ..LAYOUT.interpreter
    },
    thread: LAYOUT.thread,
    code: CodeOffsets {
        monitoring: Some(Monitoring { data: 192, lines: 104, lines_are_sized: Some(true), opcodes: 120 }),
        ..PREVIOUS_FREE_THREADED.code
    },
    object: ObjectOffsets {
        ht_cached_keys: 904,
        types: TypeOffsets { ht_qualname: 896, ..PREVIOUS_FREE_THREADED.object.types },
        ..PREVIOUS_FREE_THREADED.object
    },
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    ..PREVIOUS_FREE_THREADED
};

pub(super) const STATE: StateSpec = StateSpec {
    c_profileobj: 120,
    code: CodeExtra { local_monitors: Some(16), ..PREVIOUS_STATE.code },
    gc: GcState {
        collecting: 112,
        enabled: 0,
        generations: 8,
        generation0: 168,
        garbage: 128,
        stats: GcStats::Rings { at: 104, rings: [(0, 11), (712, 3), (912, 3)], size: 64, collections: 16 },
    },
    eval: EvalState {
        section: Section {
            at: 8448,
            anchors: &[
                Anchor { at: 8, is: Anchored::Object("dict") },
                Anchor { at: 16, is: Anchored::Object("dict") },
                Anchor { at: 112, is: Anchored::Word(255) },
            ],
        },
        eval_frame: 24,
    },
    keys: Some(Section {
        at: 79_824,
        anchors: &[
            Anchor { at: 72, is: Anchored::Object("dict") },
            Anchor { at: 96, is: Anchored::Type("ExceptionGroup") },
        ],
    }),
    monitoring: Some(MonitoringState {
        section: Section {
            at: 223_312,
            anchors: &[
                Anchor { at: 0, is: Anchored::Type("AssertionError") },
                Anchor { at: 224, is: Anchored::Word(1 << 20) },
                Anchor { at: 232, is: Anchored::Word(1 << 20) },
                Anchor { at: 1696, is: Anchored::Embedded("hamt") },
                Anchor { at: 1736, is: Anchored::Embedded("MemoryError") },
            ],
        },
        monitors: 200,
        events: EVENTS,
        tool_names: 1456,
        rare_events: Some(184),
        jit: Some(JitSwitch::Flag(96)),
        specialisation: Some(112),
    }),
    allocators: Some(AllocatorState {
        section: Section {
            at: 1000,
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
        section: Section { at: 10_432, anchors: &tracemalloc_and_preconfig(264) },
        tracing: Some(4),
        allocator: 300,
    },
    ..PREVIOUS_STATE
};

/// `_Py_DebugOffsets` of 3.15.
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
    "thread_state.current_frame", "thread_state.base_frame", "thread_state.last_profiled_frame",
    "thread_state.last_profiled_frame_seq", "thread_state.thread_id", "thread_state.native_thread_id",
    "thread_state.datastack_chunk", "thread_state.status", "thread_state.holds_gil",
    "thread_state.gil_requested", "thread_state.current_exception", "thread_state.exc_state",
    "err_stackitem.exc_value",
    "interpreter_frame.size", "interpreter_frame.previous", "interpreter_frame.executable",
    "interpreter_frame.instr_ptr", "interpreter_frame.localsplus", "interpreter_frame.owner",
    "interpreter_frame.stackpointer", "interpreter_frame.tlbc_index",
    "code_object.size", "code_object.filename", "code_object.name", "code_object.qualname",
    "code_object.linetable", "code_object.firstlineno", "code_object.argcount",
    "code_object.localsplusnames", "code_object.localspluskinds", "code_object.co_code_adaptive",
    "code_object.co_tlbc",
    "pyobject.size", "pyobject.ob_type",
    "type_object.size", "type_object.tp_name", "type_object.tp_repr", "type_object.tp_flags",
    "type_object.tp_basicsize", "type_object.tp_dictoffset",
    "heap_type_object.size", "heap_type_object.ht_cached_keys",
    "tuple_object.size", "tuple_object.ob_item", "tuple_object.ob_size",
    "list_object.size", "list_object.ob_item", "list_object.ob_size",
    "set_object.size", "set_object.used", "set_object.table", "set_object.mask",
    "dict_object.size", "dict_object.ma_keys", "dict_object.ma_values",
    "float_object.size", "float_object.ob_fval",
    "long_object.size", "long_object.lv_tag", "long_object.ob_digit",
    "bytes_object.size", "bytes_object.ob_size", "bytes_object.ob_sval",
    "unicode_object.size", "unicode_object.state", "unicode_object.length",
    "unicode_object.asciiobject_size", "unicode_object.compactunicodeobject_size",
    "gc.size", "gc.collecting", "gc.frame", "gc.generation_stats_size", "gc.generation_stats",
    "gen_object.size", "gen_object.gi_name", "gen_object.gi_iframe", "gen_object.gi_frame_state",
    "llist_node.next", "llist_node.prev",
    "debugger_support.eval_breaker", "debugger_support.remote_debugger_support",
    "debugger_support.remote_debugging_enabled", "debugger_support.debugger_pending_call",
    "debugger_support.debugger_script_path", "debugger_support.debugger_script_path_size",
];
