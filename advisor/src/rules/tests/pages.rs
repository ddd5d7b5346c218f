use crate::costs;
use crate::rules;

#[test]
fn pages_are_complete_and_codes_unique() {
    let mut codes = Vec::new();
    for rule in rules::all() {
        assert!(rule.code.len() == 5 && rule.code.starts_with("SP"), "{}", rule.code);
        assert!(!codes.contains(&rule.code), "{} twice", rule.code);
        codes.push(rule.code);
        assert!(rule.name.len() <= 60, "{}", rule.name);
        for (heading, text) in rule.page.sections() {
            assert!(!text.trim().is_empty(), "{}: {heading}", rule.code);
            assert!(!text.contains('\t') && text.is_ascii(), "{}: {heading}", rule.code);
        }
        assert!(rule.markdown().contains("```python"));
        assert_eq!(rules::find(&rule.code.to_lowercase()).map(|found| found.code), Some(rule.code));
    }
    assert!(rules::find("SP999").is_none());
}

#[test]
fn plain_words_come_first() {
    let terms = ["opcode", "tp_", "dk_", "inline cache", "speciali", "bytecode", "MRO", "PyObject"];
    for rule in rules::all() {
        for term in terms {
            assert!(!rule.page.plain.contains(term), "{}: '{term}' is no plain word", rule.code);
            assert!(!rule.name.contains(term), "{}: '{term}' is no plain word", rule.code);
        }
    }
}

#[test]
fn tables_know_something() {
    assert!(costs::keys().len() > 40);
}
