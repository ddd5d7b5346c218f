//! The ways to the bytes of a file that a process maps.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::binary::{Binary, ReadAt};
use super::find::Candidate;
use super::maps::Mapping;
use super::memory::Memory;

/// How the binary of an interpreter was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// `/proc/PID/exe`: the program itself, renamed or deleted or not.
    Program,
    /// `/proc/PID/map_files`: the mapped file itself. For root only.
    Mapped,
    /// By its path, below `/proc/PID/root` or below our own root.
    Path,
    /// From the memory of the process: no file could be opened.
    Memory,
}

/// The bytes of a candidate in each of `ways`; each is opened when asked for.
pub(super) fn sources<'a>(
    pid: u32,
    memory: &'a dyn Memory,
    candidate: &'a Candidate<'a>,
    ways: &'a [Opened],
) -> impl Iterator<Item = (Box<dyn ReadAt + 'a>, Opened)> {
    ways.iter().filter_map(move |&way| {
        let source: Box<dyn ReadAt> = match way {
            Opened::Program => Box::new(open_program(pid, candidate)?),
            Opened::Mapped => Box::new(open_mapped(pid, candidate)?),
            Opened::Path => Box::new(open_by_path(pid, candidate)?),
            Opened::Memory => Box::new(MappedImage { memory, mappings: &candidate.mappings }),
        };
        Some((source, way))
    })
}

fn open_program(pid: u32, candidate: &Candidate<'_>) -> Option<File> {
    if !candidate.program {
        return None;
    }
    open_regular(Path::new(&format!("/proc/{pid}/exe"))).ok()
}

fn open_mapped(pid: u32, candidate: &Candidate<'_>) -> Option<File> {
    let first = candidate.mappings.first()?;
    open_regular(Path::new(&format!("/proc/{pid}/map_files/{:x}-{:x}", first.start, first.end))).ok()
}

/// A map prints paths as seen from the reader where it can, else from the root of the process.
fn open_by_path(pid: u32, candidate: &Candidate<'_>) -> Option<File> {
    let path = &candidate.file.path;
    let below = Path::new(&format!("/proc/{pid}/root")).join(path.strip_prefix("/").ok()?);
    let same = |file: &File| file.metadata().is_ok_and(|meta| meta.ino() == candidate.file.inode);
    [below.as_path(), path].into_iter().find_map(|path| open_regular(path).ok().filter(same))
}

/// Opens a regular file and nothing else: a path of the target may lead to a FIFO, on which opening
/// would wait for ever, or to a device, where opening alone has effects.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let place = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path)?;
    if !place.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let link = format!("/proc/self/fd/{}", place.as_raw_fd());
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(link)
}

/// The parts of a file that a process has mapped, read from its memory. Section headers are rarely
/// among them, so symbols are found by way of the dynamic segment.
struct MappedImage<'a> {
    memory: &'a dyn Memory,
    mappings: &'a [&'a Mapping],
}

impl MappedImage<'_> {
    /// Where the byte at `offset` of the file is mapped, and how many bytes are mapped from there on.
    fn place_of(&self, offset: u64) -> Option<(u64, u64)> {
        // Where two mappings hold the same bytes, the later one belongs to the segment that begins there.
        self.mappings.iter().rev().find_map(|mapping| {
            let skip = offset.checked_sub(mapping.offset)?;
            let left = mapping.end.checked_sub(mapping.start)?.checked_sub(skip).filter(|&left| left > 0)?;
            Some((mapping.start + skip, left))
        })
    }
}

impl ReadAt for MappedImage<'_> {
    fn bytes_at(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        // The caller bounds `len`; what is mapped bounds it too, before anything is allocated.
        let mapped: u64 = self.mappings.iter().map(|mapping| mapping.end.saturating_sub(mapping.start)).sum();
        if len as u64 > mapped {
            return None;
        }
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            // A table may lie across two segments.
            let at = offset.checked_add(filled as u64)?;
            let (addr, mapped) = self.place_of(at)?;
            let part = usize::try_from(mapped).unwrap_or(usize::MAX).min(len - filled);
            self.memory.read(addr, &mut bytes[filled..filled + part]).ok()?;
            filled += part;
        }
        Some(bytes)
    }

    fn relocation(&self, binary: &Binary) -> Option<u64> {
        let first = self.mappings.first()?;
        binary.bias(first.start, first.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let folder = std::env::temp_dir().join(format!("slowpath-image-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let fifo = folder.join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        for path in [fifo.as_path(), Path::new("/dev/null"), Path::new("/"), Path::new("/nowhere")] {
            assert!(open_regular(path).is_err(), "{}", path.display());
        }
        assert!(open_regular(Path::new("/proc/self/exe")).is_ok());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
