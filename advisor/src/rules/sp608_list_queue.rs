//! SP608: a list used as a queue.

use slowpath_profile::evidence::{OpFamily, OperandRole, Site, Value};
use slowpath_profile::finding::{Cause, EvidenceLevel};

use super::common::need_sites;
use crate::context::{Context, HotSite};
use crate::rule::{Charge, Draft, Page, Rule, Verdict, everywhere, fix};

/// list.pop() of the last element takes about as long as finding the method; this many times longer
/// means that elements are moved.
const MUCH_LONGER: u64 = 4;

/// A short list is moved in no time: what is worth a finding takes this many times longer than the other
/// instructions of the function do on average.
const FAR_LONGER: u64 = 16;

pub(super) const RULE: Rule = Rule {
    code: "SP608",
    name: "a list used as a queue",
    page: Page {
        plain: "`queue.pop(0)` and `queue.insert(0, x)` move all other elements of the list by one place. The \
                longer the list, the longer that takes. collections.deque does both at once.",
        mechanism: "A list is one array; removing or inserting at its beginning is a memmove of the rest.",
        versions: "All versions.",
        cost: "15 to 39 times as long as deque.popleft() with some thousand elements; grows with the list.",
        slow: "job = queue.pop(0)",
        fast: "job = queue.popleft()          # queue = collections.deque(...)",
        fix: "Use collections.deque, or reverse the list once and pop from its end.",
    },
    holds: everywhere,
    check,
};

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let calls = context.sites_of(&[OpFamily::Call]);
    Verdict::of(calls.filter_map(|hot| draft(context, hot)).collect())
}

/// The method of a list that is called there: the last one looked up before, on the same line.
fn method<'c>(context: &Context<'_>, call: &'c HotSite<'_>) -> Option<&'c str> {
    let lookups = call.code.sites.iter().filter(|site| {
        site.family == OpFamily::LoadAttr
            && site.offset < call.site.offset
            && site.span.line == call.site.span.line
            && ["pop", "insert"].contains(&&*site.name)
    });
    let lookup = lookups.max_by_key(|site| site.offset)?;
    if has_no_argument(lookup, call.site) {
        return None;
    }
    let is_list = lookup.operands_as(OperandRole::Receiver).any(|operand| match operand.value {
        Value::Instance(ty) => context.ty(ty).is_some_and(|ty| ty.name == "list"),
        _ => false,
    });
    let extent = crate::weight::Extent::Instruction(call.code.function, lookup.offset);
    let found = context.samples(&extent);
    let rest = context.samples(&crate::weight::Extent::Own(call.code.function)).saturating_sub(call.samples);
    let others = call.code.sites.len().saturating_sub(1).max(1) as u64;
    let stands_out = call.samples * others > FAR_LONGER * rest;
    (is_list && stands_out && call.samples > MUCH_LONGER * (found + 1)).then_some(&lookup.name)
}

/// Whether nothing but `()` follows the name of the method: `pop()` takes the last element.
fn has_no_argument(lookup: &Site, call: &Site) -> bool {
    let ends = lookup.span.end_column.zip(call.span.end_column);
    lookup.span.end_line == call.span.end_line && ends.is_some_and(|(name, call)| call == name + 2)
}

fn draft(context: &Context<'_>, hot: &HotSite<'_>) -> Option<Draft> {
    let method = method(context, hot)?;
    let place = context.place(hot.code.function, hot.site.span);
    let mut draft = Draft {
        about: format!("list.{method} in {} of {}", place.function, place.file),
        title: format!("list.{method}() at the beginning moves all other elements"),
        level: EvidenceLevel::State,
        charges: vec![
            Charge::of_site(context, hot, "idiom.list_pop0").in_state("moves the elements of a list"),
        ],
        applies: "all versions".into(),
        fix: fix(
            "Use collections.deque.",
            &["-    job = queue.pop(0)", "+    job = queue.popleft()"],
            "A deque is slow to index in the middle and cannot be sliced.",
        ),
        ..Draft::default()
    };
    draft.because(EvidenceLevel::State, format!("what is called is {method} of a list"));
    draft.because(
        EvidenceLevel::State,
        format!(
            "in {} samples the program was in the call, far more than the same at the end of the list takes",
            hot.samples
        ),
    );
    draft.causes.push(Cause {
        place,
        statement: format!("….{method}(0, …)"),
        how: "the call itself".into(),
        is_static: true,
        ..Cause::default()
    });
    Some(draft)
}
