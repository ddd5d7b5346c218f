//! Where things are in an interpreter: one table per version, and how to find out which holds.

use slowpath_profile::BuildFlags;

pub use error::LayoutError;
pub use published::DebuggerSupport;
use spec::{Layout, OffsetSource, Version, VersionSpec};
pub use versions::{spec_for, supported};

pub mod detect;
mod error;
pub mod forms;
mod published;
pub mod spec;
pub mod state;
pub mod versions;

/// How many bytes at the start of `_PyRuntime` [`layout_for`] needs: the size of `_Py_DebugOffsets`,
/// or `None` if the version publishes none or is not known.
pub fn published_len(version: Version) -> Option<usize> {
    match known(version).ok()?.offsets {
        OffsetSource::Table(_) => None,
        OffsetSource::Published(spec) => Some(published::size(spec)),
    }
}

/// Where a process takes scripts from debuggers (3.14+), by what it has at the start of `_PyRuntime`; `None` if
/// the version takes none or what it says is not sane.
pub fn debugger_support(version: Version, published: &[u8]) -> Option<DebuggerSupport> {
    match known(version).ok()?.offsets {
        OffsetSource::Table(_) => None,
        OffsetSource::Published(spec) => published::debugger_support(spec, version, published),
    }
}

/// The layout of an interpreter of this version and build. `published` is what the process has at the
/// start of `_PyRuntime`, [`published_len`] bytes of it; 3.8-3.12 do without.
pub fn layout_for(
    version: Version,
    build: BuildFlags,
    published: Option<&[u8]>,
) -> Result<Layout, LayoutError> {
    let spec = known(version)?;
    let mut layout = match spec.offsets {
        OffsetSource::Table(table) => Layout { version, build, ..table.clone() },
        OffsetSource::Published(known) => {
            published::layout(known, version, build, published.unwrap_or_default())?
        }
    };
    layout.opcodes = spec.opcodes;
    layout.adaptive = spec.adaptive;
    if layout.interpreter.code_generation.is_some_and(|generation| generation.zero_is_unknown)
        && !next_version_is_known(build)
    {
        layout.interpreter.code_generation = None;
    }
    Ok(layout)
}

/// Whether `func_state.next_version` (3.13, unpublished) is where the headers say. Behind large
/// structures, it moves with debug fields and with the size of the platform's mutexes.
fn next_version_is_known(build: BuildFlags) -> bool {
    cfg!(target_arch = "x86_64") && !build.debug
}

/// The specification of a version, or the error that names those that there are.
fn known(version: Version) -> Result<&'static VersionSpec, LayoutError> {
    let unsupported = || LayoutError::Unsupported { found: version, supported: supported() };
    // Structures still change in alphas and betas, not in release candidates.
    let fixed = version.major == 3 && version.level_serial >= 0xc0;
    spec_for(version.minor).filter(|_| fixed).ok_or_else(unsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(minor: u8, micro: u8) -> Version {
        Version { major: 3, minor, micro, level_serial: 0xf0 }
    }

    #[test]
    fn every_listed_version_is_found_once() {
        assert_eq!(supported(), "3.8, 3.9, 3.10, 3.11, 3.12, 3.13, 3.14, 3.15");
        for spec in versions::all() {
            assert!(std::ptr::eq(spec_for(spec.minor).unwrap(), spec));
        }
    }

    #[test]
    fn tables_take_version_and_build_from_the_process() {
        let build = BuildFlags { debug: true, ..BuildFlags::default() };
        let layout = layout_for(release(11, 7), build, None).unwrap();
        assert_eq!((layout.version, layout.build), (release(11, 7), build));
        assert!(layout.opcodes.name(166).is_some());
    }

    #[test]
    fn unknown_versions_and_betas_are_refused_with_the_list() {
        let beta = Version { level_serial: 0xb1, ..release(15, 0) };
        for version in [release(7, 1), release(16, 0), beta, Version { major: 2, ..release(8, 0) }] {
            let error = layout_for(version, BuildFlags::default(), None).unwrap_err().to_string();
            assert!(error.contains(&version.to_string()) && error.contains(&supported()), "{error}");
        }
    }
}
