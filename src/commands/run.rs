//! `slowpath run -- CMD ARGS…`.

use std::time::Duration;

use slowpath_sampler::process::children::ProcessTree;
use slowpath_sampler::process::error::{AttachError, AttachErrorKind};
use slowpath_sampler::session::{StopFlag, Target};

use super::attach::no_signals;
use super::record::{Show, conclude, record};
use crate::args::{Global, RunArgs};
use crate::exact::{self, Hooks};
use crate::failure::{Exit, Failure, reason};
use crate::output::tell;
use crate::output::text::{Style, seconds, wrap};
use crate::outputs::Outputs;
use crate::program::Program;
use crate::signals;

/// Bounds of the pause before the next attempt. In between it is an eighth of the program's age: what
/// is lost of the start is small, and looking at a wrapper that takes its time costs little.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// A program that ran for less had no time to be seen as Python.
const LONG_ENOUGH: Duration = Duration::from_secs(2);

pub(super) fn execute(args: &RunArgs, global: Global) -> Result<u8, Failure> {
    let outputs = Outputs::open(&args.output)?;
    profile_with(args, outputs, global, Show::Summary { advice: args.sampling.advice() })
}

/// Runs the program and shows one side of its profile.
pub(super) fn profile_with(
    args: &RunArgs,
    outputs: Outputs,
    global: Global,
    show: Show,
) -> Result<u8, Failure> {
    let hooks = if args.exact { Some(Hooks::prepare(global)?) } else { None };
    let program = match &hooks {
        Some(hooks) => Program::spawn(&mut hooks.command(&args.command, args.sampling.children)?)?,
        None => Program::start(&args.command)?,
    };
    let result = profile(&program, args, hooks.as_ref(), outputs, global, show);
    // Whatever became of the profile, the program runs to its end and its exit code is ours.
    let pid = program.id();
    let code = program.wait().map_err(|error| lost(pid, &error));
    result?;
    Ok(u8::try_from(code?).unwrap_or(1))
}

fn profile(
    program: &Program,
    args: &RunArgs,
    hooks: Option<&Hooks>,
    mut outputs: Outputs,
    global: Global,
    show: Show,
) -> Result<(), Failure> {
    let Some(target) = attach_forwarding(program, args.sampling.children)? else {
        if !global.quiet {
            tell(&too_short(program, global));
        }
        return Ok(());
    };
    let options = exact::options(super::sampling(&args.sampling, &target)?, hooks);
    // The program's output has the terminal: a progress line would be drawn across it.
    let show_progress = global.verbose;
    let recorded = record(target, &options, &mut outputs, &StopFlag::default(), show_progress)?;
    if recorded.stats.samples == 0 && recorded.failure.is_none() {
        if !global.quiet {
            tell(&too_short(program, global));
        }
        return Ok(());
    }
    conclude(recorded, outputs, global, show)
}

/// Passes signals on to the program, and attaches to it as soon as it is ready; `None` if it ends before.
pub(super) fn attach_forwarding(program: &Program, children: bool) -> Result<Option<Target>, Failure> {
    if let Some(pid) = program.pid() {
        signals::forward_to(pid).map_err(|error| no_signals(&error))?;
    }
    attach(program, children)
}

/// Tries until the program is ready to be read; `None` if it ends before. A wrapper that executes
/// Python becomes Python; with `children`, one that starts it is passed over for what it starts.
pub(super) fn attach(program: &Program, children: bool) -> Result<Option<Target>, Failure> {
    let mut tree = ProcessTree::new(program.id());
    let mut seen = None;
    loop {
        let error = match Target::attach(program.id(), Duration::ZERO) {
            Ok(target) => return Ok(Some(target)),
            Err(error) => error,
        };
        if children && let Some(target) = attach_below(&mut tree, program.id()) {
            return Ok(Some(target));
        }
        // What is seen of a program that has ended says nothing of what it was.
        if program.has_ended() {
            let was_other = |_: &AttachError| program.age() >= LONG_ENOUGH;
            return seen.filter(was_other).map_or(Ok(None), |error| Err(not_python(error, children)));
        }
        if error.kind() == AttachErrorKind::Permission {
            return Err(error.into());
        }
        seen = Some(error);
        program.sleep((program.age() / 8).clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
    }
}

/// The first Python among the processes that `root` has started.
fn attach_below(tree: &mut ProcessTree, root: u32) -> Option<Target> {
    tree.poll();
    let below = tree.alive().filter(|process| process.pid != root);
    below.map(|process| Target::attach(process.pid, Duration::ZERO)).find_map(Result::ok)
}

fn not_python(error: AttachError, children: bool) -> Failure {
    let other = matches!(error, AttachError::NotPython { .. });
    let mut failure = Failure::from(error);
    if other && !children {
        failure.why =
            "neither it nor what it executed was Python; what it may have started was not looked at".into();
        failure.fix = "follow the processes that it starts with: slowpath run --children -- CMD".into();
    }
    failure
}

fn too_short(program: &Program, global: Global) -> String {
    let style = Style::of_stderr(global);
    let age = seconds(program.age().as_secs_f64());
    let text = format!(
        "nothing was sampled and nothing written: the program ended after {age}, too early to be read"
    );
    format!("{} {}\n", style.warn("slowpath:"), wrap(&text, style.width.saturating_sub(10), 2))
}

pub(crate) fn lost(pid: u32, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::CannotAttach,
        format!("the exit code of process {pid} is unknown"),
        reason(error),
        "run it without slowpath to see how it ends",
    )
}
