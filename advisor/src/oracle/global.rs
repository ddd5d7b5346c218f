//! `_Py_Specialize_LoadGlobal`.

use slowpath_profile::evidence::{KeysKind, NamespaceRef};

use super::{Decision, Facts, Reason};

/// Versions of dict keys that fit into the 16 bits of the cache.
const NARROW: u32 = u16::MAX as u32;

pub(super) fn read(facts: &Facts<'_>, globals: Option<NamespaceRef>) -> Decision {
    let Some(globals) = globals.and_then(|globals| facts.evidence.namespaces(globals)) else {
        return Decision::Unknown("the globals");
    };
    let builtins = facts.evidence.namespaces.iter().find(|namespace| namespace.is_builtins);
    for namespace in [Some(globals), builtins].into_iter().flatten() {
        if namespace.keys.kind == KeysKind::General {
            return Decision::Fails(Reason::NonStringKeys);
        }
        let spent = facts.evidence.runtime.next_keys_version.is_some_and(|next| next > NARROW);
        let version = namespace.keys.version;
        if facts.version.narrow_keys_versions && (version > NARROW || (version == 0 && spent)) {
            return Decision::Fails(Reason::KeysOutOfVersions);
        }
    }
    Decision::Specialises("place in the dict of the module")
}
