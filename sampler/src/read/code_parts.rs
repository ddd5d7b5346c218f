//! Reads what does not change of a code object, and shows what its bytecode hides.

use crate::layout::forms::{FormKind, Forms};
use crate::layout::spec::Layout;
use crate::process::memory::{Bytes, Memory};
use crate::read::caches::{CodeParts, instructions, is_whole};
use crate::read::text;

/// Names of a code object that are read.
const MAX_NAMES: usize = 16_384;
/// `MAX_EXECUTORS_SIZE`.
const MAX_EXECUTORS: u64 = 256;
/// `offsetof(_PyExecutorArray, executors)`: `size` and `capacity`, two `int`s.
const EXECUTORS: u64 = 8;
/// Bytes of a name that are kept.
const MAX_NAME: usize = 256;

/// The parts of the code object at `addr` with this bytecode. `None` if it cannot be read, or hides
/// instructions that nothing else tells: a tool instruments its lines.
pub fn read(
    memory: &dyn Memory,
    layout: &Layout,
    forms: &Forms,
    addr: u64,
    bytecode: &[u8],
) -> Option<CodeParts> {
    let header = memory.read_bytes(addr, layout.code.size).ok()?;
    let names = header.u64_at(layout.code.names)?;
    let names = read_names(memory, layout, names)?;
    let flags = header.u32_at(layout.code.flags)?;
    let consts = header.u64_at(layout.code.consts)?;
    let shown = unhide(memory, layout, forms, &header, bytecode);
    let parts = CodeParts::new(&shown, forms, names, flags, consts);
    is_whole(&shown, &parts.instructions).then_some(parts)
}

/// The texts of a tuple of strings.
pub fn read_names(memory: &dyn Memory, layout: &Layout, tuple: u64) -> Option<Vec<String>> {
    let count = memory.read_u64(tuple.checked_add(layout.object.ob_size as u64)?).ok()?;
    let count = usize::try_from(count).ok().filter(|count| *count <= MAX_NAMES)?;
    let items = memory.read_bytes(tuple.checked_add(layout.object.tuple_ob_item as u64)?, count * 8).ok()?;
    let text = |addr: u64| text::string_up_to(memory, &layout.object, addr, MAX_NAME).unwrap_or_default();
    Some(items.chunks_exact(8).map(|item| item.u64_at(0).map_or(String::new(), text)).collect())
}

/// The bytecode with each `ENTER_EXECUTOR` replaced by what it stands for.
pub fn unhide(
    memory: &dyn Memory,
    layout: &Layout,
    forms: &Forms,
    header: &[u8],
    bytecode: &[u8],
) -> Vec<u8> {
    let mut shown = bytecode.to_vec();
    // Each round shows one more; what cannot be shown ends it.
    for _ in 0..MAX_EXECUTORS {
        let known = instructions(&shown, forms);
        let end = known.last().map_or(0, |last| last.offset + last.len) as usize;
        let end = skip_extended(&shown, forms, end);
        let Some(&[opcode, argument]) = shown.get(end..).and_then(|rest| rest.first_chunk()) else { break };
        let hidden = match forms.get(opcode).name {
            "ENTER_EXECUTOR" => executor(memory, layout, header, argument),
            _ => None,
        };
        let Some(original) = hidden.filter(|[opcode, _]| forms.get(*opcode).kind != FormKind::Hiding) else {
            break;
        };
        shown[end..end + 2].copy_from_slice(&original);
    }
    shown
}

fn skip_extended(bytecode: &[u8], forms: &Forms, mut at: usize) -> usize {
    while bytecode.get(at).is_some_and(|opcode| forms.get(*opcode).name.starts_with("EXTENDED_ARG")) {
        at += 2;
    }
    at
}

/// The opcode and argument that executor `index` of a code object replaced: `vm_data.opcode` and
/// `.oparg`, behind `trace` at the beginning of `_PyExecutorObject` (3.13+).
fn executor(memory: &dyn Memory, layout: &Layout, header: &[u8], index: u8) -> Option<[u8; 2]> {
    let array = header.u64_at(layout.code.executors?)?;
    let executor = memory.read_u64(array.checked_add(EXECUTORS + u64::from(index) * 8)?).ok()?;
    let vm_data = layout.object.ob_size as u64 + 16;
    let mut original = [0; 2];
    memory.read(executor.checked_add(vm_data)?, &mut original).ok()?;
    Some(original)
}
