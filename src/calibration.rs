//! Costs that were measured on interpreters of this machine: where they are kept.
//!
//! One file per build of an interpreter, named by what the build is known by, so that a recording finds
//! the table of the interpreter that it was made of, and of no other.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use slowpath_advisor::costs::{Calibrations, Table};
use slowpath_profile::Source;

/// A table has some hundred short lines.
const MAX_TABLE_BYTES: u64 = 1 << 20;

/// What was measured on the interpreters of a profile.
pub(crate) fn of(source: &dyn Source) -> Calibrations {
    let known: BTreeSet<&str> = source.processes().iter().map(|it| it.interpreter.as_str()).collect();
    let mut calibrations = Calibrations::default();
    for interpreter in known {
        // One that cannot be read is as good as none: the built-in table is used, and said to be.
        if let Some(table) = load(interpreter) {
            calibrations.add(interpreter, table);
        }
    }
    calibrations
}

/// The table of a build.
pub(crate) fn load(interpreter: &str) -> Option<Table> {
    let path = path(interpreter)?;
    let is_small = fs::metadata(&path).is_ok_and(|it| it.is_file() && it.len() <= MAX_TABLE_BYTES);
    is_small.then(|| Table::parse(&fs::read_to_string(&path).ok()?).ok())?
}

/// Keeps the table of a build, in one step.
pub(crate) fn save(interpreter: &str, table: &Table) -> io::Result<PathBuf> {
    let path = path(interpreter).ok_or_else(|| io::Error::other("there is no place for it"))?;
    let directory = path.parent().unwrap_or(&path);
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(table.to_text().as_bytes())?;
    file.persist(&path)?;
    Ok(path)
}

/// `None` for what cannot be the name of a file: identities come from recordings, too.
fn path(interpreter: &str) -> Option<PathBuf> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = (8..=80).contains(&interpreter.len()) && interpreter.chars().all(is_plain);
    is_name.then(|| Some(cache()?.join("costs").join(format!("{interpreter}.toml"))))?
}

fn cache() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let below = |home: PathBuf| home.join("slowpath");
    let standard = || set("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(below);
    let home = || set("HOME").map(|home| below(home.join(".cache")));
    set("SLOWPATH_CACHE").or_else(standard).or_else(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_the_name_of_a_file_or_nothing() {
        for good in ["524b92ce152ff0ea8ae162a01bf3acdbf7032e0b", "code-0123456789abcdef"] {
            assert!(path(good).is_some_and(|path| path.ends_with(format!("costs/{good}.toml"))), "{good}");
        }
        for bad in ["", "short", "../../../../etc/passwd", "0123456789/abc", "0123456789ABC", &"a".repeat(81)]
        {
            assert_eq!(path(bad), None, "{bad}");
        }
    }
}
