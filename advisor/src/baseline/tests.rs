//! The life of a baseline.

use super::*;
use crate::gate::{Context, Limits, Outcome, decide};
use crate::ignore::Date;
use crate::output::testing::{class_out_of_tags, findings, paths, polymorphic_site, saving, sealed, two};

fn checked(found: &Findings, baseline: &Baseline) -> Decision {
    checked_where(found, baseline, &|_| true)
}

fn checked_where(found: &Findings, baseline: &Baseline, exists: &dyn Fn(&str) -> bool) -> Decision {
    let (paths, today) = (paths(), Date::default());
    let context = Context { baseline, ignores: &[], paths: &paths, today, exists };
    decide(found, context, Limits::default())
}

/// The baseline of these findings, all accepted.
fn accepted(found: &Findings) -> Baseline {
    let mut baseline = Baseline::default();
    let decision = checked(found, &baseline);
    let changes = baseline.update(found, &decision, &paths(), true);
    assert_eq!(changes.added, found.findings.len());
    baseline
}

#[test]
fn the_file_is_for_people_and_merges() {
    let text = accepted(&two()).to_text();
    insta::assert_snapshot!(text);
    assert_eq!(Baseline::parse(&text).expect("our own text"), accepted(&two()));
}

#[test]
fn foreign_files_are_refused_with_a_reason() {
    for (text, why) in [
        ("", "no baseline"),
        ("[]", "no baseline"),
        ("{\"schema\": \"slowpath.baseline/2\", \"entries\": []}", "slowpath.baseline/2"),
        ("{\"schema\": 1}", "no baseline"),
    ] {
        let error = Baseline::parse(text).expect_err(text).to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn new_then_known_then_fixed() {
    let mut baseline = Baseline::default();
    let decision = checked(&two(), &baseline);
    assert_eq!(decision.outcome, Outcome::Failed);
    // Without acceptance nothing new gets in.
    let changes = baseline.update(&two(), &decision, &paths(), false);
    assert_eq!((changes.added, changes.refused, baseline.entries.len()), (0, 2, 0));
    baseline = accepted(&two());
    let decision = checked(&two(), &baseline);
    assert_eq!((decision.outcome, decision.states), (Outcome::Clean, vec![State::Known; 2]));
    // One is fixed: that is told, and the next update takes it out.
    let rest = findings(vec![class_out_of_tags()]);
    let decision = checked(&rest, &baseline);
    assert_eq!(decision.outcome, Outcome::Advisory);
    assert_eq!(decision.fixed.iter().map(|it| it.rule.as_str()).collect::<Vec<_>>(), ["SP201"]);
    let changes = baseline.update(&rest, &decision, &paths(), false);
    assert_eq!((changes.removed, baseline.entries.len()), (1, 1));
    // Once out, it is new again.
    assert_eq!(checked(&two(), &baseline).outcome, Outcome::Failed);
}

#[test]
fn grown_beyond_doubt_is_told_and_raised_only_when_accepted() {
    let mut baseline = accepted(&two());
    let with = |low, share, high| {
        let mut finding = class_out_of_tags();
        finding.saving = saving(low, share, high);
        findings(vec![finding, polymorphic_site()])
    };
    // The intervals meet: that may be chance.
    assert_eq!(checked(&with(0.09, 0.12, 0.15), &baseline).states[0], State::Known);
    let grown = with(0.2, 0.25, 0.3);
    let decision = checked(&grown, &baseline);
    assert_eq!((decision.states[0], &decision.outcome), (State::Grown, &Outcome::Advisory));
    let changes = baseline.update(&grown, &decision, &paths(), false);
    assert_eq!((changes.refused, checked(&grown, &baseline).states[0]), (1, State::Grown));
    let changes = baseline.update(&grown, &decision, &paths(), true);
    assert_eq!((changes.raised, checked(&grown, &baseline).states[0]), (1, State::Known));
}

#[test]
fn what_got_cheaper_cannot_come_back_unnoticed() {
    let mut baseline = accepted(&two());
    let mut finding = class_out_of_tags();
    finding.saving = saving(0.02, 0.03, 0.04);
    let cheaper = findings(vec![finding, polymorphic_site()]);
    let changes = baseline.update(&cheaper, &checked(&cheaper, &baseline), &paths(), false);
    assert_eq!(changes.lowered, 1);
    assert_eq!(checked(&two(), &baseline).states[0], State::Grown);
}

#[test]
fn stale_is_what_can_never_be_found_again() {
    let baseline = accepted(&two());
    let decision = checked_where(&findings(vec![]), &baseline, &|file| file != "shop/models.py");
    assert_eq!(decision.stale.iter().map(|it| it.rule.as_str()).collect::<Vec<_>>(), ["SP301"]);
    assert_eq!(decision.fixed.iter().map(|it| it.rule.as_str()).collect::<Vec<_>>(), ["SP201"]);
    // A rule that does not exist any more.
    let mut older = findings(vec![]);
    older.verdicts.retain(|it| it.rule != "SP201");
    let decision = checked(&older, &baseline);
    assert_eq!(decision.stale.iter().map(|it| it.rule.as_str()).collect::<Vec<_>>(), ["SP201"]);
}

#[test]
fn what_was_not_looked_at_is_neither_fixed_nor_stale() {
    let baseline = accepted(&two());
    let mut blind = findings(vec![]);
    for verdict in &mut blind.verdicts {
        verdict.verdict = VerdictKind::CannotTell;
    }
    let mut elsewhere = findings(vec![]);
    elsewhere.python = vec!["3.12.1".into()];
    for found in [&blind, &elsewhere] {
        let decision = checked(found, &baseline);
        assert_eq!((decision.fixed.len(), decision.stale.len()), (0, 0));
    }
    // Below the floor it is not gone.
    let mut small = findings(vec![class_out_of_tags()]);
    small.minor = vec![polymorphic_site()];
    assert_eq!(checked(&small, &baseline).fixed, []);
}

#[test]
fn a_cause_that_is_not_seen_this_time_changes_nothing() {
    let baseline = accepted(&two());
    let mut unsure = class_out_of_tags();
    let mut other = unsure.causes[0].clone();
    other.place.function = "Model.touch".into();
    unsure.causes.insert(0, other);
    let mut blind = class_out_of_tags();
    blind.causes.clear();
    for finding in [unsure, blind] {
        let found = findings(vec![sealed(finding), polymorphic_site()]);
        assert_eq!(checked(&found, &baseline).states, [State::Known, State::Known]);
    }
}

#[test]
fn versions_are_collected() {
    let mut baseline = accepted(&two());
    let mut newer = two();
    newer.python = vec!["3.14.10".into(), "3.13.2".into()];
    baseline.update(&newer, &checked(&newer, &baseline), &paths(), false);
    assert_eq!(baseline.entries[0].python, ["3.13", "3.14"]);
}

#[test]
fn a_finding_is_known_with_and_without_its_source() {
    let mut with = class_out_of_tags();
    with.causes[0].compiled = Some("type(self).created = …".into());
    let mut without = with.clone();
    without.causes[0].statement = "type(self).created = …".into();
    without.causes[0].compiled = None;
    let mut edited = with.clone();
    edited.causes[0].statement = "type(self).created = 0".into();
    let known = |entry: &Finding, finding: &Finding| {
        let baseline = accepted(&findings(vec![entry.clone()]));
        baseline.look_up(finding).is_some()
    };
    assert!(known(&with, &with) && known(&without, &without));
    assert!(known(&with, &without) && known(&without, &with), "either side may lack the source");
    assert!(!known(&with, &edited), "two statements are two findings");
}
