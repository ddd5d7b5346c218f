use super::*;
use crate::rules;

#[test]
fn rules_of_one_runtime_say_nothing_of_another() {
    let bundled = Target { bundled: true, ..Target::default() };
    let cpython = Target { version: (3, 14), ..Target::default() };
    let own: Vec<_> = rules::all().iter().filter(|rule| is_one(rule)).collect();
    assert_eq!(own.len(), 4);
    for rule in own {
        assert!((rule.holds)(bundled).is_ok() && (rule.holds)(cpython).is_err(), "{}", rule.code);
    }
}
