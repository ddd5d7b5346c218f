//! SP403: calls that cannot be specialised.

use slowpath_profile::evidence::{OpFamily, Operand, OperandRole};
use slowpath_profile::finding::{EvidenceLevel, Fix};
use slowpath_profile::tables::is_library;

use super::common::{Group, cause_in_class, charges, need_sites, oracle_says, refused};
use crate::context::Context;
use crate::oracle::Reason;
use crate::rule::{Charge, Draft, Page, Rule, Verdict, everywhere, fix};

pub(super) const RULE: Rule = Rule {
    code: "SP403",
    name: "a call that must find out each time what to do",
    page: Page {
        plain: "What is called is no plain function: an object with a `__call__`, a functools.partial with \
                keywords, a class with a metaclass or a `__new__` of its own, or a function that was modified \
                at run time. The interpreter cannot go straight to the code and takes the long way each time.",
        mechanism: "CALL has forms for Python functions, bound methods, built-in functions and, since 3.13, \
                    classes whose metaclass is type, whose __new__ is object's and whose __init__ is simple. \
                    Everything else is CALL_NON_PY_GENERAL or generic. Setting __code__, __defaults__ or \
                    __kwdefaults__ ends a function's version for ever (3.13 and later).",
        versions: "3.11 and later; forms for classes and the effect of modified functions from 3.13 on. \
                   Partials with keywords on all versions.",
        cost: "Object with __call__ 2.2 to 2.7 times, partial with keywords 1.5 to 4.4, metaclass or __new__ \
               1.8 to 3.8, modified function 1.1 to 1.2.",
        slow: "class Scale:\n    def __init__(self, k):\n        self.k = k\n    def __call__(self, x):\n        return self.k * x",
        fast: "def scale(k):\n    def call(x):\n        return k * x\n    return call",
        fix: "Use a function or closure where only one method is needed, and plain classes for objects that are \
              made in loops.",
    },
    holds: everywhere,
    check,
};

const REASONS: [Reason; 5] = [
    Reason::CallableObject,
    Reason::MetaclassCall,
    Reason::OwnNew,
    Reason::ComplexInit,
    Reason::FunctionModified,
];

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let groups = refused(context, &[OpFamily::Call, OpFamily::CallKw], &REASONS, false);
    let ours =
        groups.iter().filter(|group| !group.ty.is_some_and(|ty| is_of_library(context, ty.defined_in)));
    Verdict::of(partials(context).into_iter().chain(ours.map(|group| draft(context, group))).collect())
}

/// Calls of partials that bind keywords, on any version: what they cost is the dict that is merged for each
/// call. One without keywords is as fast as the function itself.
fn partials(context: &Context<'_>) -> Option<Draft> {
    let mut charges = Vec::new();
    for hot in context.sites_of(&[OpFamily::Call, OpFamily::CallKw]) {
        let looks = |wanted: &dyn Fn(&Operand) -> bool| -> u32 {
            let callees = hot.site.operands_as(OperandRole::Callee);
            callees.filter(|operand| wanted(operand)).map(|operand| operand.looks).sum()
        };
        let bound = looks(&|operand| operand.note.contains("keyword"));
        if bound > 0 {
            let share = f64::from(bound) / f64::from(looks(&|_| true).max(1));
            let charge = Charge::of_site(context, hot, "call.partial").weighing(share);
            charges.push(charge.in_state("calls a functools.partial with keywords"));
        }
    }
    if charges.is_empty() {
        return None;
    }
    let mut draft = Draft {
        about: "calls of functools.partial".into(),
        title: "a functools.partial with keywords builds a new argument list at each call".into(),
        level: EvidenceLevel::State,
        charges,
        applies: "all versions".into(),
        fix: fix(
            "Write a small function that passes the arguments on.",
            &["-step = partial(work, scale=2)", "+def step(x): return work(x, scale=2)"],
            "",
        ),
        ..Draft::default()
    };
    draft.because(
        EvidenceLevel::State,
        "what is called there was seen to be a partial that binds arguments by keyword",
    );
    Some(draft)
}

fn is_of_library(context: &Context<'_>, body: Option<slowpath_profile::FunctionId>) -> bool {
    let function = body.and_then(|body| context.function(body));
    function.is_some_and(|function| is_library(context.tables.text(function.file)))
}

fn words(reason: Reason) -> (&'static str, &'static str, Fix) {
    match reason {
        Reason::CallableObject => (
            "call.callable_object",
            "is called through its __call__",
            fix(
                "Use a function or closure instead of an object with __call__.",
                &["+    call = scale.apply     # a bound method, kept"],
                "",
            ),
        ),
        Reason::MetaclassCall => (
            "call.metaclass",
            "has a metaclass: making an object is a general call",
            fix(
                "Make many objects of a plain class; keep the metaclass for what is made once.",
                &[],
                "Checks of the metaclass do not run.",
            ),
        ),
        Reason::OwnNew => (
            "call.own_new",
            "has its own __new__: making an object is a general call",
            fix(
                "Do the work in __init__, or in a function that makes the object.",
                &[],
                "Subclasses that rely on __new__.",
            ),
        ),
        Reason::ComplexInit => (
            "call.complex_init",
            "has an __init__ with *args, **kwargs or keyword-only arguments",
            fix("Give __init__ plain positional parameters.", &[], "Callers that pass other arguments."),
        ),
        _ => (
            "call.code_swapped",
            "was modified at run time and is never cached again",
            fix("Make a new function instead of setting __code__ or __defaults__.", &[], ""),
        ),
    }
}

fn draft(context: &Context<'_>, group: &Group<'_, '_>) -> Draft {
    let (key, what, fix) = words(group.reason);
    let name = &group.about;
    let mut draft = Draft {
        about: format!("calls of {name}"),
        title: format!("{name} {what}"),
        level: EvidenceLevel::State,
        charges: charges(context, group, key),
        applies: "3.11-3.15; classes and modified functions 3.13-3.15".into(),
        fix,
        ..Draft::default()
    };
    oracle_says(&mut draft, group.reason);
    let methods: &[&str] = match group.reason {
        Reason::CallableObject => &["__call__"],
        Reason::OwnNew => &["__new__"],
        Reason::ComplexInit => &["__init__"],
        _ => &[],
    };
    let cause = group.ty.and_then(|ty| cause_in_class(context, ty, methods, "the class that is called"));
    if let Some(cause) = cause {
        draft.level = EvidenceLevel::Writer;
        draft.causes.push(cause);
    }
    draft
}
