//! Names and cache sizes of the opcodes, as RustPython numbers them.

use std::sync::atomic::{AtomicU64, Ordering};

use rustpython_vm::bytecode;
use slowpath_runtime_layout::{OPCODE_WORDS, OPCODES, Opcode};

static WORDS: [[AtomicU64; OPCODE_WORDS]; OPCODES] =
    [const { [const { AtomicU64::new(0) }; OPCODE_WORDS] }; OPCODES];

/// Writes the table of opcodes and returns its address.
pub(super) fn publish() -> u64 {
    for (number, words) in WORDS.iter().enumerate() {
        let opcode = bytecode::Opcode::try_from_u8(number as u8).map_or_else(|_| Opcode::default(), describe);
        for (word, value) in words.iter().zip(opcode.words()) {
            word.store(value, Ordering::Relaxed);
        }
    }
    (&raw const WORDS).addr() as u64
}

fn describe(opcode: bytecode::Opcode) -> Opcode {
    Opcode {
        caches: opcode.cache_entries() as u8,
        base: opcode.deoptimize().as_u8(),
        name: screaming(&format!("{opcode:?}")),
    }
}

/// `LoadAttrSlot` as `LOAD_ATTR_SLOT`.
fn screaming(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 8);
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_have_their_names_caches_and_bases() {
        let of = |name: &str| {
            (0..=255)
                .filter_map(|number| bytecode::Opcode::try_from_u8(number).ok())
                .map(describe)
                .find(|it| it.name == name)
        };
        let (base, slot) = (of("LOAD_ATTR").unwrap(), of("LOAD_ATTR_SLOT").unwrap());
        assert_eq!((slot.caches, slot.base), (base.caches, base.base));
        assert!(base.caches > 0);
    }
}
