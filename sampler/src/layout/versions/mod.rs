//! What each version of CPython fixes: one file per version, and the one list of them.
//!
//! All numbers are measured by `slowpath-tables` from the headers and the interpreter of the version
//! and compared again by the drift test. To add a version: one file, and its name in the list below.

use super::spec::VersionSpec;

mod opcodes;

macro_rules! versions {
    ($($version:ident),+ $(,)?) => {
        $(mod $version;)+
        /// The known versions, oldest first.
        static VERSIONS: &[&VersionSpec] = &[$(&$version::SPEC),+];
    };
}

versions!(v3_8, v3_9, v3_10, v3_11, v3_12, v3_13, v3_14, v3_15);

/// What is known of 3.`minor`.
pub fn spec_for(minor: u8) -> Option<&'static VersionSpec> {
    VERSIONS.iter().copied().find(|spec| spec.minor == minor)
}

/// All known versions, oldest first.
pub fn all() -> impl Iterator<Item = &'static VersionSpec> {
    VERSIONS.iter().copied()
}

/// The known versions in words, as in `3.8, 3.9, 3.10`.
pub fn supported() -> String {
    let names: Vec<_> = VERSIONS.iter().map(|spec| format!("3.{}", spec.minor)).collect();
    names.join(", ")
}
