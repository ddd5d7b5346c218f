//! JUnit XML, in the dialect that Jenkins, GitLab and GitHub reporters agree on.
//!
//! One test case per finding, then one per rule that looked and found nothing, or could not tell. Only
//! what fails the gate is a failure.

use std::io::{self, Write};

use slowpath_profile::export::printable;
use slowpath_profile::finding::{Finding, VerdictKind};

use super::{Report, words};
use crate::gate::{Outcome, State};

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut cases: Vec<Case> =
        report.all().map(|(finding, state)| of_finding(report, finding, state)).collect();
    for verdict in &report.findings.verdicts {
        let body = match verdict.verdict {
            VerdictKind::Clear => Body::Passed(String::new()),
            VerdictKind::CannotTell => Body::Skipped(format!("cannot tell: {}", verdict.reason)),
            VerdictKind::Found | VerdictKind::NotApplicable => continue,
        };
        cases.push(Case { class: verdict.rule.clone(), name: verdict.name.clone(), body });
    }
    if let Some(decision) = report.decision
        && let Outcome::Inconclusive(why) = &decision.outcome
    {
        cases.push(Case {
            class: "check".into(),
            name: "inconclusive".into(),
            body: Body::Error(why.clone()),
        });
    }
    let count = |is: fn(&Body) -> bool| cases.iter().filter(|case| is(&case.body)).count();
    let counts = format!(
        r#"tests="{}" failures="{}" errors="{}" skipped="{}""#,
        cases.len(),
        count(|body| matches!(body, Body::Failed { .. })),
        count(|body| matches!(body, Body::Error(_))),
        count(|body| matches!(body, Body::Skipped(_))),
    );
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<testsuites name="slowpath" {counts}>"#)?;
    writeln!(out, r#"  <testsuite name="slowpath" {counts}>"#)?;
    cases.iter().try_for_each(|case| case.write(out))?;
    writeln!(out, "  </testsuite>\n</testsuites>")
}

struct Case {
    class: String,
    name: String,
    body: Body,
}

enum Body {
    Passed(String),
    Failed { message: String, text: String },
    Skipped(String),
    Error(String),
}

fn of_finding(report: &Report<'_>, finding: &Finding, state: Option<State>) -> Case {
    let facts = words::facts(finding, report.paths);
    let facts: Vec<String> = facts.iter().map(|fact| format!("{}: {}", fact.label, fact.plain())).collect();
    let (message, text) = (words::headline(finding, state), facts.join("\n"));
    let body = match state {
        Some(state) if state.fails() => Body::Failed { message, text },
        Some(State::Ignored { by }) => {
            let ignore = report.decision.and_then(|decision| decision.ignores.get(by));
            Body::Skipped(format!("ignored because {}", ignore.map_or("", |it| it.reason.as_str())))
        }
        _ => Body::Passed(format!("{message}\n{text}")),
    };
    Case { class: finding.rule.clone(), name: format!("{} ({})", finding.title, finding.id), body }
}

impl Case {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (class, name) = (escaped(&self.class), escaped(&self.name));
        write!(out, r#"    <testcase classname="{class}" name="{name}""#)?;
        match &self.body {
            Body::Passed(text) if text.is_empty() => writeln!(out, "/>"),
            Body::Passed(text) => {
                writeln!(out, ">\n      <system-out>{}</system-out>\n    </testcase>", lines(text))
            }
            Body::Failed { message, text } => writeln!(
                out,
                ">\n      <failure type=\"slowpath\" message=\"{}\">{}</failure>\n    </testcase>",
                escaped(message),
                lines(text)
            ),
            Body::Skipped(why) => {
                writeln!(out, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escaped(why))
            }
            Body::Error(why) => writeln!(
                out,
                ">\n      <error type=\"inconclusive\" message=\"{}\"/>\n    </testcase>",
                escaped(why)
            ),
        }
    }
}

/// Text of one line, for an attribute or an element. What XML has no character for is shown escaped.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

/// Our own lines of text, each safe.
fn lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use slowpath_profile::finding::RuleVerdict;

    use super::super::Format;
    use super::super::testing::{HOSTILE, class_out_of_tags, findings, named, two, written};
    use super::*;

    #[test]
    fn the_form_is_fixed() {
        insta::assert_snapshot!(written(Format::Junit, &two()));
    }

    #[test]
    fn what_cannot_be_told_is_skipped_not_passed() {
        let mut findings = two();
        findings.verdicts = vec![RuleVerdict {
            rule: "SP702".into(),
            name: "threads fight".into(),
            verdict: VerdictKind::CannotTell,
            reason: "one thread only".into(),
        }];
        let text = written(Format::Junit, &findings);
        let read = roxmltree::Document::parse(&text).expect("XML");
        let skipped = read.descendants().find(|node| node.has_tag_name("skipped")).expect("skipped");
        assert_eq!(skipped.attribute("message"), Some("cannot tell: one thread only"));
        assert_eq!(read.root_element().attribute("skipped"), Some("1"));
    }

    proptest! {
        #[test]
        fn a_hostile_name_breaks_nothing(name in "[<>&\"'\\]\\x00-\\x7f\u{202e}\u{ffff}é]{0,40}") {
            for name in [name.as_str(), HOSTILE] {
                let text = written(Format::Junit, &findings(vec![named(class_out_of_tags(), name)]));
                let read = roxmltree::Document::parse(&text).expect("XML");
                let cases: Vec<_> = read.descendants().filter(|node| node.has_tag_name("testcase")).collect();
                prop_assert_eq!(cases.len(), 3);
                let shown = cases[0].attribute("name").unwrap_or_default();
                prop_assert!(shown.starts_with(&*printable(name)), "{}", shown);
            }
        }
    }
}
