//! SP612: the stack inspected on a hot path.

use super::idiom::{self, Idiom};
use crate::rule::{Page, Rule, everywhere, fix};

const IDIOM: Idiom = Idiom {
    key: "idiom.inspect_stack",
    callees: &[("inspect.py", &["stack", "getouterframes", "getframeinfo", "findsource", "getmodule"])],
    title: "inspect.stack() reads source files to describe every frame",
    what: "inspect.stack",
    own: false,
    through: &[],
    applies: "all versions",
    fix: || {
        fix(
            "Ask for the one frame that is needed.",
            &["-    name = inspect.stack()[1].function", "+    name = sys._getframe(1).f_code.co_name"],
            "_getframe is specific to CPython.",
        )
    },
};

pub(super) const RULE: Rule = Rule {
    code: "SP612",
    name: "inspect.stack() on a hot path",
    page: Page {
        plain: "inspect.stack() describes every caller with its lines of source, which it searches in files. \
                Often only the name of the caller is wanted.",
        mechanism: "For each frame, getframeinfo finds the module, the source file and the lines around.",
        versions: "All versions.",
        cost: "6 to 10 times sys._getframe with a shallow stack, more with a deep one.",
        slow: "caller = inspect.stack()[1].function",
        fast: "caller = sys._getframe(1).f_code.co_name",
        fix: "Use sys._getframe(n), or pass the name as an argument.",
    },
    holds: everywhere,
    check: |context| idiom::check(context, &IDIOM),
};
