//! Each rule against evidence: found, silent where there is nothing, silent where it is not true.

use slowpath_profile::finding::{Finding, Findings, VerdictKind};

use crate::rules;

mod causes;
mod classes;
mod globals;
mod idioms;
mod pages;
mod process;
mod shapes;

fn finding<'f>(findings: &'f Findings, code: &str) -> Option<&'f Finding> {
    findings.findings.iter().find(|finding| finding.rule == code)
}

#[track_caller]
fn found(findings: &Findings, code: &str) -> Finding {
    finding(findings, code).cloned().unwrap_or_else(|| {
        let codes: Vec<&str> = findings.findings.iter().map(|finding| finding.rule.as_str()).collect();
        let minor: Vec<&str> = findings.minor.iter().map(|finding| finding.rule.as_str()).collect();
        panic!("no {code}: {codes:?}, minor {minor:?}, {:?}", verdict(findings, code))
    })
}

#[track_caller]
fn silent(findings: &Findings, code: &str) {
    let all = findings.findings.iter().chain(&findings.minor);
    let wrong: Vec<&str> =
        all.filter(|finding| finding.rule == code).map(|finding| &*finding.title).collect();
    assert!(wrong.is_empty(), "{code} is not silent: {wrong:?}");
}

fn verdict(findings: &Findings, code: &str) -> VerdictKind {
    assert!(rules::find(code).is_some(), "{code} is no rule");
    findings
        .verdicts
        .iter()
        .find(|verdict| verdict.rule == code)
        .map(|verdict| verdict.verdict)
        .unwrap_or_default()
}
