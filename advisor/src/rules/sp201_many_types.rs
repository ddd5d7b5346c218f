//! SP201: one expression meets objects of several classes in turn.

use slowpath_profile::evidence::{OpFamily, Site, TypeRef};
use slowpath_profile::finding::EvidenceLevel;

use super::common::{TORN, need_sites};
use crate::context::{Context, HotSite};
use crate::rule::{Charge, Draft, Page, Rule, Verdict, expression, fix};
use crate::target::Target;

/// A class with a smaller share costs nothing.
const RARE: f64 = 0.05;
/// So many pairs of objects tell whether classes take turns.
const ENOUGH_PAIRS: u32 = 3;
/// Less than this share of pairs of different classes: they come in groups.
const MIXED: f64 = 0.4;
/// Standard deviations that one of twenty is below.
const Z95: f64 = 1.645;

pub(super) const RULE: Rule = Rule {
    code: "SP201",
    name: "one place, many classes",
    page: Page {
        plain: "The same expression, such as `shape.area`, is used with objects of several classes in turn. The \
                interpreter remembers how to find the attribute for one class at a time; when the next object is \
                of another class, it searches again. Inheritance does not help: a subclass is another class.\n\n\
                If the objects come sorted by class there is no problem, and none is reported.",
        mechanism: "An inline cache holds one version tag. Each object of another class misses; after 53 misses \
                    the instruction is specialised for whatever class it sees then, which again is wrong half \
                    of the time. In every snapshot the opcode looks specialised; counter and tag in its cache \
                    give it away.",
        versions: "3.11 and later. The JIT copes with two classes.",
        cost: "1.6 to 2.1 times as long with two classes in turn, 2.1 to 2.6 with eight; methods 1.5 to 2.1. One \
               odd object in 64 costs nothing.",
        slow: "for shape in shapes:            # circles and squares, mixed\n    total += shape.area",
        fast: "shapes.sort(key=lambda shape: type(shape).__name__)\nfor shape in shapes:\n    total += shape.area",
        fix: "Group the objects by class before the loop, keep a list per class, or use one class with a field \
              for the kind.",
    },
    holds,
    check,
};

fn holds(target: Target) -> Result<(), &'static str> {
    match target.since(11) {
        true => Ok(()),
        false => Err("before 3.11 nothing is remembered per class"),
    }
}

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let families = [OpFamily::LoadAttr, OpFamily::StoreAttr];
    let mut groups = Vec::<(Vec<TypeRef>, Vec<&HotSite<'_>>)>::new();
    for hot in context.sites_of(&families).filter(|hot| is_torn(context, hot)) {
        let mut types: Vec<TypeRef> = frequent(hot).into_iter().map(|(ty, _)| ty).collect();
        types.sort_unstable();
        match groups.iter_mut().find(|(known, _)| *known == types) {
            Some((_, sites)) => sites.push(hot),
            None => groups.push((types, vec![hot])),
        }
    }
    Verdict::of(groups.iter().map(|(types, sites)| draft(context, types, sites)).collect())
}

fn frequent(hot: &HotSite<'_>) -> Vec<(TypeRef, f64)> {
    let mut types = hot.types();
    types.retain(|(_, share)| *share >= RARE);
    types
}

/// Whether its cache goes from one class to the other and back; or, where compiled code does not show its
/// caches, whether ever other classes come.
fn is_torn(context: &Context<'_>, hot: &HotSite<'_>) -> bool {
    let types = frequent(hot);
    let tolerated = if context.target.jit { 2 } else { 1 };
    let steady = types.iter().all(|(ty, _)| context.ty(*ty).is_some_and(|ty| ty.version.changes == 0));
    let copies =
        types.iter().filter_map(|(ty, _)| context.ty(*ty)).map(|ty| ty.copies as usize).sum::<usize>();
    if types.len() + copies <= tolerated || !steady {
        return false;
    }
    let alternates =
        hot.site.version_changes >= 2 || hot.site.versions.len() > 1 || hot.site.states.backed_off > 0;
    let misses = hot.is_disturbed() && alternates && hot.slow_share() > TORN;
    // In compiled code a counter stands wherever the last misses before left it.
    if context.target.jit { in_turn(hot.site) } else { misses && !in_groups(hot.site) }
}

/// Whether pairs of objects show that classes follow one another.
fn in_turn(site: &Site) -> bool {
    site.class_pairs >= ENOUGH_PAIRS && f64::from(site.class_pairs_differed) >= mixed(site)
}

/// Whether pairs of objects show that classes come in groups: fewer of them differ than chance makes of
/// classes that take turns.
fn in_groups(site: &Site) -> bool {
    let chance = Z95 * (f64::from(site.class_pairs) * MIXED * (1.0 - MIXED)).sqrt();
    f64::from(site.class_pairs_differed) < mixed(site) - chance
}

/// So many pairs differ where classes are just mixed enough.
fn mixed(site: &Site) -> f64 {
    MIXED * f64::from(site.class_pairs)
}

/// How often the next object is of another class, if they come in any order.
fn change_share(types: &[(TypeRef, f64)]) -> f64 {
    1.0 - types.iter().map(|(_, share)| share * share).sum::<f64>()
}

fn key(hot: &HotSite<'_>, types: usize) -> &'static str {
    let is_method = hot.site.form().contains("METHOD");
    match (is_method, types) {
        (true, _) => "load_attr.method_types",
        (false, 2) => "load_attr.types_2",
        (false, _) => "load_attr.types",
    }
}

fn draft(context: &Context<'_>, types: &[TypeRef], sites: &[&HotSite<'_>]) -> Draft {
    let charge = |hot: &&HotSite<'_>| {
        let met = frequent(hot);
        // Two classes in turn miss every time, and so did the bench.
        let worst = 1.0 - 1.0 / met.len().max(2) as f64;
        // Several classes of one name look like one: how they alternate is not known.
        let changes = if met.len() > 1 { change_share(&met) / worst } else { 1.0 };
        let seen = if context.target.jit { 1.0 } else { hot.slow_share() };
        let weight = changes.min(seen);
        let shares: Vec<String> = met
            .iter()
            .take(4)
            .map(|(ty, share)| format!("{} {:.0}%", context.type_name(*ty), share * 100.0))
            .collect();
        let state = format!("{}, met {}", hot.site.form(), shares.join(", "));
        Charge::of_site(context, hot, key(hot, met.len())).weighing(weight).in_state(state)
    };
    let names: Vec<String> = types.iter().take(3).map(|ty| context.type_name(*ty)).collect();
    let more = if types.len() > 3 { " and more" } else { "" };
    let list = format!("{}{more}", names.join(", "));
    let first = sites.first().map_or_else(String::new, |hot| expression(hot.site));
    let mut draft = Draft {
        about: format!("classes {list}"),
        title: match types.len() {
            1 => format!("{first} meets several classes in turn, all named {list}"),
            n => format!("{first} meets {n} classes in turn: {list}"),
        },
        level: EvidenceLevel::Dynamics,
        charges: sites.iter().map(charge).collect(),
        applies: "3.11-3.15; with the JIT from three classes on".into(),
        fix: fix(
            "Group the objects by class before the loop, or use one class with a field for the kind.",
            &["+    shapes.sort(key=lambda shape: type(shape).__name__)", "     for shape in shapes:"],
            "The order of the objects changes.",
        ),
        ..Draft::default()
    };
    if let Some(hot) = sites.first() {
        let Site { class_pairs, class_pairs_differed, counter, .. } = hot.site;
        if *class_pairs >= ENOUGH_PAIRS {
            draft.because(
                EvidenceLevel::Dynamics,
                format!(
                    "of {class_pairs} pairs of objects that came within microseconds, {class_pairs_differed} \
                     were of different classes"
                ),
            );
        }
        let text = match counter.pairs {
            0 => format!(
                "in {} looks the place remembered another class than in the look before",
                hot.site.version_changes
            ),
            pairs => {
                format!(
                    "in {} of {pairs} pairs of looks, microseconds apart, it had met another class than it remembered",
                    counter.pairs_moved
                )
            }
        };
        // Compiled code leaves the cache as it was.
        if hot.is_disturbed() {
            draft.because(EvidenceLevel::Dynamics, text);
        }
        draft.because(EvidenceLevel::State, "the classes themselves did not change meanwhile");
    }
    draft
}
