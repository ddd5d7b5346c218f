use slowpath_advisor::rules;
use slowpath_advisor::testing::{Case, LOOKS, class, generic, healthy, operand};
use slowpath_profile::ThreadState::Running;
use slowpath_profile::evidence::{
    KeyChange, KeyEvent, OpFamily, OperandRole, StoreKind, TypeFacts, Value, VersionTag,
};
use slowpath_profile::finding::Findings;

use super::*;

const WIDE: Style = Style { color: false, width: 100 };

fn spent(hostile: &str) -> Findings {
    let mut case = Case::new(15);
    let version = VersionTag {
        looks: LOOKS,
        zero: LOOKS,
        used: Some(1000),
        limit: Some(1000),
        ..VersionTag::default()
    };
    let changes = vec![KeyChange { name: "created".into(), event: KeyEvent::Rebound, times: 3 }];
    let name = format!("Model{hostile}");
    let model = case.ty(TypeFacts { version, changes, ..class("shop.models", &name) });
    let receiver = vec![operand(OperandRole::Receiver, Value::Instance(model), LOOKS)];
    for (line, samples) in [(88, 210), (90, 120), (95, 60), (97, 40), (99, 30)] {
        let site = generic(OpFamily::LoadAttr, "qty", "LOAD_ATTR", receiver.clone());
        case.site(&format!("shop/pricing.py:Cart.total{hostile}"), line, site, samples);
    }
    case.store("shop/models.py:Model.__init__", 41, StoreKind::Attribute, "type(self)", "created");
    case.sample(&["app.py:<module>", "shop/models.py:Model.__init__"], Running, 100);
    case.sample(&["app.py:<module>"], Running, 440);
    case.advise()
}

#[test]
fn a_finding_in_full() {
    insta::assert_snapshot!(render(&spent(""), WIDE, false));
}

#[test]
fn a_narrow_terminal() {
    let text = render(
        &spent("_with_a_name_that_is_longer_than_the_whole_line"),
        Style { color: false, width: 40 },
        false,
    );
    assert!(text.lines().all(|line| columns(line) <= 40), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn names_do_not_act_on_the_terminal() {
    let text = render(&spent("\x1b[2J\u{202e}\n"), WIDE, false);
    assert!(!text.contains(['\x1b', '\u{202e}']), "{text}");
    assert!(text.contains("\\x1b[2J\\u{202e}\\n"), "{text}");
}

#[test]
fn nothing_to_fix_and_cannot_tell_are_different() {
    let mut fine = Case::new(14);
    let ty = fine.ty(class("shop", "Cart"));
    let receiver = vec![operand(OperandRole::Receiver, Value::Instance(ty), LOOKS)];
    fine.site(
        "shop.py:total",
        3,
        healthy(OpFamily::LoadAttr, "x", "LOAD_ATTR_INSTANCE_VALUE", receiver),
        500,
    );
    let text = render(&fine.advise(), WIDE, false);
    assert!(text.starts_with("\nnothing to fix: "), "{text}");
    let mut blind = Case::new(14);
    blind.sample(&["shop.py:total"], Running, 12);
    let text = render(&blind.advise(), WIDE, false);
    assert!(text.starts_with("\ncannot tell"), "{text}");
    assert!(!text.contains("nothing to fix"), "{text}");
}

#[test]
fn pages_fit() {
    for rule in rules::all() {
        for width in [40, 80, 200] {
            let text = page(rule, Style { color: false, width });
            let mut prose = text.lines().filter(|line| !line.starts_with("    "));
            assert!(prose.all(|line| columns(line) <= width), "{width}: {text}");
        }
    }
    let rule = rules::find("SP301").expect("a rule");
    insta::assert_snapshot!(page(rule, Style { color: false, width: 80 }));
}

#[test]
fn long_words_are_cut_and_nothing_is_lost() {
    assert_eq!(folded("one two three", 9), ["one two", "three"]);
    assert_eq!(folded("abcdefghijklmnop qr", 8), ["abcdefgh", "ijklmnop", "qr"]);
    assert_eq!(folded("a  b", 20), ["a  b"]);
    assert_eq!(folded("", 20), [""]);
}
