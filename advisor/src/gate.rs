//! Whether a change may land: the decision of `slowpath check`.
//!
//! The gate fails for one reason only: a finding that is new, whose evidence is at least
//! [`LEAST_EVIDENCE`], whose saving is at least the limit even at the lower end of its interval, and
//! which a second run shows again, where one can be had. Everything else is told and lets pass.
//!
//! Invariants:
//! - what could not be judged is never called clean;
//! - the order of the findings is not changed here.

use std::fmt;

use slowpath_profile::finding::{EvidenceLevel, Finding, Findings, VerdictKind};

use crate::baseline::{Baseline, Entry, Match};
use crate::fingerprint;
use crate::ignore::{Ignore, Note};

/// A finding below it never fails the gate.
pub const LEAST_EVIDENCE: EvidenceLevel = EvidenceLevel::Dynamics;

/// So many samples make a finding; in a run too short to have them at the limit, nothing is clean.
const SAMPLES_OF_A_FINDING: f64 = 30.0;

/// What the gate goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Least saving that fails it, as a share of the time, lower end of the interval.
    pub fail_over: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fail_over: 0.01 }
    }
}

impl Limits {
    /// Samples without which a finding at the limit could not be seen.
    pub fn samples_needed(self) -> u64 {
        (SAMPLES_OF_A_FINDING / self.fail_over.clamp(0.001, 1.0)).ceil() as u64
    }

    /// Whether a new finding is one to fail for.
    fn reaches(self, finding: &Finding) -> bool {
        finding.evidence >= LEAST_EVIDENCE && finding.saving.low >= self.fail_over
    }
}

/// What the gate made of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not in the baseline.
    New(Novelty),
    /// In the baseline.
    Known,
    /// In the baseline, with a saving that has grown beyond doubt: the intervals do not meet.
    Grown,
    /// Suppressed by the comment with this index.
    Ignored {
        /// Index in the list of comments.
        by: usize,
    },
}

/// Whether a new finding fails the gate, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// It does.
    Fails,
    /// Its evidence is below [`LEAST_EVIDENCE`].
    WeakEvidence,
    /// Its saving may be below the limit.
    SmallSaving,
    /// A second run did not show it, or showed it below the limit.
    NotSeenAgain,
}

impl State {
    /// Whether the gate fails because of it.
    pub fn fails(self) -> bool {
        self == Self::New(Novelty::Fails)
    }

    /// Its name in machine-readable forms.
    pub fn name(self) -> &'static str {
        match self {
            Self::New(_) => "new",
            Self::Known => "known",
            Self::Grown => "grown",
            Self::Ignored { .. } => "ignored",
        }
    }

    /// As it is told.
    pub fn words(self) -> &'static str {
        match self {
            Self::New(Novelty::Fails) => "new: fails the check",
            Self::New(Novelty::WeakEvidence) => "new; evidence below E2, so it does not fail the check",
            Self::New(Novelty::SmallSaving) => "new; below the limit, so it does not fail the check",
            Self::New(Novelty::NotSeenAgain) => {
                "new; not seen in the second run, so it does not fail the check"
            }
            Self::Known => "known",
            Self::Grown => "known, and grown since",
            Self::Ignored { .. } => "ignored",
        }
    }
}

/// What comes out of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every rule that applies looked, and there is nothing new to tell.
    Clean,
    /// There is something to read, and no reason to fail.
    Advisory,
    /// There is a reason to fail.
    Failed,
    /// It cannot be told; why.
    Inconclusive(String),
}

impl Outcome {
    /// Exit code of `slowpath check`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Clean | Self::Advisory => 0,
            Self::Failed => 1,
            Self::Inconclusive(_) => 3,
        }
    }

    /// Its name in machine-readable forms.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Advisory => "advisory",
            Self::Failed => "failed",
            Self::Inconclusive(_) => "inconclusive",
        }
    }
}

/// The decision, and everything it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What comes out.
    pub outcome: Outcome,
    /// By the index of the finding.
    pub states: Vec<State>,
    /// Entries of the baseline whose rule looked and did not find them again.
    pub fixed: Vec<Entry>,
    /// Entries of the baseline that can never be found again.
    pub stale: Vec<Entry>,
    /// The comments that were looked at.
    pub ignores: Vec<Ignore>,
    /// What is wrong with comments.
    pub notes: Vec<Note>,
    /// What it went by.
    pub limits: Limits,
    /// Whether a second run was looked at.
    pub is_confirmed: bool,
    /// Rules that could not tell, with the reason.
    pub cannot_tell: Vec<(String, String)>,
}

/// What is known beside the findings.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What is known already.
    pub baseline: &'a Baseline,
    /// Comments in the program, with what is wrong with them.
    pub ignores: &'a [Ignore],
    /// The same in every file name: how the names of findings are those of the comments.
    pub paths: &'a crate::output::Paths,
    /// Today, for comments that end.
    pub today: crate::ignore::Date,
    /// Whether a file of the baseline is still there.
    pub exists: &'a dyn Fn(&str) -> bool,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("baseline", self.baseline).field("today", &self.today).finish()
    }
}

/// Decides from one run.
pub fn decide(findings: &Findings, context: Context<'_>, limits: Limits) -> Decision {
    let applied = crate::ignore::apply(findings, context.ignores, context.paths, context.today);
    let state = |(at, finding): (usize, &Finding)| match applied.by[at] {
        Some(by) => State::Ignored { by },
        None => state_of(finding, context.baseline, limits),
    };
    let states = findings.findings.iter().enumerate().map(state).collect();
    let left = context.baseline.left_over(findings, context.exists);
    let cannot_tell = findings.verdicts.iter().filter(|it| it.verdict == VerdictKind::CannotTell);
    let mut decision = Decision {
        outcome: Outcome::Clean,
        states,
        fixed: left.fixed,
        stale: left.stale,
        ignores: context.ignores.to_vec(),
        notes: applied.notes,
        limits,
        is_confirmed: false,
        cannot_tell: cannot_tell.map(|it| (it.rule.clone(), it.reason.clone())).collect(),
    };
    decision.outcome = decision.settle(findings);
    decision
}

fn state_of(finding: &Finding, baseline: &Baseline, limits: Limits) -> State {
    match baseline.look_up(finding) {
        Some(Match::Known(_)) => State::Known,
        Some(Match::Grown(_)) => State::Grown,
        None if finding.evidence < LEAST_EVIDENCE => State::New(Novelty::WeakEvidence),
        None if !limits.reaches(finding) => State::New(Novelty::SmallSaving),
        None => State::New(Novelty::Fails),
    }
}

impl Decision {
    /// What the gate made of the finding with this index.
    pub fn state(&self, at: usize) -> Option<State> {
        self.states.get(at).copied()
    }

    /// Whether a second run would change anything.
    pub fn wants_second_run(&self) -> bool {
        self.outcome == Outcome::Failed && !self.is_confirmed
    }

    /// Takes a second run of the same program into account: only what it shows again, at the limit or
    /// above, still fails.
    pub fn confirm(&mut self, first: &Findings, second: &Findings) {
        self.is_confirmed = true;
        if let Some(why) = cannot_judge(second, self.limits) {
            self.outcome = Outcome::Inconclusive(format!("the second run says nothing: {why}"));
            return;
        }
        for (state, finding) in self.states.iter_mut().zip(&first.findings) {
            if state.fails() && !is_shown_again(finding, second, self.limits) {
                *state = State::New(Novelty::NotSeenAgain);
            }
        }
        self.outcome = self.settle(first);
    }

    /// The program did not do what it was started for: nothing can be concluded, whatever was seen.
    pub fn distrust(&mut self, why: String) {
        self.outcome = Outcome::Inconclusive(why);
    }

    fn settle(&self, findings: &Findings) -> Outcome {
        if self.states.iter().any(|state| state.fails()) {
            return Outcome::Failed;
        }
        if let Some(why) = cannot_judge(findings, self.limits) {
            return Outcome::Inconclusive(why);
        }
        let is_quiet = |state: &State| matches!(state, State::Known | State::Ignored { .. });
        let nothing_to_read = self.states.iter().all(is_quiet)
            && [self.fixed.len(), self.stale.len(), self.notes.len(), self.cannot_tell.len()] == [0; 4];
        if nothing_to_read { Outcome::Clean } else { Outcome::Advisory }
    }
}

/// Whether the other run has the same finding, and at the limit or above.
fn is_shown_again(finding: &Finding, second: &Findings, limits: Limits) -> bool {
    let same = |other: &&Finding| {
        other.rule == finding.rule && fingerprint::about(other) == fingerprint::about(finding)
    };
    second.findings.iter().filter(same).any(|other| limits.reaches(other))
}

/// Why nothing can be concluded from what these findings do *not* hold.
fn cannot_judge(findings: &Findings, limits: Limits) -> Option<String> {
    let (samples, needed) = (findings.samples, limits.samples_needed());
    if samples < needed {
        return Some(format!(
            "{samples} samples are too few: {needed} are needed to see what takes {} of the time",
            crate::output::share_in_percent(limits.fail_over)
        ));
    }
    let looked = |kind| matches!(kind, VerdictKind::Found | VerdictKind::Clear);
    if findings.verdicts.iter().any(|it| looked(it.verdict)) {
        return None;
    }
    let reason = findings.verdicts.iter().find(|it| it.verdict == VerdictKind::CannotTell);
    Some(match reason {
        Some(it) if !it.reason.is_empty() => format!("no rule could tell; {}: {}", it.rule, it.reason),
        _ => "no rule looked at this program".into(),
    })
}

#[cfg(test)]
mod tests {
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
        assert_eq!(
            [0.01, 0.05, 1.0].map(|fail_over| Limits { fail_over }.samples_needed()),
            [3_000, 600, 30]
        );
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
        let decision = decide_with(
            &findings(vec![class_out_of_tags()]),
            &Baseline::default(),
            &ignores,
            Limits::default(),
        );
        assert_eq!(decision.states, [State::Ignored { by: 0 }]);
        assert_eq!(decision.outcome, Outcome::Clean);
    }

    #[test]
    fn an_expired_comment_no_longer_lets_pass() {
        let source = "\n".repeat(40) + "x = 1  # slowpath: ignore[SP301] because of #7 until 2026-11-20\n";
        let ignores = scan("/src/shop/models.py", &source);
        let decision = decide_with(
            &findings(vec![class_out_of_tags()]),
            &Baseline::default(),
            &ignores,
            Limits::default(),
        );
        assert_eq!(decision.outcome, Outcome::Failed);
        assert_eq!(decision.notes[0].kind.name(), "expired");
    }
}
