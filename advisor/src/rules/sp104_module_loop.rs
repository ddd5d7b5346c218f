//! SP104: hot code at the level of a module.

use slowpath_profile::evidence::OpFamily;
use slowpath_profile::finding::EvidenceLevel;

use super::common::need_sites;
use crate::context::Context;
use crate::rule::{Charge, Draft, Page, Rule, Verdict, everywhere, fix};

pub(super) const RULE: Rule = Rule {
    code: "SP104",
    name: "a hot loop outside of any function",
    page: Page {
        plain: "A loop stands at the top level of a file, not in a function. There, each variable is looked up \
                by name in a dict and stored into a dict; in a function it has a numbered slot. Putting the loop \
                into a function, unchanged, makes it faster.",
        mechanism: "Code of modules, classes and exec uses LOAD_NAME and STORE_NAME, which have no specialised \
                    forms; functions use LOAD_FAST and STORE_FAST.",
        versions: "All versions.",
        cost: "1.5 to 1.7 times as long on 3.8 to 3.10, 1.9 to 2.5 on later versions, 3.2 under the JIT.",
        slow: "total = 0\nfor row in rows:\n    total += row.price * row.count",
        fast: "def main():\n    total = 0\n    for row in rows:\n        total += row.price * row.count\n    return total\n\ntotal = main()",
        fix: "Move the loop into a function and call it. Names that other code reads as globals must be returned \
              or assigned outside.",
    },
    holds: everywhere,
    check,
};

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let mut drafts = Vec::new();
    for code in context.evidence.code.iter().filter(|code| code.uses_names) {
        let sites = context.sites_of(&[OpFamily::LoadName, OpFamily::StoreGlobal]);
        let charges: Vec<Charge> = sites
            .filter(|hot| hot.code.function == code.function)
            .map(|hot| Charge::of_site(context, hot, "load_name").in_state("looked up by name in a dict"))
            .collect();
        if charges.is_empty() {
            continue;
        }
        let place = context.place(code.function, slowpath_profile::Span::default());
        let mut draft = Draft {
            about: format!("top level of {}", place.file),
            title: format!("a loop at the top level of {} looks its variables up by name", place.file),
            level: EvidenceLevel::State,
            charges,
            applies: "all versions".into(),
            fix: fix(
                "Move the loop into a function.",
                &["+def main():", "     for row in rows:", "         ...", "+main()"],
                "Names that other code reads as globals must be returned or assigned outside.",
            ),
            ..Draft::default()
        };
        draft.because(
            EvidenceLevel::State,
            "its instructions read and write names of a dict, not slots of a function",
        );
        drafts.push(draft);
    }
    Verdict::of(drafts)
}
