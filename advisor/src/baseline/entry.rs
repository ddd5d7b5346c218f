//! One known finding.

use serde::{Deserialize, Serialize};
use slowpath_profile::finding::Finding;

use crate::fingerprint::{about, fingerprint, without_source};
use crate::output::Paths;

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

impl Entry {
    pub(super) fn new(finding: &Finding, paths: &Paths, python: &[String]) -> Self {
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
    pub(super) fn note(&mut self, python: &[String]) {
        self.python.extend(python.iter().map(|version| minor(version).to_owned()));
        self.python.sort();
        self.python.dedup();
    }

    /// Whether it could have been seen on one of these versions.
    pub(super) fn is_of(&self, python: &[String]) -> bool {
        self.python.is_empty() || python.iter().any(|it| self.python.iter().any(|of| of == minor(it)))
    }

    /// Lowers its saving, if it got smaller beyond doubt.
    pub(super) fn lower(&mut self, finding: &Finding) -> bool {
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
