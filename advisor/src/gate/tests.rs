//! The decision, case by case.

use slowpath_profile::finding::RuleVerdict;

use super::*;
use crate::ignore::{Date, scan};
use crate::output::testing::{class_out_of_tags, findings, paths, polymorphic_site, saving, two};

const TODAY: Date = Date { year: 2026, month: 11, day: 21 };

fn decide_with(found: &Findings, baseline: &Baseline, ignores: &[Ignore], limits: Limits) -> Decision {
    let paths = paths();
    let context = Context { baseline, ignores, paths: &paths, today: TODAY, exists: &|_| true };
    decide(found, context, limits)
}

fn fresh(found: &Findings) -> Decision {
    decide_with(found, &Baseline::default(), &[], Limits::default())
}

#[test]
fn nothing_found_is_clean() {
    let decision = fresh(&findings(vec![]));
    assert_eq!((decision.outcome.exit_code(), decision.outcome), (0, Outcome::Clean));
}

#[test]
fn only_what_is_new_founded_and_large_enough_fails() {
    let with = |change: &dyn Fn(&mut Finding)| {
        let mut finding = class_out_of_tags();
        change(&mut finding);
        let decision = fresh(&findings(vec![finding]));
        (decision.states[0], decision.outcome.exit_code())
    };
    let new = State::New;
    assert_eq!(with(&|_| {}), (new(Novelty::Fails), 1));
    assert_eq!(with(&|it| it.evidence = EvidenceLevel::Dynamics), (new(Novelty::Fails), 1));
    assert_eq!(with(&|it| it.evidence = EvidenceLevel::State), (new(Novelty::WeakEvidence), 0));
    assert_eq!(with(&|it| it.saving.low = 0.0099), (new(Novelty::SmallSaving), 0));
    assert_eq!(with(&|it| it.saving.low = f64::NAN), (new(Novelty::SmallSaving), 0));
}

#[test]
fn the_limit_can_be_moved() {
    let found = two();
    let at = |fail_over| decide_with(&found, &Baseline::default(), &[], Limits { fail_over });
    assert_eq!(at(0.05).states, [State::New(Novelty::Fails), State::New(Novelty::SmallSaving)]);
    assert_eq!(at(0.10).outcome, Outcome::Advisory);
    assert_eq!([0.01, 0.05, 1.0].map(|fail_over| Limits { fail_over }.samples_needed()), [3_000, 600, 30]);
}

#[test]
fn what_cannot_be_told_is_never_clean() {
    let mut short = findings(vec![]);
    short.samples = 2_999;
    assert_eq!(fresh(&short).outcome.exit_code(), 3);
    let mut blind = findings(vec![]);
    blind.verdicts = vec![RuleVerdict {
        rule: "SP301".into(),
        verdict: VerdictKind::CannotTell,
        reason: "no evidence in the recording".into(),
        ..RuleVerdict::default()
    }];
    let decision = fresh(&blind);
    let Outcome::Inconclusive(why) = &decision.outcome else { panic!("{decision:?}") };
    assert_eq!(why, "no rule could tell; SP301: no evidence in the recording");
    // One rule that could not tell among others that could: that is said, and is not clean.
    let mut partly = findings(vec![]);
    partly.verdicts.extend(blind.verdicts);
    assert_eq!(fresh(&partly).outcome, Outcome::Advisory);
    assert_eq!(fresh(&Findings { samples: 1 << 20, ..Findings::default() }).outcome.exit_code(), 3);
}

#[test]
fn a_finding_counts_however_short_the_run() {
    let mut short = two();
    short.samples = 100;
    assert_eq!(fresh(&short).outcome, Outcome::Failed);
}

#[test]
fn a_second_run_must_show_it_again() {
    let first = two();
    let confirmed_by = |second: Findings| {
        let mut decision = fresh(&first);
        assert!(decision.wants_second_run());
        decision.confirm(&first, &second);
        assert!(!decision.wants_second_run());
        (decision.states.clone(), decision.outcome.exit_code())
    };
    let (fails, gone) = (State::New(Novelty::Fails), State::New(Novelty::NotSeenAgain));
    assert_eq!(confirmed_by(two()), (vec![fails, fails], 1));
    assert_eq!(confirmed_by(findings(vec![polymorphic_site()])), (vec![gone, fails], 1));
    assert_eq!(confirmed_by(findings(vec![])), (vec![gone, gone], 0));
    // Shown again, but with too little.
    let mut small = class_out_of_tags();
    small.saving = saving(0.002, 0.01, 0.02);
    assert_eq!(confirmed_by(findings(vec![small])), (vec![gone, gone], 0));
    // Which cause is named may differ: it is the same class.
    let mut other = class_out_of_tags();
    other.causes.clear();
    assert_eq!(confirmed_by(findings(vec![other])).1, 1);
    // A second run that says nothing confirms nothing and clears nothing.
    let mut short = two();
    short.samples = 10;
    assert_eq!(confirmed_by(short).1, 3);
}

#[test]
fn an_unexpected_end_of_the_program_proves_nothing() {
    let mut decision = fresh(&two());
    decision.distrust("the program ended with exit code 1".into());
    assert_eq!(decision.outcome.exit_code(), 3);
}

#[test]
fn a_comment_lets_pass_and_is_counted() {
    let source = "\n".repeat(40) + "x = 1  # slowpath: ignore[SP301] because the counter is needed\n";
    let ignores = scan("/src/shop/models.py", &source);
    let decision =
        decide_with(&findings(vec![class_out_of_tags()]), &Baseline::default(), &ignores, Limits::default());
    assert_eq!(decision.states, [State::Ignored { by: 0 }]);
    assert_eq!(decision.outcome, Outcome::Clean);
}

#[test]
fn an_expired_comment_no_longer_lets_pass() {
    let source = "\n".repeat(40) + "x = 1  # slowpath: ignore[SP301] because of #7 until 2026-11-20\n";
    let ignores = scan("/src/shop/models.py", &source);
    let decision =
        decide_with(&findings(vec![class_out_of_tags()]), &Baseline::default(), &ignores, Limits::default());
    assert_eq!(decision.outcome, Outcome::Failed);
    assert_eq!(decision.notes[0].kind.name(), "expired");
}
