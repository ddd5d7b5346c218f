//! SP610: members of an enum looked up by value, or asked for their value.

use super::idiom::{self, Idiom};
use crate::context::Context;
use crate::rule::{Page, Rule, Verdict, everywhere, fix};

const VALUE: Idiom = Idiom {
    key: "idiom.enum_value",
    callees: &[
        ("enum.py", &["property.__get__", "Enum.value", "Enum.name"]),
        ("types.py", &["DynamicClassAttribute.__get__"]),
    ],
    title: "each .value of an enum member runs a descriptor written in Python",
    what: "the value of an enum member",
    own: true,
    through: &[],
    applies: "all versions",
    fix: || {
        fix(
            "Read the values once, or use ._value_, which is a plain attribute.",
            &["-    code = color.value", "+    code = color._value_"],
            "_value_ is documented, but looks private.",
        )
    },
};

const CALL: Idiom = Idiom {
    key: "idiom.enum_call",
    callees: &[("enum.py", &["EnumType.__call__", "EnumMeta.__call__", "Enum.__new__"])],
    title: "an enum is called to find a member by its value",
    what: "the call of an enum class",
    own: true,
    through: &[],
    applies: "all versions",
    fix: || {
        fix(
            "Keep a dict from values to members.",
            &[
                "-    color = Color(code)",
                "+    color = COLORS[code]       # {member.value: member for member in Color}",
            ],
            "An unknown value raises KeyError, not ValueError.",
        )
    },
};

pub(super) const RULE: Rule = Rule {
    code: "SP610",
    name: "enum members asked by value on a hot path",
    page: Page {
        plain: "`member.value` and `Color(code)` look cheap and run Python code of the enum module each time.",
        mechanism: "value is a descriptor written in Python; calling the class goes through the metaclass and \
                    Enum.__new__, which looks into a table.",
        versions: "All versions.",
        cost: "value 6 to 25 times a plain attribute, a call 8 to 17 times a dict.",
        slow: "if Color(code).value > 3:\n    ...",
        fast: "if COLORS[code]._value_ > 3:\n    ...",
        fix: "Keep a dict from values to members, and read values once outside of the loop.",
    },
    holds: everywhere,
    check,
};

fn check(context: &Context<'_>) -> Verdict {
    let mut drafts = Vec::new();
    for idiom in [&VALUE, &CALL] {
        if let Verdict::Found(found) = idiom::check(context, idiom) {
            drafts.extend(found);
        }
    }
    Verdict::of(drafts)
}
