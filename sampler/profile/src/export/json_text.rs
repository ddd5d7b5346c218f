//! Small helpers to write JSON as a stream, where holding the document would take too much memory.

use std::io::{self, Write};

use serde::Serialize;

/// Writes a value as JSON.
pub(super) fn value(out: &mut dyn Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    serde_json::to_writer(out, value).map_err(io::Error::from)
}

/// Writes `[a,b,c]`, each item by `write`.
pub(super) fn array<T>(
    out: &mut dyn Write,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut dyn Write, T) -> io::Result<()>,
) -> io::Result<()> {
    out.write_all(b"[")?;
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        write(out, item)?;
    }
    out.write_all(b"]")
}

/// Writes a number of thousandths, such as nanoseconds as microseconds, without rounding.
pub(super) fn thousandths(out: &mut dyn Write, value: u64) -> io::Result<()> {
    match (value / 1000, value % 1000) {
        (whole, 0) => write!(out, "{whole}"),
        (whole, part) => write!(out, "{whole}.{part:03}"),
    }
}
