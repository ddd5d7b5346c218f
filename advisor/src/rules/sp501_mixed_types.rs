//! SP501: an operator meets different types.

use slowpath_profile::evidence::{OpFamily, OperandRole, Value};
use slowpath_profile::finding::EvidenceLevel;

use super::common::need_sites;
use crate::context::{Context, HotSite};
use crate::rule::{Charge, Draft, Page, Rule, Verdict, fix};
use crate::target::Target;

pub(super) const RULE: Rule = Rule {
    code: "SP501",
    name: "an operator that meets different types",
    page: Page {
        plain: "`a + b` or `a < b` sees integers now and floats then, or an integer on one side and a float on \
                the other. The interpreter has fast ways for two integers and for two floats; a mix takes the \
                general way.",
        mechanism: "BINARY_OP and COMPARE_OP specialise for operands of the same exact type. 3.14 adds forms for \
                    an int with a float in arithmetic, but a site that alternates still misses. bool is not int.",
        versions: "3.11 and later; a constant mix of int and float in arithmetic up to 3.13.",
        cost: "Arithmetic 1.2 to 1.5 times, a float with an integer constant 1.7 to 2.0 up to 3.13, comparisons \
               1.3 to 1.7.",
        slow: "def scale(values):             # floats\n    return [value * 2 for value in values]",
        fast: "def scale(values):\n    return [value * 2.0 for value in values]",
        fix: "Convert once where the values come in: float(price). Write 2.0, not 2, beside floats.",
    },
    holds,
    check,
};

fn holds(target: Target) -> Result<(), &'static str> {
    match target.since(11) {
        true => Ok(()),
        false => Err("before 3.11 no operator is specialised by type"),
    }
}

const NUMBERS: [&str; 3] = ["int", "float", "bool"];

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let sites = context.sites_of(&[OpFamily::BinaryOp, OpFamily::Compare]);
    Verdict::of(sites.filter_map(|hot| draft(context, hot)).collect())
}

/// Types seen on one side with their share, those of 5 % or more.
fn side(context: &Context<'_>, hot: &HotSite<'_>, role: OperandRole) -> Vec<(String, f64)> {
    let all: u32 = hot.site.operands_as(role).map(|operand| operand.looks).sum();
    let mut types = Vec::<(String, f64)>::new();
    for operand in hot.site.operands_as(role) {
        let Value::Instance(ty) = operand.value else { continue };
        let Some(name) = context.ty(ty).map(|ty| ty.name.clone()) else { continue };
        let share = f64::from(operand.looks) / f64::from(all.max(1));
        match types.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known += share,
            None => types.push((name, share)),
        }
    }
    types.retain(|(_, share)| *share >= 0.05);
    types
}

fn draft(context: &Context<'_>, hot: &HotSite<'_>) -> Option<Draft> {
    let (left, right) = (side(context, hot, OperandRole::Left), side(context, hot, OperandRole::Right));
    let names = |side: &[(String, f64)]| side.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let known = |side: &[(String, f64)]| side.iter().all(|(name, _)| NUMBERS.contains(&name.as_str()));
    if !known(&left) || !known(&right) || (left.is_empty() && right.is_empty()) {
        return None;
    }
    let rotates = left.len() > 1 || right.len() > 1;
    let differs = left.len() == 1 && right.len() == 1 && left[0].0 != right[0].0;
    let compare = hot.site.family == OpFamily::Compare;
    let (key, weight, level) = if rotates {
        if !(hot.is_disturbed() || hot.is_generic()) || hot.slow_share() < 0.1 {
            return None;
        }
        let key = if compare { "compare.mixed" } else { "binary_op.mixed" };
        (key, hot.slow_share(), EvidenceLevel::Dynamics)
    } else if differs && hot.is_generic() {
        let refused =
            hot.refusal().is_some_and(|(reason, _, _)| reason == crate::oracle::Reason::DifferentTypes);
        if !refused {
            return None;
        }
        (if compare { "compare.mixed" } else { "binary_op.float_int" }, 1.0, EvidenceLevel::State)
    } else {
        return None;
    };
    let or = |side: &[(String, f64)]| if side.is_empty() { "?".into() } else { names(side).join(" or ") };
    let (left, right) = (or(&left), or(&right));
    let operator = &hot.site.name;
    let place = context.place(hot.code.function, hot.site.span);
    let state = format!("{}, met {left} {operator} {right}", hot.site.form());
    let mut draft = Draft {
        about: format!("operator {operator} in {} line {}", place.function, place.line.unwrap_or_default()),
        title: format!("'{operator}' meets {left} on one side and {right} on the other"),
        level,
        charges: vec![Charge::of_site(context, hot, key).weighing(weight).in_state(state)],
        applies: "3.11-3.15; int with float in arithmetic up to 3.13".into(),
        fix: fix(
            "Convert once where the values come in, and write float constants beside floats.",
            &["-    total = value * 2", "+    total = value * 2.0"],
            "Results become floats.",
        ),
        ..Draft::default()
    };
    draft.because(level, format!("looks at the operands saw {left} and {right}"));
    Some(draft)
}
