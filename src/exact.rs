//! `--exact`: loads the hooks into the program, and says what became of them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use slowpath_events::environment::{ATTRIBUTE, PRELOAD, variables};
use slowpath_events::layout::status;
use slowpath_events::{Header, Reader};
use slowpath_profile::Source;
use slowpath_profile::evidence::HookState;
use slowpath_sampler::options::SampleOptions;
use slowpath_sampler::process::preload::{self, Unsuited};
use slowpath_sampler::remote_exec::RemoteExecError;
use slowpath_sampler::session::Target;
use tempfile::TempDir;

use crate::args::Global;
use crate::failure::{Exit, Failure, reason};
use crate::output::tell;
use crate::output::text::{Style, wrap};

/// The file of the hooks, and the variable that names another.
const LIBRARY: &str = "libslowpath_hooks.so";
const OVERRIDE: &str = "SLOWPATH_HOOKS";
/// Memory in the form of a directory.
const SHARED: &str = "/dev/shm";
/// A process that is attached to gets so much time to take the hooks in, and to take them out.
const PATIENCE: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(5);

/// The hooks of one command: the library, and the directory in which they leave what they see.
#[derive(Debug)]
pub(crate) struct Hooks {
    library: PathBuf,
    directory: TempDir,
    global: Global,
}

impl Hooks {
    /// Finds the library and makes the directory.
    pub(crate) fn prepare(global: Global) -> Result<Self, Failure> {
        let library = find()?;
        let make = |place: &Path| tempfile::Builder::new().prefix("slowpath-exact-").tempdir_in(place);
        let made = make(Path::new(SHARED)).or_else(|_| make(&env::temp_dir()));
        let directory = made.map_err(|error| {
            Failure::new(
                Exit::Output,
                "cannot make a directory for the exact hooks",
                reason(&error),
                "name a writable directory: TMPDIR=DIR slowpath …",
            )
        })?;
        Ok(Self { library, directory, global })
    }

    /// Says what is about to be done.
    fn announce(&self, what: &str) {
        if !self.global.quiet {
            let style = Style::of_stderr(self.global);
            let text = format!(
                "--exact: loading hooks into {what}; they count every store to its modules and classes"
            );
            tell(&format!(
                "{} {}\n",
                style.faint("slowpath:"),
                wrap(&text, style.width.saturating_sub(10), 2)
            ));
        }
    }

    /// A command whose program loads the hooks.
    pub(crate) fn command(&self, command: &[OsString], children: bool) -> Result<Command, Failure> {
        let [name, arguments @ ..] = command else { return Err(crate::program::no_name()) };
        preload::judge(name).map_err(|unsuited| refused(&unsuited))?;
        let preload = env::var_os(PRELOAD);
        let told = variables(&self.library, self.directory.path(), children, preload.as_deref());
        let told = told.ok_or_else(|| {
            Failure::new(
                Exit::CannotAttach,
                format!("the hooks cannot be loaded from {}", self.library.display()),
                "the dynamic linker takes no path with a colon or a space",
                format!(
                    "copy the library and name it: {OVERRIDE}=/tmp/{LIBRARY} slowpath run --exact -- CMD"
                ),
            )
        })?;
        let mut program = Command::new(name);
        program.args(arguments).envs(told);
        self.announce("the program");
        Ok(program)
    }

    /// Has a running process load the hooks, and waits until it has.
    pub(crate) fn hand_over(self, target: &Target) -> Result<Self, Failure> {
        let pid = target.pid();
        if target.build().free_threaded {
            return Err(declined(pid, "it is a free-threaded build; the hooks need a GIL", WITHOUT));
        }
        // What the process writes there, its user must be able to.
        let owner =
            fs::metadata(format!("/proc/{pid}")).map(|facts| std::os::unix::fs::MetadataExt::uid(&facts));
        let place = self.directory.path();
        if let Ok(owner) = owner
            && rustix::process::geteuid().as_raw() != owner
        {
            let _ = std::os::unix::fs::chown(place, Some(owner), None);
        }
        let wish = place.to_string_lossy().into_owned();
        let handed = self
            .script(&wish)
            .and_then(|script| target.hand_over(&script).map_err(|error| not_taken(pid, &error)))?;
        self.announce(&format!("process {pid}, which is written to for that"));
        let begun = Instant::now();
        while self.header(pid).is_none() {
            if begun.elapsed() > PATIENCE {
                handed.take_back();
                let why = format!("its main thread ran no Python code for {} s", PATIENCE.as_secs());
                let fix = format!("try again when it is busy: slowpath attach --exact {pid}");
                return Err(declined(pid, why, fix));
            }
            sleep(PAUSE);
        }
        Ok(self)
    }

    /// Has the process take the hooks out again; it runs on without them, or with them if it does not.
    pub(crate) fn take_out(self, pid: u32) {
        let Ok(target) = Target::attach(pid, Duration::ZERO) else { return };
        let handed = self.script("-").ok().and_then(|script| target.hand_over(&script).ok());
        let Some(handed) = handed else { return };
        let begun = Instant::now();
        let is_out = || self.header(pid).is_none_or(|header| header.status == status::STOPPED);
        while !is_out() {
            if begun.elapsed() > GRACE {
                handed.take_back();
                return;
            }
            sleep(PAUSE);
        }
    }

    /// A script that loads the library as a module, which it then is not. It leaves no name behind.
    fn script(&self, wish: &str) -> Result<PathBuf, Failure> {
        let attribute = ATTRIBUTE.to_string_lossy();
        let body = format!(
            "import sys, _imp\n\
             sys.{attribute} = {wish}\n\
             try:\n    _imp.create_dynamic(type(sys.implementation)(name='slowpath_hooks', origin={library}))\n\
             except ImportError:\n    pass\n\
             finally:\n    del sys.{attribute}\n",
            wish = quoted(wish),
            library = quoted(&self.library.to_string_lossy()),
        );
        let text = format!("exec({}, {{'__builtins__': __builtins__}})\n", quoted(&body));
        let path = self.directory.path().join(if wish == "-" { "out.py" } else { "in.py" });
        let written = fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o644)));
        written.map_err(|error| Failure::output(&path, &error))?;
        Ok(path)
    }

    /// The header of the newest file of a process.
    fn header(&self, pid: u32) -> Option<Header> {
        let prefix = format!("{pid}-");
        let files = fs::read_dir(self.directory.path()).ok()?.flatten().take(1000);
        let ours = files.filter(|file| file.file_name().to_string_lossy().starts_with(&prefix));
        let newest = ours.max_by_key(|file| file.file_name())?;
        let reader = Reader::new(fs::File::open(newest.path()).ok()?).ok()?;
        Some(reader.header())
    }
}

/// The options with the place where hooks write.
pub(crate) fn options(options: SampleOptions, hooks: Option<&Hooks>) -> SampleOptions {
    SampleOptions { exact: hooks.map(|hooks| hooks.directory.path().to_owned()), ..options }
}

/// A Python literal.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for character in text.chars() {
        match character {
            '\\' | '\'' => quoted.extend(['\\', character]),
            '\n' => quoted += "\\n",
            ' '..='~' => quoted.push(character),
            other => quoted += &format!("\\U{:08x}", u32::from(other)),
        }
    }
    quoted + "'"
}

/// The library: where the variable says, or the newest one beside the command or where it is built.
fn find() -> Result<PathBuf, Failure> {
    if let Some(named) = env::var_os(OVERRIDE) {
        let path = PathBuf::from(named);
        return path.canonicalize().map_err(|error| missing(&path, reason(&error)));
    }
    let own = env::current_exe().unwrap_or_default();
    let beside = own.parent().unwrap_or(Path::new("."));
    let places = [
        beside.join(LIBRARY),
        beside.join("deps").join(LIBRARY),
        beside.join("../lib/slowpath").join(LIBRARY),
    ];
    let made = |path: &PathBuf| fs::metadata(path).and_then(|facts| facts.modified()).ok();
    let newest = places.iter().filter(|path| path.is_file()).max_by_key(|path| made(path));
    let found = newest.and_then(|path| path.canonicalize().ok());
    found.ok_or_else(|| missing(&places[0], "there is no such file".into()))
}

fn missing(path: &Path, why: String) -> Failure {
    Failure::new(
        Exit::CannotAttach,
        format!("the library of the exact hooks is not at {}", path.display()),
        why,
        format!("build it (cargo build --package slowpath-hooks) or name it: {OVERRIDE}=DIR/{LIBRARY}"),
    )
}

/// What to type to have causes inferred.
const WITHOUT: &str = "without --exact causes are inferred, and called likely: slowpath run -- CMD";

fn refused(unsuited: &Unsuited) -> Failure {
    let fix = match unsuited {
        Unsuited::TooOld(..) => "use Python 3.12 or newer, or leave --exact out: slowpath run -- CMD",
        Unsuited::Privileged(_) => "run it as the user that it becomes, or leave --exact out",
        _ => WITHOUT,
    };
    let what = "the exact hooks cannot be loaded into the program; it was not started";
    Failure::new(Exit::CannotAttach, what, unsuited.to_string(), fix)
}

fn declined(pid: u32, why: impl Into<String>, fix: impl Into<String>) -> Failure {
    Failure::new(Exit::CannotAttach, format!("the exact hooks cannot be loaded into process {pid}"), why, fix)
}

fn not_taken(pid: u32, error: &RemoteExecError) -> Failure {
    let fix = match error {
        RemoteExecError::TooOld(_) => {
            "start it with the hooks (3.12+): slowpath run --exact -- CMD; or leave --exact out".to_owned()
        }
        RemoteExecError::Disabled => {
            "start it without -X disable-remote-debug and PYTHON_DISABLE_REMOTE_DEBUG, or leave --exact out"
                .into()
        }
        RemoteExecError::Busy => format!("try again: slowpath attach --exact {pid}"),
        RemoteExecError::Unwritable(_) => format!("sudo slowpath attach --exact {pid}"),
        RemoteExecError::PathTooLong(_) => "name a shorter directory: TMPDIR=/tmp slowpath …".into(),
        RemoteExecError::Unreadable | RemoteExecError::Bundled => {
            format!("leave --exact out: slowpath attach {pid}")
        }
    };
    let mut failure = declined(pid, error.to_string(), fix);
    if matches!(error, RemoteExecError::Unwritable(_)) {
        failure.exit = Exit::Permission;
    }
    failure
}

/// What a recording with hooks lacks, in sentences.
pub(crate) fn warnings(source: &dyn Source) -> Vec<String> {
    let facts = source.evidence().iter().filter_map(|evidence| evidence.exact.as_ref());
    let sentences = facts.flat_map(|exact| {
        let state = match exact.state {
            HookState::Watching | HookState::Stopped => None,
            HookState::NotLoaded => Some("the hooks did not come up in it (another user, a sandbox, or a process that was started with a new environment)"),
            HookState::TooOld => Some("this Python has no watchers; 3.12 was the first to have them"),
            HookState::TooNew => Some("this Python is newer than 3.15"),
            HookState::FreeThreaded => Some("a free-threaded Python is not supported"),
            HookState::UnknownLayout => Some("the structures of this Python are not where they should be"),
            HookState::Unreadable => Some("the hooks are of another version of slowpath"),
        };
        let state = state.map(|why| format!("nothing is exact here: {why}; causes are inferred"));
        let lost = (exact.uncounted > 0).then(|| {
            format!("{} stores found no room in the hooks' table: counts of others are exact, these are missing", exact.uncounted)
        });
        let unwatched = (exact.unwatched > 0).then(|| {
            format!("{} modules and classes are not watched: there was no room in the hooks' table", exact.unwatched)
        });
        state.into_iter().chain(lost).chain(unwatched)
    });
    sentences.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_literals() {
        assert_eq!(quoted("/tmp/it's \\ é\n"), "'/tmp/it\\'s \\\\ \\U000000e9\\n'");
    }

    #[test]
    fn refusals_say_what_to_type() {
        let refusals = [
            refused(&Unsuited::TooOld("/usr/bin/python3.9".into(), "3.9".into())),
            refused(&Unsuited::Static("/usr/bin/app".into())),
            not_taken(7, &RemoteExecError::TooOld("3.13.0".into())),
            not_taken(7, &RemoteExecError::Disabled),
            missing(Path::new("/usr/bin/libslowpath_hooks.so"), "there is no such file".into()),
        ];
        let text: String = refusals.iter().map(|it| it.render(Style { color: false, width: 100 })).collect();
        insta::assert_snapshot!(text);
    }
}
