//! Walks bytecode: which instruction owns a unit, and which ones can call.
//!
//! Two opcodes hide the one that they stand for, and with it how many cache entries follow:
//! `ENTER_EXECUTOR` (3.13+, compiled loops) and `INSTRUMENTED_LINE`/`_INSTRUCTION` (3.12+, under a
//! tracer). Taking a cache entry for an instruction would turn all that follows into noise.

use crate::layout::spec::OpcodeTable;

/// Marks the units of instructions that can call a Python function without C code in between, their
/// inline caches included (3.11-3.12 leave `prev_instr` on the last cache entry). One bit per unit.
///
/// Where the number of cache entries is not known, every possible one is followed: unknown is never a
/// reason to call a stack impossible.
pub fn call_sites(bytecode: &[u8], opcodes: &OpcodeTable) -> Vec<u64> {
    let units = bytecode.len() / 2;
    let mut sites = vec![0u64; units.div_ceil(64)];
    // An instruction may begin here.
    let mut begins = vec![false; units];
    begins.first_mut().into_iter().for_each(|first| *first = true);
    for unit in 0..units {
        if !begins[unit] {
            continue;
        }
        let opcode = opcodes.0[usize::from(bytecode[unit * 2])];
        let caches = hidden_caches(opcode.name).unwrap_or((opcode.caches, opcode.caches));
        for next in usize::from(caches.0)..=usize::from(caches.1) {
            begins.get_mut(unit + 1 + next).into_iter().for_each(|begins| *begins = true);
        }
        if can_call_inline(opcode.name) {
            for site in unit..(unit + 1 + usize::from(caches.1)).min(units) {
                sites[site / 64] |= 1 << (site % 64);
            }
        }
    }
    sites
}

/// The opcode of the instruction that a unit belongs to, as itself or as one of its cache entries.
pub fn owner(bytecode: &[u8], opcodes: &OpcodeTable, unit: usize) -> Option<u8> {
    let mut at = 0;
    loop {
        let opcode = *bytecode.get(at * 2)?;
        let next = at + 1 + caches_at(bytecode, opcodes, at);
        if unit < next {
            return Some(opcode);
        }
        at = next;
    }
}

/// The most likely number of cache entries of the instruction at a unit.
fn caches_at(bytecode: &[u8], opcodes: &OpcodeTable, unit: usize) -> usize {
    let opcode = |unit: usize| bytecode.get(unit * 2).map(|number| opcodes.0[usize::from(*number)]);
    let Some(found) = opcode(unit) else { return 0 };
    if found.name != "ENTER_EXECUTOR" {
        return found.caches.into();
    }
    // In place of EXTENDED_ARG, the jump that it extends follows; in place of a jump, its counter.
    let extends = |name: &str| name == "EXTENDED_ARG" || name.starts_with("JUMP_BACKWARD");
    opcode(unit + 1).map_or(0, |next| usize::from(!extends(next.name)))
}

/// Fewest and most cache entries after an opcode that hides another; `None` for all others.
fn hidden_caches(name: &str) -> Option<(u8, u8)> {
    match name {
        // JUMP_BACKWARD and, from 3.15, RESUME have one, EXTENDED_ARG has none.
        "ENTER_EXECUTOR" => Some((0, 1)),
        // The most that any opcode has had (LOAD_METHOD of 3.11).
        "INSTRUMENTED_LINE" | "INSTRUMENTED_INSTRUCTION" => Some((0, 10)),
        _ => None,
    }
}

/// Families with a variant that pushes a Python frame in the same interpreter loop. An opcode that
/// is not in the table counts as one.
fn can_call_inline(name: &str) -> bool {
    const FAMILIES: [&str; 8] =
        ["CALL", "PRECALL", "FOR_ITER", "SEND", "BINARY_SUBSCR", "BINARY_OP", "LOAD_ATTR", "ENTER_EXECUTOR"];
    let name = name.strip_prefix("INSTRUMENTED_").unwrap_or(name);
    matches!(name, "" | "LINE" | "INSTRUCTION") || FAMILIES.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::spec_for;

    fn opcodes() -> &'static OpcodeTable {
        spec_for(14).unwrap().opcodes
    }

    /// One unit per name; `counter` is a cache entry with the low byte of a fresh backoff counter.
    fn assemble(names: &[&str]) -> Vec<u8> {
        let number = |name: &str| match name {
            "counter" => 0xfc,
            _ => opcodes().0.iter().position(|opcode| opcode.name == name).unwrap() as u8,
        };
        names.iter().flat_map(|name| [number(name), 0]).collect()
    }

    fn owners(code: &[u8]) -> Vec<&'static str> {
        let owner = |unit| opcodes().name(owner(code, opcodes(), unit).unwrap()).unwrap();
        (0..code.len() / 2).map(owner).collect()
    }

    #[test]
    fn compiled_loops_do_not_shift_what_follows() {
        let after_jump =
            assemble(&["NOP", "ENTER_EXECUTOR", "counter", "CALL", "CACHE", "CACHE", "CACHE", "NOP"]);
        assert_eq!(
            owners(&after_jump),
            ["NOP", "ENTER_EXECUTOR", "ENTER_EXECUTOR", "CALL", "CALL", "CALL", "CALL", "NOP"]
        );
        assert_eq!(call_sites(&after_jump, opcodes())[0] & 0b0111_1001, 0b0111_1000);
        let extended = assemble(&["ENTER_EXECUTOR", "JUMP_BACKWARD_JIT", "counter", "NOP", "POP_TOP"]);
        assert_eq!(
            owners(&extended),
            ["ENTER_EXECUTOR", "JUMP_BACKWARD_JIT", "JUMP_BACKWARD_JIT", "NOP", "POP_TOP"]
        );
    }

    #[test]
    fn calls_after_a_traced_line_are_still_calls() {
        let code = assemble(&["INSTRUMENTED_LINE", "CACHE", "CACHE", "CALL", "CACHE", "CACHE", "CACHE"]);
        assert_eq!(call_sites(&code, opcodes())[0] >> 3, 0b1111);
    }

    #[test]
    fn other_instructions_are_no_call_sites() {
        let code = assemble(&["RESUME", "LOAD_CONST", "STORE_FAST", "BINARY_OP", "CACHE"]);
        assert_eq!(call_sites(&code, opcodes())[0] & 0b1111, 0b1000);
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked(code in proptest::collection::vec(any::<u8>(), 0..300), unit in 0usize..200) {
            prop_assert_eq!(call_sites(&code, opcodes()).len(), (code.len() / 2).div_ceil(64));
            prop_assert!(unit >= code.len() || unit * 2 + 2 > code.len() || owner(&code, opcodes(), unit).is_some());
        }
    }
}
