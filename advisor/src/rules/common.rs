//! What several rules share.

use slowpath_profile::evidence::{CodeEvidence, Namespace, NamespaceRef, OpFamily, SharedKeys, TypeFacts};
use slowpath_profile::finding::{Cause, EvidenceLevel, Place};
use slowpath_profile::ids::Id;
use slowpath_profile::tables::is_library;
use slowpath_profile::{FunctionId, Span};

use crate::cause::Culprits;
use crate::context::{Context, HotSite};
use crate::oracle::Reason;
use crate::rule::{Charge, Draft, Verdict};

/// A site that takes the slow way for less than this share of the time meets its objects in groups, and
/// learns each group.
pub(super) const TORN: f64 = 0.6;

/// What is said where instructions were not looked at.
pub(super) const NO_SITES: &str = "no hot instruction was looked at";

/// [`Verdict::CannotTell`] unless hot instructions were looked at.
pub(super) fn need_sites(context: &Context<'_>) -> Option<Verdict> {
    context.sites.is_empty().then(|| Verdict::CannotTell(NO_SITES.into()))
}

/// Functions of the program that take `*args` and call with unpacked arguments.
pub(super) fn wrappers<'c>(context: &'c Context<'_>) -> impl Iterator<Item = &'c CodeEvidence> {
    context.evidence.code.iter().filter(|code| {
        let unpacks = code.sites.iter().any(|site| site.family == OpFamily::CallUnpacked);
        let file = context.function(code.function).map_or("", |function| context.tables.text(function.file));
        code.takes_args && unpacks && !is_library(file)
    })
}

/// Adds what was found of the cause to the chain.
pub(super) fn blame(draft: &mut Draft, culprits: Culprits, otherwise: EvidenceLevel) {
    draft.level = if culprits.causes.is_empty() { otherwise } else { culprits.level };
    if !culprits.causes.is_empty() {
        draft.because(culprits.level, culprits.how);
    }
    draft.causes = culprits.causes;
}

/// Instructions that find globals of this module: in its own code, and as its attributes.
pub(super) fn users_of<'c, 'a>(
    context: &'c Context<'a>,
    wanted: NamespaceRef,
    namespace: &'c Namespace,
) -> impl Iterator<Item = &'c HotSite<'a>> {
    context.sites.iter().filter(move |hot| match hot.site.family {
        OpFamily::LoadGlobal => hot.code.globals == Some(wanted) || namespace.is_builtins,
        OpFamily::LoadAttr => hot
            .site
            .operands
            .iter()
            .any(|operand| operand.value == slowpath_profile::evidence::Value::Module(wanted)),
        _ => false,
    })
}

/// The name of a module for people.
pub(super) fn module(namespace: &Namespace) -> String {
    match namespace.module.as_str() {
        "" if namespace.is_builtins => "builtins".into(),
        "" => "a module without name".into(),
        name => name.to_owned(),
    }
}

/// Sites that the oracle refuses for one of these reasons, grouped by what they have in common.
pub(super) struct Group<'c, 'a> {
    /// The class or other thing that they have in common, for people.
    pub(super) about: String,
    /// The class, if it is one.
    pub(super) ty: Option<&'a TypeFacts>,
    /// The reason.
    pub(super) reason: Reason,
    /// The name of the attribute, if all share it.
    pub(super) name: String,
    /// The sites, each with the share of looks that met such an object.
    pub(super) sites: Vec<(&'c HotSite<'a>, f64)>,
}

/// Collects generic sites of some families that are refused for one of some reasons. With `by_name`,
/// different attributes of a class are different groups.
pub(super) fn refused<'c, 'a>(
    context: &'c Context<'a>,
    families: &[OpFamily],
    reasons: &[Reason],
    by_name: bool,
) -> Vec<Group<'c, 'a>> {
    let mut groups = Vec::<Group<'c, 'a>>::new();
    for hot in context.sites_of(families) {
        let Some((reason, operand, share)) = hot.refusal() else { continue };
        // A form that is chosen and then misses for the same reason is as bad as none.
        let is_lost = hot.is_disturbed() && hot.slow_share() > TORN && share > TORN;
        let is_slow = hot.is_generic() || hot.is_compiled() || is_slow_form(hot) || is_lost;
        if !reasons.contains(&reason) || !is_slow {
            continue;
        }
        let ty = operand.and_then(|operand| match operand.value {
            slowpath_profile::evidence::Value::Instance(ty)
            | slowpath_profile::evidence::Value::Class(ty) => context.ty(ty),
            _ => None,
        });
        let about = ty.map_or_else(|| context.qualname(hot.code.function).to_owned(), TypeFacts::full_name);
        let name = if by_name { hot.site.name.clone() } else { String::new() };
        let known = groups
            .iter_mut()
            .find(|group| group.about == about && group.reason == reason && (!by_name || group.name == name));
        match known {
            Some(group) => group.sites.push((hot, share)),
            None => groups.push(Group { about, ty, reason, name, sites: vec![(hot, share)] }),
        }
    }
    groups
}

/// The list of names that objects of a class share, if it has no room for the next one.
pub(super) fn full_keys(ty: &TypeFacts) -> Option<SharedKeys> {
    ty.keys.filter(|keys| keys.usable <= 1)
}

/// Whether objects hold the attribute of a site, and the list of names that they share does not.
pub(super) fn did_not_fit(ty: &TypeFacts, hot: &HotSite<'_>) -> bool {
    ty.attribute(&hot.site.name).is_some_and(|known| known.on_instance && !known.in_shared_keys)
}

/// Forms whose names say "specialised" and that are as slow as the general way.
fn is_slow_form(hot: &HotSite<'_>) -> bool {
    const SLOW: [&str; 8] = [
        "CALL_NON_PY_GENERAL",
        "CALL_PY_GENERAL",
        "CALL_KW_NON_PY",
        "LOAD_ATTR_GETATTRIBUTE_OVERRIDDEN",
        "LOAD_ATTR_PROPERTY",
        "BINARY_SUBSCR_GETITEM",
        "BINARY_OP_SUBSCR_GETITEM",
        "FOR_ITER_VIRTUAL",
    ];
    SLOW.contains(&hot.site.form())
}

/// Charges for the sites of a group.
pub(super) fn charges(context: &Context<'_>, group: &Group<'_, '_>, key: &'static str) -> Vec<Charge> {
    let charge = |(hot, share): &(&HotSite<'_>, f64)| {
        let form = if hot.site.form().is_empty() { "general instruction" } else { hot.site.form() };
        Charge::of_site(context, hot, key)
            .weighing(*share)
            .in_state(format!("takes the slow way ({form}, {})", group.reason.code()))
    };
    group.sites.iter().map(charge).collect()
}

/// The sentence of the oracle, as a link of the chain.
pub(super) fn oracle_says(draft: &mut Draft, reason: Reason) {
    draft.because(
        EvidenceLevel::State,
        format!(
            "{}; CPython's own test for the fast way, made again for what was seen there, says no: {}",
            reason.sentence(),
            reason.code()
        ),
    );
}

/// The method of a class that has one of these names, its own before those of its bases, if its code was
/// seen: by its qualified name, in the file of the class.
pub(super) fn method_of(context: &Context<'_>, ty: &TypeFacts, names: &[&str]) -> Option<FunctionId> {
    let bases = ty.mro.iter().filter_map(|base| context.ty(*base));
    std::iter::once(ty).chain(bases).find_map(|owner| {
        let file = owner.defined_in.and_then(|body| context.function(body))?.file;
        let wanted: Vec<String> = names.iter().map(|name| format!("{}.{name}", owner.name)).collect();
        let at = context.tables.functions.values().iter().position(|function| {
            function.file == file && wanted.iter().any(|name| name == context.tables.text(function.qualname))
        });
        at.map(Id::from_index)
    })
}

/// The cause that lies in the body of a class: where it gives a name its value, or the decorator that
/// does. Code of class bodies is gone once it has run, so only the source tells the line.
pub(super) fn cause_in_body(
    context: &Context<'_>,
    ty: &TypeFacts,
    name: &str,
    decorator: &str,
    how: &str,
) -> Cause {
    let method = ty.defined_in.filter(|method| {
        let is_own = context.qualname(*method).rsplit_once('.').is_some_and(|(class, _)| class == ty.name);
        is_own || context.target.until(10)
    });
    let sources = &context.sources;
    let member = method.and_then(|method| sources.member(&ty.name, method, name, decorator));
    let known = member.is_some();
    let place = member.clone().or_else(|| sources.class_head(&ty.name, method?));
    let file = method.map_or_else(String::new, |method| context.place(method, Span::default()).file);
    let compiled = format!("{name} = …");
    Cause {
        place: Place {
            file,
            line: place.as_ref().map(|place| place.line),
            end_line: place.as_ref().map(|place| place.end_line),
            function: ty.name.clone(),
            ..Place::default()
        },
        statement: member.map_or_else(|| compiled.clone(), |member| member.statement),
        compiled: known.then_some(compiled),
        symbol: format!("{}.{name}", ty.full_name()),
        how: if known { how.into() } else { format!("in the body of class {}: {how}", ty.name) },
        is_static: true,
        ..Cause::default()
    }
}

/// The cause that lies in a class: its method that runs, else the class as a whole.
pub(super) fn cause_in_class(
    context: &Context<'_>,
    ty: &TypeFacts,
    names: &[&str],
    what: &str,
) -> Option<Cause> {
    let method = method_of(context, ty, names);
    let (function, statement) = match method {
        Some(method) => (method, format!("def {}", context.qualname(method))),
        None => (ty.defined_in?, format!("class {}", ty.name)),
    };
    Some(Cause {
        place: context.place(function, Span::default()),
        statement,
        symbol: ty.full_name(),
        how: if method.is_some() { "the method that runs each time".into() } else { what.into() },
        is_static: true,
        ..Cause::default()
    })
}
