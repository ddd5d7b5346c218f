//! A core dump as memory: reads the interpreter of a process that is no more.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::Elf;
use goblin::elf::header::{ELFMAG, ET_CORE};
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE, ProgramHeader};
use thiserror::Error;

use super::binary::ReadAt;
use super::find::{Interpreter, find_in_maps};
use super::image::open_regular;
use super::maps::{MappedFile, Mapping};
use super::memory::{Bytes, Memory, MemoryError, Range};
use super::recorded::read_each;

/// Most program headers that are read (a process has at most 65,530 mappings by default).
const MAX_HEADERS: usize = 70_000;
/// Most bytes of notes that are read (1,000 threads have 2 MB).
const MAX_NOTES: u64 = 256 << 20;

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_FILE: u32 = 0x4649_4c45;

/// Why a core dump was not read.
#[derive(Debug, Error)]
pub enum CoreError {
    /// The file could not be read.
    #[error("the core dump could not be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is not a core dump of a 64-bit little-endian process.
    #[error("this is not a core dump of a 64-bit process")]
    NotACore,
}

/// A core dump.
///
/// Kernels leave out what is unchanged from the files that the process had mapped (see
/// `coredump_filter`); that is read from those files, if they are still there.
#[derive(Debug)]
pub struct CoreDump {
    file: File,
    segments: Vec<CoreSegment>,
    mapped: Vec<Mapping>,
    files: HashMap<PathBuf, File>,
    pid: u32,
    threads: Vec<u32>,
    command: String,
}

/// A `PT_LOAD` of the dump.
#[derive(Clone, Copy, Debug)]
struct CoreSegment {
    addr: u64,
    mem_size: u64,
    offset: u64,
    file_size: u64,
    flags: u32,
}

impl CoreDump {
    /// Opens the dump `path`.
    pub fn open(path: &Path) -> Result<Self, CoreError> {
        let file = open_regular(path)?;
        let headers = program_headers(&file).ok_or(CoreError::NotACore)?;
        let mut segments: Vec<CoreSegment> = headers.iter().filter_map(CoreSegment::of).collect();
        segments.sort_by_key(|segment| segment.addr);
        let mut dump = Self {
            file,
            segments,
            mapped: Vec::new(),
            files: HashMap::new(),
            pid: 0,
            threads: Vec::new(),
            command: String::new(),
        };
        let notes = headers.iter().filter(|header| header.p_type == PT_NOTE && header.p_filesz <= MAX_NOTES);
        for header in notes {
            let bytes = dump.file.bytes_at(header.p_offset, header.p_filesz as usize).unwrap_or_default();
            each_note(&bytes, |kind, content| dump.note(kind, content));
        }
        dump.open_files();
        Ok(dump)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The ids of its threads; the first is the one that died.
    pub fn threads(&self) -> &[u32] {
        &self.threads
    }

    /// The beginning of its command line, at most 80 bytes.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// The interpreter in it.
    pub fn interpreter(&self) -> Option<Interpreter> {
        find_in_maps(self, &self.mapped)
    }

    fn note(&mut self, kind: u32, content: &[u8]) {
        match kind {
            // struct elf_prstatus: pr_pid follows 32 bytes.
            NT_PRSTATUS => self.threads.extend(content.u32_at(32)),
            // struct elf_prpsinfo: pr_pid, then ppid, pgrp, sid, fname[16], psargs[80].
            NT_PRPSINFO => {
                self.pid = content.u32_at(24).unwrap_or(0);
                let args = content.get(56..).unwrap_or_default();
                let args = args.split(|&byte| byte == 0).next().unwrap_or_default();
                self.command = String::from_utf8_lossy(args).trim_end().to_owned();
            }
            NT_FILE => self.mapped = mapped_files(content).unwrap_or_default(),
            _ => {}
        }
    }

    /// Takes the permissions of mappings from the segments, and opens the files behind them.
    fn open_files(&mut self) {
        for mapping in &mut self.mapped {
            if let Some(segment) = segment_at(&self.segments, mapping.start) {
                mapping.read = segment.flags & PF_R != 0;
                mapping.write = segment.flags & PF_W != 0;
                mapping.exec = segment.flags & PF_X != 0;
            }
            let path = mapping.file.as_ref().map(|file| file.path.clone()).unwrap_or_default();
            if !self.files.contains_key(&path)
                && let Ok(file) = open_regular(&path)
            {
                self.files.insert(path, file);
            }
        }
    }

    /// Copies what the dump, or a mapped file, has from `addr` on; how many bytes that is.
    fn copy(&self, addr: u64, out: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < out.len() {
            let Some(at) = addr.checked_add(filled as u64) else { break };
            let rest = &mut out[filled..];
            let had = self.copy_dumped(at, rest).or_else(|| self.copy_mapped(at, rest)).unwrap_or(0);
            if had == 0 {
                break;
            }
            filled += had;
        }
        filled
    }

    fn copy_dumped(&self, addr: u64, out: &mut [u8]) -> Option<usize> {
        let segment = segment_at(&self.segments, addr)?;
        let skip = addr - segment.addr;
        let len = usize::try_from(segment.file_size.checked_sub(skip)?).ok()?.min(out.len());
        read_some(&self.file, segment.offset.checked_add(skip)?, &mut out[..len])
    }

    fn copy_mapped(&self, addr: u64, out: &mut [u8]) -> Option<usize> {
        let mapping = self.mapped.iter().find(|mapping| (mapping.start..mapping.end).contains(&addr))?;
        let file = self.files.get(&mapping.file.as_ref()?.path)?;
        let len = usize::try_from(mapping.end - addr).ok()?.min(out.len());
        read_some(file, mapping.offset.checked_add(addr - mapping.start)?, &mut out[..len])
    }
}

impl Memory for CoreDump {
    fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        read_each(ranges, buf, |addr, out| self.copy(addr, out))
    }
}

impl CoreSegment {
    fn of(header: &ProgramHeader) -> Option<Self> {
        (header.p_type == PT_LOAD).then_some(Self {
            addr: header.p_vaddr,
            mem_size: header.p_memsz,
            offset: header.p_offset,
            file_size: header.p_filesz,
            flags: header.p_flags,
        })
    }
}

/// The segment that holds `addr`, out of `segments` in the order of their addresses.
fn segment_at(segments: &[CoreSegment], addr: u64) -> Option<&CoreSegment> {
    let next = segments.partition_point(|segment| segment.addr <= addr);
    segments[..next].last().filter(|segment| addr - segment.addr < segment.mem_size)
}

fn read_some(file: &File, offset: u64, out: &mut [u8]) -> Option<usize> {
    file.read_at(out, offset).ok().filter(|&len| len > 0)
}

fn program_headers(file: &File) -> Option<Vec<ProgramHeader>> {
    let header = Elf::parse_header(&file.bytes_at(0, 64)?).ok()?;
    let wanted = header.e_ident.starts_with(ELFMAG)
        && header.container().is_ok_and(|container| container == Container::Big)
        && header.endianness().is_ok_and(|endian| endian.is_little())
        && header.e_type == ET_CORE;
    let context = Ctx::new(Container::Big, Endian::Little);
    // More than 65,534 headers are counted in the first section header.
    let count = match header.e_phnum {
        u16::MAX => file.bytes_at(header.e_shoff, 64)?.u32_at(44)? as usize,
        count => usize::from(count),
    };
    let size = count.min(MAX_HEADERS) * ProgramHeader::size(context);
    let bytes = file.bytes_at(header.e_phoff, size).filter(|_| wanted)?;
    ProgramHeader::parse(&bytes, 0, count.min(MAX_HEADERS), context).ok()
}

/// Calls `take` with type and content of each note: sizes of name and content, type, name, content,
/// each padded to 4 bytes.
fn each_note(mut bytes: &[u8], mut take: impl FnMut(u32, &[u8])) -> Option<()> {
    loop {
        let (name, content, kind) = (bytes.u32_at(0)?, bytes.u32_at(4)?, bytes.u32_at(8)?);
        let start = 12_usize.checked_add((name as usize).checked_next_multiple_of(4)?)?;
        let end = start.checked_add(content as usize)?;
        take(kind, bytes.get(start..end)?);
        bytes = bytes.get(end.checked_next_multiple_of(4)?..)?;
    }
}

/// `NT_FILE`: count, page size, (start, end, page offset) of each, then the paths, each ended by 0.
fn mapped_files(content: &[u8]) -> Option<Vec<Mapping>> {
    let (count, page) = (usize::try_from(content.u64_at(0)?).ok()?, content.u64_at(8)?);
    let names = content.get(count.checked_mul(24)?.checked_add(16)?..)?;
    let names = names.split(|&byte| byte == 0);
    let mut inodes: HashMap<&[u8], u64> = HashMap::new();
    let mapping = |(index, name)| {
        let place = 16 + 24 * index;
        // A dump names no inodes; one number per path stands in for them.
        let next = inodes.len() as u64 + 1;
        Some(Mapping {
            start: content.u64_at(place)?,
            end: content.u64_at(place + 8)?,
            read: false,
            write: false,
            exec: false,
            offset: content.u64_at(place + 16)?.checked_mul(page)?,
            file: Some(MappedFile {
                device: 0,
                inode: *inodes.entry(name).or_insert(next),
                path: PathBuf::from(OsStr::from_bytes(name)),
                deleted: false,
            }),
        })
    };
    names.take(count).enumerate().map(mapping).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn notes_of_any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            each_note(&bytes, |_, content| _ = mapped_files(content));
            let _ = mapped_files(&bytes);
        }
    }

    #[test]
    fn notes_are_found_behind_their_padding() {
        let mut bytes = Vec::new();
        for (kind, content) in [(7_u32, &b"abcde"[..]), (9, b"xyz")] {
            bytes.extend([5, 0, 0, 0, content.len() as u8, 0, 0, 0]);
            bytes.extend(kind.to_le_bytes());
            bytes.extend(b"CORE\0\0\0\0");
            bytes.extend(content);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let mut found = Vec::new();
        each_note(&bytes, |kind, content| found.push((kind, content.to_vec())));
        assert_eq!(found, [(7, b"abcde".to_vec()), (9, b"xyz".to_vec())]);
    }

    #[test]
    fn other_files_are_not_dumps() {
        let exe = std::env::current_exe().unwrap();
        assert!(matches!(CoreDump::open(&exe), Err(CoreError::NotACore)));
        assert!(matches!(CoreDump::open(Path::new("/dev/null")), Err(CoreError::Io(_))));
    }
}
