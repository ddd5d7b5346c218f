//! Arguments of `check`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use slowpath_advisor::output::Format;

use super::SamplingArgs;

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  passed
  1  failed: a new finding that reaches the limit, confirmed by a second run if that can be had
  2  wrong usage
  3  inconclusive: too few samples, nothing could be judged, or the program failed
  4  cannot attach: no such program, not Python, not supported
  5  permission
  6  output could not be written";

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct CheckArgs {
    /// Recording (.slowpath) or findings (.json); or a program behind --
    #[arg(required_unless_present = "command", conflicts_with = "command")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) gate: GateArgs,
    #[command(flatten)]
    pub(crate) forms: FormArgs,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    /// Program and its arguments
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// What fails the check.
#[derive(Debug, Args)]
#[command(next_help_heading = "Check")]
pub(crate) struct GateArgs {
    /// Fail for a new finding that saves this share of the time or more, lower end of its interval
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = parse_share)]
    pub(crate) fail_over: f64,
    /// Known findings [default: .slowpath-baseline.json in the repository, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Take what is fixed out of the baseline, and lower what got cheaper
    #[arg(long)]
    pub(crate) update_baseline: bool,
    /// With --update-baseline: add what is new and raise what has grown, too
    #[arg(long, requires = "update_baseline")]
    pub(crate) accept: bool,
    /// Run the program a second time before failing, as is the default
    #[arg(long, overrides_with = "no_confirm")]
    confirm: bool,
    /// Fail after one run
    #[arg(long, overrides_with = "confirm")]
    no_confirm: bool,
}

impl GateArgs {
    /// Whether a second run was asked for in so many words.
    pub(crate) fn insists_on_second_run(&self) -> bool {
        self.confirm
    }

    /// Whether a second run decides.
    pub(crate) fn confirm(&self) -> bool {
        !self.no_confirm
    }
}

/// Where findings go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct FormArgs {
    /// Form of the findings; several with commas. Each takes the first -o that fits it, else the
    /// terminal
    #[arg(short, long, value_name = "FORM", value_delimiter = ',')]
    pub(crate) format: Vec<Form>,
    /// Write findings to FILE, '-' for standard output; may be repeated. Where a program is watched by
    /// 'advise', a FILE that ends in .slowpath takes the recording
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Vec<PathBuf>,
}

/// A form of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// What the terminal shows
    Text,
    /// Everything, as slowpath.finding/1
    Json,
    /// SARIF 2.1.0 for code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
    /// Code Quality report of GitLab
    Gitlab,
    /// JUnit XML
    Junit,
    /// Summary for a pull request
    Markdown,
    /// Diagnostics for reviewdog
    Rdjson,
}

impl Form {
    /// The form that the advisor writes; `None` for text, which is ours.
    pub(crate) fn format(self) -> Option<Format> {
        Some(match self {
            Self::Text => return None,
            Self::Json => Format::Json,
            Self::Sarif => Format::Sarif,
            Self::Github => Format::Github,
            Self::Gitlab => Format::Gitlab,
            Self::Junit => Format::Junit,
            Self::Markdown => Format::Markdown,
            Self::Rdjson => Format::Rdjson,
        })
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        self.format().map_or("text", Format::name)
    }

    /// Ends of file names that it may have, its own first.
    pub(crate) fn extensions(self) -> &'static [&'static str] {
        self.format().map_or(&[".txt"], Format::extensions)
    }

    /// Whether it is told on the terminal of a program, beside what that prints.
    pub(crate) fn is_for_terminals(self) -> bool {
        matches!(self, Self::Text | Self::Github)
    }
}

/// A share in percent, from a thousandth to all.
fn parse_share(text: &str) -> Result<f64, String> {
    let wrong = || format!("'{text}' is no share; write percent, from 0.1% to 100%, as in 1% or 2.5%");
    let digits = text.trim().strip_suffix('%').ok_or_else(wrong)?.trim_end();
    let share = f64::from_str(digits).map_err(|_| wrong())? / 100.0;
    if (0.001..=1.0).contains(&share) { Ok(share) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_a_percent_sign() {
        for (text, share) in [("1%", 0.01), ("2.5 %", 0.025), ("0.1%", 0.001), ("100%", 1.0)] {
            assert!(parse_share(text).is_ok_and(|it| (it - share).abs() < 1e-12), "{text}");
        }
        for wrong in ["1", "0.01", "0%", "0.05%", "101%", "-1%", "nan%", "%", ""] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_form_of_the_advisor_has_its_name() {
        let names: Vec<&str> = Form::value_variants().iter().map(|form| form.name()).collect();
        for format in Format::ALL {
            assert!(names.contains(&format.name()));
        }
        for form in Form::value_variants() {
            let stated = form.to_possible_value().expect("all are shown");
            assert_eq!(stated.get_name(), form.name());
        }
    }
}
