//! SP203: the `__dict__` of objects was touched or replaced.

use slowpath_profile::evidence::{InstanceDict, OpFamily, StoreKind};
use slowpath_profile::finding::EvidenceLevel;
use slowpath_profile::tables::is_library;

use super::common::{Group, blame, charges, did_not_fit, full_keys, need_sites, oracle_says, refused};
use crate::cause::{self, Wanted};
use crate::context::{Context, HotSite};
use crate::oracle::Reason;
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, fix};
use crate::target::Target;

pub(super) const RULE: Rule = Rule {
    code: "SP203",
    name: "objects whose __dict__ was touched",
    page: Page {
        plain: "Objects normally keep their attributes in a compact list, and a dict is made only when somebody \
                asks for it: `vars(obj)`, `obj.__dict__`, copy, pickle, or a library that fills the dict in one \
                go. From then on the object has both, and finding an attribute takes longer, for the rest of \
                its life.",
        mechanism: "Once the managed dict exists, LOAD_ATTR_INSTANCE_VALUE no longer holds. 3.11 and 3.12 refuse \
                    a dict that shares its values, 3.13 does not mind for reads, 3.14 and 3.15 refuse again. A \
                    dict that was replaced or filled in bulk is refused since 3.14 if the name is not among the \
                    shared keys of the class. Writes are refused on all these versions.",
        versions: "Reads 3.11, 3.12, 3.14 and 3.15, not 3.13; writes 3.11 and later.",
        cost: "Reads 2.6 to 3 times as long, writes 1.9 to 3.2.",
        slow: "def dump(obj):\n    return dict(vars(obj))",
        fast: "FIELDS = ('name', 'price')\n\ndef dump(obj):\n    return {field: getattr(obj, field) for field in FIELDS}",
        fix: "List the fields instead of asking for the dict; give the class __slots__, or a __getstate__ that \
              does not touch __dict__.",
    },
    holds,
    check,
};

fn holds(target: Target) -> Result<(), &'static str> {
    match target.since(11) {
        true => Ok(()),
        false => Err("before 3.11 every object has a dict anyway"),
    }
}

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let families = [OpFamily::LoadAttr, OpFamily::StoreAttr];
    let groups = refused(context, &families, &[Reason::SplitDict, Reason::OwnDict], false);
    let ours = groups.iter().filter(|group| !is_late(group) && !is_of_library(context, group));
    Verdict::of(ours.map(|group| draft(context, group)).collect())
}

/// Where the shared list of names is full, a late attribute gave each object a dict of its own: that is
/// SP204. On its way there an object has, for a moment, a dict that shares its values.
fn is_late(group: &Group<'_, '_>) -> bool {
    let Some(ty) = group.ty.filter(|ty| full_keys(ty).is_some()) else { return false };
    let has_own = |hot: &HotSite<'_>| hot.site.operands.iter().any(|met| met.dict == InstanceDict::Own);
    group.reason == Reason::OwnDict
        || group.sites.iter().all(|(hot, _)| has_own(hot))
        || group.sites.iter().any(|(hot, _)| did_not_fit(ty, hot))
}

/// A class of Python or a package that only its own code is slow with: nothing that a program can change.
fn is_of_library(context: &Context<'_>, group: &Group<'_, '_>) -> bool {
    let is_theirs =
        |id| context.function(id).is_some_and(|known| is_library(context.tables.text(known.file)));
    let body = group.ty.and_then(|ty| ty.defined_in);
    body.is_some_and(is_theirs) && group.sites.iter().all(|(hot, _)| is_theirs(hot.code.function))
}

fn draft(context: &Context<'_>, group: &Group<'_, '_>) -> Draft {
    let key = |family, reason| match (family, reason) {
        (OpFamily::StoreAttr, _) => "store_attr.dict",
        (_, Reason::OwnDict) => "load_attr.own_dict",
        _ => "load_attr.dict",
    };
    let plain = charges(context, group, "").into_iter().zip(&group.sites);
    let charges = plain
        .map(|(charge, (hot, _))| Charge { cost: Cost::Key(key(hot.site.family, group.reason)), ..charge })
        .collect();
    let name = &group.about;
    let what =
        if group.reason == Reason::OwnDict { "was replaced or filled in one go" } else { "was touched" };
    let mut draft = Draft {
        about: format!("objects of {name}"),
        title: format!("the __dict__ of {name} objects {what}: their attributes are searched for"),
        charges,
        applies: "reads 3.11, 3.12, 3.14, 3.15; writes 3.11-3.15".into(),
        fix: fix(
            "Do not ask objects that are used much for their __dict__: list the fields, or use __slots__.",
            &[
                "-    state = dict(vars(obj))",
                "+    state = {field: getattr(obj, field) for field in FIELDS}",
            ],
            "New fields must be added to the list.",
        ),
        ..Draft::default()
    };
    oracle_says(&mut draft, group.reason);
    let culprits = cause::find(
        context,
        &Wanted {
            named: &[],
            dynamic: &[StoreKind::DictRead, StoreKind::DictItem, StoreKind::DictReplaced],
            counted: &[],
            changed: &[],
            owner: "",
            fits: &|_| true,
        },
    );
    blame(&mut draft, culprits, EvidenceLevel::State);
    draft
}
