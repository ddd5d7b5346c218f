//! SP101: a global is given new values at run time, where that matters.

use slowpath_profile::Span;
use slowpath_profile::evidence::{
    CodeEvidence, KeyChange, KeyEvent, Namespace, NamespaceRef, OpFamily, Site, StoreKind,
};
use slowpath_profile::finding::EvidenceLevel;

use super::common::{blame, module, users_of};
use super::sp102_module_keys;
use crate::cause::{self, Wanted};
use crate::context::Context;
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, fix};
use crate::target::Target;
use crate::weight::Extent;

/// `_Py_MAX_ALLOWED_GLOBALS_MODIFICATIONS`: so many are tolerated by the just-in-time compiler.
const JIT_LIMIT: u8 = 6;

pub(super) const RULE: Rule = Rule {
    code: "SP101",
    name: "global rebound, where that is slow",
    page: Page {
        plain: "The program keeps giving new values to global names: a counter, a current state, a time stamp. \
                On Python 3.8 to 3.10, and with the JIT of 3.14 and 3.15, that slows down every read of every \
                global in the same module.\n\n\
                On 3.11 to 3.15 without the JIT it costs nothing, and this rule is silent.",
        mechanism: "3.8 to 3.10 keep the value of a global with the version of the whole dict, which any store \
                    to the dict changes. The JIT builds globals into the code as constants while their dict is \
                    not modified, and gives up on the dict for ever at the sixth modification.",
        versions: "3.8, 3.9 and 3.10 (any store to the module's globals or to builtins); 3.14 and 3.15 with the \
                   JIT (from the 6th store). Not 3.11 to 3.15 without it.",
        cost: "A function that reads globals takes about 2 times as long.",
        slow: "calls = 0\n\ndef handle(x):\n    global calls\n    calls += 1\n    return transform(x)",
        fast: "class Stats:\n    calls = 0\n\nstats = Stats()\n\ndef handle(x):\n    stats.calls += 1\n    return transform(x)",
        fix: "Keep what changes in one object that is never replaced: stats.calls += 1 modifies the object, not \
              the globals. Or pass it on as an argument.",
    },
    holds,
    check,
};

fn holds(target: Target) -> Result<(), &'static str> {
    match (target.until(10), target.jit) {
        (true, _) | (_, true) => Ok(()),
        (false, false) => Err("without the JIT, rebinding a global costs nothing since 3.11"),
    }
}

fn check(context: &Context<'_>) -> Verdict {
    if context.evidence.namespaces.is_empty() {
        return Verdict::CannotTell("no globals were observed".into());
    }
    let moving = context.namespaces().filter(|(_, space)| is_moving(context, space));
    Verdict::of(moving.filter_map(|(at, space)| draft(context, at, space)).collect())
}

fn is_moving(context: &Context<'_>, namespace: &Namespace) -> bool {
    if context.target.jit {
        let rebound = namespace.changes.iter().any(|change| change.event == KeyEvent::Rebound);
        return namespace.mutations.is_some_and(|mutations| mutations >= JIT_LIMIT) && rebound;
    }
    namespace.tag_changes.is_some_and(|(moved, looks)| moved >= 3 && moved * 4 >= looks)
}

/// The reads themselves, or under the JIT the functions that hold them.
fn charges(context: &Context<'_>, at: NamespaceRef, namespace: &Namespace) -> Vec<Charge> {
    const KEY: &str = "load_global.rebound";
    let state = "the value is looked up each time";
    if !context.target.jit {
        let sites = users_of(context, at, namespace).filter(|hot| hot.site.family == OpFamily::LoadGlobal);
        return sites.map(|hot| Charge::of_site(context, hot, KEY).in_state(state)).collect();
    }
    // Compiled code does not say at which instruction it is: a function is charged for the part of its
    // instructions that read these globals, and its place is the line with most of them.
    let users = context.evidence.code.iter().filter(|code| code.globals == Some(at) && !code.uses_names);
    let charge = |code: &CodeEvidence| {
        let reads: Vec<Option<u32>> = reads_of_globals(code).map(|site| site.span.line).collect();
        let on_line = |line: &Option<u32>| reads.iter().filter(|other| *other == line).count();
        let most = reads.iter().max_by_key(|line| (on_line(line), std::cmp::Reverse(**line)));
        let span = most.and_then(|line| line.map(Span::of_line)).unwrap_or_default();
        Charge {
            extent: Extent::Own(code.function),
            cost: Cost::Key(KEY),
            weight: reads.len() as f64 / code.sites.len().max(1) as f64,
            place: context.place(code.function, span),
            expression: format!("{} reads of globals in {}", reads.len(), context.qualname(code.function)),
            state: state.into(),
        }
    };
    users.map(charge).collect()
}

fn reads_of_globals(code: &CodeEvidence) -> impl Iterator<Item = &Site> {
    code.sites.iter().filter(|site| site.family == OpFamily::LoadGlobal)
}

fn draft(context: &Context<'_>, at: NamespaceRef, namespace: &Namespace) -> Option<Draft> {
    let charges = charges(context, at, namespace);
    if charges.is_empty() {
        return None;
    }
    let name = module(namespace);
    let changed: Vec<KeyChange> = namespace.changes.clone();
    let mut draft = Draft {
        about: format!("module {name}"),
        title: format!(
            "globals of {name} are rebound while the program runs: all its reads of globals are slow"
        ),
        charges,
        applies: "3.8-3.10, and 3.14-3.15 with the JIT; not 3.11-3.15 without it".into(),
        fix: fix(
            "Keep what changes in one object of the module instead of in its globals.",
            &[
                "-    global calls",
                "-    calls += 1",
                "+    stats.calls += 1          # stats = Stats(), made once",
            ],
            "Code that reads or imports the global by name must read the object.",
        ),
        ..Draft::default()
    };
    if let Some((moved, looks)) = namespace.tag_changes {
        draft.because(
            EvidenceLevel::Dynamics,
            format!("a global of {name} had been set before {moved} of {looks} looks (the version of the dict had moved)"),
        );
    }
    if let Some(mutations) = namespace.mutations.filter(|_| context.target.jit) {
        draft.because(
            EvidenceLevel::State,
            format!("the JIT has counted {mutations} stores and no longer takes these globals for constants"),
        );
    }
    if !changed.is_empty() {
        let names: Vec<&str> = changed.iter().take(5).map(|change| change.name.as_str()).collect();
        draft.because(
            EvidenceLevel::Dynamics,
            format!("between looks these globals changed: {}", names.join(", ")),
        );
    }
    let culprits = cause::find(
        context,
        &Wanted {
            named: &sp102_module_keys::NAMED,
            dynamic: &[StoreKind::GlobalsItem],
            counted: &cause::ATTRIBUTES,
            changed: &changed,
            owner: &name,
            fits: &|store| match store.kind {
                StoreKind::Global => store.globals.map_or(!changed.is_empty(), |globals| globals == at),
                _ => sp102_module_keys::changes_keys(store, at, namespace, !changed.is_empty()),
            },
        },
    );
    blame(&mut draft, culprits, EvidenceLevel::Dynamics);
    Some(draft)
}
