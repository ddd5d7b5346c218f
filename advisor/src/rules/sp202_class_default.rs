//! SP202: a class value has the name of an attribute of its objects.

use slowpath_profile::evidence::{AttributeKind, OpFamily};
use slowpath_profile::finding::EvidenceLevel;
use slowpath_profile::tables::is_library;

use super::common::{Group, cause_in_body, charges, need_sites, oracle_says, refused};
use crate::context::Context;
use crate::oracle::Reason;
use crate::rule::{Draft, Page, Rule, Verdict, fix};
use crate::target::Target;

pub(super) const RULE: Rule = Rule {
    code: "SP202",
    name: "a class value has the name of an attribute of its objects",
    page: Page {
        plain: "The class has a value under a name that its objects use for an attribute of their own: \
                `timeout = None` in the body of the class and `self.timeout = 5` in a method, or the default of \
                a dataclass field. Since both could be meant, the interpreter looks at both each time instead of \
                going straight to the object.",
        mechanism: "The specialiser refuses a read on 3.12 and 3.13, and a write since 3.12, if any class in the \
                    MRO has the name. On 3.11, 3.14 and 3.15 reads are refused only if the value is an instance \
                    of a class written in Python (an enum member, a default object), since that class could \
                    become a descriptor. Reading a class value through an instance is refused on 3.11 and 3.12.",
        versions: "Reads: 3.12 and 3.13; 3.11, 3.14 and 3.15 only for values that are objects of Python classes. \
                   Writes: 3.12 and later.",
        cost: "Reads 2.2 to 2.7 times as long, writes 1.8 to 2.5, construction of a dataclass with defaults 1.2 \
               to 1.4.",
        slow: "@dataclass\nclass Order:\n    count: int = 0",
        fast: "@dataclass(slots=True)\nclass Order:\n    count: int = 0",
        fix: "Assign the value in __init__ only; or use slots=True, or field(default_factory=...), which leave \
              nothing in the class.",
    },
    holds,
    check,
};

const REASONS: [Reason; 3] = [Reason::ClassValue, Reason::ClassValueRead, Reason::MutableClass];

fn holds(target: Target) -> Result<(), &'static str> {
    match target.since(11) {
        true => Ok(()),
        false => Err("before 3.11 a read always looks at the class first"),
    }
}

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let groups = refused(context, &[OpFamily::LoadAttr, OpFamily::StoreAttr], &REASONS, true);
    let mut drafts = Vec::<Draft>::new();
    for new in groups.iter().filter_map(|group| draft(context, group)) {
        // One class body, one finding: its attributes have the same cause and the same fix.
        match drafts.iter_mut().find(|known| known.about == new.about) {
            Some(known) => {
                known.charges.extend(new.charges);
                known.causes.extend(
                    new.causes.into_iter().filter(|cause| !known.causes.contains(cause)).collect::<Vec<_>>(),
                );
            }
            None => drafts.push(new),
        }
    }
    Verdict::of(drafts)
}

fn key(group: &Group<'_, '_>, family: OpFamily) -> &'static str {
    match (family, group.reason) {
        (OpFamily::StoreAttr, _) => "store_attr.class_value",
        (_, Reason::MutableClass) => "load_attr.mutable_class",
        (_, Reason::ClassValueRead) => "load_attr.class_value_read",
        _ => "load_attr.class_value",
    }
}

fn draft(context: &Context<'_>, group: &Group<'_, '_>) -> Option<Draft> {
    let attribute = group.ty?.attribute(&group.name)?;
    let owner = attribute.holder.and_then(|holder| context.ty(holder)).or(group.ty)?;
    let body = owner.defined_in;
    let file = body.and_then(|body| context.function(body)).map_or("", |body| context.tables.text(body.file));
    if is_library(file) {
        return None;
    }
    let holder = attribute.holder.map_or_else(|| group.about.clone(), |holder| context.type_name(holder));
    let mut charged = Vec::new();
    for (charge, (hot, _)) in charges(context, group, "").into_iter().zip(&group.sites) {
        charged.push(crate::rule::Charge {
            cost: crate::rule::Cost::Key(key(group, hot.site.family)),
            ..charge
        });
    }
    let name = &group.name;
    let mut draft = Draft {
        about: format!("class {holder}"),
        title: format!("{holder} holds a value '{name}', so each use of .{name} of its objects looks twice"),
        charges: charged,
        applies: "reads 3.12-3.13, writes 3.12-3.15; 3.11 and 3.14-3.15 if the value is an object of a Python class"
            .into(),
        fix: fix(
            format!(
                "Take '{name}' out of the class body and assign it in __init__; a dataclass keeps its defaults with \
                 @dataclass(slots=True)."
            ),
            &[&format!("-    {name} = ..."), "     def __init__(self):", &format!("+        self.{name} = ...")],
            "Objects with slots have no __dict__; code that reads the default from the class finds none.",
        ),
        ..Draft::default()
    };
    oracle_says(&mut draft, group.reason);
    let kind = match attribute.kind {
        AttributeKind::PythonInstance => format!("an object of class {}", attribute.type_name),
        _ => format!("a value of type {}", attribute.type_name),
    };
    draft.because(EvidenceLevel::State, format!("what {holder} holds under '{name}' is {kind}"));
    draft.level = if body.is_some() { EvidenceLevel::Writer } else { EvidenceLevel::State };
    draft.causes.push(cause_in_body(context, owner, name, "", "it gives the name a value"));
    Some(draft)
}
