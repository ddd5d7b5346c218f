use slowpath_profile::evidence::AttributeKind;
use slowpath_profile::evidence::{Namespace, OperandRole, ProcessEvidence, RuntimeFacts, TypeRef};

use super::*;
use crate::testing::{attribute, class, generic, operand};

fn evidence(types: Vec<TypeFacts>) -> ProcessEvidence {
    ProcessEvidence { types, looks: 10, ..ProcessEvidence::default() }
}

fn read(minor: u8, ty: TypeFacts, dict: InstanceDict) -> Decision {
    attribute_of(minor, OpFamily::LoadAttr, ty, dict)
}

fn attribute_of(minor: u8, family: OpFamily, ty: TypeFacts, dict: InstanceDict) -> Decision {
    let mut receiver = operand(OperandRole::Receiver, Value::Instance(TypeRef(0)), 10);
    receiver.dict = dict;
    let site = generic(family, "x", "", vec![receiver.clone()]);
    decide((3, minor), &evidence(vec![ty]), &site, None, Some(&receiver))
}

fn with(kind: AttributeKind, own: bool) -> TypeFacts {
    let mut known = attribute("x", kind);
    known.on_instance = own;
    known.in_shared_keys = own;
    TypeFacts { attributes: vec![known], ..class("m", "C") }
}

/// What each version from 3.11 to 3.15 makes of the same facts: `y` a form, `n` none.
fn row(decide: impl Fn(u8) -> Decision) -> String {
    let letter = |minor| match decide(minor) {
        Decision::Specialises(_) => 'y',
        Decision::Fails(_) => 'n',
        Decision::Unknown(_) => '?',
    };
    (11..=15).map(letter).collect()
}

#[test]
fn reads_differ_by_version() {
    use AttributeKind::{
        CachedProperty, Function, GetSet, Missing, Property, PythonInstance, Slot, Value as Plain,
    };
    use InstanceDict::{Own, Shared, Values};
    let cases = [
        ("attribute of the instance", with(Missing, true), Values, "yyyyy"),
        ("after vars()", with(Missing, true), Shared, "nnynn"),
        ("replaced dict, name not shared", with(Missing, false), Own, "yyynn"),
        ("class default of the same name", with(Plain, true), Values, "ynnyy"),
        ("class default read through the instance", with(Plain, false), Values, "nnyyy"),
        ("class default of a Python class", with(PythonInstance, true), Values, "nnnnn"),
        ("property", with(Property, false), Values, "nyyyy"),
        ("cached_property", with(CachedProperty, true), Values, "nnnnn"),
        ("slot", with(Slot, false), InstanceDict::None, "yyyyy"),
        ("getset", with(GetSet, false), Values, "nnnnn"),
        ("method", with(Function, false), Values, "yyyyy"),
    ];
    for (what, ty, dict, expected) in cases {
        assert_eq!(row(|minor| read(minor, ty.clone(), dict)), expected, "{what}");
    }
    assert_eq!(
        read(10, with(Missing, true), Values),
        Decision::Unknown("how this version of CPython specialises")
    );
}

#[test]
fn writes_differ_by_version() {
    use AttributeKind::{Missing, Property, Value as Plain};
    let write = |ty: TypeFacts, dict| row(|minor| attribute_of(minor, OpFamily::StoreAttr, ty.clone(), dict));
    assert_eq!(write(with(Missing, true), InstanceDict::Values), "yyyyy");
    assert_eq!(write(with(Missing, true), InstanceDict::Shared), "nnnnn");
    assert_eq!(write(with(Plain, true), InstanceDict::Values), "ynnnn");
    assert_eq!(write(with(Property, false), InstanceDict::Values), "nnnnn");
    assert_eq!(write(with(Missing, false), InstanceDict::Values), "nnnnn");
}

#[test]
fn hooks_stop_everything() {
    let mut ty = with(AttributeKind::Missing, true);
    ty.hooks.getattr = true;
    assert_eq!(row(|minor| read(minor, ty.clone(), InstanceDict::Values)), "nyyyy");
    ty.hooks.getattribute = true;
    assert_eq!(row(|minor| read(minor, ty.clone(), InstanceDict::Values)), "nnnnn");
}

#[test]
fn what_was_not_seen_is_not_guessed() {
    let unknown = with(AttributeKind::Unknown, false);
    assert_eq!(row(|minor| read(minor, unknown.clone(), InstanceDict::Values)), "?????");
    assert_eq!(row(|minor| read(minor, with(AttributeKind::Missing, true), InstanceDict::Unknown)), "?????");
    let site = generic(OpFamily::LoadAttr, "x", "", Vec::new());
    assert!(matches!(decide((3, 13), &evidence(Vec::new()), &site, None, None), Decision::Unknown(_)));
}

#[test]
fn globals_need_string_keys_and_versions() {
    let site = generic(OpFamily::LoadGlobal, "x", "", Vec::new());
    let ask = |namespace: Namespace, next: u32| {
        let runtime = RuntimeFacts { next_keys_version: Some(next), ..RuntimeFacts::default() };
        let evidence = ProcessEvidence { namespaces: vec![namespace], runtime, ..ProcessEvidence::default() };
        row(|minor| decide((3, minor), &evidence, &site, Some(NamespaceRef(0)), None))
    };
    let mut namespace = Namespace { module: "m".into(), ..Namespace::default() };
    namespace.keys.version = 4;
    assert_eq!(ask(namespace.clone(), 900), "yyyyy");
    assert_eq!(ask(namespace.clone(), 70_000), "yyyyy", "an old module keeps what it has");
    namespace.keys.version = 70_000;
    assert_eq!(ask(namespace.clone(), 70_001), "ynnnn");
    namespace.keys.version = 0;
    assert_eq!(ask(namespace.clone(), 900), "yyyyy", "it gets a version when it is asked");
    namespace.keys.kind = slowpath_profile::evidence::KeysKind::General;
    assert_eq!(ask(namespace, 900), "nnnnn");
}

#[test]
fn operators_want_equal_types() {
    let evidence = evidence(vec![
        TypeFacts { name: "int".into(), module: "builtins".into(), ..TypeFacts::default() },
        TypeFacts { name: "float".into(), module: "builtins".into(), ..TypeFacts::default() },
    ]);
    let ask = |family, name: &str, left: u32, right: u32| {
        let left = operand(OperandRole::Left, Value::Instance(TypeRef(left)), 10);
        let right = operand(OperandRole::Right, Value::Instance(TypeRef(right)), 10);
        let site = generic(family, name, "", vec![left.clone(), right]);
        row(|minor| decide((3, minor), &evidence, &site, None, Some(&left)))
    };
    assert_eq!(ask(OpFamily::BinaryOp, "+", 0, 0), "yyyyy");
    assert_eq!(ask(OpFamily::BinaryOp, "+=", 0, 1), "nnnyy");
    assert_eq!(ask(OpFamily::BinaryOp, "//", 0, 0), "nnnnn");
    assert_eq!(ask(OpFamily::Compare, "<", 0, 1), "nnnnn");
    assert_eq!(ask(OpFamily::Compare, "<", 1, 1), "yyyyy");
}
