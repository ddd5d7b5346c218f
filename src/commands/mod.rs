//! One module per command.

use std::time::Duration;

use crate::args::{Cli, Command};
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
