//! Why a recording could not be written or read, and what of it is lost.

use std::fmt;
use std::io;

use thiserror::Error;

use super::FORMAT_VERSION;

/// Why a recording could not be written or read.
#[derive(Debug, Error)]
pub enum FileError {
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file does not begin as a recording does.
    #[error("this is not a slowpath recording: it {}", beginning(begins))]
    NotARecording {
        /// The first bytes, escaped.
        begins: String,
    },
    /// A later slowpath wrote it, in a format that this one does not know.
    #[error("the recording has format version {found}, this slowpath reads up to {FORMAT_VERSION}")]
    NewerFormat {
        /// The version that the file states.
        found: u16,
    },
    /// The bytes are not what a writer of this format writes.
    #[error("the recording is damaged at byte {offset}: {what}")]
    Damaged {
        /// Where the malformed chunk begins.
        offset: u64,
        /// The malformed thing and its value.
        what: String,
    },
    /// The profile exceeds a bound of the format.
    #[error("too many {what} for a recording (at most {limit})")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// An earlier write failed or the recording is finished; nothing can follow.
    #[error("the recording is closed")]
    Closed,
}

impl FileError {
    /// What happened, one sentence.
    pub fn what(&self) -> String {
        self.to_string()
    }

    /// Why, one sentence.
    pub fn why(&self) -> String {
        match self {
            Self::Io(error) if is_full(error) => "the disk or the quota is full".into(),
            Self::Io(error) => format!("the operating system answered: {error}"),
            Self::NotARecording { .. } => "every recording begins with the bytes \\x89slowpath".into(),
            Self::NewerFormat { .. } => "it was made by a later version of slowpath".into(),
            Self::Damaged { .. } => "the file was changed after it was written".into(),
            Self::TooLarge { .. } => {
                "the target has more distinct code positions than a recording holds".into()
            }
            Self::Closed => "an earlier write failed".into(),
        }
    }

    /// What to do about it, one sentence.
    pub fn fix(&self) -> String {
        match self {
            Self::Io(error) if is_full(error) => {
                "free some space or write elsewhere with -o; what was written so far can be read".into()
            }
            Self::Io(_) => "check the path and its permissions".into(),
            Self::NotARecording { .. } => "make one with: slowpath run -o FILE.slowpath -- CMD".into(),
            Self::NewerFormat { .. } => "read it with the version that made it, or a later one".into(),
            Self::Damaged { .. } => "copy the file again from where it was recorded".into(),
            Self::TooLarge { .. } => "record for a shorter time or fewer processes at once".into(),
            Self::Closed => "see the first error".into(),
        }
    }
}

fn beginning(begins: &str) -> String {
    if begins.is_empty() { "is empty".into() } else { format!("begins with \"{begins}\"") }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What of a recording cannot be read. Everything before [`offset`](Self::offset) can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where the first unreadable chunk begins; the length of the file if only its end is missing.
    pub offset: u64,
    /// Bytes from there to the end of the file, none of which are used.
    pub bytes_lost: u64,
    /// The malformed thing and its value.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, bytes_lost, what } = self;
        if *bytes_lost == 0 {
            return write!(out, "the recording was not finished: {what}");
        }
        write!(
            out,
            "the recording is damaged at byte {offset}: {what}; the last {bytes_lost} bytes are left out"
        )
    }
}

/// A malformed thing and its value, before it is known where in the file it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) String);

impl Malformed {
    pub(super) fn new(thing: &str, value: impl fmt::Display) -> Self {
        Self(format!("{thing} {value}"))
    }

    pub(super) fn at(self, offset: u64) -> FileError {
        FileError::Damaged { offset, what: self.0 }
    }
}
