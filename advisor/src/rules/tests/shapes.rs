use slowpath_profile::ThreadState::Running;
use slowpath_profile::evidence::{
    AttributeHooks, AttributeKind, Construction, InstanceDict, OpFamily, Operand, OperandRole, SharedKeys,
    Site, StoreKind, TypeFacts, TypeRef, Value, VersionTag,
};
use slowpath_profile::finding::Findings;

use super::{found, silent};
use crate::testing::{Case, LOOKS, attribute, class, disturbed, generic, healthy, operand};

/// One hot instruction whose receiver is of a class of the program.
fn hot(minor: u8, ty: TypeFacts, site: impl Fn(TypeRef) -> Site) -> Case {
    let mut case = Case::new(minor);
    let ty = case.ty(ty);
    case.site("shop/cart.py:Cart.total", 20, site(ty), 400);
    case.sample(&["app.py:<module>"], Running, 600);
    case
}

fn receiver(ty: TypeRef, dict: InstanceDict) -> Vec<slowpath_profile::evidence::Operand> {
    let mut receiver = operand(OperandRole::Receiver, Value::Instance(ty), LOOKS);
    receiver.dict = dict;
    vec![receiver]
}

fn with(kind: AttributeKind, own: bool) -> TypeFacts {
    let mut known = attribute("x", kind);
    (known.on_instance, known.in_shared_keys) = (own, own);
    TypeFacts { attributes: vec![known], ..class("shop", "Item") }
}

/// The versions from 3.11 to 3.15 on which a rule finds something: `y` or `-`.
fn row(code: &str, advise: impl Fn(u8) -> Findings) -> String {
    let letter = |minor| {
        let findings = advise(minor);
        if findings.findings.iter().any(|finding| finding.rule == code) { 'y' } else { '-' }
    };
    (11..=15).map(letter).collect()
}

fn load(ty: TypeFacts, dict: InstanceDict) -> impl Fn(u8) -> Findings {
    move |minor| {
        let site = |ty| generic(OpFamily::LoadAttr, "x", "LOAD_ATTR", receiver(ty, dict));
        hot(minor, ty.clone(), site).advise()
    }
}

fn store(ty: TypeFacts, dict: InstanceDict) -> impl Fn(u8) -> Findings {
    move |minor| {
        let site = |ty| generic(OpFamily::StoreAttr, "x", "STORE_ATTR", receiver(ty, dict));
        hot(minor, ty.clone(), site).advise()
    }
}

#[test]
fn sp202_follows_the_version() {
    use AttributeKind::{PythonInstance, Value as Plain};
    let values = InstanceDict::Values;
    assert_eq!(row("SP202", load(with(Plain, true), values)), "-yy--");
    assert_eq!(row("SP202", load(with(Plain, false), values)), "yy---");
    assert_eq!(row("SP202", load(with(PythonInstance, true), values)), "yyyyy");
    assert_eq!(row("SP202", store(with(Plain, true), values)), "-yyyy");
    assert_eq!(row("SP202", load(with(AttributeKind::Missing, true), values)), "-----");
}

#[test]
fn sp203_follows_the_version() {
    let ty = || with(AttributeKind::Missing, true);
    assert_eq!(row("SP203", load(ty(), InstanceDict::Shared)), "yy-yy");
    assert_eq!(row("SP203", store(ty(), InstanceDict::Shared)), "yyyyy");
    assert_eq!(row("SP203", load(ty(), InstanceDict::Values)), "-----");
    let mut case =
        hot(14, ty(), |ty| generic(OpFamily::LoadAttr, "x", "LOAD_ATTR", receiver(ty, InstanceDict::Shared)));
    case.store("shop/log.py:dump", 5, StoreKind::DictRead, "obj", "");
    case.sample(&["app.py:<module>", "shop/log.py:dump"], Running, 20);
    assert_eq!(found(&case.advise(), "SP203").causes[0].place.line, Some(5));
}

#[test]
fn a_name_that_did_not_fit_in_is_no_dict_that_was_touched() {
    // Objects that were looked at hold it in a dict; it is not among the shared names, of which there
    // can be no more.
    let mut late = with(AttributeKind::Missing, true);
    late.attributes[0].in_shared_keys = false;
    late.keys = Some(SharedKeys { entries: 29, usable: 0, ..SharedKeys::default() });
    for dict in [InstanceDict::Values, InstanceDict::Shared] {
        assert_eq!(row("SP203", store(late.clone(), dict)), "-----", "{dict:?}");
    }
    assert_eq!(row("SP204", store(late, InstanceDict::Values)), "yyyyy");
}

#[test]
fn sp303_knows_hooks() {
    let hooked = |hooks| TypeFacts { hooks, ..with(AttributeKind::Missing, true) };
    let get = AttributeHooks { getattribute: true, ..AttributeHooks::default() };
    let set = AttributeHooks { setattr: true, ..AttributeHooks::default() };
    let native = AttributeHooks { native_get: true, ..AttributeHooks::default() };
    let values = InstanceDict::Values;
    assert_eq!(row("SP303", load(hooked(get), values)), "yyyyy");
    assert_eq!(row("SP303", store(hooked(set), values)), "yyyyy");
    assert_eq!(
        row("SP303", load(hooked(native), values)),
        "-----",
        "a native type is not for the program to change"
    );
    assert_eq!(row("SP303", load(with(AttributeKind::CachedProperty, true), values)), "yyyyy");
    let fallback = AttributeHooks { getattr: true, ..AttributeHooks::default() };
    assert_eq!(row("SP303", load(hooked(fallback), values)), "y----");
    let mut asked = with(AttributeKind::Missing, false);
    asked.hooks = fallback;
    assert_eq!(row("SP303", load(asked, values)), "yyyyy");
}

#[test]
fn sp201_wants_classes_in_turn() {
    let shapes = |minor, torn: bool| {
        let mut case = Case::new(minor);
        let both: Vec<_> = ["Circle", "Square"]
            .map(|name| {
                let ty = TypeFacts {
                    attributes: vec![attribute("x", AttributeKind::Missing)],
                    ..class("shop", name)
                };
                operand(OperandRole::Receiver, Value::Instance(case.ty(ty)), LOOKS / 2)
            })
            .into();
        let form = "LOAD_ATTR_INSTANCE_VALUE";
        let mut site = match torn {
            true => disturbed(OpFamily::LoadAttr, "x", form, both),
            false => healthy(OpFamily::LoadAttr, "x", form, both),
        };
        if !torn {
            // Grouped objects: learnt anew for each group, then right for long.
            (site.counter.disturbed, site.counter.moved, site.version_changes) = (20, 35, 40);
        }
        case.site("shop/area.py:area", 9, site, 400);
        case.sample(&["app.py:<module>"], Running, 600);
        case
    };
    assert_eq!(row("SP201", |minor| shapes(minor, true).advise()), "yyyyy");
    assert_eq!(row("SP201", |minor| shapes(minor, false).advise()), "-----");
    silent(&shapes(15, true).with_jit().advise(), "SP201");
    silent(&shapes(10, true).advise(), "SP201");
}

/// Four classes at one place; of so many pairs of objects in a row, so many were of different classes.
fn four_classes(
    minor: u8,
    pairs: u32,
    differed: u32,
    site: fn(OpFamily, &str, &str, Vec<Operand>) -> Site,
) -> Case {
    let mut case = Case::new(minor);
    let met = ["Circle", "Square", "Ring", "Line"].map(|name| {
        let attributes = vec![attribute("x", AttributeKind::Missing)];
        let ty = case.ty(TypeFacts { attributes, ..class("shop", name) });
        operand(OperandRole::Receiver, Value::Instance(ty), LOOKS / 4)
    });
    let site = site(OpFamily::LoadAttr, "x", "LOAD_ATTR_INSTANCE_VALUE", met.into());
    let site = Site { class_pairs: pairs, class_pairs_differed: differed, ..site };
    case.site("shop/area.py:area", 9, site, 400);
    case.sample(&["app.py:<module>"], Running, 600);
    case
}

#[test]
fn sp201_asks_the_objects_where_compiled_code_hides_its_caches() {
    // In compiled code the cache stays as it was, right for one of the classes.
    found(&four_classes(15, 12, 9, healthy).with_jit().advise(), "SP201");
    silent(&four_classes(15, 12, 1, healthy).with_jit().advise(), "SP201");
    silent(&four_classes(15, 2, 2, healthy).with_jit().advise(), "SP201");
    silent(&four_classes(15, 12, 9, healthy).advise(), "SP201");
    // Counters of code that runs now and then in the interpreter tell nothing of the rest.
    silent(&four_classes(15, 12, 0, disturbed).with_jit().advise(), "SP201");
    silent(&four_classes(15, 0, 0, disturbed).with_jit().advise(), "SP201");
    // Groups that change so often that a cache is hardly ever right would show in pairs.
    silent(&four_classes(13, 12, 1, disturbed).advise(), "SP201");
    found(&four_classes(13, 12, 9, disturbed).advise(), "SP201");
    found(&four_classes(13, 0, 0, disturbed).advise(), "SP201");
}

#[test]
fn sp302_wants_lasting_writes() {
    let written = |minor, changes| {
        let version =
            VersionTag { last: 9, looks: LOOKS, zero: 0, changes, used: Some(90), limit: Some(1000) };
        let ty = TypeFacts { version, ..with(AttributeKind::Missing, true) };
        let site = |ty| {
            disturbed(OpFamily::LoadAttr, "x", "LOAD_ATTR_INSTANCE_VALUE", receiver(ty, InstanceDict::Values))
        };
        let mut case = hot(minor, ty, site);
        case.store("shop/item.py:Item.seen", 14, StoreKind::Attribute, "cls", "last");
        case.sample(&["app.py:<module>", "shop/item.py:Item.seen"], Running, 9);
        case.advise()
    };
    assert_eq!(row("SP302", |minor| written(minor, 80)), "yyyyy");
    assert_eq!(row("SP302", |minor| written(minor, 1)), "-----", "a phase change is no churn");
    assert_eq!(found(&written(12, 80), "SP302").causes[0].place.line, Some(14));
    silent(&written(10, 80), "SP302");
    let untagged = |changed: u32| {
        let void =
            VersionTag { changes: changed, zero: LOOKS - changed, looks: LOOKS, ..VersionTag::default() };
        let ty = TypeFacts { version: void, ..with(AttributeKind::Missing, true) };
        let site = |ty| generic(OpFamily::LoadAttr, "x", "LOAD_ATTR", receiver(ty, InstanceDict::Values));
        hot(12, ty, site).advise()
    };
    found(&untagged(20), "SP302");
    silent(&untagged(0), "SP302");
}

#[test]
fn sp403_knows_what_classes_can_do() {
    let called = |construction: Construction| {
        move |minor| {
            let ty = TypeFacts { construction, ..class("shop", "Item") };
            let site = |ty| {
                generic(
                    OpFamily::Call,
                    "",
                    "CALL",
                    vec![operand(OperandRole::Callee, Value::Class(ty), LOOKS)],
                )
            };
            hot(minor, ty, site).advise()
        }
    };
    let own_new = Construction { own_new: true, ..Construction::default() };
    assert_eq!(row("SP403", called(own_new)), "yyyyy");
    let plain = Construction { python_init: true, ..Construction::default() };
    assert_eq!(row("SP403", called(plain)), "-----");
}

#[test]
fn the_first_cause_claims_the_instruction() {
    let spent = VersionTag {
        last: 0,
        looks: LOOKS,
        zero: LOOKS,
        used: Some(1000),
        limit: Some(1000),
        ..VersionTag::default()
    };
    let mut ty = with(AttributeKind::Value, true);
    ty.version = spent;
    let findings = load(ty, InstanceDict::Values)(13);
    found(&findings, "SP301");
    silent(&findings, "SP202");
}

#[test]
fn sp608_wants_a_call_that_stands_out() {
    let queue = |other: u64, end: u32| {
        let mut case = Case::new(13);
        let list = case.builtin("list");
        let receiver = || vec![operand(OperandRole::Receiver, Value::Instance(list), LOOKS)];
        let lookup = healthy(OpFamily::LoadAttr, "pop", "LOAD_ATTR_METHOD_NO_DICT", receiver());
        case.site("app.py:serve", 14, lookup, 2);
        let call = healthy(OpFamily::Call, "", "CALL_METHOD_DESCRIPTOR_FAST", Vec::new());
        case.site("app.py:serve", 14, call, 200);
        for site in &mut case.code("app.py:serve").sites {
            let name_ends = if site.family == OpFamily::Call { end } else { 16 };
            site.span.end_column = Some(name_ends);
        }
        let step = healthy(OpFamily::BinaryOp, "+", "BINARY_OP_ADD_INT", Vec::new());
        case.site("app.py:serve", 15, step, other);
        case.advise()
    };
    found(&queue(4, 19), "SP608");
    silent(&queue(60, 19), "SP608");
    silent(&queue(4, 18), "SP608");
}
