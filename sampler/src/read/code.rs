//! Code objects: what they are called, where their lines are, which of their opcodes can call.

use slowpath_profile::Span;
use thiserror::Error;

use crate::layout::spec::{Bytecode, FrameWords, Layout, OpcodeTable};
use crate::process::memory::{Bytes, Memory, MemoryError, Range};
use crate::read::ahead::Ahead;
use crate::read::bytecode;
use crate::read::line_table::LineTable;
use crate::read::stack::CodeFacts;
use crate::read::text;

/// Upper bound of the bytecode of one function. The largest in the standard library has 40 KiB.
const MAX_BYTECODE: usize = 4 << 20;
/// Line tables and bytecode up to this size are read along with the names.
const USUAL_BYTES: usize = 512;
/// Upper bound of thread-local copies of one function's bytecode (free-threaded builds).
const MAX_COPIES: usize = 4_096;

/// Why a code object could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodeError {
    /// Its memory could not be read.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// What is there is not a code object.
    #[error("the object at {0:#x} is not a code object")]
    NotCode(u64),
    /// It claims more instructions than any function has.
    #[error("the code object at {addr:#x} claims {units} instruction units")]
    TooLarge {
        /// Its address.
        addr: u64,
        /// What it claims.
        units: u64,
    },
}

/// A code object as it was when it was read.
#[derive(Clone, Debug)]
pub struct Code {
    /// Its address.
    pub addr: u64,
    /// `co_name`.
    pub name: String,
    /// `co_qualname`; equal to `name` before 3.11.
    pub qualname: String,
    /// `co_filename`.
    pub file: String,
    /// `co_firstlineno`; 0 if it has none.
    pub first_line: u32,
    /// Made by the interpreter itself to enter other code: nothing that a person wrote.
    pub is_internal: bool,
    /// What tells it from another code object at the same address.
    pub identity: Identity,
    /// Where its name stood.
    name_addr: u64,
    frame_words: Option<u32>,
    locals: u64,
    /// Addresses at which its bytecode stands: the object itself, then thread-local copies. Empty
    /// before 3.11, where frames hold an offset.
    bases: Vec<u64>,
    /// Where its own bytecode stands.
    bytecode_addr: u64,
    bytecode_len: u32,
    /// One bit per 2-byte unit.
    can_call: Vec<u64>,
    lines: LineTable,
}

/// Immutable words of a code object and the text of its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    words: Vec<u8>,
    name: String,
}

impl Code {
    /// Reads the code object at `addr`. `is_code_type` tells whether an object of this type is one.
    pub fn read(
        memory: &dyn Memory,
        layout: &Layout,
        addr: u64,
        is_code_type: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Self, CodeError> {
        let header = memory.read_bytes(addr, layout.code.size)?;
        let word = |offset| header.u64_at(offset).ok_or(CodeError::NotCode(addr));
        if !is_code_type(word(layout.object.ob_type)?) {
            return Err(CodeError::NotCode(addr));
        }
        let memory: &dyn Memory = &copy_parts(memory, layout, addr, &header);
        let (start, len) = bytecode_range(memory, layout, addr, &header)?;
        let bytecode = memory.read_bytes(start, len)?;
        let text = |pointer| text::read_str(memory, &layout.object, pointer);
        let name_addr = word(layout.code.name)?;
        let name = text(name_addr);
        let qualname = match layout.code.qualname {
            Some(offset) => text(word(offset)?),
            None => name.clone(),
        };
        let first_line = header.u32_at(layout.code.firstlineno).unwrap_or(0) as i32;
        let first_line = u32::try_from(first_line).unwrap_or(0);
        let table = text::read_bytes(memory, &layout.object, word(layout.code.linetable)?);
        let filename = word(layout.code.filename)?;
        let file = text(filename);
        Ok(Self {
            addr,
            identity: Identity { words: identity_words(layout, &header), name: name.clone() },
            is_internal: filename == 0
                || name == "<interpreter trampoline>"
                || name == "<shim>"
                || is_init_cleanup(&bytecode, layout.opcodes),
            name,
            qualname,
            file,
            first_line,
            name_addr,
            frame_words: frame_words(layout, &header),
            locals: count_names(memory, layout, word(layout.code.localsplusnames)?),
            bases: bases(memory, layout, &header, start),
            bytecode_addr: start,
            bytecode_len: len as u32,
            can_call: bytecode::call_sites(&bytecode, layout.opcodes),
            lines: LineTable::decode(layout.code.linetable_format, &table, first_line),
        })
    }

    /// What [`Code::is_still_there`] looks at.
    pub fn witnesses(&self, layout: &Layout) -> [Range; 2] {
        [Range::new(self.addr, layout.code.size), text::beginning(&layout.object, self.name_addr)]
    }

    /// Whether the object at the same address is still this one.
    pub fn is_still_there(&self, memory: &dyn Memory, layout: &Layout) -> bool {
        let Ok(header) = memory.read_bytes(self.addr, layout.code.size) else { return false };
        if identity_words(layout, &header) != self.identity.words {
            return false;
        }
        // The same pointers do not mean the same text: the name's memory may have been reused too.
        let Some(name) = header.u64_at(layout.code.name) else { return false };
        text::read_str(memory, &layout.object, name) == self.identity.name
    }

    /// Byte offset of an instruction as frames state it, or `None` if it lies outside the code.
    pub fn offset_of(&self, instruction: u64) -> Option<u32> {
        let len = u64::from(self.bytecode_len);
        if self.bases.is_empty() {
            return (instruction < len.max(1)).then_some(instruction as u32);
        }
        self.bases.iter().find_map(|&base| {
            // `prev_instr` of a frame that has not begun is one unit before the code (3.11-3.12).
            if instruction.wrapping_add(2) == base {
                return Some(0);
            }
            let offset = instruction.wrapping_sub(base);
            (offset < len && offset % 2 == 0).then_some(offset as u32)
        })
    }

    /// Where the instruction at a byte offset stands in the source.
    pub fn span(&self, offset: u32) -> Span {
        self.lines.span(offset)
    }

    /// Address and length in bytes of its own bytecode. Threads of a free-threaded build run copies.
    pub fn bytecode_range(&self) -> (u64, usize) {
        (self.bytecode_addr, self.bytecode_len as usize)
    }

    /// Whether bytes that were copied from [`Code::addr`] on (the fixed part) are still those of this
    /// code object, as far as they can tell.
    pub fn is_header_of(&self, layout: &Layout, header: &[u8]) -> bool {
        identity_words(layout, header) == self.identity.words
    }

    /// Number of local variables, with cells and free variables (3.11+) or without (before).
    pub fn locals(&self) -> u64 {
        self.locals
    }

    /// The name of the opcode at an instruction as it stands in memory now, specialised variants
    /// under their own name.
    pub fn opcode(&self, memory: &dyn Memory, layout: &Layout, instruction: u64) -> Option<&'static str> {
        let offset = u64::from(self.offset_of(instruction)?);
        let base = match self.bases.first() {
            Some(base) if instruction.wrapping_add(2) == *base => *base,
            Some(_) => instruction.wrapping_sub(offset),
            None => self.bytecode_addr,
        };
        // `prev_instr` may stand on an inline cache entry: walk from the start to what owns it.
        let bytecode = memory.read_bytes(base, self.bytecode_len as usize).ok()?;
        layout.opcodes.name(bytecode::owner(&bytecode, layout.opcodes, offset as usize / 2)?)
    }
}

impl CodeFacts for Code {
    fn frame_words(&self) -> Option<u32> {
        self.frame_words
    }
    fn holds_instruction(&self, instruction: u64) -> bool {
        self.offset_of(instruction).is_some()
    }
    fn has_locals(&self) -> bool {
        self.locals > 0
    }
    fn can_call(&self, instruction: u64) -> bool {
        let Some(offset) = self.offset_of(instruction) else { return false };
        let unit = offset as usize / 2;
        self.is_internal || self.can_call.get(unit / 64).is_some_and(|bits| bits >> (unit % 64) & 1 == 1)
    }
}

/// Copies what a code object points to in one read, as far as it is of usual size. A code object that
/// is about to go, as those of modules being imported are, is gone after a few reads more.
fn copy_parts<'a>(memory: &'a dyn Memory, layout: &Layout, addr: u64, header: &[u8]) -> Ahead<'a> {
    let (code, object) = (&layout.code, &layout.object);
    let mut wanted = Vec::new();
    let pointer = |offset| header.u64_at(offset).filter(|pointer| *pointer != 0);
    for text in [Some(code.name), code.qualname, Some(code.filename)].into_iter().flatten() {
        if let Some(text) = pointer(text) {
            wanted.push(text::beginning(object, text));
        }
    }
    if let Some(names) = pointer(code.localsplusnames) {
        wanted.push(Range::new(names.wrapping_add(object.ob_size as u64), 8));
    }
    if let Some(table) = pointer(code.linetable) {
        wanted.push(Range::new(table, object.bytes_ob_sval + USUAL_BYTES));
    }
    // What may reach beyond the end of mapped memory comes last.
    match code.bytecode {
        Bytecode::Inline(_) => {
            if let Ok((start, len)) = bytecode_range(memory, layout, addr, header) {
                wanted.push(Range::new(start, len));
            }
        }
        Bytecode::Object(offset) => {
            if let Some(bytes) = pointer(offset) {
                wanted.push(Range::new(bytes, object.bytes_ob_sval + USUAL_BYTES));
            }
        }
    }
    let mut ahead = Ahead::new(memory);
    ahead.fetch(wanted);
    ahead
}

/// Address and length of the bytecode in bytes.
pub(crate) fn bytecode_range(
    memory: &dyn Memory,
    layout: &Layout,
    addr: u64,
    header: &[u8],
) -> Result<(u64, usize), CodeError> {
    let too_large = |units| CodeError::TooLarge { addr, units };
    let (start, units, unit_size) = match layout.code.bytecode {
        Bytecode::Inline(offset) => {
            let units = header.u64_at(layout.object.ob_size).ok_or(CodeError::NotCode(addr))?;
            (addr + offset as u64, units, 2)
        }
        Bytecode::Object(offset) => {
            let object = header.u64_at(offset).ok_or(CodeError::NotCode(addr))?;
            let size = memory.read_u64(object.wrapping_add(layout.object.ob_size as u64))?;
            (object.wrapping_add(layout.object.bytes_ob_sval as u64), size, 1)
        }
    };
    let len = usize::try_from(units).ok().and_then(|units| units.checked_mul(unit_size));
    match len.filter(|len| *len <= MAX_BYTECODE) {
        Some(len) => Ok((start, len)),
        None => Err(too_large(units)),
    }
}

/// `_PyCodeArray`: a count and so many pointers to copies of the bytecode; entry 0 is the object's own.
fn bases(memory: &dyn Memory, layout: &Layout, header: &[u8], start: u64) -> Vec<u64> {
    if matches!(layout.code.bytecode, Bytecode::Object(_)) {
        return Vec::new();
    }
    let mut bases = vec![start];
    let copies = layout.code.tlbc.and_then(|offset| header.u64_at(offset)).filter(|array| *array != 0);
    if let Some(array) = copies
        && let Ok(count) = memory.read_u64(array)
    {
        let count = (count as usize).min(MAX_COPIES);
        if let Ok(bytes) = memory.read_bytes(array.wrapping_add(8), count * 8) {
            let copies = bytes.chunks_exact(8).filter_map(|word| word.u64_at(0));
            bases.extend(copies.filter(|base| *base != 0 && *base != start));
        }
    }
    bases
}

fn frame_words(layout: &Layout, header: &[u8]) -> Option<u32> {
    match layout.code.frame_words? {
        FrameWords::Field(offset) => header.u32_at(offset),
        FrameWords::Sum { nlocalsplus, stacksize, specials } => {
            header.u32_at(nlocalsplus)?.checked_add(header.u32_at(stacksize)?)?.checked_add(specials)
        }
    }
}

/// Length of the tuple of names of locals.
fn count_names(memory: &dyn Memory, layout: &Layout, tuple: u64) -> u64 {
    memory.read_u64(tuple.wrapping_add(layout.object.ob_size as u64)).unwrap_or(0)
}

fn identity_words(layout: &Layout, header: &[u8]) -> Vec<u8> {
    let ranges = layout.code.identity.iter();
    ranges.filter_map(|&(offset, len)| header.get(offset..offset + len)).flatten().copied().collect()
}

/// `_Py_InitCleanup` (3.13+) stands between a specialised call of a class and its `__init__`; it is
/// named like that function and never executes a call itself.
fn is_init_cleanup(bytecode: &[u8], opcodes: &OpcodeTable) -> bool {
    bytecode.first().is_some_and(|first| opcodes.0[usize::from(*first)].name == "EXIT_INIT_CHECK")
}
