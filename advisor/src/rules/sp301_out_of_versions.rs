//! SP301: a class was modified so often that the interpreter no longer caches its attributes.

use slowpath_profile::evidence::{OpFamily, TypeFacts, TypeRef};
use slowpath_profile::finding::EvidenceLevel;

use crate::cause;
use crate::context::{Context, HotSite};
use crate::rule::{Charge, Draft, Page, Rule, Verdict, fix};
use crate::target::Target;

pub(super) const RULE: Rule = Rule {
    code: "SP301",
    name: "class modified too often to be cached",
    page: Page {
        plain: "Each time the program sets an attribute of a class (not of an object), the interpreter must \
                forget what it knew about the class. It does that a thousand times; then it gives up on the \
                class and on everything that inherits from it, until the process ends. From then on every \
                attribute and method of those objects is searched for from scratch.\n\n\
                A counter such as `Model.created += 1` is enough.",
        mechanism: "A class has a version tag; caches of attributes and methods are valid while it stays the \
                    same. A modification takes the tag away and the next lookup gives a new one, at most 1,000 \
                    times (tp_versions_used). After that tp_version_tag stays 0, no instruction can be \
                    specialised for the class, and subclasses get no tag either.",
        versions: "3.13 and later, with and without the JIT. Earlier versions recover when the modifications stop.",
        cost: "Reads of attributes take about 3 times as long, method calls more; 30 times was reported for \
               deep hierarchies. The state is permanent for the process.",
        slow: "class Model:\n    created = 0\n    def __init__(self):\n        type(self).created += 1",
        fast: "import itertools\n\n_created = itertools.count()\n\nclass Model:\n    def __init__(self):\n        next(_created)",
        fix: "Finish the class before it is used, and keep what changes in an object: a module-level counter, \
              a dict, an object of statistics. What read the class attribute must read the new place.",
    },
    holds,
    check,
};

fn holds(target: Target) -> Result<(), &'static str> {
    match target.since(13) {
        true => Ok(()),
        false => Err("before 3.13 the interpreter never gives up on a class for good"),
    }
}

fn check(context: &Context<'_>) -> Verdict {
    if context.evidence.types.is_empty() {
        return Verdict::CannotTell("no types were observed".into());
    }
    let spent = context.types().filter(|(_, ty)| ty.version.is_spent());
    // Where a base is spent, its subclasses cannot get tags: they are no centres of their own.
    let roots = spent.filter(|(_, ty)| {
        !ty.mro.iter().any(|base| context.ty(*base).is_some_and(|base| base.version.is_spent()))
    });
    Verdict::of(roots.filter_map(|(root, ty)| draft(context, root, ty)).collect())
}

/// Instructions that find attributes of objects of these classes.
fn hurt<'c, 'a>(context: &'c Context<'a>, classes: &'c [TypeRef]) -> impl Iterator<Item = &'c HotSite<'a>> {
    let families = [
        OpFamily::LoadAttr,
        OpFamily::StoreAttr,
        OpFamily::LoadSuperAttr,
        OpFamily::Call,
        OpFamily::Subscript,
        OpFamily::ToBool,
    ];
    let sites = context.sites.iter().filter(move |hot| families.contains(&hot.site.family));
    sites
        .filter(|hot| hot.is_generic() || hot.is_compiled())
        .filter(|hot| classes.iter().any(|class| hot.meets(*class)))
}

fn draft(context: &Context<'_>, root: TypeRef, ty: &TypeFacts) -> Option<Draft> {
    let heirs = context.types().filter(|(_, heir)| heir.mro.contains(&root) && heir.version.last == 0);
    let classes: Vec<TypeRef> = std::iter::once(root).chain(heirs.map(|(heir, _)| heir)).collect();
    let charges: Vec<Charge> = hurt(context, &classes)
        .map(|hot| {
            let state = format!("searched for from scratch ({}, OUT_OF_VERSIONS)", hot.site.form());
            Charge::of_site(context, hot, "attr.out_of_versions").in_state(state)
        })
        .collect();
    if charges.is_empty() {
        return None;
    }
    let name = ty.full_name();
    let (used, limit) = (ty.version.used.unwrap_or_default(), ty.version.limit.unwrap_or_default());
    let (major, minor) = context.target.version;
    let mut draft = Draft {
        about: format!("class {name}"),
        title: format!(
            "{name} was modified {limit}+ times: CPython {major}.{minor} stopped caching its attributes"
        ),
        level: EvidenceLevel::State,
        charges,
        applies: "3.13-3.15, permanent until the process ends; 3.11 and 3.12 recover (SP302)".into(),
        fix: fix(
            format!("Keep what changes outside the class {}: in an object of its own.", ty.name),
            &["-    type(self).created += 1", "+    next(_created)          # _created = itertools.count()"],
            "Whoever reads the class attribute must read the new place.",
        ),
        ..Draft::default()
    };
    draft.because(
        EvidenceLevel::State,
        format!("the interpreter follows {limit} changes of a class, and {name} has had {used}: it has no version tag any more and never gets another"),
    );
    if classes.len() > 1 {
        let names: Vec<String> = classes[1..].iter().take(4).map(|class| context.type_name(*class)).collect();
        let more = if classes.len() > 5 { " and others" } else { "" };
        draft.because(
            EvidenceLevel::State,
            format!("it takes with it {}{more}, which inherit from it", names.join(", ")),
        );
    }
    draft.because(
        EvidenceLevel::State,
        "CPython's own test for the fast way, made again for these objects, says no: the class has no version tag",
    );
    writers(context, ty, &mut draft);
    Some(draft)
}

/// Who wrote to the class.
fn writers(context: &Context<'_>, ty: &TypeFacts, draft: &mut Draft) {
    if let Some((written, lost)) = cause::of_class(context, &ty.full_name()) {
        draft.because(
            EvidenceLevel::Writer,
            format!("hooks in the process counted {written} writes to it, and {lost} times the loss of a version tag: then there was none left to lose, and the interpreter fell silent"),
        );
    }
    let culprits = cause::writers_of_class(context, ty);
    // That it was written to so often is a fact: code that was not seen to run since may have done it
    // before, if there is no other.
    let is_only = culprits.causes.len() == 1 && culprits.level < EvidenceLevel::Writer;
    if is_only {
        draft.level = EvidenceLevel::Writer;
        draft.because(
            EvidenceLevel::Writer,
            "of all statements that were searched, one alone writes to the class",
        );
    } else if !culprits.causes.is_empty() {
        draft.level = culprits.level;
        draft.because(culprits.level, culprits.how);
    } else if ty.version.changes > 1 {
        draft.level = EvidenceLevel::Dynamics;
    }
    draft.causes = culprits.causes;
}
