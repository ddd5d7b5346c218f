//! One module per command.

use std::time::Duration;

use slowpath_profile::Mode;
use slowpath_sampler::options::SampleOptions;
use slowpath_sampler::session::Target;

use crate::args::{Cli, Command, SamplingArgs};
use crate::failure::Failure;

mod advise;
mod attach;
mod calibrate;
mod check;
mod completions;
mod demo;
mod diff;
pub(crate) mod doctor;
mod dump;
mod explain;
mod live;
mod man;
pub(crate) mod python;
mod record;
mod report;
pub(crate) mod run;
mod serve;
mod top;
mod verify;

/// A process that runs already needs no time to get ready, except one that has just been started.
const PATIENCE: Duration = Duration::from_millis(500);

/// How to sample this target, if it has what is asked for.
fn sampling(args: &SamplingArgs, target: &Target) -> Result<SampleOptions, Failure> {
    let options = args.options();
    if options.mode == Mode::Gil && target.is_bundled() {
        let pid = target.pid();
        return Err(Failure::usage(
            format!("process {pid} has no GIL that --mode gil could ask for"),
            format!("it runs the bundled runtime, {}, whose threads run at the same time", target.python()),
            "count the threads that run: --mode cpu",
        ));
    }
    Ok(options)
}

/// Runs the command and returns the exit code.
pub(crate) fn execute(cli: Cli) -> Result<u8, Failure> {
    let global = cli.global;
    match cli.command {
        Command::Run(args) => run::execute(&args, global),
        Command::Attach(args) => attach::execute(&args, global),
        Command::Top(args) => top::execute(*args, global),
        Command::Serve(args) => serve::execute(*args, global),
        Command::Advise(args) => advise::execute(args, global),
        Command::Check(args) => check::execute(&args, global),
        Command::Calibrate { python } => calibrate::execute(&python, global),
        Command::Verify(args) => verify::execute(&args, global),
        Command::Explain { code } => explain::execute(code.as_deref(), global),
        Command::Dump(args) => dump::execute(&args, global),
        Command::Report(args) => report::execute(args, global),
        Command::Diff(args) => diff::execute(&args, global),
        Command::Python { args } => python::execute(&args),
        Command::Demo(args) => demo::execute(&args, global),
        Command::Doctor(args) => doctor::execute(&args, global),
        Command::Completions { shell } => completions::execute(shell),
        Command::Man { directory } => man::execute(directory.as_deref()),
    }
}
