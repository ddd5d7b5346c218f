//! The command line of slowpath: a sampling profiler for Python.
//!
//! Invariants:
//! - standard output carries results that were asked for; everything else goes to standard error, so
//!   the profiled program's output never mixes with ours;
//! - a failure says what happened, why, and what to type, and has a stable exit code;
//! - no arithmetic on samples happens here: tables and shares come from `slowpath_profile`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

mod args;
mod calibration;
mod commands;
mod document;
mod exact;
mod failure;
mod format;
mod forms;
mod output;
mod outputs;
mod program;
mod progress;
mod recording;
mod runtime;
mod signals;
mod sources;

fn main() -> ExitCode {
    let (result, style) = match commands::python::wanted(std::env::args_os()) {
        Some(args) => {
            (commands::python::execute(&args), output::text::Style::of_stderr(args::Global::default()))
        }
        None => {
            let cli = args::Cli::parse();
            let style = output::text::Style::of_stderr(cli.global);
            (commands::execute(cli), style)
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output::tell(&failure.render(style));
            ExitCode::from(failure.exit as u8)
        }
    }
}
