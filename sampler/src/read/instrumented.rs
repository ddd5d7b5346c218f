//! Shows what tools hide: `INSTRUMENTED_LINE` and `INSTRUMENTED_INSTRUCTION` (3.12+) stand in place of
//! any opcode, which `_co_monitoring` keeps. Under a line event there may be an instruction event.

use crate::layout::forms::Forms;
use crate::process::memory::Bytes;
use crate::read::code_stores::Source;

/// Largest `bytes_per_entry`: an opcode and a line delta of four bytes.
const MAX_ENTRY: usize = 5;

/// The bytecode with those opcodes replaced by what they hide, as far as that is to be found.
pub fn unhide(source: Source<'_>, header: &[u8], bytecode: &[u8]) -> Vec<u8> {
    let hides = |unit: &[u8]| source.forms.get(unit[0]).name.starts_with("INSTRUMENTED_");
    if !bytecode.chunks_exact(2).any(hides) {
        return bytecode.to_vec();
    }
    try_unhide(source, header, bytecode).unwrap_or_else(|| bytecode.to_vec())
}

fn try_unhide(source: Source<'_>, header: &[u8], bytecode: &[u8]) -> Option<Vec<u8>> {
    let monitoring = source.spec.code.monitoring?;
    let units = bytecode.len() / 2;
    let data = header.u64_at(monitoring.at).filter(|data| *data != 0)?;
    let array = |field: usize| source.memory.read_u64(data.checked_add(field as u64)?).ok();
    let bytes = |addr: u64, len: usize| source.memory.read_bytes(addr, len).unwrap_or_default();
    // `per_instruction_opcodes`: a byte per unit, or null.
    let instructions = bytes(array(monitoring.instructions)?, units);
    let lines = array(monitoring.lines)?;
    // `lines`: first `bytes_per_entry`, then so many bytes per unit of which the first is the opcode;
    // 3.12 and the first releases of 3.13 have an opcode and a delta per unit and nothing before them.
    // That they are opcodes tells which of both it is.
    let size = usize::from(bytes(lines, 1).u8_at(0).unwrap_or(0));
    let packed = if (2..=MAX_ENTRY).contains(&size) { bytes(lines + 1, units * size) } else { Vec::new() };
    let pairs = bytes(lines, units * 2);
    let with = |lines: &[u8], size: usize| {
        let line = |unit: usize| lines.get(unit * size).copied();
        replace(source.forms, bytecode, &line, &|unit| instructions.get(unit).copied())
    };
    with(&packed, size).or_else(|| with(&pairs, 2))
}

/// The bytecode with every opcode that a tool hides, or `None` if for one of them there is no other.
fn replace(
    forms: &Forms,
    bytecode: &[u8],
    line: &dyn Fn(usize) -> Option<u8>,
    instruction: &dyn Fn(usize) -> Option<u8>,
) -> Option<Vec<u8>> {
    let mut shown = bytecode.to_vec();
    let mut unit = 0;
    while let Some(mut opcode) = shown.get(unit * 2).copied() {
        for (name, original) in [("INSTRUMENTED_LINE", line), ("INSTRUMENTED_INSTRUCTION", instruction)] {
            if forms.get(opcode).name == name {
                opcode = original(unit)?;
            }
        }
        let form = forms.get(opcode);
        // Behind one of these it is not known where the next instruction begins.
        if matches!(form.name, "" | "CACHE" | "INSTRUMENTED_LINE" | "INSTRUMENTED_INSTRUCTION") {
            return None;
        }
        shown[unit * 2] = opcode;
        unit += 1 + usize::from(form.caches);
    }
    Some(shown)
}
