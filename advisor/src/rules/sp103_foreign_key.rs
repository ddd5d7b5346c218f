//! SP103: a module has a key that is not a string.

use slowpath_profile::evidence::{KeysKind, OpFamily, StoreKind};
use slowpath_profile::finding::EvidenceLevel;

use super::common::{blame, module, oracle_says, users_of};
use crate::cause::{self, Wanted};
use crate::context::Context;
use crate::oracle::Reason;
use crate::rule::{Charge, Draft, Page, Rule, Verdict, fix};
use crate::target::Target;

pub(super) const RULE: Rule = Rule {
    code: "SP103",
    name: "a module holds a key that is not a string",
    page: Page {
        plain: "Somebody uses the globals of a module as a dict for other things: `globals()[3] = value`. One \
                such key, even if it is deleted again, makes every read of every global of that module slow.",
        mechanism: "A dict whose keys are all strings has a compact table that LOAD_GLOBAL can index. The first \
                    other key converts it to the general kind for ever (DICT_KEYS_GENERAL), for which there is \
                    no specialised form.",
        versions: "3.11 and later, without the JIT as with it where the loop is not compiled.",
        cost: "Reads of globals take 2.7 to 3.5 times as long.",
        slow: "globals()[42] = 'answer'",
        fast: "table = {42: 'answer'}",
        fix: "Keep such keys in a dict of their own.",
    },
    holds,
    check,
};

fn holds(target: Target) -> Result<(), &'static str> {
    match target.since(11) {
        true => Ok(()),
        false => Err("before 3.11 the kind of a dict's keys does not matter"),
    }
}

fn check(context: &Context<'_>) -> Verdict {
    if context.evidence.namespaces.is_empty() {
        return Verdict::CannotTell("no globals were observed".into());
    }
    let mut drafts = Vec::new();
    for (at, namespace) in context.namespaces().filter(|(_, space)| space.keys.kind == KeysKind::General) {
        let sites = users_of(context, at, namespace).filter(|hot| hot.is_generic());
        let charges: Vec<Charge> = sites
            .filter(|hot| hot.site.family == OpFamily::LoadGlobal)
            .map(|hot| {
                Charge::of_site(context, hot, "load_global.non_string").in_state("LOAD_GLOBAL, NON_STRING")
            })
            .collect();
        if charges.is_empty() {
            continue;
        }
        let name = module(namespace);
        let key = namespace.foreign_key.clone();
        let mut draft = Draft {
            about: format!("module {name}"),
            title: match &key {
                Some(key) => {
                    format!("{name} has the key {key}, which is no string: all its reads of globals are slow")
                }
                None => format!("{name} has had a key that is no string: all its reads of globals are slow"),
            },
            charges,
            applies: "3.11-3.15".into(),
            fix: fix(
                "Keep that key in a dict of its own, from the start: deleting it does not help.",
                &[
                    "-    globals()[42] = value",
                    "+    table[42] = value         # table = {} at module level",
                ],
                "Code that reads the key from globals() must read the dict.",
            ),
            ..Draft::default()
        };
        oracle_says(&mut draft, Reason::NonStringKeys);
        if let Some(key) = key {
            draft.because(EvidenceLevel::State, format!("the key is {key}"));
        }
        let culprits = cause::find(
            context,
            &Wanted {
                named: &[],
                dynamic: &[StoreKind::GlobalsItem],
                counted: &[],
                changed: &[],
                owner: &name,
                fits: &|store| store.globals.is_none_or(|globals| globals == at),
            },
        );
        blame(&mut draft, culprits, EvidenceLevel::State);
        drafts.push(draft);
    }
    Verdict::of(drafts)
}
