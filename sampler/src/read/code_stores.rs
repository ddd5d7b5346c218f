//! Reads one code object for what it stores to: see [`stores`].
//!
//! Thousands of code objects are read so, most of them once, so names are read once for all of them
//! and positions in the source are decoded only when somebody asks.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use slowpath_profile::Span;

use crate::layout::forms::Forms;
use crate::layout::spec::{Bytecode, Layout, LineTableFormat, ObjectOffsets};
use crate::layout::state::StateSpec;
use crate::process::memory::{Bytes, Memory, Range};
use crate::read::ahead::Ahead;
use crate::read::caches::instructions;
use crate::read::code::bytecode_range;
use crate::read::line_table::LineTable;
use crate::read::stores::{self, Body, Found, Operands};
use crate::read::tuples::tuple_items;
use crate::read::types::types_of;
use crate::read::{code_parts, text};

/// Bytecode of one code object; a larger one is a table of data that somebody wrote as code.
const MAX_BYTECODE: usize = 512 << 10;
/// Bytes of a table of lines that are kept.
const MAX_LINES: usize = 128 << 10;
/// Items of one tuple of names or constants.
const MAX_ITEMS: usize = 8_192;
/// Bytes of bytecode and of tables of lines, items of a tuple, and texts that are copied ahead.
const AHEAD_BYTECODE: usize = 1_024;
const AHEAD_ITEMS: usize = 24;
const MAX_AHEAD: usize = 400;
/// Characters of a name.
const MAX_NAME: usize = 200;
/// Texts that are remembered; after that, all are forgotten.
const MAX_TEXTS: usize = 300_000;

/// `CO_OPTIMIZED`: a function, not the body of a module or class.
const OPTIMIZED: u32 = 1;

/// A code object and what it stores to.
#[derive(Clone, Debug)]
pub struct CodeStores {
    /// `co_name`.
    pub name: Arc<str>,
    /// `co_qualname`; equal to `name` before 3.11.
    pub qualname: Arc<str>,
    /// `co_filename`.
    pub file: Arc<str>,
    /// `co_firstlineno`.
    pub first_line: u32,
    /// What it is.
    pub body: Body,
    /// Its stores.
    pub stores: Vec<Found>,
    /// Addresses of code objects in its constants.
    pub nested: Vec<u64>,
    lines: Vec<u8>,
    format: LineTableFormat,
}

impl CodeStores {
    /// Where its stores stand in the source; what that is decoded from is forgotten.
    pub fn take_spans(&mut self) -> Vec<Span> {
        let lines = std::mem::take(&mut self.lines);
        let table = LineTable::decode(self.format, &lines, self.first_line);
        self.stores.iter().map(|store| table.span(store.offset)).collect()
    }
}

/// Texts of the target by their addresses. Names are interned there, so few are read twice; forget
/// them before the program has had time to use their memory for others.
#[derive(Debug, Default)]
pub struct Texts(FxHashMap<u64, Arc<str>>);

impl Texts {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn get(&mut self, memory: &dyn Memory, object: &ObjectOffsets, addr: u64) -> Arc<str> {
        if let Some(text) = self.0.get(&addr) {
            return text.clone();
        }
        if self.0.len() >= MAX_TEXTS {
            self.0.clear();
        }
        let text: Arc<str> = text::string_up_to(memory, object, addr, MAX_NAME).unwrap_or_default().into();
        self.0.insert(addr, text.clone());
        text
    }
}

/// What reading needs besides the address.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The target.
    pub memory: &'a dyn Memory,
    /// Its layout.
    pub layout: &'a Layout,
    /// Its state.
    pub spec: &'a StateSpec,
    /// What its opcodes are.
    pub forms: &'a Forms,
}

/// Reads the code object at `addr`. `None` if it cannot be read; the caller made sure that it is one.
pub fn read(source: Source<'_>, texts: &mut Texts, addr: u64) -> Option<CodeStores> {
    let layout = source.layout;
    let mut ahead = Ahead::new(source.memory);
    let behind = addr.checked_add(layout.code.size as u64)?;
    ahead.fetch([Range::new(addr, layout.code.size), Range::new(behind, AHEAD_BYTECODE)]);
    let header = ahead.read_bytes(addr, layout.code.size).ok()?;
    fetch_tables(&mut ahead, source, &header);
    fetch_texts(&mut ahead, source, texts, &header);
    decode(Source { memory: &ahead, ..source }, texts, addr, &header)
}

/// Copies the tuples and tables of a code object, as far as they are of a usual size.
fn fetch_tables(ahead: &mut Ahead<'_>, source: Source<'_>, header: &[u8]) {
    let code = &source.layout.code;
    let tuple = source.layout.object.tuple_ob_item + AHEAD_ITEMS * 8;
    let bytes = source.layout.object.bytes_ob_sval + AHEAD_BYTECODE;
    let mut wanted = vec![(code.consts, tuple), (code.names, tuple), (code.localsplusnames, tuple)];
    wanted.push((code.linetable, bytes));
    if let Bytecode::Object(offset) = code.bytecode {
        wanted.push((offset, bytes));
    }
    if let Some((cellvars, freevars)) = source.spec.code.closure {
        wanted.extend([(cellvars, tuple), (freevars, tuple)]);
    }
    let range = |(offset, len): (usize, usize)| Some(Range::new(header.u64_at(offset)?, len));
    ahead.fetch(wanted.into_iter().filter_map(range));
}

/// Copies the names of a code object that are not known yet, and the types of its constants.
fn fetch_texts(ahead: &mut Ahead<'_>, source: Source<'_>, texts: &Texts, header: &[u8]) {
    let layout = source.layout;
    let items = |offset: usize| header.u64_at(offset).map_or(Vec::new(), |addr| tuple(&*ahead, layout, addr));
    let mut names = [items(layout.code.names), items(layout.code.localsplusnames)].concat();
    let own = [Some(layout.code.name), layout.code.qualname, Some(layout.code.filename)];
    names.extend(own.into_iter().flatten().filter_map(|offset| header.u64_at(offset)));
    names.retain(|name| !texts.0.contains_key(name));
    let text = |name: u64| Range::new(name, text::read_ahead(&layout.object));
    let constants = items(layout.code.consts);
    let kind = |constant: u64| Range::new(constant.wrapping_add(layout.object.ob_type as u64), 8);
    let wanted: Vec<Range> = names
        .into_iter()
        .take(MAX_AHEAD)
        .map(text)
        .chain(constants.into_iter().take(MAX_AHEAD).map(kind))
        .collect();
    ahead.fetch(wanted);
}

fn decode(source: Source<'_>, texts: &mut Texts, addr: u64, header: &[u8]) -> Option<CodeStores> {
    let Source { memory, layout, forms, .. } = source;
    let word = |offset| header.u64_at(offset);
    let (start, len) = bytecode_range(memory, layout, addr, header).ok()?;
    let bytecode = memory.read_bytes(start, len.min(MAX_BYTECODE)).ok()?;
    let bytecode = code_parts::unhide(memory, layout, forms, header, &bytecode);
    let instructions = instructions(&bytecode, forms);
    let mut text = |addr: u64| texts.get(memory, &layout.object, addr);
    let name = text(word(layout.code.name)?);
    let qualname = layout.code.qualname.map(|offset| Some(text(word(offset)?)));
    let qualname = qualname.flatten().unwrap_or_else(|| name.clone());
    let file = text(word(layout.code.filename)?);
    let body = match (header.u32_at(layout.code.flags)? & OPTIMIZED != 0, &*name) {
        (true, _) => Body::Function,
        (false, "<module>") => Body::Module,
        (false, _) => Body::Class,
    };
    let constants = tuple(memory, layout, word(layout.code.consts)?);
    let types = types_of(memory, layout, &constants);
    let (code, string) = (word(layout.object.ob_type)?, string_type(source, word(layout.code.name)?)?);
    let of_type = |wanted: u64| constants.iter().zip(&types).filter(move |(_, class)| **class == wanted);
    let nested = of_type(code).map(|(constant, _)| *constant).collect();
    let mut operands = TargetOperands {
        source,
        texts,
        names: tuple(memory, layout, word(layout.code.names)?),
        locals: tuple(memory, layout, word(layout.code.localsplusnames)?),
        cells: cells(source, header),
        constants: &constants,
        types: &types,
        string,
    };
    let flag_bits = |name: &str| layout.adaptive.flag_bits_of(name);
    let stores = stores::find(&instructions, body, &flag_bits, &mut operands);
    let lines = match stores.is_empty() {
        true => Vec::new(),
        false => text::read_bytes(memory, &layout.object, word(layout.code.linetable)?),
    };
    Some(CodeStores {
        name,
        qualname,
        file,
        first_line: header.u32_at(layout.code.firstlineno)?,
        body,
        stores,
        nested,
        lines: if lines.len() > MAX_LINES { Vec::new() } else { lines },
        format: layout.code.linetable_format,
    })
}

/// The items of a tuple, as far as they can be read.
fn tuple(memory: &dyn Memory, layout: &Layout, addr: u64) -> Vec<u64> {
    tuple_items(memory, layout, addr, MAX_ITEMS).unwrap_or_default()
}

/// The type of a string that is one.
fn string_type(source: Source<'_>, string: u64) -> Option<u64> {
    source.memory.read_u64(string.checked_add(source.layout.object.ob_type as u64)?).ok()
}

/// Names of the variables of `LOAD_DEREF`, by its argument.
enum Cells {
    /// As locals are numbered (3.11+).
    Locals,
    /// Cells, then variables of enclosing functions (before).
    Own(Vec<u64>),
}

fn cells(source: Source<'_>, header: &[u8]) -> Cells {
    let Source { memory, layout, spec, .. } = source;
    let Some((cellvars, freevars)) = spec.code.closure else { return Cells::Locals };
    let items = |offset| header.u64_at(offset).map_or(Vec::new(), |addr| tuple(memory, layout, addr));
    Cells::Own([items(cellvars), items(freevars)].concat())
}

/// Operands as the target has them.
struct TargetOperands<'a> {
    source: Source<'a>,
    texts: &'a mut Texts,
    names: Vec<u64>,
    locals: Vec<u64>,
    cells: Cells,
    constants: &'a [u64],
    types: &'a [u64],
    string: u64,
}

impl TargetOperands<'_> {
    fn text_at(&mut self, addr: Option<u64>) -> Arc<str> {
        match addr {
            Some(addr) => self.texts.get(self.source.memory, &self.source.layout.object, addr),
            None => Arc::default(),
        }
    }
}

impl Operands for TargetOperands<'_> {
    fn name(&mut self, index: u32) -> Arc<str> {
        let addr = self.names.get(index as usize).copied();
        self.text_at(addr)
    }

    fn local(&mut self, index: u32) -> Arc<str> {
        let addr = self.locals.get(index as usize).copied();
        self.text_at(addr)
    }

    fn cell(&mut self, index: u32) -> Arc<str> {
        let addr = match &self.cells {
            Cells::Locals => self.locals.get(index as usize),
            Cells::Own(cells) => cells.get(index as usize),
        };
        let addr = addr.copied();
        self.text_at(addr)
    }

    fn text(&mut self, index: u32) -> Option<Arc<str>> {
        let index = index as usize;
        let addr = *self.constants.get(index).filter(|_| self.types.get(index) == Some(&self.string))?;
        Some(self.text_at(Some(addr)))
    }
}
