//! SP303: Python code runs at each use of an attribute.

use slowpath_profile::evidence::{AttributeKind, OpFamily};
use slowpath_profile::finding::{Cause, EvidenceLevel, Place};
use slowpath_profile::tables::is_library;

use super::common::{Group, cause_in_body, charges, need_sites, oracle_says, refused};
use crate::context::Context;
use crate::oracle::Reason;
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, everywhere, fix};
use crate::weight::Extent;

pub(super) const RULE: Rule = Rule {
    code: "SP303",
    name: "Python code runs at each use of an attribute",
    page: Page {
        plain: "What looks like reading or setting an attribute calls Python code: a `__getattribute__`, a \
                `__getattr__` that is really used, `__setattr__`, an object with a `__get__`, a On a hot \
                line that call is most of the cost.",
        mechanism: "Hooks replace tp_getattro and tp_setattro, which the specialiser cannot see through. A \
                    descriptor that is an instance of a Python class cannot be cached, because that class may \
                    change; functools.cached_property is such an object, and is asked again although the value \
                    already lies in the instance.",
        versions: "All versions for the calls themselves. cached_property is free on 3.8 and 3.9 and slow since \
                   3.11. A __getattr__ that is only a fallback costs up to 3.11 and is free since 3.12.",
        cost: "Time relative to a plain attribute: __getattribute__ 4 to 12, used __getattr__ 5 to 33, \
               __setattr__ 3 to 12, Python descriptor 3 to 6, cached_property 2 to 3.",
        slow: "class Config:\n    def __getattr__(self, name):\n        return self._values[name]",
        fast: "class Config:\n    def __init__(self, values):\n        self.__dict__.update(values)",
        fix: "Set plain attributes once, when the object is made. Read a value of a cached_property into a local \
              before a loop. Check values where they come in, not at each assignment.",
    },
    holds: everywhere,
    check,
};

const REASONS: [Reason; 6] = [
    Reason::Overridden,
    Reason::HasGetattr,
    Reason::HasSetattr,
    Reason::CachedProperty,
    Reason::PythonDescriptor,
    Reason::ModuleGetattr,
];

/// Methods that the interpreter calls in the name of an attribute.
const HOOKS: [&str; 6] =
    ["__getattribute__", "__getattr__", "__setattr__", "__get__", "__set__", "__delattr__"];

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let groups = refused(context, &[OpFamily::LoadAttr, OpFamily::StoreAttr], &REASONS, false);
    let mut drafts: Vec<Draft> = groups.iter().filter_map(|group| draft(context, group)).collect();
    if context.target.until(10) {
        drafts.extend(hooks_on_stacks(context));
    }
    Verdict::of(drafts)
}

fn key(group: &Group<'_, '_>, family: OpFamily) -> &'static str {
    let hooks = group.ty.map(|ty| ty.hooks).unwrap_or_default();
    match (group.reason, family) {
        (Reason::CachedProperty, _) => "load_attr.cached_property",
        (Reason::HasSetattr, _) | (_, OpFamily::StoreAttr) => "store_attr.setattr",
        (Reason::PythonDescriptor, _) => "load_attr.descriptor",
        (Reason::ModuleGetattr, _) => "load_attr.module_getattr",
        (Reason::HasGetattr, _) if is_fallback(group) => "load_attr.getattr_defined",
        (Reason::HasGetattr, _) => "load_attr.getattr",
        _ if hooks.getattribute => "load_attr.getattribute",
        _ => "load_attr.getattr",
    }
}

/// Whether the attributes asked for exist, so that `__getattr__` is not called.
fn is_fallback(group: &Group<'_, '_>) -> bool {
    let names = group.sites.iter().map(|(hot, _)| &hot.site.name);
    let mut known = names.filter_map(|name| group.ty.and_then(|ty| ty.attribute(name)));
    known.all(|attribute| {
        attribute.on_instance || attribute.in_shared_keys || attribute.kind != AttributeKind::Missing
    })
}

fn draft(context: &Context<'_>, group: &Group<'_, '_>) -> Option<Draft> {
    let ty = group.ty?;
    // A native type that finds attributes its own way is not for the program to change.
    if group.reason == Reason::Overridden && !ty.hooks.getattribute {
        return None;
    }
    let plain = charges(context, group, "").into_iter().zip(&group.sites);
    let mut charges: Vec<Charge> = plain
        .map(|(charge, (hot, _))| Charge { cost: Cost::Key(key(group, hot.site.family)), ..charge })
        .collect();
    charges.extend(inside(context, group));
    let name = &group.about;
    let what = match group.reason {
        Reason::HasSetattr => "runs a __setattr__ at each assignment",
        Reason::CachedProperty => "asks a cached_property at each read",
        Reason::PythonDescriptor => "runs a descriptor written in Python at each use",
        Reason::ModuleGetattr => "answers through a __getattr__",
        Reason::HasGetattr if is_fallback(group) => {
            "has a __getattr__, which this version pays for at each read"
        }
        Reason::HasGetattr => "answers reads through its __getattr__",
        _ => "runs a __getattribute__ at each read",
    };
    let mut draft = Draft {
        about: format!("attributes of {name}"),
        title: format!("{name} {what}"),
        level: EvidenceLevel::State,
        charges,
        applies: "all versions; cached_property since 3.11, a fallback __getattr__ up to 3.11".into(),
        fix: advice(group.reason),
        ..Draft::default()
    };
    oracle_says(&mut draft, group.reason);
    draft.causes = definitions(context, group);
    if !draft.causes.is_empty() {
        draft.level = EvidenceLevel::Writer;
    }
    Some(draft)
}

fn advice(reason: Reason) -> slowpath_profile::finding::Fix {
    match reason {
        Reason::CachedProperty => fix(
            "Read the value into a local before the loop, or compute it in __init__.",
            &["+    total = order.total       # once", "     for line in lines:"],
            "A value that changes meanwhile is not seen.",
        ),
        Reason::HasSetattr => fix(
            "Check values where they come in, or use properties for the few attributes that need it.",
            &["-    def __setattr__(self, name, value):"],
            "Assignments from elsewhere are no longer checked.",
        ),
        _ => fix(
            "Set plain attributes when the object is made, so that no hook is needed on the hot path.",
            &["+        self.__dict__.update(values)"],
            "Attributes no longer follow what they were computed from.",
        ),
    }
}

/// The time inside the hooks of the class themselves.
fn inside(context: &Context<'_>, group: &Group<'_, '_>) -> Vec<Charge> {
    let functions = hook_functions(context, group);
    let Some(first) = functions.first().copied() else { return Vec::new() };
    let keys = group.sites.first().map(|(hot, _)| key(group, hot.site.family));
    let Some(key) = keys else { return Vec::new() };
    let place = context.place(first, slowpath_profile::Span::default());
    vec![Charge {
        extent: Extent::Under(functions),
        cost: Cost::Key(key),
        weight: 1.0,
        place,
        expression: "inside of the hook".into(),
        state: "runs as Python code".into(),
    }]
}

/// Hooks by qualified name: `Config.__getattr__`; those that run most first.
fn hook_functions(context: &Context<'_>, group: &Group<'_, '_>) -> Vec<slowpath_profile::FunctionId> {
    let Some(ty) = group.ty else { return Vec::new() };
    let mut owners = vec![ty.name.clone()];
    owners.extend(ty.mro.iter().filter_map(|base| context.ty(*base)).map(|base| base.name.clone()));
    let holders = ty.attributes.iter().filter(|attribute| {
        matches!(attribute.kind, AttributeKind::PythonDescriptor | AttributeKind::PythonDataDescriptor)
    });
    owners.extend(holders.map(|attribute| without_module(&attribute.type_name).to_owned()));
    let names: Vec<String> =
        owners.iter().flat_map(|owner| HOOKS.iter().map(move |hook| format!("{owner}.{hook}"))).collect();
    let all = context.tables.functions.values().iter().enumerate();
    let wanted = all.filter(|(_, function)| {
        let qualname = context.tables.text(function.qualname);
        names.iter().any(|name| name == qualname) && !is_library(context.tables.text(function.file))
    });
    let mut sampled: Vec<(u64, slowpath_profile::FunctionId)> = wanted
        .map(|(at, _)| {
            let id = slowpath_profile::ids::Id::from_index(at);
            (context.samples(&Extent::Under(vec![id])), id)
        })
        .collect();
    // A class may have others that nothing calls.
    sampled.retain(|(samples, _)| *samples > 0);
    sampled.sort_by_key(|(samples, id)| (std::cmp::Reverse(*samples), *id));
    sampled.into_iter().map(|(_, id)| id).collect()
}

/// The qualified name in `package.module.Outer.Inner`, as far as names tell classes from modules.
fn without_module(name: &str) -> &str {
    let mut start = 0;
    for part in name.split('.') {
        if part.starts_with(|first: char| first.is_uppercase()) {
            return &name[start..];
        }
        start += part.len() + 1;
    }
    name.rsplit('.').next().unwrap_or(name)
}

fn definitions(context: &Context<'_>, group: &Group<'_, '_>) -> Vec<Cause> {
    let Some(ty) = group.ty else { return Vec::new() };
    if group.reason == Reason::CachedProperty {
        let mut names: Vec<&str> = group.sites.iter().map(|(hot, _)| hot.site.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let cause = |name: &&str| {
            let holder = ty.attribute(name)?.holder;
            let owner = holder.and_then(|holder| context.ty(holder)).unwrap_or(ty);
            owner.defined_in?;
            Some(cause_in_body(context, owner, name, "cached_property", "it makes a cached_property"))
        };
        return names.iter().filter_map(cause).collect();
    }
    definition(context, group).into_iter().collect()
}

fn definition(context: &Context<'_>, group: &Group<'_, '_>) -> Option<Cause> {
    let ty = group.ty?;
    let hook = hook_functions(context, group).first().copied();
    let function = hook.or(ty.defined_in)?;
    let place: Place = context.place(function, slowpath_profile::Span::default());
    let statement = hook.map_or_else(String::new, |hook| format!("def {}", context.qualname(hook)));
    let how = if hook.is_some() { "the hook that runs" } else { "the class that has it" };
    let symbol = group.about.clone();
    Some(Cause { place, statement, symbol, how: how.into(), is_static: true, ..Cause::default() })
}

/// Up to 3.10 nothing is specialised per class: what is seen is the time in the hooks.
fn hooks_on_stacks(context: &Context<'_>) -> Vec<Draft> {
    let keys = [
        ("__getattribute__", "load_attr.getattribute"),
        ("__getattr__", "load_attr.getattr"),
        ("__setattr__", "store_attr.setattr"),
        ("__get__", "load_attr.descriptor"),
    ];
    let mut drafts = Vec::new();
    for (at, function) in context.tables.functions.values().iter().enumerate() {
        let name = context.tables.text(function.name);
        let file = context.tables.text(function.file);
        let Some((hook, key)) = keys.iter().find(|(hook, _)| *hook == name) else { continue };
        if is_library(file) {
            continue;
        }
        let id: slowpath_profile::FunctionId = slowpath_profile::ids::Id::from_index(at);
        let place = context.place(id, slowpath_profile::Span::default());
        let mut draft = Draft {
            about: format!("{hook} in {file}:{}", function.first_line),
            title: format!("a {hook} runs at each use of an attribute"),
            level: EvidenceLevel::Writer,
            applies: "all versions".into(),
            fix: advice(Reason::Overridden),
            ..Draft::default()
        };
        draft.because(EvidenceLevel::Writer, format!("{hook} was on sampled stacks itself"));
        draft.causes.push(Cause {
            place: place.clone(),
            statement: format!("def {hook}"),
            how: "the hook that runs".into(),
            is_static: true,
            ..Cause::default()
        });
        draft.charges.push(Charge {
            extent: Extent::Under(vec![id]),
            cost: Cost::Key(key),
            weight: 1.0,
            place,
            expression: "inside of the hook".into(),
            state: "runs as Python code".into(),
        });
        drafts.push(draft);
    }
    drafts
}
