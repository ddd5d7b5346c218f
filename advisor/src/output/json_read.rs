//! Reads findings back from the JSON that [`super::json`] writes: from it every other form can be made
//! again, on another machine or later. What the gate decided is not read; it depends on the baseline.

use std::fmt;

use serde::Deserialize;
use slowpath_profile::finding::{
    Cause, Confidence, EvidenceLevel, FINDINGS_SCHEMA, Finding, Findings, Fix, GcPauses, Hurt, Place, Reason,
    RuleVerdict, Saving,
};

/// Why a text is no findings.
#[derive(Debug)]
pub enum JsonError {
    /// No JSON, or not of this shape.
    Malformed(serde_json::Error),
    /// Of another version.
    Schema(String),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "these are no findings: {error}"),
            Self::Schema(found) => write!(f, "the schema is '{found}', not '{FINDINGS_SCHEMA}'"),
        }
    }
}

impl std::error::Error for JsonError {}

/// Findings from the text of [`super::Format::Json`].
pub fn read_json(text: &str) -> Result<Findings, JsonError> {
    let root: Root = serde_json::from_str(text).map_err(JsonError::Malformed)?;
    if root.schema != FINDINGS_SCHEMA {
        return Err(JsonError::Schema(root.schema));
    }
    Ok(Findings {
        schema: root.schema,
        slowpath: root.slowpath,
        python: root.python,
        samples: root.samples.count(),
        findings: root.findings.into_iter().map(Finding::from).collect(),
        minor: root.minor.into_iter().map(Finding::from).collect(),
        joint: root.joint_saving.map(Saving::from),
        verdicts: root.verdicts,
        gc_pauses: root.gc_pauses.into_iter().map(GcPauses::from).collect(),
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GcPausesIn {
    generation: u32,
    times: u64,
    total: Quantity,
    longest: Quantity,
}

impl From<GcPausesIn> for GcPauses {
    fn from(it: GcPausesIn) -> Self {
        let (total_ns, longest_ns) = (it.total.count(), it.longest.count());
        Self { generation: it.generation, times: it.times, total_ns, longest_ns }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Root {
    schema: String,
    slowpath: String,
    python: Vec<String>,
    samples: Quantity,
    joint_saving: Option<SavingIn>,
    findings: Vec<FindingIn>,
    minor: Vec<FindingIn>,
    verdicts: Vec<RuleVerdict>,
    gc_pauses: Vec<GcPausesIn>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Quantity {
    /// `null` is a number that JSON cannot hold.
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

impl Quantity {
    fn number(&self) -> f64 {
        self.value.unwrap_or(f64::NAN)
    }

    /// As a count: what is none counts nothing.
    fn count(&self) -> u64 {
        self.number() as u64
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SavingIn {
    time: Quantity,
    ceiling: Quantity,
    ratio: Quantity,
}

impl From<SavingIn> for Saving {
    fn from(it: SavingIn) -> Self {
        Self {
            share: it.time.number(),
            low: it.time.low.unwrap_or(f64::NAN),
            high: it.time.high.unwrap_or(f64::NAN),
            ceiling: it.ceiling.number(),
            ratio: it.ratio.number(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FindingIn {
    id: String,
    rule: String,
    title: String,
    saving: SavingIn,
    basis: String,
    evidence: String,
    confidence: Confidence,
    samples: Quantity,
    hurts: Vec<HurtIn>,
    causes: Vec<Cause>,
    why: Vec<ReasonIn>,
    applies: String,
    fix: Fix,
    about: String,
    fingerprint: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HurtIn {
    place: Place,
    expression: String,
    state: String,
    share: Quantity,
    samples: Quantity,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReasonIn {
    level: String,
    text: String,
}

impl From<FindingIn> for Finding {
    fn from(it: FindingIn) -> Self {
        Self {
            id: it.id,
            rule: it.rule,
            title: it.title,
            saving: it.saving.into(),
            basis: it.basis,
            evidence: level(&it.evidence),
            confidence: it.confidence,
            samples: it.samples.count(),
            hurts: it.hurts.into_iter().map(Hurt::from).collect(),
            causes: it.causes,
            why: it.why.into_iter().map(|it| Reason { level: level(&it.level), text: it.text }).collect(),
            applies: it.applies,
            fix: it.fix,
            about: it.about,
            fingerprint: it.fingerprint,
        }
    }
}

impl From<HurtIn> for Hurt {
    fn from(it: HurtIn) -> Self {
        Self {
            place: it.place,
            expression: it.expression,
            state: it.state,
            share: it.share.number(),
            samples: it.samples.count(),
        }
    }
}

/// The level of a code; one that is not known founds nothing.
fn level(code: &str) -> EvidenceLevel {
    use EvidenceLevel::{Counterfactual, Dynamics, State, Static, Writer};
    let all = [Static, State, Dynamics, Writer, Counterfactual];
    all.into_iter().find(|level| level.code() == code).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::testing::{
        HOSTILE, class_out_of_tags, findings, named, polymorphic_site, two, written,
    };
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let mut all = two();
        all.findings.push(named(class_out_of_tags(), HOSTILE));
        all.minor.push(polymorphic_site());
        all.gc_pauses = vec![GcPauses { generation: 2, times: 3, total_ns: 90, longest_ns: 40 }];
        assert_eq!(read_json(&written(Format::Json, &all)).expect("our own"), all);
        let none = findings(vec![]);
        assert_eq!(read_json(&written(Format::Json, &none)).expect("our own"), none);
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, why) in [
            ("", "no findings"),
            ("[]", "schema is ''"),
            ("{}", "schema is ''"),
            (r#"{"schema": "slowpath.finding/2"}"#, "slowpath.finding/2"),
            (r#"{"schema": "slowpath.finding/1", "findings": [1]}"#, "no findings"),
        ] {
            let error = read_json(text).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_number_that_is_none_fails_nothing() {
        let text = written(Format::Json, &two()).replace("\"low\": 0.07,", "\"low\": null,");
        assert!(read_json(&text).expect("JSON").findings[0].saving.low.is_nan());
    }
}
