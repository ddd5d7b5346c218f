//! Arguments of `verify`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::parse_duration;

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  it saves time
  1  it saves nothing, or costs time
  2  wrong usage
  3  inconclusive: no such finding, the machine is not steady, the output differs, the program failed
  4  cannot attach: no such program
  5  permission
  6  output could not be written";

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct VerifyArgs {
    /// Id of a finding, as in SP301-7c1e, code of a rule for its first finding, or 'all'
    #[arg(value_name = "FINDING")]
    pub(crate) finding: String,
    /// Recording (.slowpath) or findings (.json) that hold the finding; without it the program is
    /// profiled once before it is measured
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Write the result as JSON to FILE, '-' for standard output, instead of adding it to
    /// .slowpath/verified.json of the project
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Program and its arguments; it must end by itself, and do the same work each time
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) measuring: MeasuringArgs,
}

/// Where the program with the fix is.
#[derive(Debug, Args)]
#[command(next_help_heading = "The change")]
#[group(required = true, multiple = false)]
pub(crate) struct ChangeArgs {
    /// Copy of the project that has the fix; CMD runs there and here
    #[arg(long, value_name = "DIR")]
    pub(crate) with: Option<PathBuf>,
    /// Unified diff, as 'git diff' writes it; CMD runs in two copies of the project, one of them
    /// patched
    #[arg(long, value_name = "FILE")]
    pub(crate) patch: Option<PathBuf>,
    /// Another command that runs the program with the fix, in one argument, quoted as for a shell
    #[arg(long, value_name = "COMMAND")]
    pub(crate) against: Option<String>,
}

/// How to measure.
#[derive(Debug, Args)]
#[command(next_help_heading = "Measuring")]
pub(crate) struct MeasuringArgs {
    /// Which time: of the processor, or that passes
    #[arg(long, value_name = "CLOCK", default_value = "cpu")]
    pub(crate) clock: Clock,
    /// At most so many pairs of runs; it ends when the result is clear
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(10..=1000))]
    pub(crate) pairs: u32,
    /// Begin no pair after this long: 30s, 10m, 1h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    pub(crate) at_most: Duration,
    /// Do not compare what the program prints before and after
    #[arg(long)]
    pub(crate) ignore_output: bool,
    /// Measure even if the program ends with an exit code other than 0
    #[arg(long)]
    pub(crate) ignore_exit_code: bool,
}

/// Which time is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clock {
    /// Of the processor, in the program and what it starts
    Cpu,
    /// That passes
    Wall,
}

impl Clock {
    /// Its name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wall => "wall",
        }
    }
}
