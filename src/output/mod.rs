//! What people read: summaries on standard error, results on standard output.

use std::io::{self, IsTerminal, Write};

use terminal_size::{Width, terminal_size_of};

use crate::args::{ColorWhen, Global};
use crate::failure::{Failure, reason};

pub(crate) mod advice;
pub(crate) mod calibration;
pub(crate) mod check;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod dump;
pub(crate) mod findings_diff;
pub(crate) mod summary;
mod table;
pub(crate) mod text;
pub(crate) mod verify;

use text::Style;

/// Columns where nothing is known of the reader.
const DEFAULT_WIDTH: usize = 100;
/// Fewer columns than this would break every line.
const MIN_WIDTH: usize = 24;

impl Style {
    /// For standard error.
    pub(crate) fn of_stderr(global: Global) -> Self {
        Self::of(global.color, io::stderr().is_terminal(), terminal_size_of(io::stderr()))
    }

    /// For standard output.
    pub(crate) fn of_stdout(global: Global) -> Self {
        Self::of(global.color, io::stdout().is_terminal(), terminal_size_of(io::stdout()))
    }

    fn of(when: ColorWhen, terminal: bool, size: Option<(Width, terminal_size::Height)>) -> Self {
        let color = match when {
            ColorWhen::Always | ColorWhen::Ansi16 | ColorWhen::Ansi256 | ColorWhen::Rgb => true,
            ColorWhen::Never => false,
            // https://no-color.org: any value but the empty one.
            ColorWhen::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        let stated = || std::env::var("COLUMNS").ok()?.parse().ok();
        let width = size.map(|(Width(columns), _)| usize::from(columns)).or_else(stated);
        Self { color, width: width.unwrap_or(DEFAULT_WIDTH).max(MIN_WIDTH) }
    }
}

/// Writes to standard error. If even that is closed, nobody is left to be told.
pub(crate) fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Writes to standard output. A reader that has seen enough (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(stdout_failure(&error)),
        _ => Ok(()),
    }
}

fn stdout_failure(error: &io::Error) -> Failure {
    Failure::new(
        crate::failure::Exit::Output,
        "cannot write to standard output",
        reason(error),
        "write to a file with: -o FILE",
    )
}
