//! SP904: a wrapper that passes everything through.

use slowpath_profile::evidence::CodeEvidence;
use slowpath_profile::finding::{Cause, EvidenceLevel};

use super::{APPLIES, PASS_THROUGH, cost, holds};
use crate::context::Context;
use crate::rule::{Charge, Draft, Page, Rule, Verdict, fix};
use crate::rules::common::{need_sites, wrappers};
use crate::weight::Extent;

pub(in crate::rules) const RULE: Rule = Rule {
    code: "SP904",
    name: "a wrapper with *args, **kwargs (bundled runtime)",
    page: Page {
        plain: "A function that takes anything and passes it on packs all arguments into a tuple and a dict and \
                unpacks them again at each call.",
        mechanism: "CALL_FUNCTION_EX has no specialized form; arguments are matched by name each time.",
        versions: "The bundled runtime alone; of CPython see SP402.",
        cost: "About 4 times the time of the call.",
        slow: "def timed(f):\n    def wrapper(*args, **kwargs):\n        return f(*args, **kwargs)\n    return wrapper",
        fast: "def timed(f):\n    def wrapper(order, count):     # the signature of f\n        return f(order, count)\n    return wrapper",
        fix: "Give the wrapper the signature of what it wraps, or wrap what is called less often.",
    },
    holds,
    check,
};

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    Verdict::of(wrappers(context).map(|code| draft(context, code)).collect())
}

fn draft(context: &Context<'_>, code: &CodeEvidence) -> Draft {
    let name = context.qualname(code.function);
    let place = context.place(code.function, slowpath_profile::Span::default());
    let takes = if code.takes_kwargs { "*args and **kwargs" } else { "*args" };
    let mut draft = Draft {
        about: format!("function {name} of {}", place.file),
        title: format!("{name} packs and unpacks all arguments at each call"),
        level: EvidenceLevel::Writer,
        applies: APPLIES.into(),
        fix: fix(
            "Give the wrapper the signature of what it wraps, or wrap something that is called less often.",
            &["-    def wrapper(*args, **kwargs):", "+    def wrapper(order, count):"],
            "The wrapper then fits one signature only.",
        ),
        ..Draft::default()
    };
    draft.because(EvidenceLevel::State, format!("it takes {takes} and calls with unpacked arguments"));
    draft.because(EvidenceLevel::Writer, "the time goes into the wrapper itself, not into what it calls");
    draft.causes.push(Cause {
        place: place.clone(),
        statement: format!("def {}({takes})", name.rsplit('.').next().unwrap_or(name)),
        how: "the wrapper itself".into(),
        ..Cause::default()
    });
    draft.charges.push(Charge {
        extent: Extent::Own(code.function),
        cost: cost(PASS_THROUGH),
        weight: 1.0,
        place,
        expression: "f(*args, **kwargs)".into(),
        state: "packs and unpacks".into(),
    });
    draft
}
