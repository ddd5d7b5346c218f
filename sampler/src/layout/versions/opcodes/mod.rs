//! Opcode tables, one file per version, as the interpreter of that version names its opcodes.

use crate::layout::spec::{Opcode, OpcodeTable};

/// Number, name, inline cache entries.
type Op = (u8, &'static str, u8);

/// The table with these opcodes; all other numbers are not opcodes.
const fn table(ops: &[Op]) -> OpcodeTable {
    let mut opcodes = [Opcode { name: "", caches: 0 }; 256];
    let mut index = 0;
    while index < ops.len() {
        let (number, name, caches) = ops[index];
        opcodes[number as usize] = Opcode { name, caches };
        index += 1;
    }
    OpcodeTable(opcodes)
}

pub(super) mod v3_10;
pub(super) mod v3_11;
pub(super) mod v3_12;
pub(super) mod v3_13;
pub(super) mod v3_14;
pub(super) mod v3_15;
pub(super) mod v3_8;
pub(super) mod v3_9;
