//! Reads what does not change of a code object, and shows what its bytecode hides.

use crate::layout::forms::{FormKind, Forms};
use crate::layout::spec::Layout;
use crate::process::memory::{Bytes, Memory};
use crate::read::caches::{CodeParts, instructions, is_whole};
use crate::read::text;
use crate::read::tuples::tuple_items;

/// Names of a code object that are read.
const MAX_NAMES: usize = 16_384;
/// Opcodes that hide one another: a tool for lines, one for instructions.
const MAX_DEPTH: u32 = 3;
/// Most bytes of an entry of `lines`: the opcode and a delta of 32 bits.
const MAX_LINE_ENTRY: usize = 8;
/// `offsetof(_PyExecutorArray, executors)`: `size` and `capacity`, two `int`s.
const EXECUTORS: u64 = 8;
/// Bytes of a name that are kept.
const MAX_NAME: usize = 256;

/// The parts of the code object at `addr` with this bytecode. `None` if it cannot be read, or hides
/// instructions that nothing else tells.
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
    let items = tuple_items(memory, layout, tuple, MAX_NAMES + 1)?;
    if items.len() > MAX_NAMES {
        return None;
    }
    let text = |addr: u64| text::string_up_to(memory, &layout.object, addr, MAX_NAME).unwrap_or_default();
    Some(items.into_iter().map(text).collect())
}

/// The bytecode with each opcode that hides another replaced by what it stands for, up to one of which
/// that cannot be told.
pub fn unhide(
    memory: &dyn Memory,
    layout: &Layout,
    forms: &Forms,
    header: &[u8],
    bytecode: &[u8],
) -> Vec<u8> {
    let sized = layout.code.monitoring.map_or(Some(false), |monitoring| monitoring.lines_are_sized);
    let show = |sized| {
        let hidden = Hidden { memory, layout, header, units: bytecode.len() / 2, sized, kept: None };
        show(hidden, forms, bytecode)
    };
    match sized {
        Some(sized) => show(sized),
        // The wrong one of the two takes what it finds for opcodes.
        None => {
            let (pairs, sized) = (show(false), show(true));
            if strangeness(&sized, forms) < strangeness(&pairs, forms) { sized } else { pairs }
        }
    }
}

/// How much of this cannot be code: instructions that are none, and what is left after the last.
fn strangeness(bytecode: &[u8], forms: &Forms) -> usize {
    let found = instructions(bytecode, forms);
    let end = found.last().map_or(0, |last| last.offset + last.len) as usize;
    let strange = found.iter().filter(|instruction| matches!(instruction.name, "" | "CACHE" | "RESERVED"));
    strange.count() + bytecode.len().abs_diff(end)
}

fn show(mut hidden: Hidden<'_>, forms: &Forms, bytecode: &[u8]) -> Vec<u8> {
    let mut shown = bytecode.to_vec();
    let (mut at, mut depth) = (0, 0);
    while let Some(&[opcode, argument]) = shown.get(at..).and_then(|rest| rest.first_chunk()) {
        let form = forms.get(opcode);
        if form.kind != FormKind::Hiding {
            at += 2 + 2 * usize::from(form.caches);
            depth = 0;
            continue;
        }
        depth += 1;
        let original = match form.name {
            _ if depth > MAX_DEPTH => None,
            "ENTER_EXECUTOR" => hidden.executor(argument),
            "INSTRUMENTED_LINE" => hidden.replaced_by_line_tools(at / 2).map(|opcode| [opcode, argument]),
            _ => hidden.replaced_by_instruction_tools(at / 2).map(|opcode| [opcode, argument]),
        };
        let Some(original) = original else { break };
        shown[at..at + 2].copy_from_slice(&original);
    }
    shown
}

/// Where what is hidden is kept.
struct Hidden<'a> {
    memory: &'a dyn Memory,
    layout: &'a Layout,
    header: &'a [u8],
    units: usize,
    /// `lines` says how large its entries are.
    sized: bool,
    /// What tools have replaced, read once.
    kept: Option<Kept>,
}

/// Copies of `lines`, with the bytes per entry, and of `per_instruction_opcodes`.
#[derive(Default)]
struct Kept {
    lines: (Vec<u8>, usize),
    opcodes: Vec<u8>,
}

impl Hidden<'_> {
    /// The opcode and argument that executor `index` replaced: `vm_data.opcode` and `.oparg`, behind
    /// `trace` at the beginning of `_PyExecutorObject` (3.13+).
    fn executor(&self, index: u8) -> Option<[u8; 2]> {
        let array = self.header.u64_at(self.layout.code.executors?)?;
        let executor = self.memory.read_u64(array.checked_add(EXECUTORS + u64::from(index) * 8)?).ok()?;
        let vm_data = self.layout.object.ob_size as u64 + 16;
        let mut original = [0; 2];
        self.memory.read(executor.checked_add(vm_data)?, &mut original).ok()?;
        Some(original)
    }

    fn replaced_by_line_tools(&mut self, unit: usize) -> Option<u8> {
        let (lines, step) = &self.kept().lines;
        lines.get(unit.checked_mul(*step)?).copied()
    }

    fn replaced_by_instruction_tools(&mut self, unit: usize) -> Option<u8> {
        self.kept().opcodes.get(unit).copied()
    }

    fn kept(&mut self) -> &Kept {
        let read = self.kept.take().or_else(|| self.read_kept()).unwrap_or_default();
        self.kept.insert(read)
    }

    fn read_kept(&self) -> Option<Kept> {
        let monitoring = self.layout.code.monitoring?;
        let data = self.header.u64_at(monitoring.data)?;
        let pointer = |offset: usize| {
            let pointer = self.memory.read_u64(data.checked_add(offset as u64)?).ok()?;
            Some(pointer).filter(|pointer| *pointer != 0)
        };
        let opcodes =
            pointer(monitoring.opcodes).and_then(|start| self.memory.read_bytes(start, self.units).ok());
        let lines = pointer(monitoring.lines).and_then(|start| {
            if !self.sized {
                return Some((self.memory.read_bytes(start, self.units * 2).ok()?, 2));
            }
            let step = usize::from(self.memory.read_bytes(start, 1).ok()?[0]);
            let step = Some(step).filter(|step| (1..=MAX_LINE_ENTRY).contains(step))?;
            Some((self.memory.read_bytes(start.checked_add(1)?, self.units * step).ok()?, step))
        });
        Some(Kept { lines: lines.unwrap_or_default(), opcodes: opcodes.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::spec_for;
    use crate::layout::versions;
    use crate::read::testing::Image;

    fn forms(minor: u8) -> Forms {
        Forms::new(spec_for(minor).unwrap().headers(false))
    }

    fn number(minor: u8, name: &str) -> u8 {
        let opcodes = spec_for(minor).unwrap().opcodes;
        opcodes.0.iter().position(|opcode| opcode.name == name).unwrap() as u8
    }

    /// A code object of 3.14 at 0x1000 whose executors, or tools, keep this.
    fn image(pointer_at: usize, kept: &[(usize, u64)]) -> (Image, Vec<u8>) {
        let mut bytes = vec![0; 0x800];
        let mut put = |at: usize, word: u64| bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        put(pointer_at, 0x1200);
        kept.iter().for_each(|(at, word)| put(*at, *word));
        let header = bytes[..208].to_vec();
        (Image { start: 0x1000, bytes }, header)
    }

    fn shown(minor: u8, image: &Image, header: &[u8], bytecode: &[u8]) -> Vec<u8> {
        unhide(image, spec_for(minor).unwrap().headers(false), &forms(minor), header, bytecode)
    }

    #[test]
    fn executors_know_what_they_replaced() {
        // co_executors -> executors[1] -> vm_data.opcode, .oparg
        let jump = u64::from(number(14, "JUMP_BACKWARD")) | 7 << 8;
        let (image, header) = image(152, &[(0x200 + 16, 0x1300), (0x300 + 32, jump)]);
        let bytecode = [number(14, "ENTER_EXECUTOR"), 1, 9, 9, number(14, "NOP"), 0];
        let shown = shown(14, &image, &header, &bytecode);
        assert_eq!(shown[..2], [number(14, "JUMP_BACKWARD"), 7]);
        assert_eq!(shown[2..], bytecode[2..]);
    }

    #[test]
    fn tools_keep_what_they_replaced() {
        let layout = spec_for(14).unwrap().headers(false);
        let monitoring = layout.code.monitoring.unwrap();
        // Two bytes per entry; the third unit is what both tools replaced.
        let hidden = u64::from(number(14, "INSTRUMENTED_INSTRUCTION"));
        let lines = 2 | u64::from(number(14, "NOP")) << 8 | hidden << 24;
        let opcodes = u64::from(number(14, "STORE_SUBSCR_DICT")) << 8;
        let (image, header) = image(
            monitoring.data,
            &[
                (0x200 + monitoring.lines, 0x1400),
                (0x200 + monitoring.opcodes, 0x1500),
                (0x400, lines),
                (0x500, opcodes),
            ],
        );
        let line = number(14, "INSTRUMENTED_LINE");
        let shown = shown(14, &image, &header, &[line, 0, line, 3, 0, 0]);
        assert_eq!(shown, [number(14, "NOP"), 0, number(14, "STORE_SUBSCR_DICT"), 3, 0, 0]);
    }

    #[test]
    fn what_cannot_be_told_stays_hidden() {
        let (image, header) = image(152, &[]);
        let bytecode = [number(14, "NOP"), 0, number(14, "ENTER_EXECUTOR"), 1];
        assert_eq!(shown(14, &image, &header, &bytecode), bytecode);
    }

    proptest! {
        /// Objects made of random words that mostly point at each other.
        #[test]
        fn any_memory_is_read_within_bounds(
            words in proptest::collection::vec(
                prop_oneof![(0u64..256).prop_map(|word| 0x1000 + word * 8), 0u64..64, any::<u64>()],
                256,
            ),
            bytecode in proptest::collection::vec(any::<u8>(), 0..200),
            version in 0usize..8,
            free_threaded: bool,
        ) {
            let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let image = Image { start: 0x1000, bytes };
            let layout = versions::all().nth(version).unwrap().headers(free_threaded);
            let forms = Forms::new(layout);
            for addr in (0x1000..0x1800).step_by(128) {
                if let Some(parts) = read(&image, layout, &forms, addr, &bytecode) {
                    prop_assert!(parts.names.len() <= MAX_NAMES);
                    prop_assert!(parts.sites.len() <= parts.instructions.len());
                }
            }
        }
    }
}
