//! CPython 3.9: the garbage collector's state moved into the interpreter.

use super::opcodes::v3_9::OPCODES;
pub(super) use super::v3_8::ADAPTIVE;
use super::v3_8::LAYOUT as PREVIOUS;
use super::v3_8::STATE as PREVIOUS_STATE;
use crate::layout::spec::*;
use crate::layout::state::*;

pub(super) static SPEC: VersionSpec = VersionSpec {
    minor: 9,
    offsets: OffsetSource::Table(&LAYOUT),
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    state: &STATE,
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
    object: ObjectOffsets {
        ht_cached_keys: 864,
        types: TypeOffsets { ht_qualname: 856, ..PREVIOUS.object.types },
        ..PREVIOUS.object
    },
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    ..PREVIOUS
};

pub(super) const STATE: StateSpec = StateSpec {
    eval: EvalState { section: Section { at: 1376, ..PREVIOUS_STATE.eval.section }, ..PREVIOUS_STATE.eval },
    process: ProcessState {
        section: Section { at: 592, ..PREVIOUS_STATE.process.section },
        ..PREVIOUS_STATE.process
    },
    ..PREVIOUS_STATE
};
