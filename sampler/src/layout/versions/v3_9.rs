//! CPython 3.9: the garbage collector's state moved into the interpreter.

use super::opcodes::v3_9::OPCODES;
pub(super) use super::v3_8::ADAPTIVE;
use super::v3_8::LAYOUT as PREVIOUS;
use crate::layout::spec::*;

pub(super) static SPEC: VersionSpec = VersionSpec {
    minor: 9,
    offsets: OffsetSource::Table(&LAYOUT),
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
};

pub(super) const LAYOUT: Layout = Layout {
    version: Version { minor: 9, ..PREVIOUS.version },
    interpreter: InterpreterOffsets {
        id: 24,
        modules: 856,
        gil: Gil { place: GilPlace::Runtime(352), ..PREVIOUS.interpreter.gil },
        gc_collecting: Field::Interpreter(816),
        ..PREVIOUS.interpreter
    },
    object: ObjectOffsets { ht_cached_keys: 864, ..PREVIOUS.object },
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    ..PREVIOUS
};
