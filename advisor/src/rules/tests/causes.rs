//! Which line is named as the cause.

use slowpath_profile::ThreadState::Running;
use slowpath_profile::evidence::{
    AttributeKind, ExactFacts, HookState, KeyChange, KeyEvent, KeysFacts, Namespace, OpFamily, OperandRole,
    StoreKind, TypeFacts, Value, VersionTag, Write, WriteKind, WrittenKind,
};
use slowpath_profile::finding::{EvidenceLevel, Finding};

use super::{found, silent};
use crate::testing::{Case, LOOKS, attribute, class, disturbed, generic, operand};

/// A library function that may store to anything, as there are many; and one of the program that
/// stores to a module.
fn engine(minor: u8, kind: StoreKind) -> Case {
    let mut case = Case::new(minor);
    let change = |event| KeyChange { name: "active".into(), event, times: 4 };
    let engine = case.namespace(Namespace {
        module: "jobs.engine".into(),
        keys: KeysFacts { looks: LOOKS, changes: 90, ..KeysFacts::default() },
        changes: vec![change(KeyEvent::Inserted), change(KeyEvent::Deleted)],
        tag_changes: (minor <= 10).then_some((90, LOOKS)),
        ..Namespace::default()
    });
    case.code("jobs/engine.py:cost").globals = Some(engine);
    let site = disturbed(OpFamily::LoadGlobal, "limit", "LOAD_GLOBAL_MODULE", Vec::new());
    case.site("jobs/engine.py:cost", 12, site, 300);
    case.store("/usr/lib/python3.13/enum.py:convert", 9, StoreKind::Setattr, "cls", "");
    case.store("/usr/lib/python3.13/collections.py:namedtuple", 9, StoreKind::Exec, "", "").globals =
        Some(engine);
    case.store("jobs/plugins.py:run", 7, kind, "engine", "active");
    case.store("jobs/plugins.py:run", 9, StoreKind::DeleteAttribute, "engine", "active");
    case.store("jobs/other.py:reset", 3, StoreKind::Attribute, "job", "active");
    case.sample(&["app.py:<module>", "jobs/plugins.py:run"], Running, 100);
    case.sample(&["app.py:<module>"], Running, 600);
    case
}

#[track_caller]
fn assert_run(finding: &Finding) {
    let lines: Vec<_> = finding.causes.iter().map(|cause| (&*cause.place.file, cause.place.line)).collect();
    assert_eq!(lines, [("jobs/plugins.py", Some(7)), ("jobs/plugins.py", Some(9))]);
    assert_eq!(finding.evidence, EvidenceLevel::Writer);
}

#[test]
fn a_store_that_names_what_changes_beats_the_library() {
    for kind in [StoreKind::Attribute, StoreKind::Setattr] {
        assert_run(&found(&engine(9, kind).advise(), "SP101"));
        for minor in 11..=15 {
            assert_run(&found(&engine(minor, kind).advise(), "SP102"));
        }
    }
}

#[test]
fn what_uses_versions_up_is_found_by_the_names_that_change() {
    let mut case = engine(13, StoreKind::Attribute);
    case.evidence.runtime.next_keys_version = Some(70_000);
    let keys = KeysFacts { version: 70_000, looks: LOOKS, ..KeysFacts::default() };
    let late = case.namespace(Namespace { module: "jobs.late".into(), keys, ..Namespace::default() });
    case.code("jobs/late.py:step").globals = Some(late);
    let site = generic(OpFamily::LoadGlobal, "limit", "LOAD_GLOBAL", Vec::new());
    case.site("jobs/late.py:step", 4, site, 300);
    assert_run(&found(&case.advise(), "SP003"));
}

#[test]
fn a_spent_class_is_blamed_on_its_only_writer() {
    let spent = |writers: &[&str]| {
        let mut case = Case::new(14);
        let version = VersionTag {
            looks: LOOKS,
            zero: LOOKS,
            used: Some(1000),
            limit: Some(1000),
            ..VersionTag::default()
        };
        let attributes = vec![attribute("x", AttributeKind::Missing)];
        let ty = case.ty(TypeFacts { version, attributes, ..class("shop", "Field") });
        let receiver = vec![operand(OperandRole::Receiver, Value::Instance(ty), LOOKS)];
        case.site("shop/form.py:judge", 20, generic(OpFamily::LoadAttr, "x", "LOAD_ATTR", receiver), 400);
        case.store("/usr/lib/python3.14/functools.py:order", 198, StoreKind::Setattr, "cls", "");
        for writer in writers {
            case.store(&format!("shop/form.py:{writer}"), 32, StoreKind::Attribute, "Field", "last");
        }
        found(&case.advise(), "SP301")
    };
    let one = spent(&["load"]);
    assert_eq!((one.causes.len(), one.causes[0].place.line), (1, Some(32)));
    assert_eq!(one.evidence, EvidenceLevel::Writer);
    assert_eq!(spent(&["load", "reload"]).evidence, EvidenceLevel::Dynamics);
    assert!(spent(&[]).causes.is_empty());
}

/// A hot instruction that meets an instance, and a method of its class that runs.
fn cause_of(code: &str, family: OpFamily, role: OperandRole, ty: TypeFacts, method: &str) -> String {
    let mut case = Case::new(14);
    let init = case.function("shop/item.py:Item.__init__");
    case.function(&format!("other.py:{method}"));
    let runs = format!("shop/item.py:{method}");
    case.sample(&["app.py:<module>", "shop/cart.py:total", &runs], Running, 50);
    let ty = case.ty(TypeFacts { defined_in: Some(init), ..ty });
    let receiver = vec![operand(role, Value::Instance(ty), LOOKS)];
    case.site("shop/cart.py:total", 20, generic(family, "x", "LOAD_ATTR", receiver), 400);
    let finding = found(&case.advise(), code);
    let cause = &finding.causes[0];
    format!("{}:{} {}", cause.place.file, cause.place.function, cause.statement)
}

#[test]
fn a_method_that_runs_is_named_instead_of_the_class() {
    let called = TypeFacts { python_call: true, ..class("shop", "Item") };
    assert_eq!(
        cause_of("SP403", OpFamily::Call, OperandRole::Callee, called.clone(), "Item.__call__"),
        "shop/item.py:Item.__call__ def Item.__call__"
    );
    assert_eq!(
        cause_of("SP403", OpFamily::Call, OperandRole::Callee, called, "Item.other"),
        "shop/item.py:Item.__init__ class Item"
    );
    let tested = TypeFacts { python_truth: true, ..class("shop", "Item") };
    assert_eq!(
        cause_of("SP503", OpFamily::ToBool, OperandRole::Left, tested, "Item.__bool__"),
        "shop/item.py:Item.__bool__ def Item.__bool__"
    );
    let mut known = attribute("x", AttributeKind::PythonDataDescriptor);
    known.type_name = "shop.units.Metres".into();
    let described = TypeFacts { attributes: vec![known], ..class("shop", "Item") };
    assert!(
        cause_of("SP303", OpFamily::LoadAttr, OperandRole::Receiver, described, "Metres.__get__")
            .ends_with("def Metres.__get__")
    );
}

#[test]
fn sp401_names_the_line_that_keeps_the_method() {
    let mut case = Case::new(13);
    let [list, bound] = ["list", "builtin_function_or_method"].map(|name| case.builtin(name));
    let kept = vec![operand(OperandRole::Receiver, Value::Instance(list), LOOKS)];
    case.site("app.py:collect", 13, generic(OpFamily::LoadAttr, "append", "LOAD_ATTR", kept), 1);
    let callee = vec![operand(OperandRole::Callee, Value::Instance(bound), LOOKS)];
    let call = crate::testing::healthy(OpFamily::Call, "", "CALL_BUILTIN_O", callee);
    case.site("app.py:collect", 15, call, 700);
    let finding = found(&case.advise(), "SP401");
    assert_eq!((finding.causes[0].place.line, finding.evidence), (Some(13), EvidenceLevel::Writer));
}

#[test]
fn sp203_leaves_the_library_to_itself() {
    let at = |file: &str| {
        let mut case = Case::new(12);
        let init = case.function(&format!("{file}:Random.__init__"));
        let attributes = vec![attribute("x", AttributeKind::Missing)];
        let ty = case.ty(TypeFacts { defined_in: Some(init), attributes, ..class("random", "Random") });
        let mut receiver = operand(OperandRole::Receiver, Value::Instance(ty), LOOKS);
        receiver.dict = slowpath_profile::evidence::InstanceDict::Shared;
        let site = generic(OpFamily::LoadAttr, "x", "LOAD_ATTR", vec![receiver]);
        case.site(&format!("{file}:Random.randint"), 20, site, 400);
        case.advise()
    };
    found(&at("shop/random.py"), "SP203");
    silent(&at("/usr/lib/python3.12/random.py"), "SP203");
}

/// A write that hooks counted.
fn write(case: &mut Case, text: &str, line: u32, kind: WriteKind, times: u64) -> Write {
    Write {
        name: "jobs.engine".into(),
        key: "active".into(),
        kind,
        function: case.function(text),
        line: Some(line),
        times,
        ..Write::default()
    }
}

#[test]
fn what_hooks_counted_is_the_cause_whatever_could_be() {
    let mut case = engine(13, StoreKind::Attribute);
    let writes = vec![
        write(&mut case, "jobs/loader.py:load", 30, WriteKind::Inserted, 90_000),
        write(&mut case, "jobs/loader.py:load", 33, WriteKind::Deleted, 89_999),
        // Too rare, at import, of another kind, of another module.
        write(&mut case, "jobs/other.py:reset", 3, WriteKind::Inserted, 2),
        Write { at_import: true, ..write(&mut case, "jobs/engine.py:cost", 4, WriteKind::Inserted, 90_000) },
        write(&mut case, "jobs/engine.py:cost", 5, WriteKind::Rebound, 90_000),
        Write { name: "jobs.other".into(), ..write(&mut case, "app.py:main", 6, WriteKind::Deleted, 90_000) },
    ];
    let exact = ExactFacts { state: HookState::Watching, writes, uncounted: 12, ..ExactFacts::default() };
    case.evidence.exact = Some(exact.clone());
    let finding = found(&case.clone().advise(), "SP102");
    let causes: Vec<_> = finding
        .causes
        .iter()
        .map(|it| (&*it.place.file, it.place.line, &*it.statement, it.is_exact))
        .collect();
    assert_eq!(
        causes,
        [("jobs/loader.py", Some(30), "active = …", true), ("jobs/loader.py", Some(33), "del active", true)]
    );
    assert_eq!(finding.evidence, EvidenceLevel::Writer);
    assert_eq!(finding.causes[0].how, "it did so 90,000 times, counted inside of the process");
    assert_eq!((finding.causes[0].label(), finding.causes[0].times), ("exact", Some(90_000)));
    let why = &finding.why.last().expect("a reason").text;
    assert!(why.contains("180,001 times") && why.contains("12 writes"), "{why}");
    // Hooks that did not come up say nothing.
    case.evidence.exact = Some(ExactFacts { state: HookState::TooOld, ..exact });
    let finding = found(&case.advise(), "SP102");
    assert_run(&finding);
    assert!(finding.causes.iter().all(|cause| (cause.label(), cause.times) == ("likely", None)));
}

#[test]
fn names_that_one_line_makes_are_one_cause() {
    let mut case = engine(13, StoreKind::Attribute);
    let writes = (0..40).map(|number| Write {
        key: format!("key{number}"),
        to: WrittenKind::Module,
        ..write(&mut case, "jobs/loader.py:load", 30, WriteKind::Inserted, 10)
    });
    let writes = writes.collect();
    case.evidence.exact = Some(ExactFacts { state: HookState::Watching, writes, ..ExactFacts::default() });
    let finding = found(&case.advise(), "SP102");
    assert_eq!(finding.causes.len(), 1);
    assert_eq!(finding.causes[0].symbol, "jobs.engine.… (40 names)");
    assert!(finding.causes[0].how.contains("400 times"), "{}", finding.causes[0].how);
}
