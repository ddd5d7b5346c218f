//! SP302: an attribute of a class is set at run time.

use slowpath_profile::evidence::{OpFamily, TypeFacts, TypeRef, VersionTag};
use slowpath_profile::finding::EvidenceLevel;

use super::common::blame;
use crate::cause;
use crate::context::Context;
use crate::rule::{Charge, Draft, Page, Rule, Verdict, fix};
use crate::target::Target;

pub(super) const RULE: Rule = Rule {
    code: "SP302",
    name: "class attribute written while the program runs",
    page: Page {
        plain: "The program sets an attribute of a class over and over: a counter of objects, the last value \
                seen, a cache that is replaced. Each time, everything that the interpreter had learnt about \
                objects of the class and of its subclasses is lost, and it has to learn it again.\n\n\
                Setting attributes while modules are imported is fine, and so is a write now and then.",
        mechanism: "PyType_Modified takes the version tag of the class and its subclasses away. Each \
                    instruction that was specialised for the class then misses, up to 53 times, before it is \
                    specialised anew. From 3.13 on a class has 1,000 tags in all; then it is never cached \
                    again (SP301).",
        versions: "3.11 and later. 3.10 loses less. A write per 10,000 uses costs nothing.",
        cost: "Uses of attributes take 1.9 to 2.7 times as long when the class is written all the time; a \
               write per 100 uses still costs as much, because of the 53 misses.",
        slow: "class Job:\n    last = None\n    def run(self):\n        Job.last = self        # a new value each time",
        fast: "class State:\n    last = None\n\nstate = State()\n\nclass Job:\n    def run(self):\n        state.last = self      # an object, not a class",
        fix: "Keep what changes in an object that belongs to the module, in a dict or in itertools.count(). \
              Who reads the class attribute must read the new place.",
    },
    holds,
    check,
};

fn holds(target: Target) -> Result<(), &'static str> {
    match target.since(11) {
        true => Ok(()),
        false => Err("before 3.11 a change of a class costs next to nothing"),
    }
}

fn check(context: &Context<'_>) -> Verdict {
    if context.evidence.types.is_empty() {
        return Verdict::CannotTell("no types were observed".into());
    }
    let moving = context
        .types()
        .filter(|(_, ty)| !ty.version.is_spent() && is_moving(&ty.version) && !never_had_a_tag(ty));
    // What moves a base moves its subclasses: the base is the centre.
    let centres = moving.filter(|(_, ty)| {
        !ty.mro
            .iter()
            .any(|base| context.ty(*base).is_some_and(|base| base.is_heap && is_moving(&base.version)))
    });
    Verdict::of(centres.filter_map(|(at, ty)| draft(context, at, ty)).collect())
}

/// Whether the tag was lost again and again, not once on the way to a steady state.
fn is_moving(version: &VersionTag) -> bool {
    let lost = version.changes.max(version.zero);
    version.looks >= 3 && lost >= 3 && lost * 10 >= version.looks
}

/// Whether nothing ever asked the class for a tag, as is usual for classes written in C: one that is
/// written to has a tag now and then, or is seen to change.
fn never_had_a_tag(ty: &TypeFacts) -> bool {
    ty.version.changes == 0 && ty.version.zero == ty.version.looks && ty.changes.is_empty()
}

fn draft(context: &Context<'_>, centre: TypeRef, ty: &TypeFacts) -> Option<Draft> {
    let heirs = context.types().filter(|(_, heir)| heir.mro.contains(&centre)).map(|(heir, _)| heir);
    let classes: Vec<TypeRef> = std::iter::once(centre).chain(heirs).collect();
    let families = [OpFamily::LoadAttr, OpFamily::StoreAttr, OpFamily::LoadSuperAttr, OpFamily::Call];
    let sites = context.sites_of(&families).filter(|hot| classes.iter().any(|class| hot.meets(*class)));
    let charges: Vec<Charge> = sites
        .filter(|hot| hot.is_disturbed() || hot.site.states.backed_off > 0)
        .map(|hot| {
            let state = format!("the fast way is lost again and again ({})", hot.site.form());
            Charge::of_site(context, hot, "attr.class_written").weighing(hot.slow_share()).in_state(state)
        })
        .collect();
    if charges.is_empty() {
        return None;
    }
    let name = ty.full_name();
    let changed: Vec<&str> = ty.changes.iter().map(|change| change.name.as_str()).collect();
    let what = match changed.as_slice() {
        [] => "an attribute".into(),
        [one] => format!("{}.{one}", ty.name),
        [one, ..] => format!("{}.{one} and others", ty.name),
    };
    let mut draft = Draft {
        about: format!("class {name}"),
        title: format!(
            "{what} is set while the program runs: how to use {name} must be learnt again each time"
        ),
        charges,
        applies: "3.11-3.15; from 3.13 on the class ends without any caching after 1,000 such writes (SP301)"
            .into(),
        fix: fix(
            "Keep what changes in an object of the module, not in the class.",
            &["-    Job.last = value", "+    state.last = value       # state = State(), made once"],
            "Whoever reads the class attribute must read the new place.",
        ),
        ..Draft::default()
    };
    seen(ty, &name, &mut draft);
    let culprits = cause::writers_of_class(context, ty);
    blame(&mut draft, culprits, EvidenceLevel::Dynamics);
    Some(draft)
}

/// What was seen of the class over time.
fn seen(ty: &TypeFacts, name: &str, draft: &mut Draft) {
    let changed: Vec<&str> = ty.changes.iter().map(|change| change.name.as_str()).collect();
    let version = &ty.version;
    draft.because(
        EvidenceLevel::Dynamics,
        format!(
            "{name} had changed in {} of {} looks (it had another version tag), and was unknown to all caches in {}",
            version.changes, version.looks, version.zero
        ),
    );
    if let (Some(used), Some(limit)) = (version.used, version.limit)
        && used > limit / 2
    {
        draft.because(
            EvidenceLevel::State,
            format!("{used} of the {limit} changes that the interpreter follows are used up"),
        );
    }
    if !changed.is_empty() {
        draft.because(
            EvidenceLevel::Dynamics,
            format!("between looks these attributes changed: {}", changed.join(", ")),
        );
    }
}
