//! SP903: attributes that are answered by a method of the program.

use rustc_hash::FxHashMap;
use slowpath_profile::FunctionId;
use slowpath_profile::evidence::OpFamily;
use slowpath_profile::finding::{Cause, EvidenceLevel};
use slowpath_profile::ids::Id;

use super::{APPLIES, HOOK, cost, holds};
use crate::context::Context;
use crate::rule::{Charge, Draft, Page, Rule, Verdict, fix};
use crate::rules::common::need_sites;
use crate::weight::{Atom, Extent};

pub(in crate::rules) const RULE: Rule = Rule {
    code: "SP903",
    name: "attributes that a method answers (bundled runtime)",
    page: Page {
        plain: "Reading an attribute runs a method of the class, `__getattr__` or `__getattribute__`, each time.",
        mechanism: "LOAD_ATTR has no specialized form that calls `__getattr__`: the attribute is looked for in \
                    vain, an exception is made, and the method is called. The method is seen on the stacks, \
                    called from the instruction that reads the attribute.",
        versions: "The bundled runtime alone; of CPython see SP303.",
        cost: "About 8 times the time of reading a plain attribute.",
        slow: "class Config:\n    def __getattr__(self, name):\n        return self.values[name]",
        fast: "class Config:\n    def __init__(self, values):\n        self.__dict__.update(values)",
        fix: "Set plain attributes when the object is made.",
    },
    holds,
    check,
};

/// Methods that are called in the name of an attribute.
const HOOKS: [&str; 3] = ["__getattr__", "__getattribute__", "__setattr__"];

/// Where a hook is called from: places, and the names that are asked for there.
type Callers = FxHashMap<(FunctionId, u32), String>;

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let mut hooks = FxHashMap::<FunctionId, Callers>::default();
    for (_, _, frames) in context.stacks(Atom::runs) {
        for pair in frames.windows(2) {
            let (hook, caller) = (pair[0].function, pair[1]);
            let is_hook = context
                .function(hook)
                .is_some_and(|function| HOOKS.contains(&context.tables.text(function.name)));
            let asked = caller.instruction.filter(|_| is_hook).and_then(|offset| {
                let code = context.evidence.code.iter().find(|code| code.function == caller.function)?;
                let site = code.sites.iter().find(|site| site.offset == offset)?;
                let asks = matches!(site.family, OpFamily::LoadAttr | OpFamily::StoreAttr);
                asks.then(|| (offset, site.name.clone()))
            });
            if let Some((offset, name)) = asked {
                hooks.entry(hook).or_default().insert((caller.function, offset), name);
            }
        }
    }
    let mut drafts: Vec<_> = hooks.into_iter().collect();
    drafts.sort_by_key(|(hook, _)| hook.index());
    Verdict::of(drafts.into_iter().map(|(hook, callers)| draft(context, hook, callers)).collect())
}

fn draft(context: &Context<'_>, hook: FunctionId, callers: Callers) -> Draft {
    let name = context.qualname(hook);
    let class = name.rsplit_once('.').map_or(name, |(class, _)| class);
    let method = name.rsplit('.').next().unwrap_or(name);
    let mut draft = Draft {
        about: format!("attributes of {class}"),
        title: format!("{class} answers attributes through its {method}"),
        level: EvidenceLevel::Writer,
        applies: APPLIES.into(),
        fix: fix(
            "Set plain attributes when the object is made, so that no hook is needed on the hot path.",
            &["-    def __getattr__(self, name):", "+        self.__dict__.update(values)"],
            "Attributes no longer follow what they were computed from.",
        ),
        ..Draft::default()
    };
    let mut asked: Vec<&str> = callers.values().map(String::as_str).collect();
    asked.sort_unstable();
    asked.dedup();
    draft.because(
        EvidenceLevel::Writer,
        format!(
            "{name} was on the stack, called by instructions that use the attributes {}",
            asked.join(", ")
        ),
    );
    let place = context.place(hook, slowpath_profile::Span::default());
    draft.causes.push(Cause {
        place: place.clone(),
        statement: format!("def {method}"),
        how: "it runs at each of these".into(),
        ..Cause::default()
    });
    let charge = |extent, weight, place, expression, state: &str| Charge {
        extent,
        cost: cost(HOOK),
        weight,
        place,
        expression,
        state: state.into(),
    };
    draft.charges.push(charge(
        Extent::Under(vec![hook]),
        1.0,
        place,
        format!("{method}(…)"),
        "runs for an attribute",
    ));
    let mut places: Vec<_> = callers.into_iter().collect();
    places.sort_by_key(|((function, offset), _)| (function.index(), *offset));
    for ((function, offset), name) in places {
        let code = context.evidence.code.iter().find(|code| code.function == function);
        let site = code.and_then(|code| code.sites.iter().find(|site| site.offset == offset));
        let place = context.place(function, site.map(|site| site.span).unwrap_or_default());
        let extent = Extent::Instruction(function, offset);
        draft.charges.push(charge(
            extent,
            1.0,
            place,
            format!(".{name}"),
            "looks in vain, then calls the hook",
        ));
    }
    draft
}
