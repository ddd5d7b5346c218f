//! SP901: instructions whose cache is about a class that was written since.

use slowpath_profile::evidence::{ClassWrite, OpFamily, Site};
use slowpath_profile::finding::{Cause, EvidenceLevel, Place};

use super::{APPLIES, CLASS_WRITE, LOAD, LOAD_CLASS, METHOD, STORE, cost, holds};
use crate::context::{Context, HotSite};
use crate::costs::Ratio;
use crate::rule::{Charge, Draft, Page, Rule, Verdict, fix};
use crate::rules::common::need_sites;
use crate::weight::Extent;

pub(in crate::rules) const RULE: Rule = Rule {
    code: "SP901",
    name: "a class that is written while it is used (bundled runtime)",
    page: Page {
        plain: "The program changes a class while it works with its objects, for instance to count them. What \
                the runtime remembers about the class is void from then on, wherever an attribute of its objects \
                is used.",
        mechanism: "A specialized LOAD_ATTR or STORE_ATTR holds the version of the type. A write to the type \
                    kills that version. RustPython never specializes an instruction anew, so one write is enough \
                    to make it miss for ever. The runtime counts the writes itself and tells their lines.",
        versions: "The bundled runtime alone. CPython specializes anew; see SP302.",
        cost: "1.2 to 2.8 times the time of the attribute access there, and about 14 us for the write itself.",
        slow: "class Order:\n    created = 0\n    def __init__(self):\n        Order.created += 1",
        fast: "created = 0\nclass Order:\n    def __init__(self):\n        global created\n        created += 1",
        fix: "Keep what changes outside of the class: in the module, or in an object that the class refers to.",
    },
    holds,
    check,
};

/// Fewer writes than this are a program that is setting up.
const MANY: u64 = 20;

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let mut classes: Vec<&str> = context.evidence.class_writes.iter().map(|it| it.class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    Verdict::of(classes.into_iter().filter_map(|class| draft(context, class)).collect())
}

fn draft(context: &Context<'_>, class: &str) -> Option<Draft> {
    let all = || context.evidence.class_writes.iter().enumerate().filter(|(_, it)| it.class == class);
    let count: u64 = all().map(|(_, it)| it.count).sum();
    let is_stale = |hot: &&HotSite<'_>| {
        let looks: u32 = hot
            .site
            .stale
            .iter()
            .filter(|it| all().any(|(at, _)| at as u32 == it.value))
            .map(|it| it.looks)
            .sum();
        looks * 2 > hot.site.looks
    };
    let mut charges: Vec<Charge> =
        context.sites.iter().filter(is_stale).map(|hot| charge(context, hot)).collect();
    let sites = charges.len();
    let mut writes: Vec<&ClassWrite> = all().map(|(_, it)| it).collect();
    writes.sort_by_key(|it| std::cmp::Reverse(it.count));
    for hot in context.sites.iter().filter(|hot| writes.iter().any(|write| is_write(context, hot, write))) {
        charges.retain(|known| known.extent != Extent::Instruction(hot.code.function, hot.site.offset));
        let mut charge = Charge::of_site(context, hot, "").in_state("kills what is cached of the class");
        charge.cost = cost(CLASS_WRITE);
        charges.push(charge);
    }
    if count < MANY || charges.is_empty() {
        return None;
    }
    let name = |write: &ClassWrite| format!("{}.{}", write.class, write.attribute);
    let symbol = writes.first().map_or(String::new(), |write| name(write));
    let diff =
        [format!("-        {symbol} = …"), "+        counters.count = …   # an object of the module".into()];
    let mut draft = Draft {
        about: format!("class {class}"),
        title: format!("{class} is written while it is used: what was cached of it is void"),
        level: EvidenceLevel::Writer,
        applies: APPLIES.into(),
        fix: fix(
            "Keep what changes outside of the class.",
            &diff.each_ref().map(String::as_str),
            "Code that reads the attribute from the class must read it elsewhere.",
        ),
        ..Draft::default()
    };
    draft.because(
        EvidenceLevel::State,
        format!("{sites} hot instructions hold a version of {class} that no longer exists, so each execution misses"),
    );
    draft.because(
        EvidenceLevel::Writer,
        format!("the runtime counted {count} writes that killed a version, and where"),
    );
    draft.charges = charges;
    draft.causes = writes.into_iter().take(3).map(|write| cause(context, write)).collect();
    Some(draft)
}

/// Whether an instruction is the one that writes.
fn is_write(context: &Context<'_>, hot: &HotSite<'_>, write: &ClassWrite) -> bool {
    let site = hot.site;
    site.family == OpFamily::StoreAttr
        && site.name == write.attribute
        && site.span.line == Some(write.line)
        && context.qualname(hot.code.function) == write.function
}

fn charge(context: &Context<'_>, hot: &HotSite<'_>) -> Charge {
    let mut charge = Charge::of_site(context, hot, "").in_state("cached for a version that is dead");
    charge.cost = cost(ratio(hot.site));
    charge
}

/// What the slow way costs an access.
pub(super) fn ratio(site: &Site) -> Ratio {
    match (site.family, site.form()) {
        (OpFamily::StoreAttr, _) => STORE,
        (_, form) if form.contains("METHOD") => METHOD,
        (_, form) if form.contains("CLASS") || form.contains("NONDESCRIPTOR") => LOAD_CLASS,
        _ => LOAD,
    }
}

fn cause(context: &Context<'_>, write: &ClassWrite) -> Cause {
    // A long path comes without its beginning.
    let files = context.tables.functions.values().iter().map(|function| context.tables.text(function.file));
    let file = files.into_iter().find(|file| file.ends_with(&write.file)).unwrap_or(&write.file);
    Cause {
        place: Place {
            file: file.to_owned(),
            line: (write.line > 0).then_some(write.line),
            function: write.function.clone(),
            ..Place::default()
        },
        statement: format!("{}.{} = …", write.class, write.attribute),
        symbol: format!("{}.{}", write.class, write.attribute),
        how: format!("counted by the runtime: {} times", write.count),
        is_exact: true,
        ..Cause::default()
    }
}
