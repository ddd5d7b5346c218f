//! What `check` reads and writes in the repository: ignore comments and the baseline.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use slowpath_advisor::baseline::{Baseline, FILE_NAME};
use slowpath_advisor::ignore::{Ignore, scan};
use slowpath_advisor::output::Paths;

use crate::args::GateArgs;
use crate::failure::{Exit, Failure, reason};
use crate::sources;

/// Where the check takes place.
#[derive(Debug)]
pub(super) struct Repository {
    root: PathBuf,
    pub(super) paths: Paths,
    /// Where the baseline lies or will lie.
    pub(super) baseline: PathBuf,
}

impl Repository {
    /// The repository of the working directory, or that directory itself.
    pub(super) fn here(args: &GateArgs) -> Result<Self, Failure> {
        let here = env::current_dir().map_err(|error| {
            let why = reason(&error);
            Failure::usage("the working directory is not known", why, "change to a directory that exists")
        })?;
        let root = sources::repository_of(&here).to_owned();
        let paths = Paths::new(&here.to_string_lossy(), &root.to_string_lossy());
        let baseline = args.baseline.clone().unwrap_or_else(|| root.join(FILE_NAME));
        Ok(Self { root, paths, baseline })
    }

    /// The baseline. One that was named must be there, unless it is about to be written.
    pub(super) fn load(&self, args: &GateArgs) -> Result<Baseline, Failure> {
        let path = &self.baseline;
        let may_be_missing = args.baseline.is_none() || args.update_baseline;
        let cannot = |exit, why: String, fix: &str| {
            Failure::new(exit, format!("cannot read the baseline {}", path.display()), why, fix)
        };
        match fs::read_to_string(path) {
            Ok(text) => Baseline::parse(&text).map_err(|error| {
                let fix = "take it from version control again, or remove it and accept what is found";
                cannot(Exit::Usage, error.to_string(), fix)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && may_be_missing => {
                Ok(Baseline::default())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let fix = "check the path, or begin one with: --update-baseline --accept";
                Err(cannot(Exit::Usage, reason(&error), fix))
            }
            Err(error) => Err(cannot(Exit::Permission, reason(&error), "check the path and its permissions")),
        }
    }

    /// Replaces the baseline in one step: whoever reads it meanwhile sees the old or the new one.
    pub(super) fn save(&self, baseline: &Baseline) -> Result<(), Failure> {
        let path = &self.baseline;
        let beside = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let write = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(".slowpath-baseline").tempfile_in(beside)?;
            file.write_all(baseline.to_text().as_bytes())?;
            // A temporary file is for its owner alone; a file in a repository is not.
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            file.as_file().set_permissions(mode)?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(|error| Failure::output(path, &error))
    }

    /// Whether a file that the baseline names, relative to the repository, is still there.
    pub(super) fn has(&self, file: &str) -> bool {
        self.root.join(file).exists()
    }

    /// Ignore comments of the sources that ran and lie in the repository.
    pub(super) fn ignores(&self, files: &BTreeSet<String>) -> Vec<Ignore> {
        let inside: BTreeSet<String> = files
            .iter()
            .filter(|file| self.paths.is_inside(file))
            .map(|file| self.paths.absolute(file))
            .collect();
        let scanned = inside.iter().map(|file| {
            // A file that cannot be read has no comments that anybody could rely on.
            let bytes = sources::read(Path::new(file)).unwrap_or_default();
            scan(file, &String::from_utf8_lossy(&bytes))
        });
        scanned.flatten().collect()
    }
}
