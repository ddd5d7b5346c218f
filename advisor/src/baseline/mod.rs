//! What is known already: the file `.slowpath-baseline.json`.
//!
//! It is a ratchet. An update takes away what is fixed and lowers what got cheaper; only an update that
//! is told to accept adds or raises anything.

mod entry;

use std::fmt;

use serde::{Deserialize, Serialize};
use slowpath_profile::finding::{Finding, Findings, VerdictKind};

pub use self::entry::{Entry, Share};
use crate::fingerprint::{about, candidates};
use crate::gate::{Decision, State};
use crate::output::Paths;

/// Name of the form; the number changes when a reader of the old one would go wrong.
pub const BASELINE_SCHEMA: &str = "slowpath.baseline/1";

/// Where it lies unless said otherwise.
pub const FILE_NAME: &str = ".slowpath-baseline.json";

/// How far a share may be off for having been rounded.
const ROUNDING: f64 = 1e-4;

/// Known findings, ordered by fingerprint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// [`BASELINE_SCHEMA`].
    schema: String,
    /// The findings.
    pub entries: Vec<Entry>,
}

impl Default for Baseline {
    fn default() -> Self {
        Self { schema: BASELINE_SCHEMA.into(), entries: Vec::new() }
    }
}

/// A finding in the baseline, by its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Known(usize),
    Grown(usize),
}

/// Entries that were not found again.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LeftOver {
    pub(crate) fixed: Vec<Entry>,
    pub(crate) stale: Vec<Entry>,
}

/// What an update did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Entries taken away: fixed or stale.
    pub removed: usize,
    /// Entries whose saving got smaller.
    pub lowered: usize,
    /// Entries added, because that was asked for.
    pub added: usize,
    /// Entries whose saving was raised, because that was asked for.
    pub raised: usize,
    /// New or grown findings that were left as they are, because nothing was accepted.
    pub refused: usize,
}

/// Why a file is no baseline.
#[derive(Debug)]
pub enum BaselineError {
    /// No JSON, or not of this shape.
    Malformed(serde_json::Error),
    /// Of another version.
    Schema(String),
}

impl fmt::Display for BaselineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "it is no baseline: {error}"),
            Self::Schema(found) => write!(f, "its schema is '{found}', not '{BASELINE_SCHEMA}'"),
        }
    }
}

impl std::error::Error for BaselineError {}

impl Baseline {
    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        let baseline: Self = serde_json::from_str(text).map_err(BaselineError::Malformed)?;
        if baseline.schema != BASELINE_SCHEMA {
            return Err(BaselineError::Schema(baseline.schema));
        }
        Ok(baseline)
    }

    /// The text of its file: one fact per line, so that a merge sees what changed.
    pub fn to_text(&self) -> String {
        // Only a map with keys that are no strings could fail, and there is none.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The entry of a finding.
    pub(crate) fn look_up(&self, finding: &Finding) -> Option<Match> {
        let at = self.index(finding)?;
        // Where the intervals meet, the difference may be chance.
        let is_grown = finding.saving.low > self.entries[at].saving.high + ROUNDING;
        Some(if is_grown { Match::Grown(at) } else { Match::Known(at) })
    }

    fn index(&self, finding: &Finding) -> Option<usize> {
        let prints = candidates(finding);
        let exact = self.entries.iter().position(|entry| prints.contains(&entry.fingerprint));
        // Whoever could not read the source has only what the bytecode tells.
        let has_source = finding.causes.iter().any(|cause| cause.compiled.is_some());
        let is_compiled = |it: &Entry| it.compiled.as_ref().is_some_and(|print| prints.contains(print));
        let compiled = || self.entries.iter().position(|it| !has_source && is_compiled(it));
        // Without a cause of its own it may be the one whose cause was seen then.
        let same = || {
            let is_same = |it: &Entry| it.rule == finding.rule && it.about == about(finding);
            self.entries.iter().position(is_same).filter(|_| finding.causes.is_empty())
        };
        exact.or_else(compiled).or_else(same)
    }

    /// Entries that this run should have shown and did not. An entry of another version of Python, or
    /// of a rule that could not look, is neither fixed nor stale.
    pub(crate) fn left_over(&self, findings: &Findings, exists: &dyn Fn(&str) -> bool) -> LeftOver {
        let all = findings.findings.iter().chain(&findings.minor);
        let found: Vec<usize> = all.filter_map(|finding| self.index(finding)).collect();
        let mut left = LeftOver::default();
        for (at, entry) in self.entries.iter().enumerate() {
            if found.contains(&at) {
                continue;
            }
            let verdict = findings.verdicts.iter().find(|it| it.rule == entry.rule).map(|it| it.verdict);
            let is_gone = !entry.file.is_empty() && !exists(&entry.file);
            // Without any verdict the rule does not exist; a run without verdicts says nothing.
            if is_gone || (verdict.is_none() && !findings.verdicts.is_empty()) {
                left.stale.push(entry.clone());
            } else if matches!(verdict, Some(VerdictKind::Found | VerdictKind::Clear))
                && entry.is_of(&findings.python)
            {
                left.fixed.push(entry.clone());
            }
        }
        left
    }

    /// Brings it up to date. Without `accept` it only shrinks.
    pub fn update(
        &mut self,
        findings: &Findings,
        decision: &Decision,
        paths: &Paths,
        accept: bool,
    ) -> Changes {
        let mut changes = Changes::default();
        let before = self.entries.len();
        let gone = |entry: &Entry| decision.fixed.contains(entry) || decision.stale.contains(entry);
        self.entries.retain(|entry| !gone(entry));
        changes.removed = before - self.entries.len();
        for (finding, state) in findings.findings.iter().zip(&decision.states) {
            match (state, self.look_up(finding)) {
                (State::Ignored { .. }, _) => {}
                (_, None) if accept => {
                    self.entries.push(Entry::new(finding, paths, &findings.python));
                    changes.added += 1;
                }
                (_, Some(Match::Grown(at))) if accept => {
                    self.entries[at].saving = finding.saving.into();
                    self.entries[at].note(&findings.python);
                    changes.raised += 1;
                }
                (_, None | Some(Match::Grown(_))) => changes.refused += 1,
                (_, Some(Match::Known(at))) => {
                    self.entries[at].note(&findings.python);
                    changes.lowered += usize::from(self.entries[at].lower(finding));
                }
            }
        }
        self.entries.sort_by(|a, b| a.fingerprint.cmp(&b.fingerprint));
        changes
    }
}

#[cfg(test)]
mod tests;
