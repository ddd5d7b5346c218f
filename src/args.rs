//! The command line. Each option is written once; help, man page and completions derive from here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use slowpath_profile::Mode;
use slowpath_profile::view::Filter;
use slowpath_sampler::options::{Rate, SampleOptions, ThreadFilter};

use crate::format::{DiffFormat, Format};

mod check;
mod demo;
mod serve;
mod top;
mod verify;

pub(crate) use check::{CheckArgs, Form, FormArgs, GateArgs};
pub(crate) use demo::DemoArgs;
pub(crate) use serve::{PartArgs, ServeArgs};
pub(crate) use top::{TopArgs, ViewArgs};
pub(crate) use verify::{ChangeArgs, Clock, VerifyArgs};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0  ok; check: passed; verify: it saves time
  1  check: failed; verify: it saves nothing
  2  wrong usage
  3  inconclusive: nothing was sampled; check, verify: it cannot be told
  4  cannot attach: no such process, not Python, not supported
  5  permission
  6  output could not be written
'run' returns the exit code of the program (128 + N when signal N ended it) unless slowpath itself failed.";

/// Sampling profiler for Python: reads CPython 3.8-3.15 from outside, without a pause
#[derive(Debug, Parser)]
#[command(name = "slowpath", version, styles = STYLES, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Global {
    /// Print nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print details of the recording
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// When to colour text [NO_COLOR is respected]
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorWhen,
}

/// When to colour text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    #[default]
    Auto,
    Always,
    Never,
    // Always, with the sixteen colours of the terminal.
    #[value(name = "16")]
    Ansi16,
    // Always, with the 256 of xterm.
    #[value(name = "256")]
    Ansi256,
    // Always, with all.
    Rgb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a program and profile it
    Run(RunArgs),
    /// Profile a running process until Ctrl-C, the end of --duration or of the process
    Attach(AttachArgs),
    /// Watch a process live: functions, source, instructions, advice, threads, flame graph
    Top(Box<TopArgs>),
    /// Look at a process, a program or a recording in a browser
    Serve(Box<ServeArgs>),
    /// Say what is slow, which code caused it and what a fix would save
    Advise(AdviseArgs),
    /// Fail if there is something new to fix: the gate for continuous integration
    Check(Box<CheckArgs>),
    /// Measure what fixing a finding saves: the program before and after, in turn
    Verify(Box<VerifyArgs>),
    /// Measure what lost optimizations cost on an interpreter of this machine, for better predictions
    Calibrate {
        /// The interpreter, as a path or by name; it is busy for about 20 s
        #[arg(default_value = "python3")]
        python: OsString,
    },
    /// Print the manual page of a rule, or all rules
    Explain {
        /// Code of a rule or id of a finding: SP301
        code: Option<String>,
    },
    /// Print the stacks of all threads, once
    Dump(DumpArgs),
    /// Show or convert a recording
    Report(ReportArgs),
    /// Compare two recordings
    Diff(DiffArgs),
    /// Run the bundled runtime, a Python that comes with slowpath: a script, -c, -m, or line by line
    #[command(disable_help_flag = true)]
    Python {
        /// Its arguments, as python takes them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Show what slowpath does, on the bundled runtime: no Python is needed
    Demo(DemoArgs),
    /// Say whether a process can be profiled, and if not, why and what to type
    Doctor(DoctorArgs),
    /// Print shell completions
    Completions {
        /// Shell
        shell: Shell,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man {
        /// Write one page per command into this directory instead
        directory: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    /// Load hooks into the program that count every store to modules and classes, with its line, and time
    /// garbage collections (one entry in gc.callbacks) (3.12+)
    #[arg(long, help_heading = "Sampling", conflicts_with = "no_advice")]
    pub(crate) exact: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    /// Process id
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pid: u32,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    /// Load hooks into the process that count every store to modules and classes, with its line, and time
    /// garbage collections (one entry in gc.callbacks) (3.14+)
    #[arg(long, help_heading = "Sampling", conflicts_with = "no_advice")]
    pub(crate) exact: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AdviseArgs {
    /// Recording (.slowpath) or process id; or a program behind --
    #[arg(required_unless_present = "command", conflicts_with = "command", value_name = "FILE|PID")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    #[command(flatten)]
    pub(crate) forms: FormArgs,
    /// Show findings below the floors of saving and samples too
    #[arg(long)]
    pub(crate) all: bool,
    /// Program and its arguments
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// How to sample.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sampling")]
pub(crate) struct SamplingArgs {
    /// Samples per second and thread: 100, 10khz or max
    #[arg(short, long, value_name = "HZ", default_value = "1000")]
    rate: Rate,
    /// Stop sampling after this long: 30s, 500ms, 2m, 1h
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Which threads count at a tick: every thread, those that run, those that hold the GIL
    #[arg(long, default_value = "wall")]
    mode: ModeArg,
    /// Which threads to look at: all, main, or a glob for the name
    #[arg(long, value_name = "all|main|GLOB", default_value = "all", value_parser = parse_threads)]
    threads: ThreadFilter,
    /// Follow child processes
    #[arg(long)]
    pub(crate) children: bool,
    /// Show garbage collection as a frame
    #[arg(long)]
    gc: bool,
    /// Pause the threads that are read while they are read: exact, but it costs the target time
    #[arg(long)]
    blocking: bool,
    /// Sample on the core that the program runs on: exact without a pause, but it costs about 4 %
    #[arg(long, conflicts_with = "blocking")]
    same_core: bool,
    /// Do not read in what state hot code is: the recording says where time goes, not why
    #[arg(long)]
    no_advice: bool,
}

impl SamplingArgs {
    /// Whether findings are wanted.
    pub(crate) fn advice(&self) -> bool {
        !self.no_advice
    }

    pub(crate) fn options(&self) -> SampleOptions {
        SampleOptions {
            rate: self.rate,
            mode: self.mode.into(),
            threads: self.threads.clone(),
            gc_frames: self.gc,
            blocking: self.blocking,
            same_core: self.same_core,
            children: self.children,
            advice: !self.no_advice,
            exact: None,
            duration: self.duration,
        }
    }
}

/// [`Mode`] as an argument.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArg {
    Wall,
    Cpu,
    Gil,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Wall => Self::Wall,
            ModeArg::Cpu => Self::Cpu,
            ModeArg::Gil => Self::Gil,
        }
    }
}

/// What to write.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output", after_long_help = Format::help())]
pub(crate) struct OutputArgs {
    /// Write the profile to FILE, '-' for standard output; may be repeated
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Vec<PathBuf>,
    /// Format of the output, by its extension if left out; --help lists them
    #[arg(short, long, hide_possible_values = true)]
    pub(crate) format: Option<Format>,
    /// Write counts and costs of the recording as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) stats_json: Option<PathBuf>,
    /// Leave the source out of html and heatmap, to share them
    #[arg(long)]
    pub(crate) no_source: bool,
    #[command(flatten)]
    pub(crate) paths: PathArgs,
}

/// Which code to show.
#[derive(Debug, Default, Args)]
pub(crate) struct PathArgs {
    /// Show only frames of files that match; the time of others counts for their callers; may be
    /// repeated. A recording keeps all
    #[arg(long, value_name = "PATH-GLOB")]
    include: Vec<String>,
    /// Hide frames of files that match; their time counts for their callers; may be repeated
    #[arg(long, value_name = "PATH-GLOB")]
    exclude: Vec<String>,
}

impl PathArgs {
    pub(crate) fn filter(&self) -> Filter {
        Filter { include: self.include.clone(), exclude: self.exclude.clone(), ..Filter::default() }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DumpArgs {
    /// Process id
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pid: u32,
    /// Name the instruction of each frame
    #[arg(long)]
    pub(crate) opcodes: bool,
    /// Show local variables, each value cut to LEN characters
    #[arg(long, value_name = "LEN", num_args = 0..=1, require_equals = true, default_missing_value = "80")]
    pub(crate) locals: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Pause the process while it is read
    #[arg(long)]
    pub(crate) blocking: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Recording (.slowpath)
    pub(crate) file: PathBuf,
    /// Do not say what to do about it
    #[arg(long)]
    pub(crate) no_advice: bool,
    #[command(flatten)]
    pub(crate) part: PartArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Recording before
    pub(crate) before: PathBuf,
    /// Recording after
    pub(crate) after: PathBuf,
    /// Format [default: by the extension of the output, else text]
    #[arg(short, long)]
    pub(crate) format: Option<DiffFormat>,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) paths: PathArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Process id; without it this machine is checked and its Python processes are listed
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pid: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_threads(text: &str) -> Result<ThreadFilter, std::convert::Infallible> {
    Ok(match text {
        "all" => ThreadFilter::All,
        "main" => ThreadFilter::Main,
        glob => ThreadFilter::Name(glob.into()),
    })
}

/// A number with a unit (`ms`, `s`, `m`, `h`); seconds without one. At most 10,000 hours, so that
/// adding it to a clock cannot overflow.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time; write a number with a unit, as in 30s, 500ms, 2m, 1h");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_s = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let seconds = f64::from_str(digits).map_err(|_| wrong())? * unit_s;
    if !(0.001..=36_000_000.0).contains(&seconds) {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        for (text, ms) in
            [("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("1.5h", 5_400_000), ("3", 3_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for wrong in ["", "s", "-1s", "0", "10 parsecs", "nan", "inf", "1e300h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_program_keeps_its_own_options() {
        let cli = Cli::try_parse_from(["slowpath", "run", "-r", "10khz", "--", "python3", "-q", "-o", "x"]);
        let Ok(Cli { command: Command::Run(run), global }) = cli else { panic!("{cli:?}") };
        assert_eq!(run.command, ["python3", "-q", "-o", "x"]);
        assert!(run.output.output.is_empty() && !global.quiet);
        assert_eq!(run.sampling.options().rate.hertz(), 10_000.0);
    }

    #[test]
    fn what_does_not_exist_yet_is_not_accepted() {
        for flag in ["--native", "--async", "--cpu-budget=1%", "--mode=memory"] {
            assert!(Cli::try_parse_from(["slowpath", "attach", "1", flag]).is_err(), "{flag}");
        }
        assert!(Cli::try_parse_from(["slowpath", "agent", "1"]).is_err());
    }

    #[test]
    fn help_fits_what_exists() {
        let mut command = Cli::command().term_width(100);
        command.build();
        let mut text = command.render_help().to_string();
        for name in [
            "run",
            "attach",
            "top",
            "serve",
            "advise",
            "check",
            "verify",
            "calibrate",
            "explain",
            "dump",
            "report",
            "diff",
            "demo",
            "doctor",
        ] {
            let sub = command.find_subcommand_mut(name).expect("listed above");
            text += &format!("\n===== {name}\n{}", sub.render_help());
        }
        insta::assert_snapshot!(text);
    }
}
