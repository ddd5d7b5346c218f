//! Copies a project into a scratch directory.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::failure::reason;

/// Limits of a copy: a home directory or a disk is no project.
const MOST_FILES: u64 = 200_000;
const MOST_BYTES: u64 = 4 << 30;
/// Deeper than this, something is wrong.
const DEEPEST: u32 = 100;
/// What no program needs to run: history, and what can be made again.
const LEFT_OUT: [&str; 5] = [".git", ".hg", ".svn", ".slowpath", "node_modules"];
/// Says that a directory holds a cache (bford.info/cachedir).
const CACHE_MARK: &str = "CACHEDIR.TAG";

/// Why a tree was not copied.
#[derive(Debug)]
pub(super) enum CopyError {
    /// It is larger than a project is.
    TooLarge,
    /// The system refused.
    Io(io::Error),
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => {
                let most = MOST_BYTES >> 30;
                write!(f, "it has more than {MOST_FILES} files or {most} GiB")
            }
            Self::Io(error) => f.write_str(&reason(error)),
        }
    }
}

/// What was copied so far.
#[derive(Default)]
struct Copied {
    files: u64,
    bytes: u64,
}

/// Copies files, directories and links. Times are kept, so that compiled modules stay valid.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<(), CopyError> {
    copy_directory(from, to, &mut Copied::default(), DEEPEST)
}

fn copy_directory(from: &Path, to: &Path, copied: &mut Copied, depth: u32) -> Result<(), CopyError> {
    let Some(depth) = depth.checked_sub(1) else { return Err(CopyError::TooLarge) };
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if LEFT_OUT.iter().any(|it| name == *it) {
            continue;
        }
        let (source, target) = (entry.path(), to.join(&name));
        copied.files += 1;
        if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_dir() {
            // A compiled module lies in a cache, too, but not in one that is marked.
            if !source.join(CACHE_MARK).exists() {
                copy_directory(&source, &target, copied, depth)?;
            }
        } else if kind.is_file() {
            copied.bytes += copy_file(&source, &target)?;
        }
        // Sockets, pipes and devices are of running programs.
        if copied.files > MOST_FILES || copied.bytes > MOST_BYTES {
            return Err(CopyError::TooLarge);
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<u64> {
    let bytes = fs::copy(from, to)?;
    let modified = fs::metadata(from)?.modified()?;
    // A file that may not be written is opened for reading: its owner may set its times all the same.
    File::open(to)?.set_modified(modified)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_copy_is_what_a_program_needs() {
        let scratch = tempfile::tempdir().unwrap();
        let (from, to) = (scratch.path().join("a"), scratch.path().join("b"));
        for dir in ["src/__pycache__", ".git", "build", ".slowpath"] {
            fs::create_dir_all(from.join(dir)).unwrap();
        }
        fs::write(from.join("src/app.py"), "print(1)").unwrap();
        fs::write(from.join("src/__pycache__/app.pyc"), "x").unwrap();
        fs::write(from.join("build/CACHEDIR.TAG"), "").unwrap();
        fs::write(from.join(".git/HEAD"), "").unwrap();
        symlink("app.py", from.join("src/link.py")).unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        File::open(from.join("src/app.py")).unwrap().set_modified(old).unwrap();
        fs::set_permissions(from.join("src/app.py"), fs::Permissions::from_mode(0o500)).unwrap();
        copy_tree(&from, &to).unwrap();
        let meta = fs::metadata(to.join("src/app.py")).unwrap();
        assert_eq!((meta.modified().unwrap(), meta.permissions().mode() & 0o777), (old, 0o500));
        assert_eq!(fs::read_link(to.join("src/link.py")).unwrap(), Path::new("app.py"));
        assert!(to.join("src/__pycache__/app.pyc").exists());
        for gone in [".git", "build", ".slowpath"] {
            assert!(!to.join(gone).exists(), "{gone}");
        }
    }
}
