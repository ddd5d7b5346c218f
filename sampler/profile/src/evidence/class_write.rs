//! Writes to classes, as the bundled runtime counts them.

use serde::{Deserialize, Serialize};

/// A place that wrote to a class while the program ran, so that what was cached of that class died.
///
/// Counted by the runtime itself, write by write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassWrite {
    /// How often.
    pub count: u64,
    /// `__qualname__` of the class.
    pub class: String,
    /// The attribute.
    pub attribute: String,
    /// `co_filename` of the code that writes.
    pub file: String,
    /// Line of the write; 0 if unknown.
    pub line: u32,
    /// `co_qualname` of the code that writes.
    pub function: String,
}
