//! `slowpath calibrate [PYTHON]`: measures what lost optimizations cost on one interpreter.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use slowpath_advisor::costs::bench::{Measured, PROGRAMS};
use slowpath_advisor::costs::{Costs, Table};
use slowpath_advisor::target;
use slowpath_sampler::session::Target;

use crate::args::Global;
use crate::calibration;
use crate::failure::{Exit, Failure, reason};
use crate::output::calibration as text;
use crate::output::text::Style;
use crate::output::{print, tell};

/// Pairs of runs per case and milliseconds of a run, as the built-in tables were measured.
const REPEATS: u32 = 40;
const TARGET_MS: &str = "0.5";
/// An interpreter behind a wrapper takes its time to start.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(200);

pub(super) fn execute(python: &OsStr, global: Global) -> Result<u8, Failure> {
    let interpreter = identify(python)?;
    let scratch = tempfile::tempdir().map_err(|error| no_scratch(&error))?;
    for (name, text) in PROGRAMS {
        fs::write(scratch.path().join(name), text).map_err(|error| no_scratch(&error))?;
    }
    let program = scratch.path().join(PROGRAMS[0].0);
    let off = measure(python, &program, false, global)?;
    // Without one, the variable changes nothing, and what is measured says that it is off.
    let jit = if has_jit(python) { Some(measure(python, &program, true, global)?) } else { None };
    let jit = jit.filter(|measured| measured.jit);
    let table = Table::of(&off, jit.as_ref(), REPEATS);
    let path = calibration::save(&interpreter, &table).map_err(|error| {
        let mut failure = Failure::output(Path::new(&interpreter), &error);
        failure.what = "cannot keep what was measured".into();
        failure.fix = "set SLOWPATH_CACHE to a directory that is yours".into();
        failure
    })?;
    if !global.quiet {
        let known =
            |jit| Costs::of(target::Target { version: minor(&off), jit, ..target::Target::default() });
        print(&text::render(&off, &table, &known, Style::of_stdout(global)))?;
        tell(&format!("wrote {}\n", crate::output::text::escaped(&path.display().to_string())));
    }
    Ok(0)
}

fn minor(measured: &Measured) -> (u8, u8) {
    let [major, minor, _] = measured.version;
    (u8::try_from(major).unwrap_or(0), u8::try_from(minor).unwrap_or(0))
}

/// By what the build of an interpreter is known: asked of a process that runs it, as a recording does.
fn identify(python: &OsStr) -> Result<String, Failure> {
    let mut command = Command::new(python);
    command.args(["-c", "import sys; sys.stdin.read()"]).stdin(Stdio::piped());
    let mut child =
        Ended(command.stdout(Stdio::null()).spawn().map_err(|error| cannot_start(python, &error))?);
    let begin = Instant::now();
    let found = loop {
        match Target::attach(child.0.id(), Duration::ZERO) {
            Ok(found) => break found,
            Err(error) => {
                if !matches!(child.0.try_wait(), Ok(None)) {
                    return Err(no_interpreter(python));
                }
                if begin.elapsed() > PATIENCE {
                    return Err(error.into());
                }
            }
        }
        thread::sleep(PAUSE);
    };
    match found.interpreter() {
        "" => Err(Failure::new(
            Exit::CannotAttach,
            format!("the build of {} cannot be known again", python.to_string_lossy()),
            "its binary has neither a build id nor code that can be read, or is older than 3.8",
            "use the built-in tables: slowpath advise needs no calibration",
        )),
        known => Ok(known.to_owned()),
    }
}

/// A process that ends with us.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn has_jit(python: &OsStr) -> bool {
    let ask = "import sys; sys.exit(0 if getattr(sys, '_jit', None) and sys._jit.is_available() else 1)";
    let done = Command::new(python).args(["-c", ask]).stdin(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

fn measure(python: &OsStr, program: &Path, jit: bool, global: Global) -> Result<Measured, Failure> {
    let bar = if global.quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    if let Ok(style) = ProgressStyle::with_template("{elapsed}: {msg}; Ctrl-C ends it") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar.set_message(if jit { "measuring with the just-in-time compiler" } else { "measuring, about 20 s" });
    let mut command = Command::new(python);
    command.arg("-B").arg(program).args([
        "--repeats",
        &REPEATS.to_string(),
        "--target",
        TARGET_MS,
        "--no-modes",
    ]);
    command.env("PYTHON_JIT", if jit { "1" } else { "0" }).stdin(Stdio::null());
    let done = command.output().map_err(|error| cannot_start(python, &error))?;
    bar.finish_and_clear();
    if !done.status.success() {
        let said =
            String::from_utf8_lossy(&done.stderr).trim_end().lines().last().unwrap_or_default().to_owned();
        return Err(not_measured(python, said));
    }
    Measured::parse(&done.stdout).map_err(|error| not_measured(python, error.to_string()))
}

fn not_measured(python: &OsStr, why: String) -> Failure {
    Failure::new(
        Exit::Inconclusive,
        format!("nothing could be measured on {}", python.to_string_lossy()),
        if why.is_empty() { "it ended before it was done".into() } else { why },
        "try it again when the machine is idle",
    )
}

fn cannot_start(python: &OsStr, error: &io::Error) -> Failure {
    Failure::new(
        Exit::CannotAttach,
        format!("cannot start {}", python.to_string_lossy()),
        reason(error),
        "name the interpreter that runs the program: slowpath calibrate .venv/bin/python",
    )
}

fn no_interpreter(python: &OsStr) -> Failure {
    Failure::new(
        Exit::CannotAttach,
        format!("{} is no Python interpreter", python.to_string_lossy()),
        "it ended instead of running a program",
        "name the interpreter that runs the program: slowpath calibrate .venv/bin/python",
    )
}

fn no_scratch(error: &io::Error) -> Failure {
    let fix = "free some space, or set TMPDIR to a directory with more";
    Failure::new(Exit::Output, "no place for the measuring programs", reason(error), fix)
}
