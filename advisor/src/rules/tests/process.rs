use slowpath_profile::ThreadState::Running;
use slowpath_profile::evidence::{OpFamily, Tool, ToolKind};
use slowpath_profile::finding::{EvidenceLevel, VerdictKind};

use super::{found, silent, verdict};
use crate::testing::{Case, LOOKS, generic};

fn traced(minor: u8, tool: Tool) -> Case {
    let mut case = Case::new(minor);
    case.evidence.runtime.tools.push(tool);
    case.sample(&["app.py:<module>", "app.py:work"], Running, 500);
    case
}

fn tracer() -> Tool {
    Tool { kind: ToolKind::Trace, name: "pydevd".into(), looks: LOOKS, threads: 1, ..Tool::default() }
}

#[test]
fn sp001_names_the_tool() {
    let findings = traced(3, tracer()).advise();
    assert_eq!(verdict(&findings, "SP001"), VerdictKind::Clear, "no cost table for 3.3");
    for minor in 8..=15 {
        let finding = found(&traced(minor, tracer()).advise(), "SP001");
        assert!(finding.title.contains("pydevd"), "{}", finding.title);
        assert_eq!(finding.evidence, EvidenceLevel::Dynamics);
        assert!(finding.saving.low > 0.5 && finding.saving.high <= 1.0, "{:?}", finding.saving);
    }
}

#[test]
fn sp001_ignores_what_costs_nothing() {
    let quiet = Tool { kind: ToolKind::Monitoring, name: "coverage".into(), looks: LOOKS, ..Tool::default() };
    silent(&traced(13, quiet.clone()).advise(), "SP001");
    let rare = Tool { events: vec!["RAISE".into()], ..quiet };
    silent(&traced(13, rare).advise(), "SP001");
    let once = Tool { looks: 2, ..tracer() };
    silent(&traced(13, once).advise(), "SP001");
}

#[test]
fn sp001_sees_whether_lines_still_report() {
    let watched = |form: &str| {
        let tool = Tool {
            kind: ToolKind::Monitoring,
            name: "coverage".into(),
            events: vec!["LINE".into()],
            looks: LOOKS,
            ..Tool::default()
        };
        let mut case = traced(13, tool);
        for line in 1..=5 {
            case.site("app.py:work", line, generic(OpFamily::LoadName, "x", "LOAD_NAME", Vec::new()), 40);
        }
        case.site("app.py:work", 6, generic(OpFamily::LoadName, "x", form, Vec::new()), 40);
        case.advise()
    };
    found(&watched("INSTRUMENTED_LINE"), "SP001");
    silent(&watched("LOAD_NAME"), "SP001");
}

#[test]
fn sp001_leaves_the_end_of_a_loop_alone_that_never_ends() {
    let tool =
        Tool { kind: ToolKind::Monitoring, events: vec!["LINE".into()], looks: LOOKS, ..Tool::default() };
    let mut case = traced(13, tool);
    for line in 1..=5 {
        case.site("app.py:work", line, generic(OpFamily::LoadName, "x", "LOAD_NAME", Vec::new()), 40);
    }
    // `END_FOR` of the loop in line 1, which other code than a step of the loop would reach.
    case.site("app.py:work", 1, generic(OpFamily::Other, "", "INSTRUMENTED_LINE", Vec::new()), 0);
    silent(&case.advise(), "SP001");
}

#[test]
fn without_evidence_nothing_is_called_clear() {
    let mut case = Case::new(13);
    case.sample(&["app.py:work"], Running, 500);
    case.evidence = slowpath_profile::evidence::ProcessEvidence::default();
    let findings = case.advise();
    assert!(findings.findings.is_empty());
    assert_eq!(verdict(&findings, "SP001"), VerdictKind::CannotTell);
    let mut few = Case::new(13);
    few.sample(&["app.py:work"], Running, 7);
    assert_eq!(verdict(&few.advise(), "SP001"), VerdictKind::CannotTell);
}
