//! SP605: deepcopy() and asdict() on a hot path.

use super::idiom::{self, Idiom};
use crate::context::Context;
use crate::rule::{Page, Rule, Verdict, everywhere, fix};

const DEEPCOPY: Idiom = Idiom {
    key: "idiom.deepcopy",
    callees: &[(
        "copy.py",
        &["deepcopy", "_deepcopy_list", "_deepcopy_dict", "_deepcopy_tuple", "_reconstruct"],
    )],
    title: "copy.deepcopy() finds out for every object how to copy it",
    what: "copy.deepcopy",
    own: false,
    through: &[],
    applies: "all versions",
    fix: || {
        fix(
            "Build the new object yourself, or copy only the level that changes.",
            &[
                "-    order = copy.deepcopy(template)",
                "+    order = {**template, 'lines': list(template['lines'])}",
            ],
            "What is not copied is shared.",
        )
    },
};

const ASDICT: Idiom = Idiom {
    key: "idiom.asdict",
    callees: &[("dataclasses.py", &["asdict", "_asdict_inner", "astuple", "_astuple_inner"])],
    title: "dataclasses.asdict() copies everything deeply",
    what: "dataclasses.asdict",
    own: false,
    through: &[],
    applies: "all versions, worst before 3.12",
    fix: || {
        fix(
            "List the fields in a method of the class.",
            &["-    row = asdict(order)", "+    row = {'name': order.name, 'price': order.price}"],
            "Nested objects are not converted, and new fields must be added.",
        )
    },
};

pub(super) const RULE: Rule = Rule {
    code: "SP605",
    name: "deepcopy() or asdict() on a hot path",
    page: Page {
        plain: "copy.deepcopy() and dataclasses.asdict() work for anything: for each object, however small, they \
                find out what it is, whether it was copied already and how to copy it. Code that knows what it \
                copies is ten times faster.",
        mechanism: "deepcopy keeps a table of everything it has met and calls __reduce_ex__ for objects; asdict \
                    walks fields recursively and deep-copies what it does not know.",
        versions: "All versions.",
        cost: "deepcopy 13 to 21 times a copy by hand, asdict 10 to 45 times a dict of the fields.",
        slow: "order = copy.deepcopy(TEMPLATE)",
        fast: "order = {**TEMPLATE, 'lines': list(TEMPLATE['lines'])}",
        fix: "Build the new object explicitly. For nested plain data, json.loads(json.dumps(x)) is faster too.",
    },
    holds: everywhere,
    check,
};

fn check(context: &Context<'_>) -> Verdict {
    let mut drafts = Vec::new();
    // asdict() uses deepcopy(): what stands in both belongs to asdict().
    for idiom in [&ASDICT, &DEEPCOPY] {
        if let Verdict::Found(found) = idiom::check(context, idiom) {
            let new = found.into_iter().filter(|draft| !drafts.iter().any(|known| is_same(known, draft)));
            drafts.extend(new.collect::<Vec<_>>());
        }
    }
    Verdict::of(drafts)
}

fn is_same(one: &crate::rule::Draft, other: &crate::rule::Draft) -> bool {
    one.causes.first().map(|cause| &cause.place) == other.causes.first().map(|cause| &cause.place)
}
