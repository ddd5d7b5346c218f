//! SP003: the versions of dict keys are used up.

use slowpath_profile::evidence::{OpFamily, Store, StoreKind};
use slowpath_profile::finding::EvidenceLevel;

use super::common::{self, NO_SITES, blame, oracle_says};
use super::sp102_module_keys;
use crate::cause::{self, Culprits, Wanted};
use crate::context::Context;
use crate::oracle::Reason;
use crate::rule::{Charge, Draft, Page, Rule, Verdict, fix};
use crate::target::Target;

const LIMIT: u32 = u16::MAX as u32;

pub(super) const RULE: Rule = Rule {
    code: "SP003",
    name: "no version numbers left for modules",
    page: Page {
        plain: "The interpreter gives numbers to the sets of names of modules and classes, so that functions can \
                remember where a name is. It has 65,535 of them for the whole life of the process. A program \
                that keeps making modules, classes or templates at run time uses them up; from then on no new \
                code can remember where its globals are.",
        mechanism: "next_keys_version of the interpreter has passed 65,535; a version beyond that does not fit \
                    into the cache of LOAD_GLOBAL, which stays generic. One number goes for each freshly \
                    compiled and executed namespace whose functions run twice, for each insertion into a module \
                    followed by a read, and for each class whose methods are used.",
        versions: "3.12 and later. 3.11 has 32 bits.",
        cost: "Reads of globals take 3 to 4 times as long, 12 times under the JIT. Modules that were used before \
               keep what they have until a name is added to them.",
        slow: "def render(template):\n    namespace = {}\n    exec(compile(template, '<t>', 'exec'), namespace)\n    return namespace['run']()",
        fast: "code = functools.cache(lambda template: compile(template, '<t>', 'exec'))\n\ndef render(template):\n    namespace = {}\n    exec(code(template), namespace)    # compiled once\n    return namespace['run']()",
        fix: "Do not compile, exec or create classes per request; compile once and keep the result. As a stopgap, \
              restart workers after so many requests.",
    },
    holds,
    check,
};

fn holds(target: Target) -> Result<(), &'static str> {
    match target.since(12) {
        true => Ok(()),
        false => Err("before 3.12 these numbers do not run out"),
    }
}

fn check(context: &Context<'_>) -> Verdict {
    let Some(next) = context.evidence.runtime.next_keys_version else {
        return Verdict::CannotTell("the counter of key versions could not be read".into());
    };
    if next <= LIMIT {
        return Verdict::Clear;
    }
    if context.sites.is_empty() {
        return Verdict::CannotTell(NO_SITES.into());
    }
    let sites = context.sites_of(&[OpFamily::LoadGlobal]);
    let hurt = sites.filter(|hot| {
        hot.is_generic() && hot.refusal().is_some_and(|(reason, _, _)| reason == Reason::KeysOutOfVersions)
    });
    let charges: Vec<Charge> = hurt
        .map(|hot| {
            Charge::of_site(context, hot, "load_global.out_of_versions")
                .in_state("LOAD_GLOBAL, OUT_OF_VERSIONS")
        })
        .collect();
    if charges.is_empty() {
        return Verdict::Clear;
    }
    let mut draft = Draft {
        about: "versions of dict keys".into(),
        title: "the interpreter has no version numbers left: new code searches for every global".into(),
        charges,
        applies: "3.12-3.15, until the process ends".into(),
        fix: fix(
            "Compile, exec and create classes once, not per request; restart workers until that is done.",
            &[
                "-    exec(compile(text, name, 'exec'), namespace)",
                "+    exec(compiled(text), namespace)   # cached",
            ],
            "Cached code must not depend on what differs between requests.",
        ),
        ..Draft::default()
    };
    draft.because(
        EvidenceLevel::State,
        format!("the interpreter is at number {next}; {LIMIT} was the last that it could use"),
    );
    oracle_says(&mut draft, Reason::KeysOutOfVersions);
    let culprits = culprits(context);
    blame(&mut draft, culprits, EvidenceLevel::State);
    Verdict::Found(vec![draft])
}

/// What uses versions up: names of modules that come and go, else code and classes made at run time.
fn culprits(context: &Context<'_>) -> Culprits {
    let moving = context.namespaces().filter(|(_, module)| sp102_module_keys::is_moving(module));
    for (at, module) in moving {
        let changed = sp102_module_keys::created(module);
        let found = cause::find(
            context,
            &Wanted {
                named: &sp102_module_keys::NAMED,
                dynamic: &[StoreKind::GlobalsItem, StoreKind::Setattr, StoreKind::Delattr],
                counted: &cause::KEYS,
                changed: &changed,
                owner: &common::module(module),
                fits: &|store| sp102_module_keys::changes_keys(store, at, module, !changed.is_empty()),
            },
        );
        if !found.causes.is_empty() {
            return found;
        }
    }
    cause::find(
        context,
        &Wanted {
            named: &[StoreKind::ClassBody],
            dynamic: &[StoreKind::Exec, StoreKind::GlobalsItem],
            counted: &[],
            changed: &[],
            owner: "",
            fits: &|store| !is_import(context, store),
        },
    )
}

/// Whether a store is part of the import of modules, which happens once for each.
fn is_import(context: &Context<'_>, store: &Store) -> bool {
    let function = context.function(store.function);
    function.is_some_and(|function| context.tables.text(function.file).starts_with("<frozen importlib"))
}
