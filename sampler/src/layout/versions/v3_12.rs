//! CPython 3.12: each interpreter has its own GIL, code objects have a version.

use super::opcodes::v3_12::OPCODES;
use super::v3_11::LAYOUT as PREVIOUS;
use super::v3_8::preconfig;
use super::v3_11::STATE as PREVIOUS_STATE;
use crate::layout::spec::*;
use crate::layout::state::*;

pub(super) static SPEC: VersionSpec = VersionSpec {
    minor: 12,
    offsets: OffsetSource::Table(&LAYOUT),
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    state: &STATE,
};

pub(super) const ADAPTIVE: Adaptive = Adaptive {
    // adaptive_counter_warmup (1, 1), adaptive_counter_cooldown (52, 0).
    counter: Some(CounterFormat {
        backoff_bits: 4,
        backoff_limit: 12,
        backoff_warming: 1,
        specialised: 52 << 4,
        specialised_is_plain: false,
    }),
    tags: &[
        // _PyLoadGlobalCache: counter, index, module_keys_version, builtin_keys_version.
        CacheTag { form: "LOAD_GLOBAL_", tag: narrow(2), keys: None },
        CacheTag { form: "LOAD_GLOBAL_BUILTIN", tag: narrow(2), keys: Some(narrow(3)) },
        ATTRIBUTE_TAGS[0],
        ATTRIBUTE_TAGS[1],
        ATTRIBUTE_TAGS[2],
        CALL_TAGS[0],
        CALL_TAGS[1],
    ],
    renamed: &[],
    flag_bits: &[("LOAD_GLOBAL", 1), ("LOAD_ATTR", 1), ("LOAD_SUPER_ATTR", 2), ("COMPARE_OP", 4)],
};

/// `_PyAttrCache`: `counter, version[2], index`; `_PyLoadMethodCache`: `counter, type_version[2],
/// keys_version[2], descr[4]`.
pub(super) const ATTRIBUTE_TAGS: [CacheTag; 3] = [
    CacheTag { form: "LOAD_ATTR_", tag: wide(1), keys: None },
    CacheTag { form: "LOAD_ATTR_METHOD_WITH_VALUES", tag: wide(1), keys: Some(wide(3)) },
    CacheTag { form: "STORE_ATTR_", tag: wide(1), keys: None },
];

/// `_PyCallCache`: `counter, func_version[2]`. Forms for native callees leave it as it was.
pub(super) const CALL_TAGS: [CacheTag; 2] = [
    CacheTag { form: "CALL_PY_", tag: wide(1), keys: None },
    CacheTag { form: "CALL_BOUND_METHOD_", tag: wide(1), keys: None },
];

pub(super) const LAYOUT: Layout = Layout {
    version: Version { minor: 12, ..PREVIOUS.version },
    interpreter: InterpreterOffsets {
        id: 8,
        threads_head: 72,
        modules: 944,
        gil: Gil { place: GilPlace::InterpreterPointer(384), ..PREVIOUS.interpreter.gil },
        gc_collecting: Field::Interpreter(312),
        ..PREVIOUS.interpreter
    },
    thread: ThreadOffsets {
        frame: FrameLink::CFrame { cframe: 56, current_frame: 0 },
        thread_id: 136,
        native_thread_id: Some(144),
        datastack_chunk: Some(232),
        size: 256,
        ..PREVIOUS.thread
    },
    frame: FrameOffsets {
        previous: 8,
        code: 0,
        owner: Some(70),
        // FRAME_OWNED_BY_CSTACK
        owner_shim: Some(3),
        is_entry: None,
        f_globals: 24,
        f_builtins: 32,
        f_locals: 40,
        ..PREVIOUS.frame
    },
    code: CodeOffsets {
        size: 192,
        argcount: 52,
        kwonlyargcount: 60,
        firstlineno: 68,
        bytecode: Bytecode::Inline(192),
        monitoring: Some(Monitoring { data: 168, lines: 40, lines_are_sized: Some(false), opcodes: 56 }),
        // co_framesize
        frame_words: Some(FrameWords::Field(76)),
        // ob_size, co_consts … co_version, co_localspluskinds; co_name … co_linetable.
        identity: &[(16, 96), (120, 24)],
        ..PREVIOUS.code
    },
    object: ObjectOffsets {
        ht_cached_keys: 880,
        unicode: UnicodeOffsets { ascii_size: 40, compact_size: 56, ..PREVIOUS.object.unicode },
        // long_value.lv_tag
        long: LongOffsets { tagged: true, ..PREVIOUS.object.long },
        instance_dict: InstanceDict::ManagedTagged,
        dict: DictOffsets {
            // Behind the bits of 8 watchers.
            tag: DictTag { version_shift: Some(8), ..PREVIOUS.object.dict.tag },
            ..PREVIOUS.object.dict
        },
        types: TypeOffsets {
            ht_qualname: 872,
            statics: Some(StaticTypes { size: 40, tp_dict: 16, tp_subclasses: 24 }),
            ..PREVIOUS.object.types
        },
        function: FunctionOffsets { func_version: Some(136), ..PREVIOUS.object.function },
        ..PREVIOUS.object
    },
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    ..PREVIOUS
};

pub(super) const STATE: StateSpec = StateSpec {
    code: CodeExtra { local_monitors: Some(15), ..PREVIOUS_STATE.code },
    eval: EvalState {
        section: Section {
            at: 1720,
            anchors: &[
                // sysdict_copy, builtins_copy, co_extra_user_count
                Anchor { at: 8, is: Anchored::Object("dict") },
                Anchor { at: 16, is: Anchored::Object("dict") },
                Anchor { at: 104, is: Anchored::Word(255) },
            ],
        },
        eval_frame: 24,
    },
    keys: Some(Section {
        at: 270_728,
        anchors: &[
            // exc_state.errnomap, exc_state.PyExc_ExceptionGroup
            Anchor { at: 2672, is: Anchored::Object("dict") },
            Anchor { at: 2696, is: Anchored::Type("ExceptionGroup") },
        ],
    }),
    monitoring: Some(MonitoringState {
        section: Section {
            at: 381_744,
            anchors: &[
                // sys_profiling_threads, sys_tracing_threads; hamt_empty, last_resort_memory_error
                Anchor { at: 24, is: Anchored::Word(1 << 20) },
                Anchor { at: 32, is: Anchored::Word(1 << 20) },
                Anchor { at: 1376, is: Anchored::Embedded("hamt") },
                Anchor { at: 1416, is: Anchored::Embedded("MemoryError") },
            ],
        },
        monitors: 0,
        events: EVENTS,
        tool_names: 1128,
        rare_events: None,
        jit: None,
        specialisation: None,
    }),
    allocators: Some(AllocatorState {
        section: Section {
            at: 88,
            anchors: &[
                // debug.raw.api_id, debug.mem.api_id, debug.obj.api_id
                Anchor { at: 128, is: Anchored::Byte(b'r') },
                Anchor { at: 176, is: Anchored::Byte(b'm') },
                Anchor { at: 224, is: Anchored::Byte(b'o') },
            ],
        },
        raw: 8,
        debug_raw: 128,
    }),
    process: ProcessState {
        section: Section { at: 2768, anchors: &tracemalloc_and_preconfig(232) },
        tracing: Some(4),
        allocator: 268,
    },
    ..PREVIOUS_STATE
};

/// `initialized`, `tracing` and `max_nframe` of `tracemalloc.config`, then `preconfig`.
pub(super) const fn tracemalloc_and_preconfig(preconfig_at: Offset) -> [Anchor; 13] {
    let [a, b, c, d, e, f, g, h, i, j] = preconfig(preconfig_at);
    let initialized = Anchor { at: 0, is: Anchored::Int(0, 2) };
    let tracing = Anchor { at: 4, is: Anchored::Int(0, 1) };
    let max_nframe = Anchor { at: 8, is: Anchored::Int(1, 65_535) };
    [max_nframe, a, b, c, d, e, f, g, h, i, j, initialized, tracing]
}

/// Events of `sys.monitoring` that are not made up of others, by number.
#[rustfmt::skip]
pub(super) const EVENTS: &[&str] = &[
    "PY_START", "PY_RESUME", "PY_RETURN", "PY_YIELD", "CALL", "LINE", "INSTRUCTION", "JUMP",
    "BRANCH", "STOP_ITERATION", "RAISE", "EXCEPTION_HANDLED", "PY_UNWIND", "PY_THROW", "RERAISE",
];
