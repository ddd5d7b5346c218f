//! What holds for every form.

use proptest::prelude::*;
use serde_json::Value;

use super::testing::{
    HOSTILE, class_out_of_tags, findings, named, paths, polymorphic_site, text_of, written,
};
use super::*;
use crate::baseline::Baseline;
use crate::gate::{Context, Limits, decide};
use crate::ignore::{Date, scan};

/// Rules of the findings in one form, as a real parser reads them.
fn rules(format: Format, text: &str) -> Vec<String> {
    let json = |list: &str, key: &str| {
        let read: Value = serde_json::from_str(text).expect("JSON");
        let all = read.pointer(list).and_then(Value::as_array).expect("a list").clone();
        all.iter().map(|it| it.pointer(key).and_then(Value::as_str).expect("a rule").to_owned()).collect()
    };
    match format {
        Format::Json => json("/findings", "/rule"),
        Format::Sarif => json("/runs/0/results", "/ruleId"),
        Format::Gitlab => json("", "/check_name"),
        Format::Rdjson => json("/diagnostics", "/code/value"),
        Format::Github => text
            .lines()
            .map(|line| line.split("title=").nth(1).and_then(|it| it.get(..5)).expect("a title").to_owned())
            .collect(),
        Format::Junit => {
            let read = roxmltree::Document::parse(text).expect("XML");
            let cases = read.descendants().filter(|it| it.has_tag_name("testcase"));
            let cases = cases.filter(|it| it.attribute("name").is_some_and(|name| name.ends_with(')')));
            cases.filter_map(|it| it.attribute("classname").map(str::to_owned)).collect()
        }
        Format::Markdown => {
            let rows = text.lines().filter(|line| line.starts_with("| ")).skip(1);
            rows.map(|row| row.split("| ").nth(2).and_then(|it| it.get(..5)).expect("a rule").to_owned())
                .collect()
        }
    }
}

/// Whether nothing in it acts on whoever reads it: our own line ends are all that controls anything.
fn is_harmless(text: &str) -> bool {
    let acts = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !text.chars().any(|c| c != '\n' && acts(c))
}

proptest! {
    #[test]
    fn a_hostile_name_changes_nothing_but_the_name(name in any::<String>()) {
        for name in [name.as_str(), HOSTILE] {
            let mut hostile = named(polymorphic_site(), name);
            hostile.rule = "SP302".into();
            let all = findings(vec![class_out_of_tags(), hostile, polymorphic_site()]);
            for format in Format::ALL {
                let text = written(format, &all);
                prop_assert_eq!(rules(format, &text), ["SP301", "SP302", "SP201"], "{}", text);
                prop_assert!(is_harmless(&text), "{:?}: {}", format, text);
            }
        }
    }
}

#[test]
fn what_is_ignored_is_shown_by_nobody_and_told_by_those_who_can() {
    let all = findings(vec![class_out_of_tags(), polymorphic_site()]);
    let source = "\n".repeat(40) + "x = 1  # slowpath: ignore[SP301] because it counts";
    let (baseline, ignores) = (Baseline::default(), scan("/src/shop/models.py", &source));
    let (paths, today) = (paths(), Date::default());
    let context = Context { baseline: &baseline, ignores: &ignores, paths: &paths, today, exists: &|_| true };
    let decision = decide(&all, context, Limits::default());
    let report = Report { findings: &all, decision: Some(&decision), paths: &paths };
    for format in Format::ALL {
        let text = text_of(format, &report);
        let wanted: &[&str] = match format {
            // They have a word for it.
            Format::Json | Format::Sarif | Format::Junit => &["SP301", "SP201"],
            _ => &["SP201"],
        };
        assert_eq!(rules(format, &text), wanted, "{text}");
        if wanted.len() == 2 {
            assert!(text.contains("it counts") || format == Format::Json, "{text}");
        }
    }
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let all = findings(vec![class_out_of_tags(), polymorphic_site()]);
    for format in Format::ALL {
        assert_eq!(written(format, &all), written(format, &all));
    }
}
