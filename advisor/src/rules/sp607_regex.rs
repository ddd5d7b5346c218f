//! SP607: regular expressions compiled again and again.

use super::idiom::{self, Idiom};
use crate::context::Context;
use crate::rule::{Draft, Page, Rule, Verdict, everywhere, fix};

/// What programs call; `match` is called `prefixmatch` since 3.15.
const FUNCTIONS: &[&str] = &[
    "_compile",
    "compile",
    "findall",
    "finditer",
    "fullmatch",
    "match",
    "prefixmatch",
    "search",
    "split",
    "sub",
    "subn",
];

const OVERFLOW: Idiom = Idiom {
    key: "idiom.re_overflow",
    callees: &[
        ("re/_compiler.py", &["compile", "_compile", "_code", "_compile_info"]),
        ("re/_parser.py", &["parse", "_parse_sub", "_parse"]),
        ("sre_compile.py", &["compile", "_compile", "_code", "_compile_info"]),
        ("sre_parse.py", &["parse", "_parse_sub", "_parse"]),
    ],
    title: "regular expressions are compiled while the program runs",
    what: "the compiler of regular expressions",
    own: false,
    through: &[("re/__init__.py", FUNCTIONS), ("re.py", FUNCTIONS)],
    applies: "all versions; re keeps 512 patterns",
    fix: || {
        fix(
            "Compile each pattern once, at module level; do not build patterns from data.",
            &["-    re.match('^' + name + '$', text)", "+    name == text"],
            "Escaping and flags must stay the same.",
        )
    },
};

const FUNCTION: Idiom = Idiom {
    key: "idiom.re_function",
    callees: &[("re/__init__.py", &["_compile"]), ("re.py", &["_compile"])],
    title: "a pattern is looked up at each call of a function of re",
    what: "re's table of patterns",
    own: true,
    through: &[("re/__init__.py", FUNCTIONS), ("re.py", FUNCTIONS)],
    applies: "all versions",
    fix: || {
        fix(
            "Compile the pattern once and call its methods.",
            &["-    re.match(r'\\d+', text)", "+    DIGITS.match(text)      # DIGITS = re.compile(r'\\d+')"],
            "",
        )
    },
};

pub(super) const RULE: Rule = Rule {
    code: "SP607",
    name: "regular expressions made anew",
    page: Page {
        plain: "re.match(pattern, text) keeps the last 512 patterns. A program that makes more of them, for \
                instance from data, compiles each again and again, which takes far longer than matching. And \
                even a kept pattern must be looked up at each call.",
        mechanism: "re._compile looks into a dict of patterns and flags, and calls the compiler, which is \
                    written in Python, when it is not there.",
        versions: "All versions.",
        cost: "73 to 108 times as long when patterns are compiled each time, 3 to 5 times for the look-up.",
        slow: "for word in words:\n    re.search(r'\\b' + word + r'\\b', text)",
        fast: "found = set(re.findall(r'\\w+', text))\nfor word in words:\n    word in found",
        fix: "Compile patterns at module level, and do not make them from data: one pattern with alternatives, \
              or no pattern at all.",
    },
    holds: everywhere,
    check,
};

fn check(context: &Context<'_>) -> Verdict {
    let found = |idiom| match idiom::check(context, idiom) {
        Verdict::Found(drafts) => drafts,
        _ => Vec::new(),
    };
    let (mut drafts, look_ups) = (found(&OVERFLOW), found(&FUNCTION));
    // Where patterns are compiled, that they are looked up first is no news.
    let places =
        |draft: &Draft| -> Vec<_> { draft.charges.iter().map(|charge| charge.place.clone()).collect() };
    let compiled: Vec<_> = drafts.iter().flat_map(places).collect();
    let others = look_ups.into_iter().filter(|draft| !places(draft).iter().any(|it| compiled.contains(it)));
    drafts.extend(others);
    Verdict::of(drafts)
}
