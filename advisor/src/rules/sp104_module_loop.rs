//! SP104: hot code at the level of a module.

use slowpath_profile::evidence::{CodeEvidence, OpFamily};
use slowpath_profile::finding::{Cause, EvidenceLevel};
use slowpath_profile::ids::Id;
use slowpath_profile::tables::is_library;
use slowpath_profile::{FunctionId, Span};

use super::common::need_sites;
use crate::context::Context;
use crate::costs::Ratio;
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, everywhere, fix};
use crate::weight::Extent;

/// A call of a Python function against one of a builtin.
const SHADOWED: Ratio = Ratio::new(4.0, 2.0, 10.0);

pub(super) const RULE: Rule = Rule {
    code: "SP104",
    name: "hot code at module level, or a builtin replaced",
    page: Page {
        plain: "A loop stands at the top level of a file, not in a function. There, each variable is looked up \
                by name in a dict and stored into a dict; in a function it has a numbered slot. Putting the loop \
                into a function, unchanged, makes it faster.\n\n\
                The same rule finds functions of a module that bear the name of a builtin, such as len, and are \
                called in its place.",
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

/// Builtins that programs replace by functions of their own.
const BUILTINS: [&str; 28] = [
    "abs",
    "all",
    "any",
    "bool",
    "dict",
    "divmod",
    "enumerate",
    "filter",
    "float",
    "getattr",
    "hash",
    "hasattr",
    "id",
    "int",
    "isinstance",
    "iter",
    "len",
    "list",
    "map",
    "max",
    "min",
    "next",
    "range",
    "round",
    "sorted",
    "str",
    "sum",
    "zip",
];

/// Python functions that bear the name of a builtin and are called by it.
fn shadowed(context: &Context<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (at, function) in context.tables.functions.values().iter().enumerate() {
        let (name, qualname) = (context.tables.text(function.name), context.tables.text(function.qualname));
        let file = context.tables.text(function.file);
        if name != qualname || !BUILTINS.contains(&name) || is_library(file) {
            continue;
        }
        let is_same_file = |code: &CodeEvidence| {
            context.function(code.function).is_some_and(|other| other.file == function.file)
        };
        let by_name = context.evidence.code.iter().any(|code| {
            let mut sites = code.sites.iter();
            is_same_file(code) && sites.any(|site| site.family == OpFamily::LoadGlobal && site.name == name)
        });
        if by_name {
            drafts.push(replaced(context, Id::from_index(at), name));
        }
    }
    drafts
}

fn replaced(context: &Context<'_>, function: FunctionId, name: &str) -> Draft {
    let place = context.place(function, Span::default());
    let mut draft = Draft {
        about: format!("{name} of {}", place.file),
        title: format!("{name}() is a Python function here, not the builtin"),
        level: EvidenceLevel::Writer,
        applies: "all versions".into(),
        fix: fix(
            "Give the function a name of its own, and use the builtin where that is what is meant.",
            &["-def len(x):", "+def length_of(x):"],
            "Callers that rely on what the function adds must use the new name.",
        ),
        ..Draft::default()
    };
    draft.because(
        EvidenceLevel::Writer,
        format!("a function named {name} in the same file was on sampled stacks"),
    );
    draft.causes.push(Cause {
        place: place.clone(),
        statement: format!("def {name}"),
        how: "the function that hides the builtin".into(),
        is_static: true,
        ..Cause::default()
    });
    draft.charges.push(Charge {
        extent: Extent::Under(vec![function]),
        cost: Cost::Given(SHADOWED, "samples in that function; the builtin takes half of it or less"),
        weight: 1.0,
        place,
        expression: format!("{name}(…)"),
        state: "runs as a Python function".into(),
    });
    draft
}

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let mut drafts = shadowed(context);
    for code in context.evidence.code.iter().filter(|code| code.uses_names) {
        let file = context.function(code.function).map_or("", |function| context.tables.text(function.file));
        if is_library(file) {
            continue;
        }
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
