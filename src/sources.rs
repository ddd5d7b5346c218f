//! Source texts of the program, for findings that name a statement.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use slowpath_advisor::source::MAX_TEXT_BYTES;
use slowpath_profile::Source;
use slowpath_profile::file::FileError;
use slowpath_profile::finding::Findings;

/// Judges a profile, with the words of the sources where they can be read, and with the costs of the
/// interpreters where they were measured.
pub(crate) fn advise(source: &mut dyn Source) -> Result<Findings, FileError> {
    let calibrations = crate::calibration::of(source);
    slowpath_advisor::advise_with(source, &|file| read(&find(file)?), &calibrations)
}

/// The lines of a file that ran, if it can be read here.
pub(crate) fn lines(file: &str) -> Option<Vec<String>> {
    let text = read(&find(file)?)?;
    Some(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
}

/// Where a file is that ran. If it ran elsewhere, it may be below the working directory or a parent of
/// it: the longest end of its path that is there is taken. Whether it is what ran is not decided here.
fn find(file: &str) -> Option<PathBuf> {
    let path = Path::new(file);
    if path.is_file() {
        return Some(path.to_owned());
    }
    let here = env::current_dir().ok()?;
    let root = repository_of(&here);
    let mut rest = path.components();
    while rest.next().is_some() {
        let end = rest.as_path();
        // A path that leads out of the repository is none of ours.
        let is_plain = end.components().all(|it| matches!(it, std::path::Component::Normal(_)));
        if end.components().count() < 2 || !is_plain {
            continue;
        }
        let found =
            [here.as_path(), root].into_iter().map(|below| below.join(end)).find(|path| path.is_file());
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The root of the repository in which a directory is, or that directory itself.
pub(crate) fn repository_of(here: &Path) -> &Path {
    here.ancestors().find(|parent| parent.join(".git").exists()).unwrap_or(here)
}

/// The bytes of a file, if it can be a source.
pub(crate) fn read(path: &Path) -> Option<Vec<u8>> {
    let is_small = fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() <= MAX_TEXT_BYTES as u64);
    is_small.then(|| fs::read(path).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_ran_elsewhere_is_found_by_the_end_of_its_path() {
        let here = env::current_dir().expect("tests run somewhere");
        let found = |file: &str| find(file).map(|path| path.strip_prefix(&here).unwrap_or(&path).to_owned());
        assert_eq!(found("/somewhere/else/src/sources.rs"), Some("src/sources.rs".into()));
        assert_eq!(found("src/sources.rs"), Some("src/sources.rs".into()));
        assert_eq!(found("/somewhere/else/Cargo.toml"), None, "one part of a path is too little");
        assert_eq!(found("/nowhere/../src/sources.rs"), Some("src/sources.rs".into()));
        assert_eq!(found("/nowhere/src/../sources.rs"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn only_small_files_are_read() {
        assert!(read(Path::new("Cargo.toml")).is_some());
        for none in ["/dev/zero", "/", "/nowhere"] {
            assert_eq!(read(Path::new(none)), None, "{none}");
        }
    }
}
