//! SP204: attributes that are added late, or are too many.

use slowpath_profile::evidence::{InstanceDict, OpFamily, StoreKind};
use slowpath_profile::finding::EvidenceLevel;

use super::common::{Group, blame, charges, did_not_fit, full_keys, need_sites, oracle_says, refused};
use crate::cause::{self, Wanted};
use crate::context::Context;
use crate::oracle::Reason;
use crate::rule::{Charge, Draft, Page, Rule, Verdict, fix};
use crate::target::Target;

/// `SHARED_KEYS_MAX_SIZE`: so many names are shared at most.
const SHARED: u32 = 30;

pub(super) const RULE: Rule = Rule {
    code: "SP204",
    name: "attributes added late, or too many of them",
    page: Page {
        plain: "Objects of a class share one list of attribute names, which holds up to 30 and is closed soon \
                after the first objects were made. An attribute that somebody adds later, from outside of \
                __init__, no longer fits: each object that gets it needs a dict of its own, which makes it \
                larger and slower to make.",
        mechanism: "Free places in the shared keys are max(1, 30 - attributes - objects made); after about 26 \
                    objects only one further name fits. The next gives each object a dict of its own: \
                    STORE_ATTR stays generic.",
        versions: "3.11 and later. 3.14 and later reserve places for all names assigned as self.x in any method, \
                   so that only stores from outside the class matter there.",
        cost: "Making an object takes 1.4 to 1.8 times as long with late attributes, 2.4 to 4.5 times with more \
               than 30.",
        slow: "class Node:\n    def __init__(self, value):\n        self.value = value\n\nnode.mark = True        # elsewhere, later",
        fast: "class Node:\n    def __init__(self, value):\n        self.value = value\n        self.mark = False",
        fix: "Assign all attributes in __init__, with None if need be; split an object of more than 30 \
              attributes, or give its class __slots__.",
    },
    holds,
    check,
};

fn holds(target: Target) -> Result<(), &'static str> {
    match target.since(11) {
        true => Ok(()),
        false => Err("before 3.11 the order of attributes decides, not their number"),
    }
}

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    // On its way there, an object has a dict of its own before the name is added.
    let reasons = [Reason::NotInKeys, Reason::OwnDict, Reason::SplitDict];
    let groups = refused(context, &[OpFamily::StoreAttr], &reasons, true);
    let late = groups.iter().filter(|group| group.reason == Reason::NotInKeys || is_full(group));
    let mut drafts = own_dicts(context);
    for new in late.filter_map(|group| draft(context, group)) {
        match drafts.iter_mut().find(|known| known.about == new.about) {
            Some(known) => {
                let fresh = new
                    .charges
                    .into_iter()
                    .filter(|charge| !known.charges.iter().any(|old| old.extent == charge.extent));
                known.charges.extend(fresh.collect::<Vec<_>>());
                if known.causes.is_empty() {
                    known.causes = new.causes;
                    known.level = known.level.max(new.level);
                }
            }
            None => drafts.push(new),
        }
    }
    Verdict::of(drafts)
}

/// Whether there was no room for the name any more.
fn is_full(group: &Group<'_, '_>) -> bool {
    let Some(ty) = group.ty.filter(|ty| full_keys(ty).is_some()) else { return false };
    group.sites.iter().any(|(hot, _)| did_not_fit(ty, hot))
}

/// Stores into objects that have a dict of their own although their class shares names.
fn own_dicts(context: &Context<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (at, ty) in context.types().filter(|(_, ty)| ty.inline_values) {
        let Some(keys) = full_keys(ty) else { continue };
        let sites = context.sites_of(&[OpFamily::StoreAttr]).filter(|hot| hot.meets(at));
        let own =
            sites.filter(|hot| hot.site.operands.iter().any(|operand| operand.dict == InstanceDict::Own));
        let key = if keys.entries >= SHARED { "store_attr.many" } else { "store_attr.late" };
        let charges: Vec<Charge> =
            own.map(|hot| Charge::of_site(context, hot, key).in_state("into a dict of the object")).collect();
        if charges.is_empty() {
            continue;
        }
        let name = ty.full_name();
        let title = match keys.entries >= SHARED {
            true => {
                format!("{name} has more than {SHARED} attributes: each object carries a dict of its own")
            }
            false => format!("{name} gets attributes late: each object carries a dict of its own"),
        };
        let mut draft = shell(&name, title, charges);
        draft.because(
            EvidenceLevel::State,
            format!("its shared list holds {} names and has room for {} more", keys.entries, keys.usable),
        );
        draft.level = EvidenceLevel::State;
        drafts.push(draft);
    }
    drafts
}

fn shell(name: &str, title: String, charges: Vec<Charge>) -> Draft {
    Draft {
        about: format!("attributes of {name}"),
        title,
        charges,
        applies: "3.11-3.15; from 3.14 on only stores from outside the class".into(),
        fix: fix(
            "Assign every attribute in __init__, with None if need be.",
            &["     def __init__(self, value):", "         self.value = value", "+        self.mark = None"],
            "hasattr() is true from the start.",
        ),
        ..Draft::default()
    }
}

fn draft(context: &Context<'_>, group: &Group<'_, '_>) -> Option<Draft> {
    let ty = group.ty?;
    let name = &group.about;
    let title = format!("{name}.{} is added after the list of attributes was closed", group.name);
    let mut draft = shell(name, title, charges(context, group, "store_attr.late"));
    oracle_says(&mut draft, group.reason);
    let culprits = cause::find(
        context,
        &Wanted {
            named: &[StoreKind::Attribute],
            dynamic: &[StoreKind::Setattr],
            counted: &[],
            changed: &[],
            owner: name,
            fits: &|store| store.name == group.name && !cause::writes_to_class(store, ty),
        },
    );
    blame(&mut draft, culprits, EvidenceLevel::State);
    Some(draft)
}
