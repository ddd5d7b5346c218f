//! SP502: `in` searches a list.

use slowpath_profile::evidence::{OpFamily, OperandRole, Value};
use slowpath_profile::finding::EvidenceLevel;

use super::common::need_sites;
use crate::context::{Context, HotSite};
use crate::rule::{Charge, Draft, Page, Rule, Verdict, everywhere, fix};

/// A search that takes this many times longer than another instruction is one of a long list.
const LONG: u64 = 8;

pub(super) const RULE: Rule = Rule {
    code: "SP502",
    name: "'in' searches a list",
    page: Page {
        plain: "`x in items` with a list compares x with each element until one is equal. With a set or a dict \
                it goes straight to the place. The longer the list, the larger the difference.",
        mechanism: "list and tuple implement `in` as a linear search; set, frozenset and dict by hash, with a \
                    specialised CONTAINS_OP since 3.13.",
        versions: "All versions.",
        cost: "4 to 11 times as long for a list of some ten elements; grows with the list.",
        slow: "blocked = ['a', 'b', 'c']\nif name in blocked:\n    ...",
        fast: "blocked = {'a', 'b', 'c'}\nif name in blocked:\n    ...",
        fix: "Make it a set (or frozenset) once, if its elements can be hashed and their order does not matter.",
    },
    holds: everywhere,
    check,
};

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    // A membership test is a comparison up to 3.8.
    let sites = context.sites_of(&[OpFamily::Contains, OpFamily::Compare]);
    let sites = sites.filter(|hot| hot.site.family == OpFamily::Contains || hot.site.name.ends_with("in"));
    Verdict::of(sites.filter_map(|hot| draft(context, hot)).collect())
}

/// The type of the container, if it is searched one by one in most looks. A tuple is mostly a short
/// constant.
fn searched<'c>(context: &Context<'c>, hot: &HotSite<'_>) -> Option<&'c str> {
    let all: u32 = hot.site.operands_as(OperandRole::Right).map(|operand| operand.looks).sum();
    let most = hot.site.operands_as(OperandRole::Right).max_by_key(|operand| operand.looks)?;
    let Value::Instance(ty) = most.value else { return None };
    let name = context.ty(ty)?.name.as_str();
    (most.looks * 2 > all && name == "list").then_some(name)
}

/// Whether the search takes far longer than what stands beside it: where the list is short, a set gains
/// nothing. Compared with the hottest of its line, which is executed about as often; if it is alone
/// there, with the others of its function on average.
fn is_long(context: &Context<'_>, hot: &HotSite<'_>) -> bool {
    let others = context
        .sites
        .iter()
        .filter(|other| other.code.function == hot.code.function && other.site != hot.site);
    let (line, rest): (Vec<_>, Vec<_>) = others.partition(|other| other.site.span.line == hot.site.span.line);
    let samples = |sites: &[&HotSite<'_>]| sites.iter().map(|other| other.samples).sum::<u64>();
    let usual = match line.iter().map(|other| other.samples).max() {
        Some(hottest) => hottest,
        None => samples(&rest) / rest.len().max(1) as u64,
    };
    hot.samples > LONG * usual
}

fn draft(context: &Context<'_>, hot: &HotSite<'_>) -> Option<Draft> {
    let kind = searched(context, hot).filter(|_| is_long(context, hot))?;
    let place = context.place(hot.code.function, hot.site.span);
    let mut draft = Draft {
        about: format!("membership test in {} line {}", place.function, place.line.unwrap_or_default()),
        title: format!("'in' searches a {kind} element by element"),
        level: EvidenceLevel::State,
        charges: vec![
            Charge::of_site(context, hot, "contains.linear").in_state(format!("linear search in a {kind}")),
        ],
        applies: "all versions".into(),
        fix: fix(
            "Make it a set once, outside of the loop.",
            &["-blocked = ['a', 'b', 'c']", "+blocked = {'a', 'b', 'c'}"],
            "The elements must be hashable; their order is lost.",
        ),
        ..Draft::default()
    };
    draft.because(EvidenceLevel::State, format!("the container was a {kind} in most looks"));
    draft.because(EvidenceLevel::State, "the time goes into the test itself, so the search takes long");
    Some(draft)
}
