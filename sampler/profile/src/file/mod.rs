//! The `.slowpath` recording: a stream of chunks, each checksummed and compressed on its own.

use thiserror::Error;

/// Why a recording could not be written or read.
#[derive(Debug, Error)]
pub enum FileError {
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
