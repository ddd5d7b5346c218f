//! Why a process cannot be read, in the words of its user.

use thiserror::Error;

/// Why a process cannot be attached to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AttachError {
    /// There is no such process.
    #[error("no process has the id {pid}")]
    NoSuchProcess {
        /// The id that was asked for.
        pid: u32,
    },
}

/// The kind of an [`AttachError`], for exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachErrorKind {
    /// Not there, not Python, unsupported, gone.
    CannotAttach,
    /// The operating system refuses.
    Permission,
}

impl AttachError {
    /// What happened, one sentence.
    pub fn what(&self) -> String {
        self.to_string()
    }

    /// Why, one sentence.
    pub fn why(&self) -> String {
        "it has ended, or it is in another PID namespace".into()
    }

    /// What to type next.
    pub fn fix(&self) -> String {
        "list Python processes with: pgrep -af python".into()
    }

    /// The kind, for exit codes.
    pub fn kind(&self) -> AttachErrorKind {
        AttachErrorKind::CannotAttach
    }
}
