//! CPython 3.12: each interpreter has its own GIL, code objects have a version.

use super::opcodes::v3_12::OPCODES;
use super::v3_11::LAYOUT as PREVIOUS;
use crate::layout::spec::*;

pub(super) static SPEC: VersionSpec = VersionSpec {
    minor: 12,
    offsets: OffsetSource::Table(&LAYOUT),
    opcodes: &OPCODES,
};

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
    ..PREVIOUS
};
