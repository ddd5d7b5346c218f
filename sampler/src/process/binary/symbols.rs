//! The tables of a binary that name its symbols and sections.

use goblin::elf::dynamic::{DT_GNU_HASH, DT_STRSZ, DT_STRTAB, DT_SYMTAB};
use goblin::elf::header::Header;
use goblin::elf::program_header::{PT_DYNAMIC, ProgramHeader};
use goblin::elf::section_header::SectionHeader;
use goblin::elf::sym::Symtab;
use goblin::elf::sym::sym64::SIZEOF_SYM;

use super::{Binary, ReadAt, context, table};
use crate::process::memory::Bytes;

/// Most links of a hash chain that are followed.
const MAX_CHAIN: usize = 4096;
/// Most section headers that are read.
const MAX_SECTIONS: usize = 16_384;

/// Addresses before relocation of the symbols that tell an interpreter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Symbols {
    /// `_PyRuntime` (3.7+).
    pub runtime: Option<u64>,
    /// `Py_Version` (3.11+): `const unsigned long`, `PY_VERSION_HEX`.
    pub py_version: Option<u64>,
    /// `Py_GetVersion` (all versions): that it is defined here tells "this is a Python".
    pub py_get_version: Option<u64>,
    /// `_Py_RefTotal` or `_Py_NegativeRefcount`: only builds with `Py_DEBUG` have them.
    pub ref_debug: bool,
    /// `_PyOptimizer_Optimize`, `_PyJIT_*`: the second tier is compiled in.
    pub jit: bool,
    /// A function `_TAIL_CALL_*`, one per opcode of an interpreter built from tail calls. Local
    /// symbols, so only an unstripped binary has them.
    pub tail_call: bool,
    /// `_Py_tracemalloc_config` (3.9-3.11), or the local symbol `tracemalloc_config` (3.8).
    pub tracemalloc: Option<u64>,
}

/// The section table and the names in it.
#[derive(Default)]
pub(in crate::process) struct Sections {
    headers: Vec<SectionHeader>,
    names: Vec<u8>,
}

impl Sections {
    /// Reads the table of the sections.
    pub(in crate::process) fn parse<R: ReadAt + ?Sized>(file: &R, header: &Header) -> Option<Self> {
        let count = usize::from(header.e_shnum).min(MAX_SECTIONS);
        let bytes = file.bytes_at(header.e_shoff, count * SectionHeader::size(context()))?;
        // Not `parse`, which takes an offset of 0 in `bytes` for "there is no table".
        let headers = SectionHeader::parse_from(&bytes, 0, count, context()).ok()?;
        let names = headers.get(usize::from(header.e_shstrndx))?;
        let names = table(file, names.sh_offset, names.sh_size)?;
        Some(Self { headers, names })
    }

    /// The first section of a kind.
    pub(super) fn of_type(&self, kind: u32) -> Option<&SectionHeader> {
        self.headers.iter().find(|header| header.sh_type == kind)
    }

    /// The section of this name.
    pub(in crate::process) fn named(&self, name: &str) -> Option<&SectionHeader> {
        self.headers.iter().find(|header| name_at(&self.names, header.sh_name) == Some(name.as_bytes()))
    }

    /// Adds what the symbol table of type `kind` defines.
    pub(super) fn symbols<R: ReadAt + ?Sized>(&self, file: &R, kind: u32, found: &mut Symbols) -> Option<()> {
        let section = self.of_type(kind)?;
        let strings = self.headers.get(section.sh_link as usize)?;
        let names = table(file, strings.sh_offset, strings.sh_size)?;
        let bytes = table(file, section.sh_offset, section.sh_size)?;
        add_symbols(&bytes, &names, found)
    }
}

impl Symbols {
    /// Notes a symbol that is defined. The first definition wins: `.dynsym` is read first.
    pub fn add(&mut self, name: &[u8], value: u64) {
        match name {
            b"_PyRuntime" => self.runtime = self.runtime.or(Some(value)),
            b"Py_Version" => self.py_version = self.py_version.or(Some(value)),
            b"Py_GetVersion" => self.py_get_version = self.py_get_version.or(Some(value)),
            b"_Py_RefTotal" | b"_Py_NegativeRefcount" => self.ref_debug = true,
            b"_PyOptimizer_Optimize" => self.jit = true,
            b"_Py_tracemalloc_config" | b"tracemalloc_config" => {
                self.tracemalloc = self.tracemalloc.or(Some(value));
            }
            _ if name.starts_with(b"_PyJIT_") => self.jit = true,
            _ if name.starts_with(b"_TAIL_CALL_") => self.tail_call = true,
            _ => {}
        }
    }
}

fn name_at(names: &[u8], offset: usize) -> Option<&[u8]> {
    let rest = names.get(offset..)?;
    rest.split(|&byte| byte == 0).next()
}

/// Adds the dynamic symbols by way of `PT_DYNAMIC`, for binaries without a section table: images in
/// memory, and files that were stripped of it.
pub(super) fn dynamic_symbols<R: ReadAt + ?Sized>(
    file: &R,
    headers: &[ProgramHeader],
    binary: &mut Binary,
) -> Option<()> {
    let dynamic = headers.iter().find(|header| header.p_type == PT_DYNAMIC)?;
    let bytes = table(file, dynamic.p_offset, dynamic.p_filesz)?;
    let entry = |tag: u64| {
        let mut entries = bytes.chunks_exact(16);
        entries.find(|entry| entry.u64_at(0) == Some(tag)).and_then(|entry| entry.u64_at(8))
    };
    // In memory the loader has replaced addresses by relocated ones.
    let bias = file.relocation(binary).unwrap_or(0);
    let offset = |addr: u64| binary.offset_of(addr).or_else(|| binary.offset_of(addr.wrapping_sub(bias)));
    let (symbols, strings) = (offset(entry(DT_SYMTAB)?)?, offset(entry(DT_STRTAB)?)?);
    let hash = entry(DT_GNU_HASH).and_then(offset);
    let count = match hash.and_then(|hash| hashed_symbols(file, hash)) {
        Some(count) => u64::from(count),
        // The number is nowhere else; most linkers put the strings right behind the symbols.
        None => strings.checked_sub(symbols)? / SIZEOF_SYM as u64,
    };
    let symbols = table(file, symbols, count.checked_mul(SIZEOF_SYM as u64)?)?;
    let names = table(file, strings, entry(DT_STRSZ)?)?;
    add_symbols(&symbols, &names, &mut binary.symbols)
}

/// The number of symbols of a `DT_GNU_HASH` table: where the chain of the last bucket ends.
fn hashed_symbols<R: ReadAt + ?Sized>(file: &R, offset: u64) -> Option<u32> {
    let head = file.bytes_at(offset, 16)?;
    let (buckets, first, blooms) = (head.u32_at(0)?, head.u32_at(4)?, head.u32_at(8)?);
    let buckets_at = offset.checked_add(16)?.checked_add(u64::from(blooms) * 8)?;
    let table = table(file, buckets_at, u64::from(buckets) * 4)?;
    let last = (0..buckets as usize).filter_map(|bucket| table.u32_at(bucket * 4)).max()?;
    let chains_at = buckets_at + u64::from(buckets) * 4;
    // A chain has a handful of links; the bound is for tables that never end one.
    let link = |index: u32| file.bytes_at(chains_at + u64::from(index - first) * 4, 4)?.u32_at(0);
    let last =
        (last.max(first)..).take(MAX_CHAIN).find(|&index| link(index).is_none_or(|link| link & 1 == 1))?;
    link(last)?;
    last.checked_add(1)
}

/// Adds what a symbol table defines.
fn add_symbols(symbols: &[u8], names: &[u8], found: &mut Symbols) -> Option<()> {
    let count = symbols.len() / SIZEOF_SYM;
    let symbols = Symtab::parse(symbols, 0, count, context()).ok()?;
    for symbol in symbols.iter().filter(|symbol| symbol.st_shndx != 0 && symbol.st_value != 0) {
        if let Some(name) = name_at(names, symbol.st_name) {
            found.add(name, symbol.st_value);
        }
    }
    Some(())
}
