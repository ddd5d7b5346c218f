//! SP606: a generator-based context manager on a hot path.

use super::idiom::{self, Idiom};
use crate::rule::{Page, Rule, everywhere, fix};

const IDIOM: Idiom = Idiom {
    key: "idiom.contextmanager",
    callees: &[(
        "contextlib.py",
        &[
            "_GeneratorContextManager.__enter__",
            "_GeneratorContextManager.__exit__",
            "_GeneratorContextManagerBase.__init__",
            "contextmanager.<locals>.helper",
            "helper",
        ],
    )],
    title: "a @contextmanager makes a generator and two objects for each 'with'",
    what: "contextlib.contextmanager",
    own: true,
    through: &[],
    applies: "all versions",
    fix: || {
        fix(
            "Write a class with __enter__ and __exit__, or use try/finally on the hot path.",
            &[
                "-    with timer(name):",
                "-        work()",
                "+    begin(name)",
                "+    try:",
                "+        work()",
                "+    finally:",
                "+        end(name)",
            ],
            "",
        )
    },
};

pub(super) const RULE: Rule = Rule {
    code: "SP606",
    name: "a @contextmanager entered on a hot path",
    page: Page {
        plain: "A `with` statement over a function decorated with @contextmanager makes a helper object and a \
                generator, starts it, and resumes it at the end. For a block that does little, that is most of \
                the time.",
        mechanism: "contextlib builds a _GeneratorContextManager per call; __enter__ and __exit__ are Python \
                    functions that call next() and send exceptions into the generator.",
        versions: "All versions.",
        cost: "5 to 6 times a class with __enter__ and __exit__ around an empty block.",
        slow: "@contextmanager\ndef tag(name):\n    push(name)\n    try:\n        yield\n    finally:\n        pop()",
        fast: "class tag:\n    def __init__(self, name):\n        self.name = name\n    def __enter__(self):\n        push(self.name)\n    def __exit__(self, *exc):\n        pop()",
        fix: "Write it as a class with __slots__, or enter it once around the loop.",
    },
    holds: everywhere,
    check: |context| idiom::check(context, &IDIOM),
};
