//! SP402: a wrapper that passes everything through.

use slowpath_profile::evidence::CodeEvidence;
use slowpath_profile::finding::{Cause, EvidenceLevel};

use super::common::{need_sites, wrappers};
use crate::context::Context;
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, everywhere, fix};
use crate::weight::Extent;

pub(super) const RULE: Rule = Rule {
    code: "SP402",
    name: "a wrapper with *args and **kwargs on a hot path",
    page: Page {
        plain: "A function that takes anything and passes it on, `def wrapper(*args, **kwargs): return \
                f(*args, **kwargs)`, packs all arguments into a tuple and a dict and unpacks them again at each \
                call. Decorators are often written so.",
        mechanism: "CALL_FUNCTION_EX has no specialised form for it; the callee's arguments are matched by name \
                    each time, and a frame, a tuple and a dict are made per call.",
        versions: "All versions.",
        cost: "1.1 to 1.7 times the time of the call with *args, 1.8 to 4.2 times with **kwargs.",
        slow: "def timed(f):\n    def wrapper(*args, **kwargs):\n        return f(*args, **kwargs)\n    return wrapper",
        fast: "def timed(f):\n    def wrapper(order, count):     # the signature of f\n        return f(order, count)\n    return wrapper",
        fix: "Give the wrapper the signature of what it wraps, or decorate the outer function, which is called \
              less often.",
    },
    holds: everywhere,
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
    let key = if code.takes_kwargs { "call.pass_through_kw" } else { "call.pass_through" };
    let mut draft = Draft {
        about: format!("function {name} of {}", place.file),
        title: format!("{name} packs and unpacks all arguments at each call"),
        level: EvidenceLevel::Writer,
        applies: "all versions".into(),
        fix: fix(
            "Give the wrapper the signature of what it wraps, or wrap something that is called less often.",
            &[
                "-    def wrapper(*args, **kwargs):",
                "-        return f(*args, **kwargs)",
                "+    def wrapper(order, count):",
                "+        return f(order, count)",
            ],
            "The wrapper then fits one signature only.",
        ),
        ..Draft::default()
    };
    let takes = if code.takes_kwargs { "*args and **kwargs" } else { "*args" };
    draft.because(EvidenceLevel::State, format!("it takes {takes} and calls with unpacked arguments"));
    draft.because(EvidenceLevel::Writer, "the time goes into the wrapper itself, not into what it calls");
    draft.causes.push(Cause {
        place: place.clone(),
        statement: format!("def {}({takes})", name.rsplit('.').next().unwrap_or(name)),
        how: "the wrapper itself".into(),
        is_static: true,
        ..Cause::default()
    });
    // What the callee does for long is not charged: it has frames of its own.
    draft.charges.push(Charge {
        extent: Extent::Own(code.function),
        cost: Cost::Key(key),
        weight: 1.0,
        place,
        expression: "f(*args, **kwargs)".into(),
        state: "packs and unpacks".into(),
    });
    draft
}
