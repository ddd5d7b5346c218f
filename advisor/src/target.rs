//! Which interpreter a rule is asked about.

use slowpath_profile::Process;
use slowpath_profile::evidence::ProcessEvidence;

/// A version of CPython and how it runs. What advice is true depends on both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// `(3, 14)`; `(0, 0)` if unknown.
    pub version: (u8, u8),
    /// The just-in-time compiler is switched on.
    pub jit: bool,
    /// `Py_DEBUG`.
    pub debug: bool,
    /// `Py_GIL_DISABLED`.
    pub free_threaded: bool,
    /// No CPython at all but the runtime that comes with slowpath: its version is `(0, 0)`, and of all rules
    /// only its own hold.
    pub bundled: bool,
}

impl Target {
    /// The interpreter of a profiled process.
    pub fn of(process: &Process, evidence: &ProcessEvidence) -> Self {
        let version = match evidence.runtime.version {
            (0, 0) => parse(&process.python).unwrap_or_default(),
            known => known,
        };
        Self {
            version,
            jit: process.build.jit || evidence.runtime.jit.is_on,
            debug: process.build.debug,
            free_threaded: process.build.free_threaded,
            bundled: process.is_bundled(),
        }
    }

    /// Whether the minor version is `minor` or later.
    pub fn since(self, minor: u8) -> bool {
        self.version >= (3, minor)
    }

    /// Whether the minor version is `minor` or earlier.
    pub fn until(self, minor: u8) -> bool {
        self.version <= (3, minor)
    }

    /// Whether cost tables hold measurements of this very kind of build.
    pub fn is_measured(self) -> bool {
        !self.debug && !self.free_threaded
    }

    /// `CPython 3.14 with the JIT`.
    pub fn name(self) -> String {
        if self.bundled {
            return "the bundled runtime".into();
        }
        let (major, minor) = self.version;
        format!("CPython {major}.{minor}{}", if self.jit { " with the JIT" } else { "" })
    }
}

fn parse(python: &str) -> Option<(u8, u8)> {
    let mut numbers = python.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_process_where_evidence_lacks_them() {
        let process = Process { python: "3.13.5".into(), ..Process::default() };
        let target = Target::of(&process, &ProcessEvidence::default());
        assert_eq!((target.version, target.jit), ((3, 13), false));
        assert!(target.since(13) && target.until(13) && !target.since(14));
        let process = Process { python: "RustPython 0.6.0".into(), ..Process::default() };
        let target = Target::of(&process, &ProcessEvidence::default());
        assert_eq!((target.version, target.bundled, target.since(8)), ((0, 0), true, false));
        assert_eq!(parse("3"), None);
        assert_eq!(parse("3.999.1"), None);
    }
}
