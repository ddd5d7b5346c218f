//! Forms in which findings leave slowpath for other tools.
//!
//! JSON is complete; every other form is a projection of the same [`Report`], with the same
//! findings in the same order. What a form cannot hold is left out, never reworded.
//!
//! Invariants:
//! - names and paths come from a foreign program: each form escapes them by its own rules, and none
//!   lets a control or direction character through to whoever reads it;
//! - the same report gives the same bytes.

mod github;
mod gitlab;
mod json;
mod json_read;
mod junit;
mod markdown;
mod paths;
mod rdjson;
mod sarif;
mod sarif_types;
#[doc(hidden)]
pub mod testing;
mod words;

use std::io::{self, Write};

use serde::Serialize;
use slowpath_profile::export::printable;
use slowpath_profile::finding::{Finding, Findings, Place};

pub use self::words::{interval, percent};
pub use json_read::{JsonError, read_json};
pub use paths::Paths;

use crate::gate::{Decision, Novelty, State};

/// A form other than the text for a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `slowpath.finding/1`: everything.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
    /// Code Quality report of GitLab.
    Gitlab,
    /// JUnit XML.
    Junit,
    /// A summary in Markdown.
    Markdown,
    /// Reviewdog's diagnostics.
    Rdjson,
}

impl Format {
    /// All forms.
    pub const ALL: [Self; 7] =
        [Self::Json, Self::Sarif, Self::Github, Self::Gitlab, Self::Junit, Self::Markdown, Self::Rdjson];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sarif => "sarif",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
            Self::Rdjson => "rdjson",
        }
    }

    /// What reads it, in a few words.
    pub fn description(self) -> &'static str {
        match self {
            Self::Json => "everything, as slowpath.finding/1",
            Self::Sarif => "SARIF 2.1.0 for code scanning",
            Self::Github => "annotations of GitHub Actions",
            Self::Gitlab => "Code Quality report of GitLab",
            Self::Junit => "JUnit XML",
            Self::Markdown => "summary for a pull request",
            Self::Rdjson => "diagnostics for reviewdog",
        }
    }

    /// Ends of file names that it may have, its own first.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Json | Self::Gitlab => &[".json"],
            Self::Sarif => &[".sarif", ".sarif.json", ".json"],
            Self::Github => &[".txt"],
            Self::Junit => &[".xml"],
            Self::Markdown => &[".md", ".markdown"],
            Self::Rdjson => &[".rdjson", ".json"],
        }
    }

    /// Writes a report in this form.
    pub fn write(self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Json => json::write(report, out),
            Self::Sarif => sarif::write(report, out),
            Self::Github => github::write(report, out),
            Self::Gitlab => gitlab::write(report, out),
            Self::Junit => junit::write(report, out),
            Self::Markdown => markdown::write(report, out),
            Self::Rdjson => rdjson::write(report, out),
        }
    }
}

/// What is written: findings, and what the gate made of them.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The findings, in the order in which every form shows them.
    pub findings: &'a Findings,
    /// What the gate decided; `None` where nothing was to be decided.
    pub decision: Option<&'a Decision>,
    /// How paths are shown.
    pub paths: &'a Paths,
}

/// How loudly a finding is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Worth doing.
    Warning,
    /// The gate fails because of it.
    Error,
}

/// What stands for a path where code lies in no file: GitHub and GitLab refuse a whole report for one
/// finding without.
const NO_FILE: &str = "unknown";

/// From this lower bound of the saving on a finding is more than a note.
const WORTH_DOING: f64 = 0.01;

impl<'a> Report<'a> {
    /// Findings that are to be shown, with what the gate made of each. Suppressed ones are left out.
    fn shown(&self) -> impl Iterator<Item = (&'a Finding, Option<State>)> + '_ {
        self.all().filter(|(_, state)| !matches!(state, Some(State::Ignored { .. })))
    }

    /// All findings, with what the gate made of each.
    fn all(&self) -> impl Iterator<Item = (&'a Finding, Option<State>)> + '_ {
        let decision = self.decision;
        self.findings
            .findings
            .iter()
            .enumerate()
            .map(move |(at, finding)| (finding, decision.and_then(|decision| decision.state(at))))
    }

    /// Number of findings that are shown.
    fn count(&self) -> usize {
        self.shown().count()
    }

    /// Name of a rule in a few words, if it is known.
    fn rule_name(&self, rule: &str) -> Option<&'a str> {
        let stated = self.findings.verdicts.iter().find(|verdict| verdict.rule == rule);
        stated.map(|verdict| verdict.name.as_str()).filter(|name| !name.is_empty())
    }
}

/// How loudly a finding is told. Evidence below a moving state, and what was known before, is a note
/// however large.
fn severity(finding: &Finding, state: Option<State>) -> Severity {
    match state {
        Some(State::New(Novelty::Fails)) => Severity::Error,
        Some(State::Known | State::Ignored { .. }) => Severity::Note,
        _ if finding.saving.low >= WORTH_DOING && finding.evidence >= crate::gate::LEAST_EVIDENCE => {
            Severity::Warning
        }
        _ => Severity::Note,
    }
}

/// The place to go to: the likeliest cause if one is known, else the worst of the slow places. One
/// that is in no file is only taken if there is no other.
fn solution_site(finding: &Finding) -> Option<&Place> {
    let places = || {
        let causes = finding.causes.iter().map(|cause| &cause.place);
        causes.chain(finding.hurts.iter().map(|hurt| &hurt.place))
    };
    places().find(|place| paths::is_file(&place.file)).or_else(|| places().next())
}

/// JSON in which nothing acts on a terminal: what serde leaves as it is, beyond ASCII, is escaped too.
/// Such characters are in strings only, so that the value stays the same.
fn write_json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    for character in serde_json::to_string_pretty(value)?.chars() {
        let is_own = character == '\n';
        if is_own || printable(character.encode_utf8(&mut [0; 4])).starts_with(character) {
            text.push(character);
        } else {
            text += &format!("\\u{:04x}", u32::from(character));
        }
    }
    text.push('\n');
    out.write_all(text.as_bytes())
}

/// The file of the place to go to, as it is shown; empty if there is none.
pub(crate) fn file_of(finding: &Finding, paths: &Paths) -> String {
    let site = solution_site(finding).filter(|place| paths::is_file(&place.file));
    site.map(|place| paths.relative(&place.file)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
