//! SP401: a bound method kept in a local, where the direct call would be specialised.

use slowpath_profile::evidence::{OpFamily, Operand, OperandRole, Site, Value};
use slowpath_profile::finding::{Cause, EvidenceLevel};

use super::common::need_sites;
use crate::context::{Context, HotSite};
use crate::rule::{Charge, Draft, Page, Rule, Verdict, fix};
use crate::target::Target;

pub(super) const RULE: Rule = Rule {
    code: "SP401",
    name: "a bound method kept in a variable",
    page: Page {
        plain: "`append = out.append` before a loop is an old trick. Since 3.11 it makes list.append and methods \
                of strings slower: the interpreter has a fast way to call them directly, which it cannot take \
                when the method hides in a variable.\n\n\
                On 3.8 to 3.10 the trick helps, and this rule is silent.",
        mechanism: "A direct call is specialised to CALL_LIST_APPEND or CALL_METHOD_DESCRIPTOR_*, which need no \
                    bound method. The variable holds a builtin_function_or_method, for which only the general \
                    CALL_BUILTIN_* forms are left.",
        versions: "3.11 and later, where the table of costs has a gain. Not 3.8 to 3.10.",
        cost: "1.1 times for list.append, 1.1 to 1.7 for methods of strings.",
        slow: "append = out.append\nfor x in xs:\n    append(x)",
        fast: "for x in xs:\n    out.append(x)",
        fix: "Call the method directly.",
    },
    holds,
    check,
};

fn holds(target: Target) -> Result<(), &'static str> {
    match target.since(11) {
        true => Ok(()),
        false => Err("up to 3.10 keeping a bound method in a variable is faster"),
    }
}

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let mut drafts = Vec::new();
    for hot in context.sites_of(&[OpFamily::Call]) {
        let Some((key, method, kept)) = bound(context, hot) else { continue };
        let mut draft = Draft {
            about: format!("{method} in {}", context.qualname(hot.code.function)),
            title: format!("{method} kept in a variable cannot be called the fast way"),
            level: EvidenceLevel::State,
            charges: vec![Charge::of_site(context, hot, key).in_state(hot.site.form())],
            applies: "3.11-3.15; on 3.8-3.10 it helps".into(),
            fix: fix(
                "Call the method directly.",
                &["-    append = out.append", "-    append(x)", "+    out.append(x)"],
                "",
            ),
            ..Draft::default()
        };
        draft.because(
            EvidenceLevel::State,
            format!("what is called is a bound built-in method ({method}), called as {}", hot.site.form()),
        );
        draft.level = EvidenceLevel::Writer;
        draft.causes.push(Cause {
            place: context.place(hot.code.function, kept.span),
            statement: format!("… = ….{}", kept.name),
            symbol: method,
            how: "the only method of that kind that the function looks up and does not call at once".into(),
            ..Cause::default()
        });
        drafts.push(draft);
    }
    Verdict::of(drafts)
}

/// The cost key, the method and where it is looked up, if a bound method of a built-in object is called through a variable:
/// what is called is one, and the function looks a method up without calling it.
fn bound<'a>(context: &Context<'a>, hot: &HotSite<'a>) -> Option<(&'static str, String, &'a Site)> {
    let instance_of = |operand: &Operand| match operand.value {
        Value::Instance(ty) => context.ty(ty).map(|ty| ty.name.as_str()),
        _ => None,
    };
    let callee = context.only_operand(hot.site, OperandRole::Callee)?;
    if instance_of(callee) != Some("builtin_function_or_method") {
        return None;
    }
    // A method that is looked up and not called at once has no specialised form: it stays general.
    let kept = hot.code.sites.iter().filter(|site| {
        site.family == OpFamily::LoadAttr && site.offset < hot.site.offset && site.states.specialised == 0
    });
    let mut methods = kept.filter_map(|site| {
        let ty = context.only_operand(site, OperandRole::Receiver).and_then(instance_of)?;
        match (ty, site.name.as_str()) {
            ("list", "append") => Some(("call.bound_append", "list.append".to_owned(), site)),
            ("str", name) => Some(("call.bound_str", format!("str.{name}"), site)),
            _ => None,
        }
    });
    let method = methods.next()?;
    // Of several it is not known which one is called here.
    methods.next().is_none().then_some(method)
}
