//! SP609: dates read by strptime().

use super::idiom::{self, Idiom};
use crate::rule::{Page, Rule, everywhere, fix};

const IDIOM: Idiom = Idiom {
    key: "idiom.strptime",
    callees: &[(
        "_strptime.py",
        &["_strptime", "_strptime_datetime", "_strptime_time", "_strptime_datetime_datetime"],
    )],
    title: "strptime() reads dates with Python code and a regular expression",
    what: "strptime",
    own: false,
    through: &[],
    applies: "all versions; fromisoformat() reads most of ISO 8601 since 3.11",
    fix: || {
        fix(
            "Read ISO dates with datetime.fromisoformat(), fixed formats by slicing.",
            &["-    day = datetime.strptime(text, '%Y-%m-%d')", "+    day = datetime.fromisoformat(text)"],
            "It takes ISO 8601 only.",
        )
    },
};

pub(super) const RULE: Rule = Rule {
    code: "SP609",
    name: "dates read by strptime()",
    page: Page {
        plain: "datetime.strptime() is written in Python: for each date it looks at the locale, turns the format \
                into a regular expression and puts the parts together. datetime.fromisoformat() does it in C.",
        mechanism: "_strptime keeps five formats; each call matches a regular expression and walks its groups.",
        versions: "All versions. fromisoformat() reads only what isoformat() writes before 3.11, and most of ISO \
                   8601 since.",
        cost: "35 to 71 times as long.",
        slow: "day = datetime.strptime(text, '%Y-%m-%d')",
        fast: "day = datetime.fromisoformat(text)",
        fix: "Use fromisoformat(), or slice and int() for a fixed format; cache the result for dates that repeat.",
    },
    holds: everywhere,
    check: |context| idiom::check(context, &IDIOM),
};
