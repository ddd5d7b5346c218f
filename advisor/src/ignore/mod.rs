//! Comments that suppress a finding: `# slowpath: ignore[SP301] because … until 3.16`.
//!
//! A comment holds for the line it stands on, or, alone on its line, for the next line with code. It
//! suppresses the findings of its rules that are caused there or hurt there. One that suppresses
//! nothing, has ended, or gives no reason is reported.

mod comment;
mod until;

use slowpath_profile::finding::{Finding, Findings, Place, VerdictKind};

pub use self::comment::{Ignore, scan};
pub use self::until::{Date, Until};
use crate::output::Paths;

/// What is wrong with a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which, by its index.
    pub ignore: usize,
    /// What.
    pub kind: NoteKind,
}

/// What can be wrong with a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// These rules looked and found nothing that it could suppress.
    Unused(Vec<String>),
    /// It has ended, and suppresses nothing any more.
    Expired,
    /// It gives no reason.
    Reasonless,
    /// It is not understood.
    NotUnderstood(&'static str),
}

impl NoteKind {
    /// Its name in machine-readable forms.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unused(_) => "unused",
            Self::Expired => "expired",
            Self::Reasonless => "reasonless",
            Self::NotUnderstood(_) => "not understood",
        }
    }

    /// One sentence.
    pub fn words(&self) -> String {
        match self {
            Self::Unused(rules) => format!("nothing of {} is found here: remove it", rules.join(", ")),
            Self::Expired => "it has ended: fix the cause, or give a new end".into(),
            Self::Reasonless => "it gives no reason: add 'because …'".into(),
            Self::NotUnderstood(why) => format!("{why}: write '# slowpath: ignore[SP301] because …'"),
        }
    }
}

/// What came of the comments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied {
    /// By the index of the finding: which comment suppresses it.
    pub(crate) by: Vec<Option<usize>>,
    /// What is wrong with comments, by line.
    pub(crate) notes: Vec<Note>,
}

/// Matches comments with findings.
pub(crate) fn apply(findings: &Findings, ignores: &[Ignore], paths: &Paths, today: Date) -> Applied {
    let is_over = |it: &Ignore| it.until.is_some_and(|until| until.is_over(&findings.python, today));
    let covering = |finding: &Finding| {
        let works = |it: &Ignore| it.problem.is_none() && !is_over(it) && covers(it, finding, paths);
        ignores.iter().position(works)
    };
    let by = findings.findings.iter().map(covering).collect();
    let mut notes = Vec::new();
    for (at, ignore) in ignores.iter().enumerate() {
        let kinds = match ignore.problem {
            Some(problem) => vec![NoteKind::NotUnderstood(problem)],
            None if is_over(ignore) => vec![NoteKind::Expired],
            None => notes_on(ignore, findings, paths),
        };
        notes.extend(kinds.into_iter().map(|kind| Note { ignore: at, kind }));
    }
    Applied { by, notes }
}

/// What is wrong with a comment that works.
fn notes_on(ignore: &Ignore, findings: &Findings, paths: &Paths) -> Vec<NoteKind> {
    let mut notes = Vec::new();
    if ignore.reason.is_empty() {
        notes.push(NoteKind::Reasonless);
    }
    let is_used = |rule: &str| {
        let mut all = findings.findings.iter().chain(&findings.minor);
        all.any(|it| it.rule == rule && covers(ignore, it, paths))
    };
    let unused = ignore.rules.iter().filter(|rule| could_be_found(findings, rule) && !is_used(rule));
    let unused: Vec<String> = unused.cloned().collect();
    if !unused.is_empty() {
        notes.push(NoteKind::Unused(unused));
    }
    notes
}

/// Whether the comment is about this finding.
fn covers(ignore: &Ignore, finding: &Finding, paths: &Paths) -> bool {
    ignore.rules.contains(&finding.rule) && places(finding).any(|place| is_at(ignore, place, paths))
}

/// Whether the rule would have found what there is. One that does not exist finds nothing, ever.
fn could_be_found(findings: &Findings, rule: &str) -> bool {
    match findings.verdicts.iter().find(|it| it.rule == rule) {
        Some(it) => matches!(it.verdict, VerdictKind::Found | VerdictKind::Clear),
        None => !findings.verdicts.is_empty(),
    }
}

fn places(finding: &Finding) -> impl Iterator<Item = &Place> {
    let causes = finding.causes.iter().map(|cause| &cause.place);
    causes.chain(finding.hurts.iter().map(|hurt| &hurt.place))
}

/// Whether the comment stands at this place: on any line of an expression that has several.
fn is_at(ignore: &Ignore, place: &Place, paths: &Paths) -> bool {
    let Some(first) = place.line else { return false };
    let last = place.end_line.unwrap_or(first).max(first);
    (first..=last).contains(&ignore.holds_for) && paths.absolute(&place.file) == paths.absolute(&ignore.file)
}

#[cfg(test)]
mod tests;
