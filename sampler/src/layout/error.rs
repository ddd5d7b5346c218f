//! Why the layout of an interpreter is not known.

use thiserror::Error;

use super::spec::Version;

/// Why the layout of an interpreter is not known. Names the malformed thing and its value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// No table for this version, or a pre-release, whose structures were not yet fixed.
    #[error("CPython {found} is not supported: slowpath knows the releases of {supported}")]
    Unsupported {
        /// What was found.
        found: Version,
        /// What is known.
        supported: String,
    },
    /// `_Py_DebugOffsets` is cut off.
    #[error("the process publishes only {len} of the {wanted} bytes of its table of offsets")]
    Short {
        /// Bytes given.
        len: usize,
        /// Bytes that the table of this version has.
        wanted: usize,
    },
    /// `_Py_DebugOffsets` does not begin with its cookie.
    #[error("the table of offsets in the process begins with {0:02x?} instead of \"xdebugpy\"")]
    Cookie([u8; 8]),
    /// A field of `_Py_DebugOffsets` cannot be true.
    #[error("the table of offsets in the process is damaged: {field} is {value:#x}, {why}")]
    Field {
        /// `structure.field`.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What a good value would be.
        why: &'static str,
    },
    /// A structure that is fixed within a version differs from that version's headers.
    #[error("{structure} of this interpreter is not that of CPython {version}: a modified build?")]
    Modified {
        /// CPython structure.
        structure: &'static str,
        /// What the interpreter says it is.
        version: Version,
    },
}
