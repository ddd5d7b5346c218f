//! CPython 3.13: the process publishes its offsets; attributes are inline in instances.
//!
//! The table below states all offsets all the same: `_Py_DebugOffsets` overrides those that it holds,
//! and where both state one a test compares them.

use super::opcodes::v3_13::OPCODES;
use super::v3_12::{ADAPTIVE as PREVIOUS_ADAPTIVE, ATTRIBUTE_TAGS, CALL_TAGS, LAYOUT as PREVIOUS};
use super::v3_12::{EVENTS, STATE as PREVIOUS_STATE, tracemalloc_and_preconfig};
use crate::layout::spec::*;
use crate::layout::state::*;

pub(super) static SPEC: VersionSpec = VersionSpec {
    minor: 13,
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
    counter: PREVIOUS_ADAPTIVE.counter,
    tags: &[
        GLOBAL_TAGS[0],
        GLOBAL_TAGS[1],
        ATTRIBUTE_TAGS[0],
        ATTRIBUTE_TAGS[1],
        ATTRIBUTE_TAGS[2],
        CALL_TAGS[0],
        CALL_TAGS[1],
        CLASS_TAG,
        TRUTH_TAG,
    ],
    renamed: &[],
    flag_bits: &[("LOAD_GLOBAL", 1), ("LOAD_ATTR", 1), ("LOAD_SUPER_ATTR", 2), ("COMPARE_OP", 5)],
};

/// `_PyLoadGlobalCache`: counter, module_keys_version, builtin_keys_version, index.
pub(super) const GLOBAL_TAGS: [CacheTag; 2] = [
    CacheTag { form: "LOAD_GLOBAL_", tag: narrow(1), keys: None },
    CacheTag { form: "LOAD_GLOBAL_BUILTIN", tag: narrow(1), keys: Some(narrow(2)) },
];

/// In place of `func_version`, the version of the class.
pub(super) const CLASS_TAG: CacheTag =
    CacheTag { form: "CALL_ALLOC_AND_ENTER_INIT", tag: wide(1), keys: None };

/// `_PyToBoolCache`: counter, `version[2]`.
pub(super) const TRUTH_TAG: CacheTag = CacheTag { form: "TO_BOOL_ALWAYS_TRUE", tag: wide(1), keys: None };

pub(super) const LAYOUT: Layout = Layout {
    version: Version { minor: 13, ..PREVIOUS.version },
    runtime: RuntimeOffsets { interpreters_head: 632, finalizing: 608 },
    interpreter: InterpreterOffsets {
        id: 7272,
        next: 7264,
        threads_head: 7344,
        threads_main: Some(7352),
        modules: 7656,
        gil: Gil { place: GilPlace::InterpreterPointer(16), ..PREVIOUS.interpreter.gil },
        gc_collecting: Field::Interpreter(7600),
        // func_state.next_version: 3.13.0 and 3.13.18 agree. 3.12 has one as well, but counts code
        // objects in a global variable, _Py_next_func_version.
        code_generation: Some(CodeGeneration { offset: 17_000, width: 4, zero_is_unknown: true }),
    },
    thread: ThreadOffsets {
        frame: FrameLink::Direct(72),
        thread_id: 152,
        native_thread_id: Some(160),
        c_profilefunc: Some(80),
        c_tracefunc: Some(88),
        ..PREVIOUS.thread
    },
    code: CodeOffsets {
        size: 200,
        executors: Some(152),
        monitoring: Some(Monitoring { data: 176, lines: 32, lines_are_sized: None, opcodes: 48 }),
        bytecode: Bytecode::Inline(200),
        ..PREVIOUS.code
    },
    object: ObjectOffsets {
        dict: DictOffsets {
            values_first: 8,
            // Behind 8 watchers and 4 bits that count.
            tag: DictTag { version_shift: Some(12), mutations_shift: Some(8), ..PREVIOUS.object.dict.tag },
            ..PREVIOUS.object.dict
        },
        types: TypeOffsets {
            tag_needs_flag: false,
            tp_versions_used: Some((410, 1000)),
            size: 412,
            statics: Some(StaticTypes { size: 48, tp_dict: 24, tp_subclasses: 32 }),
            ..PREVIOUS.object.types
        },
        instance_dict: InstanceDict::Inline { managed_words: 3 },
        ..PREVIOUS.object
    },
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    ..PREVIOUS
};

/// `Py_GIL_DISABLED`: object headers are 16 bytes larger.
pub(super) const FREE_THREADED: Layout = Layout {
    interpreter: InterpreterOffsets {
        modules: 7664,
        gil: Gil { last_holder: 16, locked: 24, enabled: Some(0), size: 216, ..LAYOUT.interpreter.gil },
        code_generation: Some(CodeGeneration { offset: 20_092, width: 4, zero_is_unknown: true }),
        ..LAYOUT.interpreter
    },
    code: CodeOffsets {
        size: 216,
        argcount: 68,
        kwonlyargcount: 76,
        firstlineno: 84,
        filename: 128,
        name: 136,
        qualname: Some(144),
        consts: 40,
        names: 48,
        flags: 64,
        executors: Some(168),
        monitoring: Some(Monitoring { data: 192, lines: 32, lines_are_sized: None, opcodes: 48 }),
        linetable: 152,
        localsplusnames: 112,
        localspluskinds: Some(120),
        bytecode: Bytecode::Inline(216),
        frame_words: Some(FrameWords::Field(92)),
        identity: &[(32, 96), (136, 24)],
        ..LAYOUT.code
    },
    object: ObjectOffsets {
        ob_type: 24,
        ob_size: 32,
        tp_name: 40,
        tp_flags: 184,
        tp_basicsize: 48,
        tp_dictoffset: 304,
        ht_cached_keys: 896,
        unicode: UnicodeOffsets {
            length: 32,
            state: 48,
            ascii_size: 56,
            compact_size: 72,
            ..LAYOUT.object.unicode
        },
        bytes_ob_sval: 48,
        tuple_ob_item: 40,
        list_ob_item: 40,
        float_ob_fval: 32,
        long: LongOffsets { size_or_tag: 32, digits: 40, ..LAYOUT.object.long },
        dict: DictOffsets {
            ma_used: 32,
            tag: DictTag { offset: 40, ..LAYOUT.object.dict.tag },
            ma_keys: 48,
            ma_values: 56,
            ..LAYOUT.object.dict
        },
        instance_dict: InstanceDict::Inline { managed_words: 1 },
        types: TypeOffsets {
            tp_getattro: 160,
            tp_setattro: 168,
            tp_dict: 280,
            tp_descr_get: 288,
            tp_descr_set: 296,
            tp_new: 328,
            tp_mro: 360,
            tp_subclasses: 376,
            tp_version_tag: 400,
            tp_versions_used: Some((426, 1000)),
            ht_qualname: 888,
            size: 428,
            ..LAYOUT.object.types
        },
        function: FunctionOffsets { func_code: 64, func_globals: 32, func_version: Some(152) },
        md_dict: 32,
        wr_object: 32,
        cell_ob_ref: 32,
    },
    ..LAYOUT
};

pub(super) const STATE: StateSpec = StateSpec {
    c_profileobj: 96,
    code: CodeExtra { local_monitors: Some(10), ..PREVIOUS_STATE.code },
    eval: EvalState { section: Section { at: 8448, ..PREVIOUS_STATE.eval.section }, ..PREVIOUS_STATE.eval },
    keys: Some(Section {
        at: 82_568,
        anchors: &[
            Anchor { at: 72, is: Anchored::Object("dict") },
            Anchor { at: 96, is: Anchored::Type("ExceptionGroup") },
        ],
    }),
    monitoring: Some(MonitoringState {
        section: Section {
            // optimizer
            at: 193_104,
            anchors: &[
                Anchor { at: 56, is: Anchored::Word(1 << 20) },
                Anchor { at: 64, is: Anchored::Word(1 << 20) },
                Anchor { at: 1408, is: Anchored::Embedded("hamt") },
                Anchor { at: 1448, is: Anchored::Embedded("MemoryError") },
            ],
        },
        monitors: 32,
        events: EVENTS,
        tool_names: 1160,
        rare_events: Some(16),
        jit: Some(JitSwitch::Optimizer(0)),
        specialisation: None,
    }),
    allocators: Some(AllocatorState {
        section: Section {
            at: 696,
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
        section: Section { at: 10_104, anchors: &tracemalloc_and_preconfig(280) },
        tracing: Some(4),
        allocator: 316,
    },
    ..PREVIOUS_STATE
};

/// `_Py_DebugOffsets` of 3.13.
#[rustfmt::skip]
const FIELDS: &[&str] = &[
    "version", "free_threaded",
    "runtime_state.size", "runtime_state.finalizing", "runtime_state.interpreters_head",
    "interpreter_state.size", "interpreter_state.id", "interpreter_state.next",
    "interpreter_state.threads_head", "interpreter_state.gc", "interpreter_state.imports_modules",
    "interpreter_state.sysdict", "interpreter_state.builtins", "interpreter_state.ceval_gil",
    "interpreter_state.gil_runtime_state", "interpreter_state.gil_runtime_state_enabled",
    "interpreter_state.gil_runtime_state_locked", "interpreter_state.gil_runtime_state_holder",
    "thread_state.size", "thread_state.prev", "thread_state.next", "thread_state.interp",
    "thread_state.current_frame", "thread_state.thread_id", "thread_state.native_thread_id",
    "thread_state.datastack_chunk", "thread_state.status",
    "interpreter_frame.size", "interpreter_frame.previous", "interpreter_frame.executable",
    "interpreter_frame.instr_ptr", "interpreter_frame.localsplus", "interpreter_frame.owner",
    "code_object.size", "code_object.filename", "code_object.name", "code_object.qualname",
    "code_object.linetable", "code_object.firstlineno", "code_object.argcount",
    "code_object.localsplusnames", "code_object.localspluskinds", "code_object.co_code_adaptive",
    "pyobject.size", "pyobject.ob_type",
    "type_object.size", "type_object.tp_name", "type_object.tp_repr", "type_object.tp_flags",
    "tuple_object.size", "tuple_object.ob_item", "tuple_object.ob_size",
    "list_object.size", "list_object.ob_item", "list_object.ob_size",
    "dict_object.size", "dict_object.ma_keys", "dict_object.ma_values",
    "float_object.size", "float_object.ob_fval",
    "long_object.size", "long_object.lv_tag", "long_object.ob_digit",
    "bytes_object.size", "bytes_object.ob_size", "bytes_object.ob_sval",
    "unicode_object.size", "unicode_object.state", "unicode_object.length",
    "unicode_object.asciiobject_size",
    "gc.size", "gc.collecting",
];
