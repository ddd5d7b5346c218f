use slowpath_profile::ThreadState::Running;
use slowpath_profile::evidence::{
    AttributeKind, KeyChange, KeyEvent, OpFamily, OperandRole, StoreKind, TypeFacts, Value, VersionTag,
};
use slowpath_profile::finding::{EvidenceLevel, VerdictKind};

use super::{found, silent, verdict};
use crate::testing::{Case, LOOKS, attribute, class, generic, healthy, operand};

fn spent() -> VersionTag {
    VersionTag {
        last: 0,
        looks: LOOKS,
        zero: LOOKS,
        used: Some(1000),
        limit: Some(1000),
        ..VersionTag::default()
    }
}

/// Two classes that inherit from one that counts its objects.
fn shop(minor: u8, version: VersionTag) -> Case {
    let mut case = Case::new(minor);
    let changes = vec![KeyChange { name: "created".into(), event: KeyEvent::Rebound, times: 3 }];
    let base = case.ty(TypeFacts { version, changes, ..class("shop.models", "Model") });
    let own = VersionTag { used: Some(3), ..version };
    for name in ["Cart", "LineItem"] {
        let heir = TypeFacts {
            version: if version.is_spent() { own } else { version },
            mro: vec![base],
            attributes: vec![attribute("qty", AttributeKind::Missing)],
            ..class("shop.models", name)
        };
        let heir = case.ty(heir);
        let receiver = vec![operand(OperandRole::Receiver, Value::Instance(heir), LOOKS)];
        let site = match version.is_spent() {
            true => generic(OpFamily::LoadAttr, "qty", "LOAD_ATTR", receiver),
            false => healthy(OpFamily::LoadAttr, "qty", "LOAD_ATTR_INSTANCE_VALUE", receiver),
        };
        case.site("shop/pricing.py:Cart.total", 88, site, 200);
    }
    case.store("shop/models.py:Model.__init__", 41, StoreKind::Attribute, "type(self)", "created");
    case.store("shop/models.py:Model.rename", 50, StoreKind::Attribute, "self", "created");
    case.store("shop/models.py:<module>", 60, StoreKind::Attribute, "Model", "created").at_import = true;
    case.sample(&["app.py:<module>", "shop/models.py:Model.__init__"], Running, 100);
    case.sample(&["app.py:<module>"], Running, 500);
    case
}

#[test]
fn sp301_names_class_cause_and_sites() {
    for minor in 13..=15 {
        let findings = shop(minor, spent()).advise();
        let finding = found(&findings, "SP301");
        assert_eq!(finding.about, "class shop.models.Model");
        assert_eq!(finding.hurts.len(), 2);
        assert_eq!(finding.samples, 400);
        assert_eq!(finding.causes.len(), 1, "{:?}", finding.causes);
        let cause = &finding.causes[0];
        assert_eq!((cause.place.line, &*cause.symbol), (Some(41), "shop.models.Model.created"));
        assert_eq!(cause.statement, "type(self).created = …");
        assert_eq!(finding.evidence, EvidenceLevel::Writer);
        assert!((0.25..0.45).contains(&finding.saving.share), "{:?}", finding.saving);
        assert!((finding.saving.ceiling - 0.4).abs() < 0.02);
    }
    assert!(!shop(15, spent()).with_jit().advise().findings.is_empty());
}

#[test]
fn sp301_is_silent_where_classes_recover() {
    for minor in [8, 10, 11, 12] {
        let findings = shop(minor, spent()).advise();
        silent(&findings, "SP301");
        assert_eq!(verdict(&findings, "SP301"), VerdictKind::NotApplicable);
    }
    let fewer = VersionTag { last: 9, used: Some(900), ..spent() };
    let findings = shop(13, fewer).advise();
    silent(&findings, "SP301");
    assert_eq!(verdict(&findings, "SP301"), VerdictKind::Clear);
}

#[test]
fn sp301_lists_several_candidates_as_such() {
    let mut case = shop(14, spent());
    case.store("shop/admin.py:reset", 7, StoreKind::Attribute, "Model", "created");
    let one_ran = found(&case.clone().advise(), "SP301");
    assert_eq!(one_ran.evidence, EvidenceLevel::Writer, "only one of them was on a stack");
    assert_eq!(one_ran.causes[0].place.line, Some(41));
    case.sample(&["app.py:<module>", "shop/admin.py:reset"], Running, 5);
    let both_ran = found(&case.advise(), "SP301");
    assert_eq!((both_ran.evidence, both_ran.causes.len()), (EvidenceLevel::Dynamics, 2));
}
