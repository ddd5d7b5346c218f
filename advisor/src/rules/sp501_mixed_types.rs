//! SP501: an operator meets different types.

use slowpath_profile::evidence::{OpFamily, OperandRole, Value};
use slowpath_profile::finding::EvidenceLevel;

use super::common::{TORN, need_sites};
use crate::context::{Context, HotSite};
use crate::oracle::Reason;
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
        false => Err("before 3.11 no operator has a faster way for some types"),
    }
}

const NUMBERS: [&str; 3] = ["int", "float", "bool"];

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let mut drafts = Vec::<Draft>::new();
    for hot in context.sites_of(&[OpFamily::BinaryOp, OpFamily::Compare]) {
        let Some(mix) = mix(context, hot) else { continue };
        let about = format!("numbers in {}", context.qualname(hot.code.function));
        let state = format!("{}, met {}", hot.site.form(), mix.what);
        let charge = Charge::of_site(context, hot, mix.key).weighing(mix.weight).in_state(state);
        match drafts.iter_mut().find(|known| known.about == about) {
            Some(known) => {
                known.level = known.level.max(mix.level);
                known.charges.push(charge);
            }
            None => drafts.push(draft(about, &mix, charge)),
        }
    }
    Verdict::of(drafts)
}

/// What one operator meets.
struct Mix {
    key: &'static str,
    weight: f64,
    level: EvidenceLevel,
    what: String,
}

/// Types seen on one side with their share, those of 5 % or more.
fn side(context: &Context<'_>, hot: &HotSite<'_>, role: OperandRole) -> Vec<String> {
    let all: u32 = hot.site.operands_as(role).map(|operand| operand.looks).sum();
    let mut types = Vec::<(&str, u32)>::new();
    for operand in hot.site.operands_as(role) {
        let Value::Instance(ty) = operand.value else { continue };
        let Some(ty) = context.ty(ty) else { continue };
        match types.iter_mut().find(|(known, _)| *known == ty.name) {
            Some((_, looks)) => *looks += operand.looks,
            None => types.push((&ty.name, operand.looks)),
        }
    }
    types.retain(|(_, looks)| *looks * 20 >= all);
    types.into_iter().map(|(name, _)| name.to_owned()).collect()
}

fn mix(context: &Context<'_>, hot: &HotSite<'_>) -> Option<Mix> {
    let (left, right) = (side(context, hot, OperandRole::Left), side(context, hot, OperandRole::Right));
    let numbers = |side: &[String]| side.iter().all(|name| NUMBERS.contains(&name.as_str()));
    if !numbers(&left) || !numbers(&right) || (left.is_empty() && right.is_empty()) {
        return None;
    }
    let compare = hot.site.family == OpFamily::Compare;
    let or = |side: &[String]| if side.is_empty() { "?".into() } else { side.join(" or ") };
    let what = format!("{} {} {}", or(&left), hot.site.name, or(&right));
    if left.len() > 1 || right.len() > 1 {
        let weight = hot.slow_share();
        let key = if compare { "compare.mixed" } else { "binary_op.mixed" };
        let is_torn = hot.is_disturbed() || hot.is_generic();
        return (is_torn && weight > TORN).then_some(Mix {
            key,
            weight,
            level: EvidenceLevel::Dynamics,
            what,
        });
    }
    let refused = hot.refusal().is_some_and(|(reason, _, _)| reason == Reason::DifferentTypes);
    let key = if compare { "compare.mixed" } else { "binary_op.float_int" };
    (hot.is_generic() && refused).then_some(Mix { key, weight: 1.0, level: EvidenceLevel::State, what })
}

fn draft(about: String, mix: &Mix, charge: Charge) -> Draft {
    let what = &mix.what;
    let mut draft = Draft {
        about,
        title: format!("operators meet different types: {what}"),
        level: mix.level,
        charges: vec![charge],
        applies: "3.11-3.15; int with float in arithmetic up to 3.13".into(),
        fix: fix(
            "Convert once where the values come in, and write float constants beside floats.",
            &["-    total = value * 2", "+    total = value * 2.0"],
            "Results become floats.",
        ),
        ..Draft::default()
    };
    draft.because(mix.level, format!("looks at the operands saw {what}"));
    draft
}
