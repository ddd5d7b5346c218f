//! CPython 3.12: each interpreter has its own GIL, code objects have a version.

use super::opcodes::v3_12::OPCODES;
use super::v3_11::LAYOUT as PREVIOUS;
use crate::layout::spec::*;

pub(super) static SPEC: VersionSpec = VersionSpec {
    minor: 12,
    offsets: OffsetSource::Table(&LAYOUT),
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
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

/// `_PyAttrCache`: counter, version[2], index; `_PyLoadMethodCache`: counter, type_version[2],
/// keys_version[2], descr[4].
pub(super) const ATTRIBUTE_TAGS: [CacheTag; 3] = [
    CacheTag { form: "LOAD_ATTR_", tag: wide(1), keys: None },
    CacheTag { form: "LOAD_ATTR_METHOD_WITH_VALUES", tag: wide(1), keys: Some(wide(3)) },
    CacheTag { form: "STORE_ATTR_", tag: wide(1), keys: None },
];

/// `_PyCallCache`: counter, func_version[2]. Forms for native callees leave it as it was.
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
        ..PREVIOUS.frame
    },
    code: CodeOffsets {
        size: 192,
        argcount: 52,
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
        ..PREVIOUS.object
    },
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    ..PREVIOUS
};
