//! Which interpreter is in a process: version and build, told from its binary and its memory.
//!
//! Pure over [`Memory`]: who maps what where is found in [`crate::process::find`].

use slowpath_profile::BuildFlags;

use super::spec::Version;
use crate::process::binary::Binary;
use crate::process::memory::{Bytes, Memory, MemoryError};

/// First bytes of `_Py_DebugOffsets` (3.13+).
const COOKIE: &[u8; 8] = b"xdebugpy";

/// Bytes of writable memory of one binary that are searched for the version (CPython has 1 MB).
const MAX_SEARCH: u64 = 32 << 20;
/// Bytes that are read at a time in a search, and how far two such pieces overlap.
const PIECE: usize = 256 << 10;
const OVERLAP: usize = 128;

/// What was told of an interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Address of `_PyRuntime` in the process; `None` before 3.7, which has none.
    pub runtime_addr: Option<u64>,
    /// Version.
    pub version: Version,
    /// Build flags. `static_link` is for the caller to set.
    pub build: BuildFlags,
    /// How the version was learnt.
    pub source: VersionSource,
    /// Address of `PyInterpreterState.jit` of the main interpreter, a `bool`, where it is known.
    pub jit_flag: Option<u64>,
}

/// How a version was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionSource {
    /// `_Py_DebugOffsets.version`.
    Published,
    /// The constant `Py_Version`.
    Symbol,
    /// The text of `Py_GetVersion()`, kept in a static buffer once `sys` is initialised.
    Text,
}

impl Version {
    /// From `PY_VERSION_HEX`, if it is one that can be.
    pub fn from_hex(hex: u64) -> Option<Self> {
        let [level_serial, micro, minor, major] = u32::try_from(hex).ok()?.to_le_bytes();
        let plausible = matches!(major, 2 | 3) && matches!(level_serial >> 4, 0xa | 0xb | 0xc | 0xf);
        plausible.then_some(Self { major, minor, micro, level_serial })
    }
}

impl std::fmt::Display for Version {
    /// As `platform.python_version()`: `3.14.2`, `3.15.0b1`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)?;
        let serial = self.level_serial & 0xf;
        match self.level_serial >> 4 {
            0xa => write!(f, "a{serial}"),
            0xb => write!(f, "b{serial}"),
            0xc => write!(f, "rc{serial}"),
            _ => Ok(()),
        }
    }
}

/// Identifies the interpreter in `binary`, loaded with `bias`.
///
/// `Ok(None)`: the version is not to be seen (yet): not Python after all, or not initialised.
pub fn identify(memory: &dyn Memory, binary: &Binary, bias: u64) -> Result<Option<Identity>, MemoryError> {
    let runtime_addr = binary.runtime().map(|vaddr| vaddr.wrapping_add(bias));
    let symbols = &binary.symbols;
    let build =
        BuildFlags { debug: symbols.ref_debug, tail_call: symbols.tail_call, ..BuildFlags::default() };
    let told = |version, source| Some(Identity { runtime_addr, version, build, source, jit_flag: None });
    if let Some(addr) = runtime_addr {
        let mut head = [0; HEAD];
        memory.read(addr, &mut head)?;
        if let Some(published) = Published::parse(&head) {
            return published.identity(memory, addr, build);
        }
    }
    if let Some(vaddr) = symbols.py_version
        && let Some(version) = Version::from_hex(memory.read_u64(vaddr.wrapping_add(bias))?)
    {
        return Ok(told(version, VersionSource::Symbol));
    }
    Ok(search_version(memory, binary, bias)?.and_then(|version| told(version, VersionSource::Text)))
}

/// What is needed here of the head of `_Py_DebugOffsets`, whose first seven fields have been the same
/// since 3.13.0.
struct Published {
    version: Version,
    free_threaded: bool,
    interpreters_head: u64,
    interpreter_size: u64,
}

/// Bytes up to and with `interpreter_state.size`.
const HEAD: usize = 56;

/// `offsetof(PyInterpreterState, jit)` by minor version and `sizeof(PyInterpreterState)`. The size is
/// published; where it is another one, the offset may be too, and is not used.
const JIT_FLAGS: &[(u8, u64, u64)] =
    &[(14, 225_864, 223_184), (14, 225_880, 223_200), (15, 226_240, 223_408), (15, 226_256, 223_424)];

impl Published {
    fn parse(head: &[u8]) -> Option<Self> {
        let fields = head.strip_prefix(COOKIE)?;
        Some(Self {
            version: Version::from_hex(fields.u64_at(0)?)?,
            free_threaded: fields.u64_at(8)? != 0,
            interpreters_head: fields.u64_at(32)?,
            interpreter_size: fields.u64_at(40)?,
        })
    }

    /// `None` as long as the runtime has no interpreter.
    fn identity(
        &self,
        memory: &dyn Memory,
        addr: u64,
        build: BuildFlags,
    ) -> Result<Option<Identity>, MemoryError> {
        let interpreter = memory.read_u64(addr.wrapping_add(self.interpreters_head))?;
        if interpreter == 0 {
            return Ok(None);
        }
        let known = |&&(minor, size, _): &&(u8, u64, u64)| {
            minor == self.version.minor && size == self.interpreter_size && !self.free_threaded
        };
        let jit_flag = JIT_FLAGS.iter().find(known).map(|(_, _, offset)| interpreter.wrapping_add(*offset));
        Ok(Some(Identity {
            runtime_addr: Some(addr),
            version: self.version,
            build: BuildFlags { free_threaded: self.free_threaded, ..build },
            source: VersionSource::Published,
            jit_flag,
        }))
    }
}

/// Searches the writable memory of the binary for what `Py_GetVersion()` left there.
fn search_version(memory: &dyn Memory, binary: &Binary, bias: u64) -> Result<Option<Version>, MemoryError> {
    let mut buf = vec![0; PIECE];
    for segment in binary.segments.iter().filter(|segment| segment.writable) {
        let start = segment.vaddr.wrapping_add(bias);
        let size = segment.mem_size.min(MAX_SEARCH);
        let mut offset = 0;
        while offset < size {
            let len = usize::try_from(size - offset).unwrap_or(PIECE).min(PIECE);
            let piece = &mut buf[..len];
            match memory.read(start.wrapping_add(offset), piece) {
                Ok(()) => {
                    if let Some(version) = version_in(piece) {
                        return Ok(Some(version));
                    }
                }
                // Part of a segment may be protected (RELRO guards, unmapped tails).
                Err(MemoryError::Unmapped(_)) => {}
                Err(error) => return Err(error),
            }
            offset += (PIECE - OVERLAP) as u64;
        }
    }
    Ok(None)
}

/// Finds `3.8.18 (default, …` or `3.10.0rc2 (main, …`: the text of `Py_GetVersion()`.
fn version_in(bytes: &[u8]) -> Option<Version> {
    let starts = (0..bytes.len()).filter(|&at| at == 0 || bytes[at - 1] == 0);
    starts
        .filter(|&at| matches!(bytes.get(at..at + 2), Some(b"2." | b"3.")))
        .find_map(|at| parse_text(&bytes[at..bytes.len().min(at + OVERLAP)]))
}

/// Parses a version text that a build description in parentheses follows.
fn parse_text(text: &[u8]) -> Option<Version> {
    let end = text.iter().position(|&byte| byte == b' ')?;
    let (number, rest) = (std::str::from_utf8(&text[..end]).ok()?, &text[end..]);
    if !rest.starts_with(b" (") {
        return None;
    }
    let number = number.trim_end_matches('+');
    let mut parts = number.splitn(3, '.');
    let (major, minor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let last = parts.next()?;
    let digits = last.find(|c: char| !c.is_ascii_digit()).unwrap_or(last.len());
    let (micro, suffix) = last.split_at(digits);
    let level_serial = match suffix.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse::<u8>() {
        Ok(serial) if suffix.starts_with('a') => 0xa0 | serial & 0xf,
        Ok(serial) if suffix.starts_with('b') => 0xb0 | serial & 0xf,
        Ok(serial) if suffix.starts_with("rc") => 0xc0 | serial & 0xf,
        _ if suffix.is_empty() => 0xf0,
        _ => return None,
    };
    Some(Version { major, minor, micro: micro.parse().ok()?, level_serial })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_text() {
        let told = |text: &str| version_in(text.as_bytes()).map(|version| version.to_string());
        assert_eq!(told("x\x003.8.18 (default, May  9 2026)").as_deref(), Some("3.8.18"));
        assert_eq!(told("2.7.18 (default, Apr)").as_deref(), Some("2.7.18"));
        assert_eq!(told("\x003.10.0rc2+ (heads/x)").as_deref(), Some("3.10.0rc2"));
        for wrong in ["3.8.18", "3.8 (x)", "33.8.18 (x)", "3.8.18x (y)", "3.999.1 (x)", "3.8.\u{661} (x)"] {
            assert_eq!(told(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn versions_are_told_from_hex() {
        assert_eq!(Version::from_hex(0x030e_02f0).unwrap().to_string(), "3.14.2");
        assert_eq!(Version::from_hex(0x030f_00b1).unwrap().to_string(), "3.15.0b1");
        for wrong in [0, 0x0400_00f0, 0x030e_0210, u64::MAX] {
            assert_eq!(Version::from_hex(wrong), None, "{wrong:#x}");
        }
    }
}
