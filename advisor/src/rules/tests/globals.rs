use slowpath_profile::ThreadState::Running;
use slowpath_profile::evidence::{
    KeyChange, KeyEvent, KeysFacts, KeysKind, Namespace, NamespaceRef, OpFamily, StoreKind,
};
use slowpath_profile::finding::{EvidenceLevel, VerdictKind};

use super::{found, silent, verdict};
use crate::testing::{Case, LOOKS, disturbed, generic, healthy};

fn module(changes: &[(&str, KeyEvent)], moved: u32) -> Namespace {
    let change =
        |(name, event): &(&str, KeyEvent)| KeyChange { name: (*name).into(), event: *event, times: 9 };
    Namespace {
        module: "shop.state".into(),
        keys: KeysFacts { version: 7, looks: LOOKS, changes: moved, kind: KeysKind::Unicode },
        changes: changes.iter().map(change).collect(),
        ..Namespace::default()
    }
}

/// A function that reads globals of a module, and one that stores to them.
fn shop(minor: u8, namespace: Namespace, site: slowpath_profile::evidence::Site) -> Case {
    let mut case = Case::new(minor);
    let globals: NamespaceRef = case.namespace(namespace);
    case.code("shop/state.py:handle").globals = Some(globals);
    case.site("shop/state.py:handle", 12, site, 300);
    case.store("shop/state.py:remember", 30, StoreKind::Global, "", "current").globals = Some(globals);
    let late = case.store("shop/state.py:<module>", 2, StoreKind::Global, "", "current");
    (late.globals, late.at_import) = (Some(globals), true);
    case.sample(&["app.py:<module>", "shop/state.py:remember"], Running, 100);
    case.sample(&["app.py:<module>"], Running, 600);
    case
}

fn read(torn: bool) -> slowpath_profile::evidence::Site {
    match torn {
        true => disturbed(OpFamily::LoadGlobal, "limit", "LOAD_GLOBAL_MODULE", Vec::new()),
        false => healthy(OpFamily::LoadGlobal, "limit", "LOAD_GLOBAL_MODULE", Vec::new()),
    }
}

#[test]
fn sp102_names_the_store_that_creates_the_name() {
    for minor in 11..=15 {
        let inserted = module(&[("current", KeyEvent::Inserted), ("current", KeyEvent::Deleted)], 90);
        let finding = found(&shop(minor, inserted, read(true)).advise(), "SP102");
        assert_eq!((finding.evidence, finding.causes.len()), (EvidenceLevel::Writer, 1));
        assert_eq!(finding.causes[0].place.line, Some(30));
        assert_eq!(finding.about, "module shop.state");
    }
}

#[test]
fn rebinding_is_slow_only_where_it_is() {
    let rebound =
        || Namespace { tag_changes: Some((90, LOOKS)), ..module(&[("current", KeyEvent::Rebound)], 0) };
    for minor in 8..=10 {
        let site = generic(OpFamily::LoadGlobal, "limit", "LOAD_GLOBAL", Vec::new());
        let findings = shop(minor, rebound(), site).advise();
        assert_eq!(found(&findings, "SP101").causes[0].place.line, Some(30));
        silent(&findings, "SP102");
    }
    for minor in 11..=15 {
        let findings = shop(minor, rebound(), read(false)).advise();
        silent(&findings, "SP101");
        silent(&findings, "SP102");
        assert_eq!(verdict(&findings, "SP101"), VerdictKind::NotApplicable, "3.{minor}");
    }
    let counted = |mutations| Namespace { mutations: Some(mutations), ..rebound() };
    found(&shop(15, counted(6), read(false)).with_jit().advise(), "SP101");
    silent(&shop(15, counted(5), read(false)).with_jit().advise(), "SP101");
}

#[test]
fn a_settled_module_is_silent() {
    let once = module(&[], 1);
    let findings = shop(13, once, read(false)).advise();
    assert!(findings.findings.is_empty() && findings.minor.is_empty(), "{findings:?}");
    assert_eq!(verdict(&findings, "SP102"), VerdictKind::Clear);
}

#[test]
fn sp103_shows_the_key_and_is_not_taken_for_sp102() {
    let mut namespace = module(&[], 99);
    namespace.keys.kind = KeysKind::General;
    namespace.keys.version = 0;
    namespace.foreign_key = Some("404".into());
    let site = || generic(OpFamily::LoadGlobal, "limit", "LOAD_GLOBAL", Vec::new());
    for minor in 11..=15 {
        let findings = shop(minor, namespace.clone(), site()).advise();
        assert!(found(&findings, "SP103").title.contains("404"));
        silent(&findings, "SP102");
    }
    silent(&shop(10, namespace, site()).advise(), "SP103");
}

#[test]
fn sp003_needs_spent_versions_and_new_code() {
    let mut namespace = module(&[], 0);
    namespace.keys.version = 70_000;
    let site = || generic(OpFamily::LoadGlobal, "limit", "LOAD_GLOBAL", Vec::new());
    let at = |minor, next| {
        let mut case = shop(minor, namespace.clone(), site());
        case.evidence.runtime.next_keys_version = next;
        case.advise()
    };
    for minor in 12..=15 {
        found(&at(minor, Some(70_001)), "SP003");
        silent(&at(minor, Some(60_000)), "SP003");
        assert_eq!(verdict(&at(minor, None), "SP003"), VerdictKind::CannotTell);
    }
    silent(&at(11, Some(70_001)), "SP003");
}
