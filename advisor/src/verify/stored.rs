//! What was verified, as it is kept: predicted beside measured, so that predictions can be judged.

use std::fmt;

use serde::{Deserialize, Serialize};
use slowpath_profile::finding::Finding;

use super::{Block, Interval, Side, Trial, Verdict};

/// Name of the JSON form; the number changes when a reader of the old one would go wrong.
pub const VERIFIED_SCHEMA: &str = "slowpath.verified/1";

/// Results that a file keeps; the oldest go first.
const KEPT: usize = 1_000;

/// One measured change. Savings are shares of the time before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verified {
    /// Which finding it was to fix: `SP301-7c1e`.
    pub finding: String,
    /// Its rule.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// By which it is known again.
    pub fingerprint: String,
    /// How well it was founded: `E0` to `E3`.
    pub evidence: String,
    /// Interpreters that it was found on.
    pub python: Vec<String>,
    /// What was run.
    pub command: Vec<String>,
    /// How the changed program was had: `--patch fix.diff`.
    pub change: String,
    /// `cpu` or `wall`.
    pub clock: String,
    /// `faster`, `slower`, `no gain`, `cannot tell`.
    pub verdict: String,
    /// Why it cannot be told.
    pub reason: Option<String>,
    /// What the finding said that a fix saves.
    pub predicted: Interval,
    /// What the change saved.
    pub measured: Interval,
    /// What the same program seemed to save.
    pub control: Interval,
    /// Predicted less measured saving, over the measured one; nothing unless it was faster.
    pub relative_error: Option<f64>,
    /// Whether the predicted interval holds the measured saving.
    pub is_covered: bool,
    /// Median time of a run before, in seconds.
    pub before_s: f64,
    /// Median time of a run after, in seconds.
    pub after_s: f64,
    /// All times in seconds.
    pub blocks: Vec<Block>,
    /// Whether outputs were compared; if they were, they were the same.
    pub output_compared: bool,
    /// When, in seconds since 1970.
    pub time: u64,
    /// Version of slowpath.
    pub slowpath: String,
}

impl Verified {
    /// The numbers; the rest is the caller's to fill in.
    pub fn new(finding: &Finding, trial: &Trial, verdict: &Verdict) -> Self {
        let saving = finding.saving;
        let predicted = Interval { value: saving.share, low: saving.low, high: saving.high };
        let measured = trial.saving();
        let error = (predicted.value - measured.value) / measured.value;
        let reason = match verdict {
            Verdict::CannotTell(why) => Some(why.clone()),
            _ => None,
        };
        Self {
            finding: finding.id.clone(),
            rule: finding.rule.clone(),
            title: finding.title.clone(),
            fingerprint: finding.fingerprint.clone(),
            evidence: finding.evidence.code().into(),
            verdict: verdict.name().into(),
            reason,
            predicted,
            measured,
            control: trial.control(),
            relative_error: (*verdict == Verdict::Faster).then_some(error),
            is_covered: predicted.covers(measured.value),
            before_s: trial.seconds(Side::Before),
            after_s: trial.seconds(Side::After),
            blocks: trial.blocks().to_vec(),
            ..Self::default()
        }
    }
}

/// A file of results, the oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Store {
    schema: String,
    /// The results.
    pub results: Vec<Verified>,
}

impl Default for Store {
    fn default() -> Self {
        Self { schema: VERIFIED_SCHEMA.into(), results: Vec::new() }
    }
}

/// Why a text is no file of results.
#[derive(Debug)]
pub enum StoreError {
    /// No JSON, or not of this shape.
    Malformed(serde_json::Error),
    /// Of another version.
    Schema(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "these are no verified findings: {error}"),
            Self::Schema(found) => write!(f, "the schema is '{found}', not '{VERIFIED_SCHEMA}'"),
        }
    }
}

impl std::error::Error for StoreError {}

impl Store {
    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let read: Self = serde_json::from_str(text).map_err(StoreError::Malformed)?;
        if read.schema == VERIFIED_SCHEMA { Ok(read) } else { Err(StoreError::Schema(read.schema)) }
    }

    /// Adds a result, in place of the one of the same finding, change and command.
    pub fn add(&mut self, result: Verified) {
        let is_same = |old: &Verified| {
            old.fingerprint == result.fingerprint
                && old.python == result.python
                && old.change == result.change
                && old.command == result.command
        };
        self.results.retain(|old| !is_same(old));
        self.results.push(result);
        let surplus = self.results.len().saturating_sub(KEPT);
        self.results.drain(..surplus);
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        // Every field is a number, a text or a list of them; there is nothing that JSON cannot hold.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::class_out_of_tags;

    fn trial(before: f64, after: f64) -> Trial {
        let mut trial = Trial::default();
        for _ in 0..6 {
            trial.add(Block { before: vec![before; 2], after: vec![after; 2], control: vec![before; 2] });
        }
        trial
    }

    #[test]
    fn predicted_stands_beside_measured() {
        let (finding, trial) = (class_out_of_tags(), trial(1.0, 0.9));
        let verified = Verified::new(&finding, &trial, &trial.verdict());
        assert_eq!((verified.verdict.as_str(), verified.is_covered), ("faster", false));
        let error = verified.relative_error.expect("it was faster");
        assert!((error - (finding.saving.share - 0.1) / 0.1).abs() < 1e-9, "{error}");
        let none = Verified::new(&finding, &trial, &Verdict::CannotTell("it rained".into()));
        assert_eq!((none.relative_error, none.reason.as_deref()), (None, Some("it rained")));
    }

    #[test]
    fn what_was_written_is_read_back_and_the_newest_replaces() {
        let (finding, trial) = (class_out_of_tags(), trial(1.0, 0.5));
        let result = Verified::new(&finding, &trial, &trial.verdict());
        let mut store = Store::default();
        store.add(Verified { time: 1, ..result.clone() });
        store.add(Verified { time: 2, change: "--with other".into(), ..result.clone() });
        store.add(Verified { time: 3, ..result });
        let times: Vec<u64> = store.results.iter().map(|it| it.time).collect();
        assert_eq!(times, [2, 3]);
        assert_eq!(Store::parse(&store.to_text()).expect("our own"), store);
    }

    #[test]
    fn a_file_does_not_grow_for_ever() {
        let mut store = Store::default();
        for number in 0..KEPT + 5 {
            store.add(Verified { fingerprint: number.to_string(), ..Verified::default() });
        }
        assert_eq!(store.results.len(), KEPT);
        assert_eq!(store.results[0].fingerprint, "5");
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, why) in [
            ("", "no verified findings"),
            ("{}", "no verified findings"),
            (r#"{"schema": "slowpath.verified/2", "results": []}"#, "slowpath.verified/2"),
        ] {
            let error = Store::parse(text).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
