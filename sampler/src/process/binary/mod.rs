//! What an ELF file says of the interpreter in it.
//!
//! Read piece by piece (headers, then only the tables that are asked for), so that a binary with
//! 40 MB of debug information costs as little as a stripped one. The file is chosen by the target:
//! every size in it is bounded before it is read, and a malformed table is a table that is not there.

use std::fs::File;
use std::os::unix::fs::FileExt;

use goblin::container::{Container, Ctx};
use goblin::elf::Elf;
use goblin::elf::header::{ELFMAG, ET_DYN, ET_EXEC, Header};
use goblin::elf::program_header::{PF_W, PT_LOAD, ProgramHeader};
use goblin::elf::section_header::{SHT_DYNSYM, SHT_SYMTAB};

pub use self::symbols::Symbols;
use self::symbols::{Sections, dynamic_symbols};

pub(super) mod symbols;

/// Largest symbol or string table that is read, in bytes (CPython's debug build has 7 MB).
const MAX_TABLE: u64 = 256 << 20;
/// Most read-only text that is searched (CPython has 3 MB).
const MAX_RODATA: u64 = 64 << 20;
/// Most program headers that are read.
const MAX_SEGMENTS: usize = 256;

/// Something that bytes can be read from by offset: a file, or an image of one in memory.
pub trait ReadAt {
    /// The `len` bytes at `offset`, or `None` if they are not all there.
    fn bytes_at(&self, offset: u64, len: usize) -> Option<Vec<u8>>;

    /// The difference between the addresses in it and those that it names, if it has been relocated.
    fn relocation(&self, _binary: &Binary) -> Option<u64> {
        None
    }
}

impl ReadAt for File {
    fn bytes_at(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        // Checked against the real size first: a huge claim must not allocate.
        let end = offset.checked_add(len as u64)?;
        if end > self.metadata().ok()?.len() {
            return None;
        }
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }
}

impl ReadAt for [u8] {
    fn bytes_at(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let start = usize::try_from(offset).ok()?;
        self.get(start..start.checked_add(len)?).map(<[u8]>::to_vec)
    }
}

/// A loadable segment (`PT_LOAD`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// `p_vaddr`: its address before relocation.
    pub vaddr: u64,
    /// `p_memsz`: its size in memory.
    pub mem_size: u64,
    /// `p_offset`: its offset in the file.
    pub offset: u64,
    /// `p_filesz`: its size in the file.
    pub file_size: u64,
    /// `PF_W`.
    pub writable: bool,
}

/// What was found in a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// Whether it is loaded at the addresses it names (`ET_EXEC`).
    pub fixed: bool,
    /// Loadable segments.
    pub segments: Vec<Segment>,
    /// Address before relocation of the section `.PyRuntime` (3.10+).
    pub runtime_section: Option<u64>,
    /// Address before relocation of what the bundled runtime publishes.
    pub bundled_section: Option<u64>,
    /// From `.dynsym`, completed from `.symtab` where that exists.
    pub symbols: Symbols,
    /// Whether there is a `.symtab`: without it the absence of a local symbol says nothing.
    pub has_symtab: bool,
    /// Offset and size of `.rodata` in the file.
    pub rodata: Option<(u64, u64)>,
}

impl Binary {
    /// Reads the headers and symbols of a 64-bit little-endian ELF program or library. `None`: it is
    /// something else.
    pub fn parse<R: ReadAt + ?Sized>(file: &R) -> Option<Self> {
        let header = Elf::parse_header(&file.bytes_at(0, 64)?).ok()?;
        let wanted = header.e_ident.starts_with(ELFMAG)
            && header.container().is_ok_and(|container| container == Container::Big)
            && header.endianness().is_ok_and(|endian| endian.is_little())
            && matches!(header.e_type, ET_EXEC | ET_DYN);
        if !wanted {
            return None;
        }
        let sections = Sections::parse(file, &header).unwrap_or_default();
        let programs = program_headers(file, &header)?;
        let mut binary = Self {
            fixed: header.e_type == ET_EXEC,
            segments: segments(&programs),
            runtime_section: sections.named(".PyRuntime").map(|section| section.sh_addr),
            bundled_section: sections.named(slowpath_runtime_layout::SECTION).map(|section| section.sh_addr),
            symbols: Symbols::default(),
            has_symtab: sections.of_type(SHT_SYMTAB).is_some(),
            rodata: sections.named(".rodata").map(|section| (section.sh_offset, section.sh_size)),
        };
        if sections.symbols(file, SHT_DYNSYM, &mut binary.symbols).is_none() {
            dynamic_symbols(file, &programs, &mut binary);
        }
        if binary.looks_like_python() || sections.of_type(SHT_DYNSYM).is_none() {
            sections.symbols(file, SHT_SYMTAB, &mut binary.symbols);
        }
        Some(binary)
    }

    /// Whether an interpreter seems to be in this binary.
    pub fn looks_like_python(&self) -> bool {
        let symbols = &self.symbols;
        self.runtime_section.is_some() || symbols.runtime.is_some() || symbols.py_get_version.is_some()
    }

    /// Address before relocation of `_PyRuntime`. The symbol wins over the section: a program that
    /// was linked with a copy relocation has the live one.
    pub fn runtime(&self) -> Option<u64> {
        self.symbols.runtime.or(self.runtime_section)
    }

    /// The offset in the file of an address before relocation.
    fn offset_of(&self, vaddr: u64) -> Option<u64> {
        let inside = |segment: &&Segment| vaddr >= segment.vaddr && vaddr - segment.vaddr < segment.file_size;
        let segment = self.segments.iter().find(inside)?;
        segment.offset.checked_add(vaddr - segment.vaddr)
    }

    /// The difference between addresses in the process and in the binary, given that the byte at
    /// `offset` of the file is mapped at `start`.
    pub fn bias(&self, start: u64, offset: u64) -> Option<u64> {
        let page = 4096;
        let segment = self.segments.iter().find(|segment| {
            let first = segment.offset & !(page - 1);
            offset >= first && offset < segment.offset.saturating_add(segment.file_size)
        })?;
        let vaddr = (segment.vaddr & !(page - 1)).wrapping_add(offset - (segment.offset & !(page - 1)));
        Some(start.wrapping_sub(vaddr))
    }
}

pub(super) fn program_headers<R: ReadAt + ?Sized>(file: &R, header: &Header) -> Option<Vec<ProgramHeader>> {
    let count = usize::from(header.e_phnum).min(MAX_SEGMENTS);
    let bytes = file.bytes_at(header.e_phoff, count * ProgramHeader::size(context()))?;
    ProgramHeader::parse(&bytes, 0, count, context()).ok()
}

fn segments(headers: &[ProgramHeader]) -> Vec<Segment> {
    let loads = headers.iter().filter(|header| header.p_type == PT_LOAD);
    let segment = |header: &ProgramHeader| Segment {
        vaddr: header.p_vaddr,
        mem_size: header.p_memsz,
        offset: header.p_offset,
        file_size: header.p_filesz,
        writable: header.p_flags & PF_W != 0,
    };
    loads.map(segment).collect()
}

fn context() -> Ctx {
    Ctx::new(Container::Big, goblin::container::Endian::Little)
}

pub(super) fn table<R: ReadAt + ?Sized>(file: &R, offset: u64, size: u64) -> Option<Vec<u8>> {
    (size <= MAX_TABLE).then(|| file.bytes_at(offset, usize::try_from(size).ok()?))?
}

/// Whether `needle` is in the read-only text of the binary; `false` if it has too much of that.
pub fn rodata_has<R: ReadAt + ?Sized>(file: &R, binary: &Binary, needle: &[u8]) -> bool {
    let text = binary.rodata.and_then(|(offset, size)| table(file, offset, size.min(MAX_RODATA)));
    text.is_some_and(|text| text.windows(needle.len()).any(|window| window == needle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A 64-bit library with one `PT_LOAD`, a `PT_DYNAMIC` and the dynamic symbol `_PyRuntime`.
    fn library() -> Vec<u8> {
        let mut file = vec![0; 0x400];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"\x7fELF\x02\x01\x01");
        put(16, &3_u16.to_le_bytes());
        put(18, &62_u16.to_le_bytes());
        put(32, &64_u64.to_le_bytes());
        put(54, &56_u16.to_le_bytes());
        put(56, &2_u16.to_le_bytes());
        let header = |kind: u32, flags: u32, offset: u64, vaddr: u64, size: u64| {
            let words = [offset, vaddr, vaddr, size, size, 8];
            let words = words.iter().flat_map(|word| word.to_le_bytes());
            [kind.to_le_bytes(), flags.to_le_bytes()].concat().into_iter().chain(words).collect::<Vec<_>>()
        };
        put(64, &header(1, 6, 0, 0x10000, 0x400));
        put(120, &header(2, 6, 0x100, 0x10100, 64));
        let dynamic = [(6_u64, 0x10200_u64), (5, 0x10230), (10, 12), (0, 0)];
        for (index, (tag, value)) in dynamic.into_iter().enumerate() {
            put(0x100 + index * 16, &tag.to_le_bytes());
            put(0x108 + index * 16, &value.to_le_bytes());
        }
        // The second symbol: name, information, section 7, value.
        put(0x218, &[1, 0, 0, 0, 0x11, 0, 7, 0]);
        put(0x220, &0x10300_u64.to_le_bytes());
        put(0x231, b"_PyRuntime\0");
        file
    }

    #[test]
    fn symbols_are_found_without_sections() {
        let binary = Binary::parse(&library()[..]).unwrap();
        assert_eq!(binary.runtime(), Some(0x10300));
        assert!(binary.looks_like_python() && !binary.fixed && !binary.has_symtab);
        assert_eq!(binary.bias(0x7f00_0000_0000, 0), Some(0x7f00_0000_0000 - 0x10000));
        assert_eq!(binary.bias(0x7f00_0000_0000, 0x4000), None);
    }

    #[test]
    fn other_files_are_not_binaries() {
        let mut big_endian = library();
        big_endian[5] = 2;
        let mut narrow = library();
        narrow[4] = 1;
        for file in [&b""[..], b"\x7fELF", b"#!/bin/sh\n", &big_endian, &narrow] {
            assert_eq!(Binary::parse(file), None);
        }
    }

    #[test]
    fn our_own_symbols_are_read() {
        let exe = File::open("/proc/self/exe").unwrap();
        let binary = Binary::parse(&exe).unwrap();
        assert!(!binary.looks_like_python() && !binary.segments.is_empty());
        assert!(rodata_has(&exe, &binary, b"an unlikely text of a test"));
    }

    proptest! {
        #[test]
        fn damaged_binaries_are_survived(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            len in 0_usize..=0x400,
        ) {
            let mut file = library();
            for (at, byte) in changes {
                let at = at.index(0x240);
                file[at] = byte;
            }
            file.truncate(len);
            if let Some(binary) = Binary::parse(&file[..]) {
                let _ = (binary.runtime(), binary.bias(u64::MAX, u64::MAX), binary.bias(0, 0));
                let _ = rodata_has(&file[..], &binary, b"x");
            }
        }
    }
}
