//! SP611: randint() where random() would do.

use super::idiom::{self, Idiom};
use crate::rule::{Page, Rule, everywhere, fix};

const IDIOM: Idiom = Idiom {
    key: "idiom.randint",
    callees: &[(
        "random.py",
        &["Random.randint", "Random.randrange", "Random._randbelow_with_getrandbits", "Random.choice"],
    )],
    title: "random integers go through several Python functions each",
    what: "random.randint",
    own: false,
    through: &[],
    applies: "all versions",
    fix: || {
        fix(
            "Use int(random() * n) where a bias of one in 2**53 does not matter, or draw many at once with choices().",
            &["-    side = random.randint(1, 6)", "+    side = int(random.random() * 6) + 1"],
            "Other numbers for the same seed.",
        )
    },
};

pub(super) const RULE: Rule = Rule {
    code: "SP611",
    name: "random.randint() on a hot path",
    page: Page {
        plain: "random.randint() and randrange() check their arguments and draw bits in a loop, all in Python. \
                random.random() is one call of C.",
        mechanism: "randint calls randrange, which calls _randbelow, which calls getrandbits until the number fits.",
        versions: "All versions.",
        cost: "2.8 to 5 times as long.",
        slow: "side = random.randint(1, 6)",
        fast: "side = int(random.random() * 6) + 1",
        fix: "Use random() times n where exact uniformity does not matter; random.choices(range(n), k=many) for \
              many at once.",
    },
    holds: everywhere,
    check: |context| idiom::check(context, &IDIOM),
};
