//! Why a process cannot be read, in the words of its user.

use std::io;

use thiserror::Error;

use super::memory::MemoryError;
use super::refusal::Refusal;

/// The versions that are read, for messages.
pub const SUPPORTED: &str = "3.8 to 3.15 (2.7 and 3.3 to 3.7: stacks only)";

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
    /// The process has ended and only its entry is left.
    #[error("process {pid} ({program}) is a zombie")]
    Zombie {
        /// Process id.
        pid: u32,
        /// Its program.
        program: String,
    },
    /// Not a program at all.
    #[error("process {pid} ({program}) is a thread of the kernel")]
    KernelThread {
        /// Process id.
        pid: u32,
        /// Its name.
        program: String,
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
    },
    /// A version whose layout is not known.
    #[error("process {pid} runs Python {version}, which is not supported")]
    Unsupported {
        /// Process id.
        pid: u32,
        /// Its version.
        version: String,
    },
    /// The interpreter's description of itself does not hold.
    #[error("the layout of the Python in process {pid} cannot be trusted: {error}")]
    Layout {
        /// Process id.
        pid: u32,
        /// What does not hold.
        error: String,
    },
    /// Permitted, and yet the memory could not be read.
    #[error("the memory of process {pid} could not be read: {detail}")]
    Unreadable {
        /// Process id.
        pid: u32,
        /// What went wrong.
        detail: String,
    },
    /// The operating system refuses.
    #[error("reading process {pid} is not permitted")]
    Denied {
        /// Process id.
        pid: u32,
        /// Why, as far as the facts tell.
        refusal: Refusal,
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

/// What an [`AttachError`] is about, for decisions: whether to wait, to try again, to skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachErrorCategory {
    /// There is no such process.
    NotFound,
    /// There is one without a (living) interpreter.
    NotPython,
    /// There is one that cannot be read on principle.
    Unsupported,
    /// The operating system refuses.
    Permission,
    /// It has ended.
    Gone,
    /// Reading failed or made no sense.
    Unreadable,
}

impl AttachError {
    /// What a failed look at process `pid` means: the error of a file below `/proc/PID`.
    pub(crate) fn from_io(pid: u32, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::denied(pid),
            _ if std::fs::exists(format!("/proc/{pid}")).unwrap_or(false) => {
                Self::Unreadable { pid, detail: error.to_string() }
            }
            _ => Self::NoSuchProcess { pid },
        }
    }

    /// What a failed read of memory means.
    pub fn from_memory(pid: u32, error: MemoryError) -> Self {
        match error {
            MemoryError::Denied => Self::denied(pid),
            MemoryError::Gone => Self::Gone { pid },
            MemoryError::Unmapped(_) => Self::Unreadable { pid, detail: error.to_string() },
        }
    }

    /// Asks the system why reading `pid` is refused.
    pub(crate) fn denied(pid: u32) -> Self {
        Self::Denied { pid, refusal: Refusal::of(pid) }
    }

    /// What happened, one sentence.
    pub fn what(&self) -> String {
        self.to_string()
    }

    /// Why, one sentence.
    pub fn why(&self) -> String {
        match self {
            Self::NoSuchProcess { .. } => {
                "it has ended, or it is in another PID namespace, or /proc hides it from you".into()
            }
            Self::Gone { .. } => "it exited or started another program while it was being read".into(),
            Self::Zombie { .. } => "it has ended and its parent has not collected its exit code; \
                its memory is gone"
                .into(),
            Self::KernelThread { .. } => "it has no memory of its own and runs no program".into(),
            Self::NotPython { .. } => "neither the program nor a library it has loaded holds a Python \
                interpreter"
                .into(),
            Self::NotInitialised { .. } => "it has only just started, or it embeds Python and has not \
                called Py_Initialize"
                .into(),
            Self::Unsupported { .. } => format!("slowpath reads CPython {SUPPORTED}"),
            Self::Layout { .. } => "it is another implementation, a modified build, or its memory is \
                damaged"
                .into(),
            Self::Unreadable { .. } => "its memory changes while it is read, or it is damaged".into(),
            Self::Denied { refusal, .. } => refusal.why(),
        }
    }

    /// What to type or do next.
    pub fn fix(&self) -> String {
        match self {
            Self::NoSuchProcess { .. } | Self::Gone { .. } | Self::KernelThread { .. } => {
                "list Python processes with: pgrep -af python".into()
            }
            Self::Zombie { pid, .. } => format!("see its parent with: ps -o ppid= -p {pid}"),
            Self::NotPython { pid, .. } => {
                format!("if a child process runs Python, name that one: pgrep -aP {pid}")
            }
            Self::NotInitialised { .. } | Self::Unreadable { .. } => "try again".into(),
            Self::Unsupported { .. } => "update slowpath, or run the program on a listed version".into(),
            Self::Layout { pid, .. } => format!("see what slowpath knows of it: slowpath doctor {pid}"),
            Self::Denied { pid, refusal } => refusal.fix(*pid),
        }
    }

    /// What it is about.
    pub fn category(&self) -> AttachErrorCategory {
        use AttachErrorCategory as C;
        match self {
            Self::NoSuchProcess { .. } => C::NotFound,
            Self::Gone { .. } | Self::Zombie { .. } => C::Gone,
            Self::NotPython { .. } | Self::NotInitialised { .. } => C::NotPython,
            Self::KernelThread { .. } | Self::Unsupported { .. } => C::Unsupported,
            Self::Layout { .. } | Self::Unreadable { .. } => C::Unreadable,
            Self::Denied { .. } => C::Permission,
        }
    }

    /// The kind, for exit codes.
    pub fn kind(&self) -> AttachErrorKind {
        match self {
            Self::Denied { .. } => AttachErrorKind::Permission,
            _ => AttachErrorKind::CannotAttach,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_why_and_what_to_do() {
        let program = || String::from("bash");
        let errors = [
            AttachError::NoSuchProcess { pid: 7 },
            AttachError::Gone { pid: 7 },
            AttachError::Zombie { pid: 7, program: program() },
            AttachError::KernelThread { pid: 7, program: "kthreadd".into() },
            AttachError::NotPython { pid: 7, program: program() },
            AttachError::NotInitialised { pid: 7 },
            AttachError::Unsupported { pid: 7, version: "3.99.0".into() },
            AttachError::Layout { pid: 7, error: "thread_state.size is 0".into() },
            AttachError::Unreadable { pid: 7, detail: "address 0x10 of the target is not mapped".into() },
        ];
        let said = errors.map(|error| {
            format!("{:?}\n  {}\n  {}\n  {}", error.category(), error.what(), error.why(), error.fix())
        });
        insta::assert_snapshot!(said.join("\n"));
    }
}
