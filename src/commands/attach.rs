//! `slowpath attach PID`.

use slowpath_sampler::session::{StopFlag, Target};

use super::record::{Show, conclude, record};
use crate::args::{AttachArgs, Global};
use crate::exact::{self, Hooks};
use crate::failure::{Exit, Failure, reason};
use crate::outputs::Outputs;
use crate::signals;

pub(super) fn execute(args: &AttachArgs, global: Global) -> Result<u8, Failure> {
    let outputs = Outputs::open(&args.output)?;
    profile_with(args, outputs, global, Show::Summary { advice: args.sampling.advice() })
}

/// Profiles the process and shows one side of its profile.
pub(super) fn profile_with(
    args: &AttachArgs,
    mut outputs: Outputs,
    global: Global,
    show: Show,
) -> Result<u8, Failure> {
    let target = Target::attach(args.pid, super::PATIENCE)?;
    let stop = StopFlag::default();
    signals::stop_on_signal(&stop).map_err(|error| no_signals(&error))?;
    let options = super::sampling(&args.sampling, &target)?;
    let hooks = if args.exact { Some(Hooks::prepare(global)?.hand_over(&target)?) } else { None };
    let options = exact::options(options, hooks.as_ref());
    let recorded = record(target, &options, &mut outputs, &stop, !global.quiet);
    hooks.into_iter().for_each(|hooks| hooks.take_out(args.pid));
    let recorded = recorded?;
    if recorded.stats.samples == 0 && recorded.failure.is_none() {
        return Err(nothing_sampled(args.pid));
    }
    conclude(recorded, outputs, global, show)?;
    Ok(0)
}

pub(super) fn no_signals(error: &std::io::Error) -> Failure {
    let fix = "raise the limit of open files or threads: ulimit -n 1024";
    Failure::new(Exit::CannotAttach, "cannot listen for signals", reason(error), fix)
}

fn nothing_sampled(pid: u32) -> Failure {
    Failure::new(
        Exit::Inconclusive,
        format!("nothing was sampled of process {pid}"),
        "it ended, or no thread did what --mode and --threads ask for",
        format!("slowpath attach {pid} --mode wall --threads all -d 10s"),
    )
}
