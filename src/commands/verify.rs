//! `slowpath verify FINDING -- CMD ARGS…`: measures what fixing a finding saves.

mod copy;
mod finding;
mod measure;
pub(super) mod runs;
mod sides;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use slowpath_advisor::verify::{Store, Trial, Verdict, Verified};
use slowpath_sampler::session::StopFlag;

use self::finding::Meant;
use self::sides::Sides;
use super::attach::no_signals;
use crate::args::{Global, VerifyArgs};
use crate::failure::{Exit, Failure, reason};
use crate::output::text::{Style, escaped};
use crate::output::{print, tell, verify as text};
use crate::outputs::{Output, written};
use crate::signals::stop_on_signal;

/// Directory of a project that holds what slowpath keeps about it.
const STORE_DIR: &str = ".slowpath";
const STORE_FILE: &str = "verified.json";

pub(super) fn execute(args: &VerifyArgs, global: Global) -> Result<u8, Failure> {
    let mut output = args.output.as_deref().map(Output::open).transpose()?;
    let sides = Sides::prepare(args)?;
    // Whatever is kept must be readable before minutes are spent on adding to it.
    let path = sides.project.join(STORE_DIR).join(STORE_FILE);
    let mut store = if output.is_none() { load(&path)? } else { Store::default() };
    let stop = StopFlag::default();
    stop_on_signal(&stop).map_err(|error| no_signals(&error))?;
    if args.from.is_none() && !global.quiet {
        tell(&format!("profiling the program once, to see what {} predicts\n", escaped(&args.finding)));
    }
    let meant = finding::find(args, &sides.before, global)?;
    let trial = measure::measure(args, &sides, &stop, global)?;
    let mut verdict = trial.verdict();
    if verdict == Verdict::NoGain && !stop.is_stopped() {
        verdict = doubt(&sides, global)?.unwrap_or(verdict);
    }
    let result = result(args, &sides, &meant, &trial, &verdict);
    store.add(result.clone());
    let is_stdout = args.output.as_deref() == Some(Path::new("-"));
    let show = |style| text::render(&result, style);
    if is_stdout {
        tell(&if global.quiet { String::new() } else { show(Style::of_stderr(global)) });
    } else {
        print(&if global.quiet { String::new() } else { show(Style::of_stdout(global)) })?;
    }
    let place = match (&mut output, &args.output) {
        (Some(output), Some(path)) => {
            let text = store.to_text();
            let done = output.write(|out| out.write_all(text.as_bytes()));
            written(path, done.map_err(Into::into))?;
            path.clone()
        }
        _ => save(&path, &store)?,
    };
    if !global.quiet && !is_stdout {
        tell(&format!("wrote {}\n", escaped(&place.display().to_string())));
    }
    Ok(verdict.exit_code())
}

fn result(args: &VerifyArgs, sides: &Sides, meant: &Meant, trial: &Trial, verdict: &Verdict) -> Verified {
    let text = |word: &std::ffi::OsString| word.to_string_lossy().into_owned();
    // A clock before 1970 is as good as none.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Verified {
        command: args.command.iter().map(text).collect(),
        change: sides.change.clone(),
        clock: args.measuring.clock.name().into(),
        output_compared: !args.measuring.ignore_output,
        time: now.as_secs(),
        slowpath: env!("CARGO_PKG_VERSION").into(),
        python: meant.python.clone(),
        ..Verified::new(&meant.finding, trial, verdict)
    }
}

/// No gain is what an installed package looks like, too, whose modules come from the project itself
/// whatever the working directory is. One more run tells which files the changed program runs.
fn doubt(sides: &Sides, global: Global) -> Result<Option<Verdict>, Failure> {
    if !sides.is_elsewhere() {
        return Ok(None);
    }
    let (_, files) = finding::profile(&sides.after, global)?;
    let unchanged = sides.unchanged_file(&files);
    Ok(unchanged.map(|file| {
        Verdict::CannotTell(format!(
            "the changed program ran {file}, which is not the changed file: it is installed from the project; \
             install it from the copy for the second side, and compare with --against"
        ))
    }))
}

fn load(path: &Path) -> Result<Store, Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Store::default()),
        Err(error) => return Err(unusable(path, Exit::Permission, reason(&error))),
    };
    Store::parse(&text).map_err(|error| unusable(path, Exit::Usage, error.to_string()))
}

fn unusable(path: &Path, exit: Exit, why: String) -> Failure {
    let fix = "move it away, or write the result elsewhere with: -o FILE";
    Failure::new(exit, format!("cannot add to {}", path.display()), why, fix)
}

/// Replaces the file in one step: whoever reads it meanwhile sees the old or the new one.
fn save(path: &Path, store: &Store) -> Result<PathBuf, Failure> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        if !directory.is_dir() {
            fs::create_dir(directory)?;
            // Results of one machine are nobody else's; git leaves the directory alone.
            fs::write(directory.join(".gitignore"), "*\n")?;
        }
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(store.to_text().as_bytes())?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| Failure::output(path, &error))?;
    Ok(path.to_owned())
}
