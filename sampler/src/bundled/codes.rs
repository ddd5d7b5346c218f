//! Code objects of the bundled runtime: who they are, and where each of their instructions stands.

use rustc_hash::FxHashMap;
use slowpath_profile::{FrameId, FunctionId, Span, StackId, Tables};
use slowpath_runtime_layout::{OPCODE_WORDS, OPCODES, Opcode, Table};

use super::stack::Frame;
use crate::layout::spec::LineTableFormat;
use crate::process::memory::{Bytes, Memory, Range};
use crate::read::line_table::LineTable;
use crate::read::text::MAX_TEXT;

/// Code objects kept; a program with more starts over.
const MAX_CODES: usize = 100_000;
/// Code units and bytes of line table of one code object that are read.
const MAX_PART: u64 = 1 << 21;

/// The opcodes as the runtime numbers them.
#[derive(Clone, Debug)]
pub(crate) struct Opcodes(Vec<Opcode>);

impl Opcodes {
    pub(crate) fn read(memory: &dyn Memory, table: &Table) -> Option<Self> {
        let bytes = memory.read_bytes(table.opcodes, OPCODES * OPCODE_WORDS * 8).ok()?;
        let opcodes = bytes.chunks_exact(OPCODE_WORDS * 8).map(Opcode::parse);
        opcodes.collect::<Option<_>>().map(Self)
    }

    /// What is known of an opcode.
    pub(crate) fn get(&self, number: u8) -> &Opcode {
        &self.0[usize::from(number)]
    }
}

/// What makes a code object this one: an address is used again.
type Identity = [u64; 3];

/// A code object that has been read.
#[derive(Debug)]
pub(crate) struct Code {
    identity: Identity,
    pub(crate) name: String,
    pub(crate) qualname: String,
    pub(crate) file: String,
    pub(crate) first_line: u32,
    /// Address and number of its code units.
    pub(crate) units: (u64, usize),
    /// Address of its counters, one for each unit.
    pub(crate) counters: u64,
    /// `co_flags`.
    pub(crate) flags: u32,
    /// Address and number of the names that its instructions use.
    pub(crate) names: (u64, usize),
    lines: LineTable,
    /// The unit at which the instruction of each unit begins.
    starts: Vec<u32>,
    pub(crate) function: Option<FunctionId>,
    frames: FxHashMap<u32, FrameId>,
}

/// A stack that cannot be named: its code is not what it was a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changed;

impl Code {
    /// Reads the code object at `addr`; `None` if there is none.
    fn read(memory: &dyn Memory, table: &Table, opcodes: &Opcodes, addr: u64) -> Option<Self> {
        let object = memory.read_bytes(addr, table.code_size as usize).ok()?;
        let word = |offset: u64| object.u64_at(offset as usize);
        let part = |len: u64| usize::try_from(len).ok().filter(|_| len <= MAX_PART);
        let units = (word(table.code_units)?, part(word(table.code_units_len)?)?);
        let lines = memory.read_bytes(word(table.code_linetable)?, part(word(table.code_linetable_len)?)?);
        let first_line = object.u32_at(table.code_first_line as usize)?;
        let text = |offset| read_text(memory, table, word(offset)?);
        let bytes = memory.read_bytes(units.0, units.1.checked_mul(2)?).ok()?;
        Some(Self {
            identity: identity(table, &object)?,
            name: text(table.code_name)?,
            qualname: text(table.code_qualname)?,
            file: text(table.code_source_path)?,
            first_line,
            units,
            counters: word(table.code_counters)?,
            flags: object.u32_at(table.code_flags as usize)?,
            names: (word(table.code_names)?, part(word(table.code_names_len)?)?),
            lines: LineTable::decode(LineTableFormat::Locations, &lines.ok()?, first_line),
            starts: starts(&bytes, opcodes),
            function: None,
            frames: FxHashMap::default(),
        })
    }

    /// Byte offset of the instruction that a frame executes; `None` if the code has no such one.
    pub(crate) fn instruction(&self, lasti: u32) -> Option<u32> {
        match lasti {
            0 => Some(0),
            _ => self.starts.get(lasti as usize - 1).map(|start| start * 2),
        }
    }

    /// Where an instruction stands.
    pub(crate) fn span(&self, lasti: u32, offset: u32) -> Span {
        // Before its first instruction a frame is at the line of its `def`.
        if lasti == 0 { Span::of_line(self.first_line) } else { self.lines.span(offset) }
    }

    /// The name of a number, if the code still has it.
    pub(crate) fn name_at(&self, memory: &dyn Memory, table: &Table, number: usize) -> Option<String> {
        let number = Some(number).filter(|number| *number < self.names.1)?;
        let addr = self.names.0.checked_add(number as u64 * 8)?;
        read_text(memory, table, memory.read_u64(addr).ok()?)
    }

    /// Where the instruction at a byte offset stands.
    pub(crate) fn place(&self, offset: u32) -> Span {
        self.lines.span(offset)
    }

    /// The function in the tables of a recording.
    fn function(&mut self, tables: &mut Tables) -> FunctionId {
        let Self { name, qualname, file, first_line, .. } = &*self;
        let made = || tables.python_function(name, qualname, file, *first_line);
        let function = self.function.unwrap_or_else(made);
        self.function = Some(function);
        function
    }

    fn frame(&mut self, lasti: u32, tables: &mut Tables) -> Option<FrameId> {
        let offset = self.instruction(lasti)?;
        if let Some(frame) = self.frames.get(&lasti) {
            return Some(*frame);
        }
        let (function, span) = (self.function(tables), self.span(lasti, offset));
        let frame = slowpath_profile::Frame { function, instruction: Some(offset), span };
        let frame = tables.frames.intern(frame);
        self.frames.insert(lasti, frame);
        Some(frame)
    }
}

/// At which unit the instruction of each unit begins: the units behind an instruction are its cache.
fn starts(units: &[u8], opcodes: &Opcodes) -> Vec<u32> {
    let len = units.len() / 2;
    let mut starts = Vec::with_capacity(len);
    while starts.len() < len {
        let start = starts.len();
        let caches = usize::from(opcodes.get(units[start * 2]).caches);
        starts.resize((start + 1 + caches).min(len), start as u32);
    }
    starts
}

fn identity(table: &Table, object: &[u8]) -> Option<Identity> {
    let word = |offset: u64| object.u64_at(offset as usize);
    Some([word(table.code_units)?, word(table.code_qualname)?, word(table.code_linetable)?])
}

/// A text object; a long one ends in `…`.
fn read_text(memory: &dyn Memory, table: &Table, addr: u64) -> Option<String> {
    let object = memory.read_bytes(addr, table.text_size as usize).ok()?;
    let len = usize::try_from(object.u64_at(table.text_len as usize)?).ok()?;
    let bytes = memory.read_bytes(object.u64_at(table.text_data as usize)?, len.min(MAX_TEXT)).ok()?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if len > MAX_TEXT {
        text.push('…');
    }
    Some(text)
}

/// Code objects by address.
#[derive(Debug, Default)]
pub(crate) struct Codes(FxHashMap<u64, Code>);

impl Codes {
    /// The code object at an address, if it has been read.
    pub(crate) fn get(&self, addr: u64) -> Option<&Code> {
        self.0.get(&addr)
    }

    /// Makes sure that the code of these frames is known and is what it was: `Err` if one of them was
    /// not, so that the frames must be read again, or cannot be read at all.
    pub(crate) fn confirm(
        &mut self,
        memory: &dyn Memory,
        table: &Table,
        opcodes: &Opcodes,
        frames: &[Frame],
    ) -> Result<(), Changed> {
        if self.0.len() > MAX_CODES {
            self.0.clear();
        }
        let mut addrs: Vec<u64> = frames.iter().map(|frame| frame.code).collect();
        addrs.sort_unstable();
        addrs.dedup();
        let size = table.code_size as usize;
        let ranges: Vec<Range> = addrs.iter().map(|addr| Range::new(*addr, size)).collect();
        let mut bytes = vec![0; addrs.len() * size];
        let filled = memory.read_vectored(&ranges, &mut bytes).map_err(|_| Changed)?;
        if filled != bytes.len() {
            return Err(Changed);
        }
        let mut changed = false;
        for (addr, object) in addrs.iter().zip(bytes.chunks_exact(size)) {
            let known = self.0.get(addr).map(|code| code.identity);
            if known.is_some() && known == identity(table, object) {
                continue;
            }
            changed = true;
            self.0.remove(addr);
            let code = Code::read(memory, table, opcodes, *addr).ok_or(Changed)?;
            self.0.insert(*addr, code);
        }
        if changed { Err(Changed) } else { Ok(()) }
    }

    /// Names these frames, the leaf first, in the tables of a recording. `last` is the stack before, the
    /// root first, and becomes this one.
    pub(crate) fn intern(
        &mut self,
        frames: &[Frame],
        last: &mut Vec<(Frame, StackId)>,
        tables: &mut Tables,
    ) -> Result<(), Changed> {
        let shared = frames.iter().rev().zip(last.iter()).take_while(|(frame, (known, _))| *frame == known);
        let shared = shared.count();
        last.truncate(shared);
        for frame in frames.iter().rev().skip(shared) {
            let code = self.0.get_mut(&frame.code).ok_or(Changed)?;
            let id = code.frame(frame.lasti, tables).ok_or(Changed)?;
            match tables.intern_stack(last.last().map(|(_, stack)| *stack), id) {
                Some(node) => last.push((*frame, node)),
                // The tree is full: what is there so far is true.
                None => break,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "codes_tests.rs"]
mod tests;
