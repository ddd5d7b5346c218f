//! What is known already: the file `.slowpath-baseline.json`.
//!
//! It is a ratchet. An update takes away what is fixed and lowers what got cheaper; only an update that
//! is told to accept adds or raises anything.

use std::fmt;

use serde::{Deserialize, Serialize};
use slowpath_profile::finding::{Finding, Findings, VerdictKind};

use crate::fingerprint::{about, candidates, fingerprint, without_source};
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

/// A known finding. Only the fingerprint, rule, subject and saving are compared; the rest tells people
/// what it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// What it is recognised by.
    pub fingerprint: String,
    /// What it is recognised by where the source of its cause cannot be read, if that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiled: Option<String>,
    /// The rule's code.
    pub rule: String,
    /// What it is about.
    pub about: String,
    /// Its title.
    pub title: String,
    /// The file of its cause, else of the worst place, relative to the repository.
    pub file: String,
    /// What a fix would save.
    pub saving: Share,
    /// On which versions of Python it was seen, as in `3.13`.
    pub python: Vec<String>,
}

/// A share of the profiled time with its 90 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Share {
    /// Median.
    pub share: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
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

impl Entry {
    fn new(finding: &Finding, paths: &Paths, python: &[String]) -> Self {
        let mut entry = Self {
            fingerprint: fingerprint(finding),
            compiled: without_source(finding),
            rule: finding.rule.clone(),
            about: about(finding).to_owned(),
            title: finding.title.clone(),
            file: crate::output::file_of(finding, paths),
            saving: finding.saving.into(),
            python: Vec::new(),
        };
        entry.note(python);
        entry
    }

    /// Notes that it was seen on these versions.
    fn note(&mut self, python: &[String]) {
        self.python.extend(python.iter().map(|version| minor(version).to_owned()));
        self.python.sort();
        self.python.dedup();
    }

    /// Whether it could have been seen on one of these versions.
    fn is_of(&self, python: &[String]) -> bool {
        self.python.is_empty() || python.iter().any(|it| self.python.iter().any(|of| of == minor(it)))
    }

    /// Lowers its saving, if it got smaller beyond doubt.
    fn lower(&mut self, finding: &Finding) -> bool {
        let is_lower = finding.saving.high < self.saving.low;
        if is_lower {
            self.saving = finding.saving.into();
        }
        is_lower
    }
}

impl From<slowpath_profile::finding::Saving> for Share {
    fn from(saving: slowpath_profile::finding::Saving) -> Self {
        // Four digits of a share are a hundredth of a percent: more would be noise in every merge.
        let round = |share: f64| (share * 1e4).round() / 1e4;
        Self { share: round(saving.share), low: round(saving.low), high: round(saving.high) }
    }
}

/// `3.13` of `3.13.18`.
fn minor(version: &str) -> &str {
    let end = version.match_indices('.').nth(1).map_or(version.len(), |(at, _)| at);
    &version[..end]
}

#[cfg(test)]
mod tests {
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
}
