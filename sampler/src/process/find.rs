//! Finds the interpreter in a running process.
//!
//! Candidates are the program itself and every library it maps, those first whose names tell; each
//! is opened as the very file that is mapped, whatever its name, mount namespace or fate, and read
//! from memory where no file can be opened.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use slowpath_profile::BuildFlags;

use super::access::{Status, program_name};
use super::binary::{Binary, ReadAt, rodata_has};
use super::error::AttachError;
use super::image::{Opened, sources};
use super::maps::{MappedFile, Mapping, mappings};
use super::memory::{Memory, MemoryError};
use crate::layout::detect::{Identity, VersionSource, identify};
use crate::layout::spec::Version;

/// Most mapped files that are looked at.
const MAX_FILES: usize = 2048;

/// The interpreter of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Address of `_PyRuntime`; `None` before 3.7.
    pub runtime_addr: Option<u64>,
    /// Version.
    pub version: Version,
    /// Build flags.
    pub build: BuildFlags,
    /// The binary that holds it, as a path in the mount namespace of the process.
    pub binary: PathBuf,
    /// By what this build is known again; empty if its binary does not tell. See
    /// [`slowpath_profile::Process::interpreter`].
    pub identity: String,
    /// How the binary was read.
    pub opened: Opened,
    /// How the version was learnt.
    pub version_source: VersionSource,
    /// Whether a just-in-time compiler is compiled in, whether or not it is switched on.
    pub jit_compiled_in: bool,
    /// Whether `build.tail_call` is known: only unstripped binaries tell.
    pub tail_call_known: bool,
    /// Address of what `tracemalloc` keeps outside of `_PyRuntime` (before 3.12; 3.8: only unstripped
    /// binaries tell).
    pub tracemalloc: Option<u64>,
}

impl Interpreter {
    /// Whether it is read through [`super::legacy`]: stacks only.
    pub fn is_legacy(&self) -> bool {
        self.version.major == 2 || self.version.minor < 8
    }
}

/// A file that a process maps.
pub(super) struct Candidate<'a> {
    /// The file.
    pub(super) file: &'a MappedFile,
    /// Its mappings, the one at the lowest address first.
    pub(super) mappings: Vec<&'a Mapping>,
    /// Whether it is the program itself.
    pub(super) program: bool,
}

/// Finds the interpreter of process `pid`, whose memory is `memory`.
pub fn find_interpreter(pid: u32, memory: &dyn Memory) -> Result<Interpreter, AttachError> {
    find(pid, memory, &[Opened::Program, Opened::Mapped, Opened::Path, Opened::Memory])
}

/// Finds the bundled runtime: the address of what it publishes, and by what this build is known again.
/// It is always the program itself.
pub fn find_bundled(pid: u32, memory: &dyn Memory) -> Option<(u64, String)> {
    let maps = mappings(pid).ok()?;
    let candidates = candidates(pid, &maps);
    let candidate = candidates.first().filter(|candidate| candidate.program)?;
    let ways = [Opened::Program, Opened::Mapped, Opened::Path];
    let (binary, file) =
        sources(pid, memory, candidate, &ways).find_map(|(file, _)| Some((Binary::parse(&*file)?, file)))?;
    let first = candidate.mappings[0];
    let bias = binary.bias(first.start, first.offset)?;
    let identity = super::build_id::identity(&*file).unwrap_or_default();
    Some((binary.bundled_section?.wrapping_add(bias), identity))
}

/// Finds it without opening any of its files, as where they are deleted and the caller is not root.
pub fn find_interpreter_in_memory(pid: u32, memory: &dyn Memory) -> Result<Interpreter, AttachError> {
    find(pid, memory, &[Opened::Memory])
}

/// Finds it in memory of which `maps` is the map, and of which no process is left.
pub(super) fn find_in_maps(memory: &dyn Memory, maps: &[Mapping]) -> Option<Interpreter> {
    // No process has the id 0.
    let examined = candidates(0, maps);
    let mut found =
        examined.iter().find_map(|candidate| match examine(0, memory, candidate, &[Opened::Memory]) {
            Ok(Examined::Found(found)) => Some(found),
            _ => None,
        })?;
    // The program is what is mapped lowest.
    let lowest = maps.iter().min_by_key(|mapping| mapping.start);
    let program = lowest.and_then(|mapping| Some(&mapping.file.as_ref()?.path));
    found.build.static_link = program == Some(&found.binary);
    Some(found)
}

fn find(pid: u32, memory: &dyn Memory, ways: &[Opened]) -> Result<Interpreter, AttachError> {
    let maps = mappings(pid).map_err(|error| no_map(pid, &error))?;
    let mut uninitialised = false;
    for candidate in candidates(pid, &maps) {
        match examine(pid, memory, &candidate, ways) {
            Ok(Examined::Found(found)) => return supported(pid, found),
            Ok(Examined::NotInitialised) => uninitialised = true,
            Ok(Examined::NotPython) => {}
            Err(error) => return Err(AttachError::from_memory(pid, error)),
        }
    }
    Err(if uninitialised { AttachError::NotInitialised { pid } } else { nothing_found(pid, &maps) })
}

fn supported(pid: u32, found: Interpreter) -> Result<Interpreter, AttachError> {
    match (found.version.major, found.version.minor) {
        (3, 3..=15) | (2, 7) => Ok(found),
        _ => Err(AttachError::Unsupported { pid, version: found.version.to_string() }),
    }
}

enum Examined {
    Found(Interpreter),
    NotInitialised,
    NotPython,
}

/// Looks at one file, in the first way in which it can be read as ELF.
fn examine(
    pid: u32,
    memory: &dyn Memory,
    candidate: &Candidate<'_>,
    ways: &[Opened],
) -> Result<Examined, MemoryError> {
    let parsed = sources(pid, memory, candidate, ways)
        .find_map(|(file, opened)| Some((Binary::parse(&*file)?, file, opened)));
    let Some((binary, file, opened)) = parsed else { return Ok(Examined::NotPython) };
    let first = candidate.mappings[0];
    let (true, Some(bias)) = (binary.looks_like_python(), binary.bias(first.start, first.offset)) else {
        return Ok(Examined::NotPython);
    };
    match identify(memory, &binary, bias) {
        Ok(Some(identity)) => {
            let mut found = interpreter(identity, candidate, opened, &binary);
            found.tracemalloc = binary.symbols.tracemalloc.map(|vaddr| vaddr.wrapping_add(bias));
            found.identity = super::build_id::identity(&*file).unwrap_or_default();
            complete(&mut found, pid, memory, identity.jit_flag, &*file, &binary);
            Ok(Examined::Found(found))
        }
        Ok(None) => Ok(Examined::NotInitialised),
        // A binary that lies about its addresses; another may be right.
        Err(MemoryError::Unmapped(_)) => Ok(Examined::NotPython),
        Err(error) => Err(error),
    }
}

fn interpreter(
    identity: Identity,
    candidate: &Candidate<'_>,
    opened: Opened,
    binary: &Binary,
) -> Interpreter {
    Interpreter {
        runtime_addr: identity.runtime_addr,
        version: identity.version,
        build: BuildFlags { static_link: candidate.program, ..identity.build },
        binary: candidate.file.path.clone(),
        identity: String::new(),
        opened,
        version_source: identity.source,
        jit_compiled_in: binary.symbols.jit,
        tail_call_known: binary.has_symtab || identity.version.minor < 14,
        tracemalloc: None,
    }
}

/// Build flags that symbols do not tell: whether the JIT is on, and all of them without symbols.
fn complete<R: ReadAt + ?Sized>(
    found: &mut Interpreter,
    pid: u32,
    memory: &dyn Memory,
    jit_flag: Option<u64>,
    file: &R,
    binary: &Binary,
) {
    if binary.symbols.py_get_version.is_none() {
        let minor = found.version.minor;
        let debug = [format!(".cpython-3{minor}d-"), format!(".cpython-3{minor}td-")];
        found.build.debug |= debug.iter().any(|tag| rodata_has(file, binary, tag.as_bytes()));
        found.jit_compiled_in |= minor >= 13 && rodata_has(file, binary, b"PYTHON_JIT\0");
    }
    if found.jit_compiled_in {
        let mut flag = [0];
        let read = jit_flag.and_then(|addr| memory.read(addr, &mut flag).ok());
        found.build.jit = match (read, flag) {
            (Some(()), [flag @ 0..=1]) => flag == 1,
            // Off unless asked for, as distributors build it.
            _ => environment(pid, b"PYTHON_JIT").is_some_and(|value| !matches!(&value[..], b"" | b"0")),
        };
    }
}

/// The value of a variable in the environment with which the program was started.
fn environment(pid: u32, name: &[u8]) -> Option<Vec<u8>> {
    let variables = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut values = variables.split(|&byte| byte == 0);
    values.find_map(|variable| Some(variable.strip_prefix(name)?.strip_prefix(b"=")?.to_vec()))
}

/// Every mapped file once: the program, then what is named after Python, then the rest.
fn candidates<'a>(pid: u32, maps: &'a [Mapping]) -> Vec<Candidate<'a>> {
    let exe = format!("/proc/{pid}/exe");
    let (inode, path) = (fs::metadata(&exe).ok().map(|meta| meta.ino()), fs::read_link(&exe).ok());
    // The inode tells, except on file systems whose maps show another one than stat.
    let is_program = |file: &MappedFile| Some(file.inode) == inode || path.as_ref() == Some(&file.path);
    let mut places = rustc_hash::FxHashMap::default();
    let mut found: Vec<Candidate<'a>> = Vec::new();
    for mapping in maps {
        let Some(file) = mapping.file.as_ref().filter(|file| !file.path.starts_with("/dev")) else {
            continue;
        };
        let place = *places.entry((file.device, file.inode)).or_insert(found.len());
        if let Some(candidate) = found.get_mut(place) {
            candidate.mappings.push(mapping);
        } else if found.len() < MAX_FILES {
            found.push(Candidate { file, mappings: vec![mapping], program: is_program(file) });
        } else {
            break;
        }
    }
    found.sort_by_key(|candidate| match candidate.program {
        true => 0,
        false if named_python(&candidate.file.path) => 1,
        false => 2,
    });
    found
}

fn named_python(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains("python"))
}

/// What an unreadable map means.
fn no_map(pid: u32, error: &std::io::Error) -> AttachError {
    match dead_end(pid) {
        Some(dead_end) => dead_end,
        None => AttachError::from_io(pid, error),
    }
}

/// What it means that no interpreter was found.
fn nothing_found(pid: u32, maps: &[Mapping]) -> AttachError {
    match dead_end(pid) {
        Some(dead_end) => dead_end,
        None if maps.is_empty() => AttachError::Gone { pid },
        None => AttachError::NotPython { pid, program: program_name(pid) },
    }
}

/// Processes that have no memory to look at.
fn dead_end(pid: u32) -> Option<AttachError> {
    let Some(status) = Status::read(&pid.to_string()) else {
        return Some(AttachError::NoSuchProcess { pid });
    };
    let program = program_name(pid);
    if status.is_dead() {
        return Some(AttachError::Zombie { pid, program });
    }
    status.is_kernel_thread().then_some(AttachError::KernelThread { pid, program })
}
