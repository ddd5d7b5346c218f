//! Arguments of `top`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::{SamplingArgs, parse_duration};

/// Options of `top`.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Process id, or a program behind --; without either, choose among the Python processes
    #[arg(value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "command")]
    pub(crate) pid: Option<u32>,
    /// Program and its arguments; what it prints is kept back until the end
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    #[command(flatten)]
    pub(crate) view: ViewArgs,
}

/// How to show it.
#[derive(Debug, Args)]
#[command(next_help_heading = "View")]
pub(crate) struct ViewArgs {
    /// Length of the window that numbers are of, at most 60s
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_window)]
    pub(crate) window: Duration,
    /// Write a block of plain text for each window, as if there were no terminal
    #[arg(long)]
    pub(crate) batch: bool,
    /// Draw with characters of ASCII only
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Leave the mouse to the terminal, to select text
    #[arg(long)]
    pub(crate) no_mouse: bool,
}

fn parse_window(text: &str) -> Result<Duration, String> {
    let window = parse_duration(text)?;
    let allowed = Duration::from_millis(500)..=Duration::from_secs(60);
    allowed
        .contains(&window)
        .then_some(window)
        .ok_or_else(|| format!("'{text}' is not between 500ms and 60s"))
}
