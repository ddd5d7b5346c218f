//! Why a process cannot be read, in the words of its user.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::memory::MemoryError;

/// Why a process cannot be attached to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AttachError {
    /// There is no such process.
    #[error("no process has the id {pid}")]
    NoSuchProcess {
        /// The id that was asked for.
        pid: u32,
    },
    /// The process ended while it was looked at.
    #[error("process {pid} has ended")]
    Gone {
        /// Process id.
        pid: u32,
    },
    /// No interpreter is in the process.
    #[error("process {pid} ({program}) is not a Python program")]
    NotPython {
        /// Process id.
        pid: u32,
        /// Its program.
        program: String,
    },
    /// An interpreter is there and has not come to life yet.
    #[error("the Python in process {pid} is not initialised")]
    NotInitialised {
        /// Process id.
        pid: u32,
        /// The binary that holds it.
        binary: PathBuf,
    },
    /// The operating system refuses.
    #[error("reading process {pid} is not permitted")]
    Denied {
        /// Process id.
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
    /// What a failed read of `/proc/PID/maps` means.
    pub(crate) fn from_map(pid: u32, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { pid },
            _ => Self::NoSuchProcess { pid },
        }
    }

    /// What a failed read of memory means.
    pub(crate) fn from_memory(pid: u32, error: MemoryError) -> Self {
        match error {
            MemoryError::Denied => Self::Denied { pid },
            MemoryError::Gone | MemoryError::Unmapped(_) => Self::Gone { pid },
        }
    }

    pub(crate) fn not_python(pid: u32) -> Self {
        let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Self::NotPython { pid, program: program.trim_end().into() }
    }

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
        match self {
            Self::Denied { .. } => AttachErrorKind::Permission,
            _ => AttachErrorKind::CannotAttach,
        }
    }
}
