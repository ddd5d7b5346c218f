//! What ends a command early: one sentence each for what happened, why, and what to type.

use std::io;
use std::path::Path;

use slowpath_sampler::process::error::{AttachError, AttachErrorKind};

use crate::output::text::{Style, escaped};

/// Exit codes; part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Usage = 2,
    Inconclusive = 3,
    CannotAttach = 4,
    Permission = 5,
    Output = 6,
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) what: String,
    pub(crate) why: String,
    pub(crate) fix: String,
}

impl Failure {
    pub(crate) fn new(
        exit: Exit,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { exit, what: what.into(), why: why.into(), fix: fix.into() }
    }

    /// Wrong usage that only shows after the arguments were parsed.
    pub(crate) fn usage(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what, why, fix)
    }

    /// An output that cannot be opened or written.
    pub(crate) fn output(path: &Path, error: &io::Error) -> Self {
        let fix = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space, or write elsewhere with: -o FILE"
            }
            io::ErrorKind::NotFound => "create the directory first, or write elsewhere with: -o FILE",
            io::ErrorKind::BrokenPipe => "keep the reading program open, or write to a file with: -o FILE",
            _ => "write to a place that is yours with: -o FILE",
        };
        Self::new(Exit::Output, format!("cannot write {}", path.display()), reason(error), fix)
    }
}

impl From<AttachError> for Failure {
    fn from(error: AttachError) -> Self {
        let exit = match error.kind() {
            AttachErrorKind::CannotAttach => Exit::CannotAttach,
            AttachErrorKind::Permission => Exit::Permission,
        };
        Self::new(exit, error.what(), error.why(), error.fix())
    }
}

impl Failure {
    /// Three lines for standard error.
    pub(crate) fn render(&self, style: Style) -> String {
        format!(
            "{} {}\n     {} {}\n     {} {}\n",
            style.bad("slowpath:"),
            style.strong(&escaped(&self.what)),
            style.faint("why:"),
            escaped(&self.why),
            style.faint("fix:"),
            escaped(&self.fix),
        )
    }
}

/// The system's words for an error, without the number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut text = text[..end].to_owned();
    if let Some(first) = text.get(..1) {
        let first = first.to_lowercase();
        text.replace_range(..1, &first);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { color: false, width: 80 };

    #[test]
    fn a_failure_is_three_lines() {
        let error = io::Error::from_raw_os_error(28);
        let failure = Failure::output(Path::new("/mnt/\u{1b}[31mfull.svg"), &error);
        assert_eq!(failure.exit as i32, 6);
        insta::assert_snapshot!(failure.render(PLAIN), @r"
        slowpath: cannot write /mnt/\x1b[31mfull.svg
             why: no space left on device
             fix: free some space, or write elsewhere with: -o FILE
        ");
    }

    #[test]
    fn attach_errors_keep_their_words() {
        let failure = Failure::from(AttachError::NoSuchProcess { pid: 7 });
        assert_eq!(failure.exit, Exit::CannotAttach);
        assert_eq!(failure.render(PLAIN).lines().count(), 3);
    }
}
