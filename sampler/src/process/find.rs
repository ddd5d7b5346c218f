//! Finds the interpreter in a running process.
//!
//! Candidates are the program itself and every library it maps, those first whose names tell; each
//! is opened as the very file that is mapped, whatever its name, mount namespace or fate.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use slowpath_profile::BuildFlags;

use super::binary::Binary;
use super::error::AttachError;
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
    /// How the binary was read.
    pub opened: Opened,
    /// How the version was learnt.
    pub version_source: VersionSource,
}

/// How the binary of an interpreter was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// `/proc/PID/exe`: the program itself, renamed or deleted or not.
    Program,
    /// `/proc/PID/map_files`: the mapped file itself.
    Mapped,
    /// By its path below `/proc/PID/root`.
    Path,
}

/// A file that a process maps, with its mapping at the lowest address.
struct Candidate<'a> {
    file: &'a MappedFile,
    first: &'a Mapping,
    program: bool,
}

/// Finds the interpreter of process `pid`, whose memory is `memory`.
pub fn find_interpreter(pid: u32, memory: &dyn Memory) -> Result<Interpreter, AttachError> {
    let maps = mappings(pid).map_err(|error| AttachError::from_map(pid, &error))?;
    let program = fs::metadata(format!("/proc/{pid}/exe")).ok().map(|meta| meta.ino());
    let mut uninitialised = None;
    for candidate in candidates(&maps, program) {
        let Some((file, opened)) = open(pid, &candidate) else { continue };
        let Some(binary) = Binary::parse(&file).filter(Binary::looks_like_python) else { continue };
        let Some(bias) = binary.bias(candidate.first.start, candidate.first.offset) else { continue };
        match identify(memory, &binary, bias) {
            Ok(Some(identity)) => return Ok(interpreter(identity, &candidate, opened)),
            Ok(None) => uninitialised = uninitialised.or(Some(candidate.file.path.clone())),
            Err(MemoryError::Unmapped(_)) => {}
            Err(error) => return Err(AttachError::from_memory(pid, error)),
        }
    }
    Err(match uninitialised {
        Some(binary) => AttachError::NotInitialised { pid, binary },
        None => AttachError::not_python(pid),
    })
}

fn interpreter(identity: Identity, candidate: &Candidate<'_>, opened: Opened) -> Interpreter {
    Interpreter {
        runtime_addr: identity.runtime_addr,
        version: identity.version,
        build: BuildFlags { static_link: candidate.program, ..identity.build },
        binary: candidate.file.path.clone(),
        opened,
        version_source: identity.source,
    }
}

/// Every mapped file once: the program, then what is named after Python, then the rest.
fn candidates(maps: &[Mapping], program: Option<u64>) -> Vec<Candidate<'_>> {
    let mut seen = rustc_hash::FxHashSet::default();
    let mut found: Vec<Candidate<'_>> = maps
        .iter()
        .filter_map(|first| Some((first, first.file.as_ref()?)))
        .filter(|(_, file)| !file.path.starts_with("/dev") && seen.insert((file.device, file.inode)))
        .take(MAX_FILES)
        .map(|(first, file)| Candidate { file, first, program: program == Some(file.inode) })
        .collect();
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

/// Opens the file of a candidate, sure that it is the file that is mapped.
fn open(pid: u32, candidate: &Candidate<'_>) -> Option<(File, Opened)> {
    let Candidate { file, first, program } = candidate;
    let same = |opened: &File| opened.metadata().is_ok_and(|meta| meta.ino() == file.inode);
    if *program && let Ok(opened) = open_regular(Path::new(&format!("/proc/{pid}/exe"))) {
        return Some((opened, Opened::Program));
    }
    let link = format!("/proc/{pid}/map_files/{:x}-{:x}", first.start, first.end);
    if let Ok(opened) = open_regular(Path::new(&link)) {
        return Some((opened, Opened::Mapped));
    }
    let below = file.path.strip_prefix("/").ok()?;
    let opened = open_regular(&Path::new(&format!("/proc/{pid}/root")).join(below)).ok()?;
    same(&opened).then_some((opened, Opened::Path))
}

/// Opens a regular file and nothing else: a path of the target may lead to a FIFO, on which opening
/// would wait for ever, or to a device, where opening alone has effects.
fn open_regular(path: &Path) -> io::Result<File> {
    let place = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path)?;
    if !place.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(format!("/proc/self/fd/{}", place.as_raw_fd()))
}
