//! The memory map of a process: `/proc/PID/maps`.
//!
//! Parsed here as bytes: paths are chosen by the target and need not be UTF-8.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::memory::Range;

/// More map than this is not read (a process may have 65,530 mappings by default; a line with a
/// usual path has 100 bytes).
const MAX_MAP_BYTES: u64 = 64 << 20;

/// One mapping of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Whether its bytes may be read.
    pub read: bool,
    /// Whether its bytes may be written.
    pub write: bool,
    /// Whether its bytes may be executed.
    pub exec: bool,
    /// Offset of its first byte in the file.
    pub offset: u64,
    /// The file behind it; `None` for anonymous memory.
    pub file: Option<MappedFile>,
}

/// The file behind a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFile {
    /// Device number as the map prints it, `major:minor` packed as `major << 32 | minor`. Differs
    /// from what `stat` says on some file systems (overlayfs, btrfs).
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Path in the mount namespace of the process.
    pub path: PathBuf,
    /// Whether the file has been removed (or replaced) since.
    pub deleted: bool,
}

impl Mapping {
    /// The addresses of the mapping.
    pub fn range(&self) -> Range {
        Range::new(self.start, usize::try_from(self.end.saturating_sub(self.start)).unwrap_or(usize::MAX))
    }
}

/// The mappings of process `pid`, in the order of their addresses.
pub fn mappings(pid: u32) -> io::Result<Vec<Mapping>> {
    let mut text = Vec::new();
    File::open(format!("/proc/{pid}/maps"))?.take(MAX_MAP_BYTES).read_to_end(&mut text)?;
    Ok(text.split(|&byte| byte == b'\n').filter_map(parse_line).collect())
}

/// `start-end perms offset major:minor inode   path`; anything else is skipped.
fn parse_line(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let mut field = || std::str::from_utf8(fields.next()?).ok();
    let (start, end) = field()?.split_once('-')?;
    let flags = field()?.as_bytes();
    let offset = hex(field()?)?;
    let (major, minor) = field()?.split_once(':')?;
    let inode = field()?.parse().ok()?;
    let path = fields.next().unwrap_or_default().trim_ascii_start();
    let device = hex(major)? << 32 | hex(minor)?;
    Some(Mapping {
        start: hex(start)?,
        end: hex(end)?,
        read: flags.first() == Some(&b'r'),
        write: flags.get(1) == Some(&b'w'),
        exec: flags.get(2) == Some(&b'x'),
        offset,
        file: path.starts_with(b"/").then(|| mapped_file(device, inode, path)),
    })
}

fn mapped_file(device: u64, inode: u64, path: &[u8]) -> MappedFile {
    let (path, deleted) = match path.strip_suffix(b" (deleted)") {
        Some(path) => (path, true),
        None => (path, false),
    };
    MappedFile { device, inode, path: unescape(path), deleted }
}

/// The kernel writes a newline in a path as `\012`, and nothing else so.
fn unescape(path: &[u8]) -> PathBuf {
    const NEWLINE: &[u8] = b"\\012";
    if !path.windows(NEWLINE.len()).any(|window| window == NEWLINE) {
        return Path::new(OsStr::from_bytes(path)).to_path_buf();
    }
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        match rest.strip_prefix(NEWLINE) {
            Some(tail) => {
                plain.push(b'\n');
                rest = tail;
            }
            None => {
                plain.push(byte);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsStr::from_bytes(&plain))
}

fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_any_path() {
        let line = b"00400000-00452000 r-xp 00001000 08:02 173521      /usr/bin/d\xffb us \\012x (deleted)";
        let mapping = parse_line(line).unwrap();
        assert_eq!((mapping.start, mapping.end, mapping.offset), (0x400000, 0x452000, 0x1000));
        assert!(mapping.read && !mapping.write && mapping.exec);
        let file = mapping.file.unwrap();
        assert_eq!((file.device, file.inode, file.deleted), (8 << 32 | 2, 173521, true));
        assert_eq!(file.path.as_os_str().as_bytes(), b"/usr/bin/d\xffb us \nx");
    }

    #[test]
    fn anonymous_memory_has_no_file() {
        for tail in ["", "                          [heap]", " [stack]"] {
            let line = format!("7f00-7f10 rw-p 00000000 00:00 0{tail}");
            assert_eq!(parse_line(line.as_bytes()).unwrap().file, None, "{line}");
        }
    }

    #[test]
    fn nonsense_is_skipped() {
        for line in ["", "x", "1-2", "1-2 r--p", "g-h rwxp 0 0:0 0", "1-2 rwxp 0 0 0"] {
            assert_eq!(parse_line(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn our_own_map_has_our_binary() {
        let exe = std::env::current_exe().unwrap();
        let ours = mappings(std::process::id()).unwrap();
        assert!(ours.iter().any(|m| m.exec && m.file.as_ref().is_some_and(|file| file.path == exe)));
    }
}
