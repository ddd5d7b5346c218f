//! SP902: one place that calls the method of many classes.

use rustc_hash::FxHashMap;
use slowpath_profile::FunctionId;
use slowpath_profile::evidence::{CodeEvidence, OpFamily, Site};
use slowpath_profile::finding::{Cause, EvidenceLevel};
use slowpath_profile::ids::Id;

use super::{APPLIES, METHOD, cost, holds};
use crate::context::Context;
use crate::rule::{Charge, Draft, Page, Rule, Verdict, fix};
use crate::rules::common::need_sites;
use crate::weight::{Atom, Extent};

pub(in crate::rules) const RULE: Rule = Rule {
    code: "SP902",
    name: "one call that meets many classes (bundled runtime)",
    page: Page {
        plain: "One line calls the same method on objects of several classes in turn. The runtime can \
                remember one class there, and looks the method up again for all others.",
        mechanism: "A specialized LOAD_ATTR of a method holds one type version and one method. RustPython keeps \
                    it for ever, so the objects of every other class miss. Which methods were called from there \
                    is seen on the stacks, in proportion to the time they take.",
        versions: "The bundled runtime alone. CPython gives such a place up and tries again; see SP201.",
        cost: "1.3 to 2.7 times the time of the call there.",
        slow: "for shape in shapes:          # of four classes, mixed\n    total += shape.area()",
        fast: "for kind in by_class(shapes):  # one class after the other, a loop for each\n    total += kind.total_area()",
        fix: "Work through one class after the other, or give them one class with the difference in its data.",
    },
    holds,
    check,
};

/// So many different methods are many.
const MANY: usize = 3;
/// One of them that takes more than this is the rule, and the others are exceptions.
const MOST: f64 = 0.8;

/// What a place calls: samples by function.
type Callees = FxHashMap<FunctionId, u64>;

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let mut places = FxHashMap::<(FunctionId, u32), Callees>::default();
    for (_, atom, frames) in context.stacks(Atom::runs) {
        for pair in frames.windows(2) {
            let (callee, caller) = (pair[0].function, pair[1]);
            if let Some(offset) = caller.instruction {
                *places.entry((caller.function, offset)).or_default().entry(callee).or_default() +=
                    atom.count;
            }
        }
    }
    let mut drafts: Vec<((FunctionId, u32), Draft)> = places
        .into_iter()
        .filter_map(|(place, callees)| Some((place, draft(context, place, callees)?)))
        .collect();
    drafts.sort_by_key(|((function, offset), _)| (function.index(), *offset));
    Verdict::of(drafts.into_iter().map(|(_, draft)| draft).collect())
}

fn draft(context: &Context<'_>, (caller, offset): (FunctionId, u32), callees: Callees) -> Option<Draft> {
    let code = context.evidence.code.iter().find(|code| code.function == caller)?;
    let (call, method) = (site_at(code, offset)?, method_before(code, offset)?);
    if call.family != OpFamily::Call {
        return None;
    }
    let is_method = |function: &FunctionId| {
        context.function(*function).is_some_and(|it| context.tables.text(it.name) == method.name)
    };
    let mut met: Vec<(FunctionId, u64)> =
        callees.into_iter().filter(|(function, _)| is_method(function)).collect();
    met.sort_by_key(|(function, samples)| (std::cmp::Reverse(*samples), function.index()));
    let all: u64 = met.iter().map(|(_, samples)| samples).sum();
    let most = met.first().map_or(0.0, |(_, samples)| *samples as f64 / all.max(1) as f64);
    if met.len() < MANY || most > MOST {
        return None;
    }
    let name = context.qualname(caller);
    let place = context.place(caller, method.span);
    let mut draft = Draft {
        about: format!("calls of .{}() in {name}", method.name),
        title: format!("{name} calls .{}() of {} classes in one place", method.name, met.len()),
        level: EvidenceLevel::Dynamics,
        applies: APPLIES.into(),
        fix: fix(
            "Work through one class after the other, in a loop for each, or make them one class.",
            &["-    for it in mixed:", "+    for it in of_one_class:", "+    for it in of_another:"],
            "The order of the work changes.",
        ),
        ..Draft::default()
    };
    let names: Vec<&str> = met.iter().take(4).map(|(function, _)| context.qualname(*function)).collect();
    draft
        .because(EvidenceLevel::State, format!("it runs as {}, which has room for one class", method.form()));
    draft.because(
        EvidenceLevel::Dynamics,
        format!(
            "seen to be called from there: {}; {:.0}% of the samples for the first",
            names.join(", "),
            most * 100.0
        ),
    );
    draft.causes.push(Cause {
        place: place.clone(),
        statement: format!(".{}()", method.name),
        how: "objects of several classes come to this place in turn".into(),
        ..Cause::default()
    });
    let extent = |offset| Extent::Instruction(caller, offset);
    draft.charges = [method, call]
        .map(|site| Charge {
            extent: extent(site.offset),
            cost: cost(METHOD),
            weight: 1.0 - most,
            place: place.clone(),
            expression: format!(".{}()", method.name),
            state: "cached for one class of several".into(),
        })
        .into();
    Some(draft)
}

fn site_at(code: &CodeEvidence, offset: u32) -> Option<&Site> {
    code.sites.iter().find(|site| site.offset == offset)
}

/// The method whose call is at `offset`: the last one that was looked up on the way there.
fn method_before(code: &CodeEvidence, offset: u32) -> Option<&Site> {
    let mut before =
        code.sites.iter().filter(|site| site.offset < offset && site.family == OpFamily::LoadAttr);
    before.rfind(|site| site.form().contains("METHOD"))
}
