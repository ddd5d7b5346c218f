//! SP102: names appear in or vanish from a module at run time.

use slowpath_profile::evidence::{KeyChange, KeyEvent, KeysKind, Namespace, NamespaceRef, Store, StoreKind};
use slowpath_profile::finding::EvidenceLevel;

use super::common::{blame, module, users_of};
use crate::cause::{self, Wanted};
use crate::context::Context;
use crate::rule::{Charge, Draft, Page, Rule, Verdict, fix};
use crate::target::Target;

pub(super) const RULE: Rule = Rule {
    code: "SP102",
    name: "global names created or deleted while the program runs",
    page: Page {
        plain: "The program keeps creating or deleting names of a module: `globals()[key] = value`, `del name`, \
                a cache of imports, a registry. Whenever the set of names changes, the interpreter forgets \
                where each name of that module is, and all functions of the module search again.\n\n\
                Giving a new value to a name that exists is free on 3.11 and later without the JIT.",
        mechanism: "A specialised read of a global checks the version of the dict's keys. Inserting or deleting \
                    a key takes that version away; each read in the module then misses, up to 53 times, until \
                    it is specialised anew.",
        versions: "3.11 and later. On 3.8 to 3.10 every store to a global does the same damage (SP101).",
        cost: "Reads of globals take 2.3 to 3 times as long, 5 times and more under the JIT; a change per 100 \
               reads still costs 2 times, one per 10,000 nothing.",
        slow: "def handle(request):\n    globals()['last_' + request.kind] = request",
        fast: "last = {}\n\ndef handle(request):\n    last[request.kind] = request",
        fix: "Create all names when the module is imported, if need be with the value None, and keep what comes \
              and goes in a dict or an object.",
    },
    holds,
    check,
};

fn holds(target: Target) -> Result<(), &'static str> {
    match target.since(11) {
        true => Ok(()),
        false => Err("before 3.11 every store to a global counts, see SP101"),
    }
}

fn check(context: &Context<'_>) -> Verdict {
    if context.evidence.namespaces.is_empty() {
        return Verdict::CannotTell("no globals were observed".into());
    }
    let moving = context.namespaces().filter(|(_, space)| is_moving(space));
    Verdict::of(moving.filter_map(|(at, space)| draft(context, at, space)).collect())
}

pub(super) fn is_moving(namespace: &Namespace) -> bool {
    // Keys of the general kind never have a version: that is SP103.
    if namespace.keys.kind == KeysKind::General {
        return false;
    }
    let keys = &namespace.keys;
    let seen: u32 = changes(namespace).map(|change| change.times).sum();
    (keys.changes >= 3 && keys.changes * 10 >= keys.looks) || seen >= 3
}

/// Names that come and go. One that has gone and come again between two looks seems to be rebound.
pub(super) fn created(namespace: &Namespace) -> Vec<KeyChange> {
    let named: Vec<KeyChange> = changes(namespace).cloned().collect();
    if named.is_empty() { namespace.changes.clone() } else { named }
}

fn changes(namespace: &Namespace) -> impl Iterator<Item = &KeyChange> {
    namespace.changes.iter().filter(|change| change.event != KeyEvent::Rebound)
}

fn draft(context: &Context<'_>, at: NamespaceRef, namespace: &Namespace) -> Option<Draft> {
    let charges: Vec<Charge> = users_of(context, at, namespace)
        .filter(|hot| hot.is_disturbed() || hot.site.states.backed_off > 0 || hot.is_compiled())
        .map(|hot| {
            let weight = if hot.is_compiled() { 1.0 } else { hot.slow_share() };
            let state = format!("the fast way is lost again and again ({})", hot.site.form());
            Charge::of_site(context, hot, "load_global.keys").weighing(weight).in_state(state)
        })
        .collect();
    if charges.is_empty() {
        return None;
    }
    let name = module(namespace);
    let changed = created(namespace);
    let mut draft = Draft {
        about: format!("module {name}"),
        title: format!("names of {name} come and go: its functions must search for every global again"),
        charges,
        applies: "3.11-3.15; on 3.8-3.10 any store to a global does it (SP101)".into(),
        fix: fix(
            "Create the names when the module is imported, and keep what comes and goes in one dict.",
            &["-    globals()[key] = value", "+    registry[key] = value    # registry = {} at module level"],
            "Code that reads those names as globals must read the dict.",
        ),
        ..Draft::default()
    };
    let keys = &namespace.keys;
    draft.because(
        EvidenceLevel::Dynamics,
        format!(
            "the set of names of {name} had changed in {} of {} looks (the version of its keys had moved)",
            keys.changes, keys.looks
        ),
    );
    if !changed.is_empty() {
        let names: Vec<String> = changed.iter().take(5).map(describe).collect();
        draft.because(EvidenceLevel::Dynamics, format!("between looks: {}", names.join(", ")));
    }
    let culprits = cause::find(
        context,
        &Wanted {
            named: &NAMED,
            dynamic: &[StoreKind::GlobalsItem, StoreKind::Setattr, StoreKind::Delattr, StoreKind::Exec],
            counted: &cause::KEYS,
            changed: &changed,
            owner: &name,
            fits: &|store| changes_keys(store, at, namespace, !changed.is_empty()),
        },
    );
    blame(&mut draft, culprits, EvidenceLevel::Dynamics);
    Some(draft)
}

/// Kinds of stores that create or delete a name of a module.
pub(super) const NAMED: [StoreKind; 7] = [
    StoreKind::Global,
    StoreKind::DeleteGlobal,
    StoreKind::GlobalsItem,
    StoreKind::Attribute,
    StoreKind::DeleteAttribute,
    StoreKind::Setattr,
    StoreKind::Delattr,
];

/// Whether a store may create or delete a name of this module. A plain store to a global does so for
/// few names: which, only what was seen to change can tell.
pub(super) fn changes_keys(store: &Store, at: NamespaceRef, module: &Namespace, is_named: bool) -> bool {
    let is_inside = store.globals == Some(at) || (store.globals.is_none() && is_named);
    match store.kind {
        StoreKind::Global => is_named && is_inside,
        StoreKind::DeleteGlobal | StoreKind::GlobalsItem | StoreKind::Exec => is_inside,
        _ => cause::writes_to_module(store, &module.module),
    }
}

fn describe(change: &KeyChange) -> String {
    let how = match change.event {
        KeyEvent::Inserted => "appeared",
        KeyEvent::Deleted => "vanished",
        KeyEvent::Rebound => "changed",
    };
    format!("{} {how} {} times", change.name, change.times)
}
