//! CPython 3.10: instructions are counted in words, lines come from PEP 626 tables.

use super::opcodes::v3_10::OPCODES;
use super::v3_9::{ADAPTIVE, LAYOUT as PREVIOUS};
use super::v3_8::OPCACHE;
use super::v3_9::STATE as PREVIOUS_STATE;
use crate::layout::spec::*;
use crate::layout::state::*;

pub(super) static SPEC: VersionSpec = VersionSpec {
    minor: 10,
    offsets: OffsetSource::Table(&LAYOUT),
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    state: &STATE,
};

pub(super) const LAYOUT: Layout = Layout {
    version: Version { minor: 10, ..PREVIOUS.version },
    frame: FrameOffsets {
        size: 352,
        instruction: Instruction::LastIndex { offset: 96, unit: 2 },
        localsplus: 352,
        // FRAME_EXECUTING.
        executing: Some(Executing { offset: 108, value: 0 }),
        ..PREVIOUS.frame
    },
    code: CodeOffsets {
        linetable_format: LineTableFormat::Lines,
        // LOAD_ATTR has caches, too.
        opcache: Some(Opcache { type_version: Some(16), ..OPCACHE }),
        ..PREVIOUS.code
    },
    object: ObjectOffsets {
        ht_cached_keys: 872,
        types: TypeOffsets { ht_qualname: 864, ..PREVIOUS.object.types },
        function: FunctionOffsets { func_code: 48, func_globals: 16, func_version: None },
        ..PREVIOUS.object
    },
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    ..PREVIOUS
};

pub(super) const STATE: StateSpec = StateSpec {
    function: FunctionExtra { closure: 72, qualname: 40, module: 104 },
    eval: EvalState { section: Section { at: 1344, ..PREVIOUS_STATE.eval.section }, ..PREVIOUS_STATE.eval },
    ..PREVIOUS_STATE
};
