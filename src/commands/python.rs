//! `slowpath python [ARGS…]`: the bundled runtime, in place of this process.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::failure::{Exit, Failure, reason};
use crate::runtime;

/// The arguments for the runtime, if the command line asks for it: every one behind `python` is its own,
/// whatever it looks like.
pub(crate) fn wanted(mut args: impl Iterator<Item = OsString>) -> Option<Vec<OsString>> {
    args.next()?;
    (args.next()? == "python").then(|| args.collect())
}

/// Becomes the runtime; returns only if that fails.
pub(crate) fn execute(args: &[OsString]) -> Result<u8, Failure> {
    let path = runtime::find()?;
    let error = Command::new(&path).args(args).exec();
    Err(Failure::new(
        Exit::CannotAttach,
        format!("cannot start {}", path.display()),
        reason(&error),
        "build the bundled runtime anew: cargo runtime",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_behind_python_is_its_own() {
        let args = |line: &str| wanted(line.split(' ').map(OsString::from));
        assert_eq!(args("slowpath python -q --help -c 1").unwrap(), ["-q", "--help", "-c", "1"]);
        assert_eq!(args("slowpath python").unwrap().len(), 0);
        assert_eq!(args("slowpath run -- python"), None);
        assert_eq!(args("slowpath"), None);
    }
}
