//! The program before and after the change: where each is and how it is started.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::copy::copy_tree;
use crate::args::{ChangeArgs, VerifyArgs};
use crate::failure::{Exit, Failure, reason};

/// Lists of directories in which the interpreter finds programs and modules.
const PATH_LISTS: [&str; 2] = ["PATH", "PYTHONPATH"];

/// How one side is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Start {
    words: Vec<OsString>,
    directory: PathBuf,
    env: Vec<(OsString, OsString)>,
}

impl Start {
    /// A command that starts it.
    pub(super) fn command(&self) -> Command {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().map_or(OsStr::new(""), OsString::as_os_str));
        command.args(words).current_dir(&self.directory);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Both sides.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) before: Start,
    pub(super) after: Start,
    /// The root of the project: the repository of the working directory, or that directory.
    pub(super) project: PathBuf,
    /// The root of the changed project, if it is another one.
    changed: Option<PathBuf>,
    /// What the change is, for people.
    pub(super) change: String,
    /// Holds the copies as long as they are needed.
    _scratch: Option<TempDir>,
}

impl Sides {
    /// Prepares both.
    pub(super) fn prepare(args: &VerifyArgs) -> Result<Self, Failure> {
        let here = env::current_dir().map_err(|error| {
            let why = reason(&error);
            Failure::usage("the working directory is not known", why, "change to a directory that exists")
        })?;
        let project =
            here.ancestors().find(|parent| parent.join(".git").exists()).unwrap_or(&here).to_owned();
        let plain = Start { words: args.command.clone(), directory: here.clone(), env: Vec::new() };
        let ChangeArgs { with, patch, against } = &args.change;
        if let Some(directory) = with {
            let changed = fs::canonicalize(directory).map_err(|error| no_directory(directory, &error))?;
            let after = moved(&plain, &project, &changed)?;
            let change = format!("--with {}", directory.display());
            return Ok(Self {
                before: plain,
                after,
                project,
                changed: Some(changed),
                change,
                _scratch: None,
            });
        }
        if let Some(patch) = patch {
            return Self::patched(&plain, project, patch);
        }
        let text = against.as_deref().unwrap_or_default();
        let words = shlex::split(text).filter(|words| !words.is_empty()).ok_or_else(|| not_quoted(text))?;
        let after = Start { words: words.into_iter().map(OsString::from).collect(), ..plain.clone() };
        let change = format!("--against {text}");
        Ok(Self { before: plain, after, project, changed: None, change, _scratch: None })
    }

    /// Two copies of the project, one of them patched: the project itself is not touched, and what a
    /// copy costs by itself falls on both sides.
    fn patched(plain: &Start, project: PathBuf, patch: &Path) -> Result<Self, Failure> {
        let file = fs::canonicalize(patch).map_err(|error| cannot_read(patch, &error))?;
        let scratch = tempfile::Builder::new().prefix("slowpath-verify-").tempdir();
        let scratch = scratch.map_err(|error| no_room(&project, &error.into()))?;
        // Names of one length: the length of a path is a difference, too.
        let [before, after] = ["before", "change"].map(|name| scratch.path().join(name));
        for copy in [&before, &after] {
            copy_tree(&project, copy).map_err(|error| no_room(&project, &error))?;
        }
        apply(&file, patch, &after)?;
        Ok(Self {
            before: moved(plain, &project, &before)?,
            after: moved(plain, &project, &after)?,
            change: format!("--patch {}", patch.display()),
            changed: Some(after),
            project,
            _scratch: Some(scratch),
        })
    }

    /// Whether the changed program is in another place.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.changed.is_some()
    }

    /// A file of the project itself among those that the changed program ran: then what was measured is
    /// not the change.
    pub(super) fn unchanged_file<'a>(&self, files: &'a BTreeSet<String>) -> Option<&'a String> {
        let changed = self.changed.as_ref()?;
        files.iter().find(|file| {
            let inside = Path::new(file).strip_prefix(&self.project).ok();
            inside.is_some_and(|inside| {
                let (old, new) = (fs::read(self.project.join(inside)), fs::read(changed.join(inside)));
                old.ok() != new.ok()
            })
        })
    }
}

/// The same command in another copy of the project: the working directory, and what names the project
/// in arguments and in the lists of directories, is there.
fn moved(start: &Start, from: &Path, to: &Path) -> Result<Start, Failure> {
    let inside = start.directory.strip_prefix(from).unwrap_or(Path::new(""));
    let directory = to.join(inside);
    if !directory.is_dir() {
        return Err(Failure::usage(
            format!("{} is no copy of the project", to.display()),
            format!(
                "there is no directory {} in it",
                if inside.as_os_str().is_empty() { to } else { inside }.display()
            ),
            "give a copy of the whole repository, with the fix made in it",
        ));
    }
    let words = start.words.iter().map(|word| moved_path(word, from, to)).collect();
    let env = PATH_LISTS.iter().filter_map(|name| {
        let list = env::var_os(name)?;
        // What the copy lacks is still found where it was.
        let paths = env::split_paths(&list).map(|path| {
            let moved = PathBuf::from(moved_path(path.as_os_str(), from, to));
            if moved.exists() { moved } else { path }
        });
        Some((OsString::from(name), env::join_paths(paths).ok()?))
    });
    Ok(Start { words, directory, env: env.collect() })
}

/// A path inside `from`, alone or behind `--option=`, as it is inside `to`; anything else as it is.
fn moved_path(word: &OsStr, from: &Path, to: &Path) -> OsString {
    let bytes = word.as_bytes();
    let begin = match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) if bytes.starts_with(b"-") => at + 1,
        _ => 0,
    };
    let (option, path) = bytes.split_at(begin);
    match Path::new(OsStr::from_bytes(path)).strip_prefix(from) {
        Ok(inside) => {
            let mut moved = option.to_vec();
            moved.extend_from_slice(to.join(inside).as_os_str().as_bytes());
            OsString::from_vec(moved)
        }
        Err(_) => word.to_owned(),
    }
}

/// Applies a patch with git, or with patch where there is no git.
fn apply(file: &Path, shown: &Path, to: &Path) -> Result<(), Failure> {
    let mut command = Command::new("git");
    command.args(["apply", "--whitespace=nowarn", "--"]).arg(file);
    // A repository around the scratch directory is not meant.
    command.env("GIT_CEILING_DIRECTORIES", to.parent().unwrap_or(to)).env_remove("GIT_DIR");
    let mut done = command.current_dir(to).stdin(Stdio::null()).output();
    if done.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        let mut command = Command::new("patch");
        command.args(["-p1", "--batch", "--forward", "-i"]).arg(file);
        done = command.current_dir(to).stdin(Stdio::null()).output();
    }
    let refused = |why: String| {
        let fix = "make it in the root of the project, with: git diff > fix.diff";
        Failure::usage(format!("the patch {} does not apply", shown.display()), why, fix)
    };
    match done {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = [output.stderr, output.stdout].concat();
            let said = String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned();
            Err(refused(said.trim_start_matches("error: ").to_owned()))
        }
        Err(error) => Err(Failure::usage(
            "the patch cannot be applied",
            format!("git and patch are not to be had: {}", reason(&error)),
            "apply it to a copy of the project, and give that with: --with DIR",
        )),
    }
}

fn not_quoted(text: &str) -> Failure {
    Failure::usage(
        format!("--against {text} is no command"),
        "it is empty, or a quote is not closed",
        "--against 'python3 fixed.py --items 1000'",
    )
}

fn no_directory(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(
        format!("cannot use {}", path.display()),
        reason(error),
        "give a copy of the project that has the fix: --with DIR",
    )
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    let exit = match error.kind() {
        io::ErrorKind::PermissionDenied => Exit::Permission,
        _ => Exit::Usage,
    };
    let what = format!("cannot read {}", path.display());
    Failure::new(exit, what, reason(error), "make a patch with: git diff > fix.diff")
}

fn no_room(project: &Path, error: &super::copy::CopyError) -> Failure {
    Failure::new(
        Exit::Output,
        format!("cannot copy the project {}", project.display()),
        error.to_string(),
        "make a copy yourself, apply the patch to it, and give it with: --with DIR",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_project_move_and_nothing_else_does() {
        let (from, to) = (Path::new("/srv/shop"), Path::new("/scratch/change"));
        for (word, wanted) in [
            ("/srv/shop/app.py", "/scratch/change/app.py"),
            ("--rootdir=/srv/shop/src", "--rootdir=/scratch/change/src"),
            ("app.py", "app.py"),
            ("/srv/shopping/app.py", "/srv/shopping/app.py"),
            ("x=/srv/shop/app.py", "x=/srv/shop/app.py"),
            ("--size=3", "--size=3"),
        ] {
            assert_eq!(moved_path(OsStr::new(word), from, to), wanted, "{word}");
        }
    }
}
