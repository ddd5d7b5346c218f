//! Source texts of the program: for findings that name a statement, and for views that show lines.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use slowpath_advisor::source::{MAX_TEXT_BYTES, source_text};
use slowpath_profile::Source;
use slowpath_profile::file::FileError;
use slowpath_profile::finding::Findings;
use slowpath_profile::source_text::SourceText;
use slowpath_sampler::process::source_file::{SourceReader, is_source_name};

/// Where texts are taken from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Sources {
    /// Files of this machine, for a recording whose process is not at hand.
    #[default]
    Here,
    /// Files that a process could open itself.
    Process(Arc<SourceReader>),
    /// No texts.
    Nowhere,
}

impl Sources {
    /// The files of a process, as long as it is there to be asked.
    pub(crate) fn of_process(pid: u32) -> Self {
        SourceReader::open(pid).map_or(Self::Nowhere, |reader| Self::Process(Arc::new(reader)))
    }

    /// The same, or none where they are not wanted.
    pub(crate) fn if_wanted(&self, is_wanted: bool) -> Self {
        if is_wanted { self.clone() } else { Self::Nowhere }
    }

    /// The bytes of a file that ran.
    fn text(&self, file: &str) -> Option<Vec<u8>> {
        match self {
            Self::Here => read_source(&find(file)?),
            Self::Process(reader) => reader.read(file, MAX_TEXT_BYTES),
            Self::Nowhere => None,
        }
    }

    /// Its lines.
    pub(crate) fn lines(&self, file: &str) -> Option<Vec<String>> {
        Some(SourceText::of_lines(&String::from_utf8_lossy(&self.text(file)?)).lines)
    }

    /// Its lines and words, for which it is parsed.
    pub(crate) fn source_text(&self, file: &str) -> Option<SourceText> {
        Some(source_text(&String::from_utf8_lossy(&self.text(file)?)))
    }
}

/// Judges a profile, with the words of the sources where they can be read, and with the costs of the
/// interpreters where they were measured.
pub(crate) fn advise(source: &mut dyn Source, sources: &Sources) -> Result<Findings, FileError> {
    let calibrations = crate::calibration::of(source);
    slowpath_advisor::advise_with(source, &|file| sources.text(file), &calibrations)
}

/// The bytes of a file that a recording names. The name is foreign: neither it nor what its links lead to may
/// be anything but Python source.
fn read_source(path: &Path) -> Option<Vec<u8>> {
    let resolved = path.canonicalize().ok()?;
    (is_source_name(path) && is_source_name(&resolved)).then(|| read(&resolved)).flatten()
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
    fn a_recording_leads_to_source_only() {
        let here = env::current_dir().expect("tests run somewhere");
        let directory = tempfile::tempdir().expect("there is room");
        let plain = directory.path().join("plain.py");
        fs::write(&plain, "x = 1\n").expect("it is writable");
        let link = |name: &str, to: &Path| {
            let path = directory.path().join(name);
            std::os::unix::fs::symlink(to, &path).expect("it is writable");
            path.display().to_string()
        };
        let lines = |file: &str| Sources::Here.lines(file);
        assert_eq!(lines(&plain.display().to_string()), Some(vec!["x = 1".to_owned()]));
        assert!(lines(&link("link.py", &plain)).is_some());
        for none in [
            "/etc/passwd".to_owned(),
            link("passwd.py", Path::new("/etc/passwd")),
            link("zero.py", Path::new("/dev/zero")),
            here.join("Cargo.toml").display().to_string(),
        ] {
            assert_eq!(lines(&none), None, "{none}");
        }
        assert_eq!(Sources::Nowhere.lines(&plain.display().to_string()), None);
    }

    #[test]
    fn only_small_files_are_read() {
        assert!(read(Path::new("Cargo.toml")).is_some());
        for none in ["/dev/zero", "/", "/nowhere"] {
            assert_eq!(read(Path::new(none)), None, "{none}");
        }
    }
}
