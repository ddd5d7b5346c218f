//! Whether a change may land: the decision of `slowpath check`.
//!
//! The gate fails for one reason only: a finding that is new, whose evidence is at least
//! [`LEAST_EVIDENCE`], whose saving is at least the limit even at the lower end of its interval, and
//! which a second run shows again, where one can be had. Everything else is told and lets pass.
//!
//! Invariants:
//! - what could not be judged is never called clean;
//! - the order of the findings is not changed here.

mod state;

use std::fmt;

use slowpath_profile::finding::{EvidenceLevel, Finding, Findings, VerdictKind};

pub use self::state::{Novelty, Outcome, State};
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
            crate::output::percent(limits.fail_over)
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
mod tests;
