//! CPython 3.10: instructions are counted in words, lines come from PEP 626 tables.

use super::opcodes::v3_10::OPCODES;
use super::v3_9::{ADAPTIVE, LAYOUT as PREVIOUS};
use crate::layout::spec::*;

pub(super) static SPEC: VersionSpec = VersionSpec {
    minor: 10,
    offsets: OffsetSource::Table(&LAYOUT),
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
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
    code: CodeOffsets { linetable_format: LineTableFormat::Lines, ..PREVIOUS.code },
    object: ObjectOffsets { ht_cached_keys: 872, ..PREVIOUS.object },
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    ..PREVIOUS
};
