//! Where the bundled runtime is.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Exit, Failure, reason};

/// Name of its program.
const PROGRAM: &str = "slowpath-python";
/// Names another one.
const VARIABLE: &str = "SLOWPATH_RUNTIME";
/// Its package, in a checkout.
const PACKAGE: &str = "runtime-hooks/runtime";
/// What builds it there.
const BUILD: &str = "cargo runtime";

/// The bundled runtime: what the environment names, or what lies beside this program, or what was built in
/// the checkout that this program was built in.
pub(crate) fn find() -> Result<PathBuf, Failure> {
    if let Some(path) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        return if path.is_file() { Ok(path) } else { Err(no_such(&path)) };
    }
    let own = env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_default();
    candidates(&own).into_iter().find(|path| path.is_file()).ok_or_else(|| missing(&own))
}

/// As [`find`], after building it if it is not there and this is a checkout.
pub(crate) fn find_or_build(quiet: bool) -> Result<PathBuf, Failure> {
    let missing = match find() {
        Err(failure) => failure,
        found => return found,
    };
    let own = env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_default();
    let Some(checkout) = checkout(&own) else { return Err(missing) };
    if !quiet {
        crate::output::tell("building the bundled runtime, once; this takes some minutes\n");
    }
    // Messages are ours to show, standard output is for results.
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.arg("runtime").current_dir(checkout).stdin(Stdio::null()).stdout(Stdio::null());
    // What the build of this program was told is not meant for another package.
    build.env_remove("CARGO_TARGET_DIR");
    match build.status() {
        Ok(status) if status.success() => find(),
        Ok(_) => Err(Failure::new(
            Exit::CannotAttach,
            "the bundled runtime could not be built",
            "cargo said why, above",
            format!("build it by hand: {BUILD}"),
        )),
        Err(error) => Err(Failure::new(
            Exit::CannotAttach,
            "the bundled runtime could not be built",
            format!("cargo did not start: {}", reason(&error)),
            format!("build it where cargo is: {BUILD}"),
        )),
    }
}

/// The checkout in whose `target` directory a program lies.
fn checkout(own: &Path) -> Option<&Path> {
    own.ancestors().skip(1).find(|path| path.join(PACKAGE).join("Cargo.toml").is_file())
}

fn candidates(own: &Path) -> Vec<PathBuf> {
    let beside = own.with_file_name(PROGRAM);
    let built = checkout(own).map(|root| root.join(PACKAGE).join("target/release").join(PROGRAM));
    std::iter::once(beside).chain(built).collect()
}

fn no_such(path: &Path) -> Failure {
    Failure::new(
        Exit::CannotAttach,
        format!("there is no bundled runtime at {}", path.display()),
        format!("{VARIABLE} names it"),
        format!("name {PROGRAM} there, or leave the variable out: unset {VARIABLE}"),
    )
}

fn missing(own: &Path) -> Failure {
    let fix = match checkout(own) {
        Some(root) => format!("build it: cd {} && {BUILD}", root.display()),
        None => format!("in a checkout of slowpath: {BUILD}; then {VARIABLE}=…/{PROGRAM}"),
    };
    Failure::new(
        Exit::CannotAttach,
        "the bundled runtime is not here",
        format!("{PROGRAM} is neither beside slowpath nor built in its checkout"),
        fix,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_for_beside_slowpath_first_and_then_in_its_checkout() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debug/slowpath");
        let places = candidates(&own);
        assert_eq!(places.len(), 2);
        assert!(places[0].ends_with("target/debug/slowpath-python"));
        assert!(places[1].ends_with("runtime-hooks/runtime/target/release/slowpath-python"));
        assert_eq!(candidates(Path::new("/usr/bin/slowpath")).len(), 1);
    }

    #[test]
    fn where_it_is_missing_the_command_that_builds_it_is_told() {
        let failure = missing(Path::new("/usr/bin/slowpath"));
        assert!(failure.fix.contains("cargo runtime") && failure.fix.contains("SLOWPATH_RUNTIME"));
    }
}
