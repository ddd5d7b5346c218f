//! JSON: everything, for programs.
//!
//! Every number that was measured or estimated is an object: its value, its unit, the number of
//! samples it rests on (`n`), and its interval with the level of that. What is not known is `null`.
//! Lines, columns and limits that were set are plain numbers. Keys keep their order.

use std::io::{self, Write};

use serde::Serialize;
use slowpath_profile::finding::{
    Cause, FINDINGS_SCHEMA, Finding, Fix, GcPauses, Hurt, Place, Reason, RuleVerdict, Saving,
};

use super::{Paths, Report};
use crate::baseline::Entry;
use crate::gate::{Decision, Outcome, State};

/// Level of every interval here.
const LEVEL: f64 = 0.9;
/// The normal distribution's quantile for [`LEVEL`], two-sided.
const Z: f64 = 1.644_853_6;

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    super::write_json(&Root::of(report), out)
}

/// A number with what is known of it.
#[derive(Serialize)]
struct Quantity {
    value: f64,
    unit: &'static str,
    n: u64,
    low: Option<f64>,
    high: Option<f64>,
    level: Option<f64>,
}

impl Quantity {
    fn without_interval(value: f64, unit: &'static str, n: u64) -> Self {
        Self { value, unit, n, low: None, high: None, level: None }
    }

    /// A share of all samples that was counted: Wilson's interval.
    fn counted(value: f64, n: u64) -> Self {
        let trials = n as f64;
        if n == 0 {
            return Self::without_interval(value, SHARE, n);
        }
        let (square, p) = (Z * Z, value.clamp(0.0, 1.0));
        let middle = (p + square / (2.0 * trials)) / (1.0 + square / trials);
        let half =
            Z / (1.0 + square / trials) * (p * (1.0 - p) / trials + square / (4.0 * trials * trials)).sqrt();
        let (low, high) = ((middle - half).max(0.0).min(p), (middle + half).min(1.0).max(p));
        Self { value, unit: SHARE, n, low: Some(low), high: Some(high), level: Some(LEVEL) }
    }

    /// A count of samples. It is what it is.
    fn samples(count: u64) -> Self {
        let value = count as f64;
        Self { low: Some(value), high: Some(value), ..Self::without_interval(value, "samples", count) }
    }
}

const SHARE: &str = "share of samples";

#[derive(Serialize)]
struct SavingOut {
    /// What a fix would save.
    time: Quantity,
    /// All the time at those places.
    ceiling: Quantity,
    /// Slow time over fast time.
    ratio: Quantity,
}

impl SavingOut {
    fn of(saving: &Saving, n: u64) -> Self {
        let time = Quantity {
            value: saving.share,
            unit: SHARE,
            n,
            low: Some(saving.low),
            high: Some(saving.high),
            level: Some(LEVEL),
        };
        let ratio = Quantity::without_interval(saving.ratio, "slow time per fast time", n);
        Self { time, ceiling: Quantity::counted(saving.ceiling, n), ratio }
    }
}

#[derive(Serialize)]
struct Root<'a> {
    schema: &'static str,
    slowpath: &'a str,
    python: &'a [String],
    samples: Quantity,
    gate: Option<Gate<'a>>,
    joint_saving: Option<SavingOut>,
    findings: Vec<FindingOut<'a>>,
    minor: Vec<FindingOut<'a>>,
    verdicts: &'a [RuleVerdict],
    /// Where hooks timed the garbage collector.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gc_pauses: Vec<GcPausesOut>,
}

impl<'a> Root<'a> {
    fn of(report: &Report<'a>) -> Self {
        let findings = report.findings;
        let n = findings.samples;
        let out = |finding, state| FindingOut::of(finding, state, n, report.paths);
        Self {
            schema: FINDINGS_SCHEMA,
            slowpath: &findings.slowpath,
            python: &findings.python,
            samples: Quantity::samples(n),
            gate: report.decision.map(|decision| Gate::of(decision, report.paths)),
            joint_saving: findings.joint.as_ref().map(|saving| SavingOut::of(saving, n)),
            findings: report.all().map(|(finding, state)| out(finding, state)).collect(),
            minor: findings.minor.iter().map(|finding| out(finding, None)).collect(),
            verdicts: &findings.verdicts,
            gc_pauses: findings.gc_pauses.iter().map(GcPausesOut::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct GcPausesOut {
    generation: u32,
    times: u64,
    total: Quantity,
    longest: Quantity,
}

impl GcPausesOut {
    fn of(pauses: &GcPauses) -> Self {
        let time = |ns: u64| Quantity::without_interval(ns as f64, "ns", pauses.times);
        Self {
            generation: pauses.generation,
            times: pauses.times,
            total: time(pauses.total_ns),
            longest: time(pauses.longest_ns),
        }
    }
}

#[derive(Serialize)]
struct FindingOut<'a> {
    id: &'a str,
    rule: &'a str,
    title: &'a str,
    /// `new`, `known`, `grown` or `ignored`.
    state: Option<&'static str>,
    fails: bool,
    state_text: Option<&'static str>,
    saving: SavingOut,
    basis: &'a str,
    evidence: &'static str,
    confidence: &'static str,
    samples: Quantity,
    hurts: Vec<HurtOut<'a>>,
    causes: Vec<CauseOut<'a>>,
    why: Vec<ReasonOut<'a>>,
    applies: &'a str,
    fix: &'a Fix,
    about: &'a str,
    fingerprint: &'a str,
}

impl<'a> FindingOut<'a> {
    fn of(finding: &'a Finding, state: Option<State>, n: u64, paths: &Paths) -> Self {
        Self {
            id: &finding.id,
            rule: &finding.rule,
            title: &finding.title,
            state: state.map(State::name),
            fails: state.is_some_and(State::fails),
            state_text: state.map(State::words),
            saving: SavingOut::of(&finding.saving, n),
            basis: &finding.basis,
            evidence: finding.evidence.code(),
            confidence: finding.confidence.word(),
            samples: Quantity::samples(finding.samples),
            hurts: finding.hurts.iter().map(|hurt| HurtOut::of(hurt, n, paths)).collect(),
            causes: finding.causes.iter().map(|cause| CauseOut::of(cause, paths)).collect(),
            why: finding.why.iter().map(ReasonOut::of).collect(),
            applies: &finding.applies,
            fix: &finding.fix,
            about: &finding.about,
            fingerprint: &finding.fingerprint,
        }
    }
}

#[derive(Serialize)]
struct PlaceOut<'a> {
    /// As the program names it.
    file: &'a str,
    /// Relative to the repository, if it lies in it.
    path: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    end_line: Option<u32>,
    end_column: Option<u32>,
    function: &'a str,
}

impl<'a> PlaceOut<'a> {
    fn of(place: &'a Place, paths: &Paths) -> Self {
        let shown = paths.show(&place.file);
        Self {
            file: &place.file,
            path: shown.is_inside.then_some(shown.path),
            line: place.line,
            column: place.column,
            end_line: place.end_line,
            end_column: place.end_column,
            function: &place.function,
        }
    }
}

#[derive(Serialize)]
struct HurtOut<'a> {
    place: PlaceOut<'a>,
    expression: &'a str,
    state: &'a str,
    share: Quantity,
    samples: Quantity,
}

impl<'a> HurtOut<'a> {
    fn of(hurt: &'a Hurt, n: u64, paths: &Paths) -> Self {
        Self {
            place: PlaceOut::of(&hurt.place, paths),
            expression: &hurt.expression,
            state: &hurt.state,
            share: Quantity::counted(hurt.share, n),
            samples: Quantity::samples(hurt.samples),
        }
    }
}

#[derive(Serialize)]
struct CauseOut<'a> {
    place: PlaceOut<'a>,
    statement: &'a str,
    /// What the bytecode tells of it, where the statement is from the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    compiled: Option<&'a str>,
    symbol: &'a str,
    how: &'a str,
    /// `exact`, `static` or `likely`.
    label: &'static str,
    is_exact: bool,
    is_static: bool,
    /// How often it did so, if it was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
}

impl<'a> CauseOut<'a> {
    fn of(cause: &'a Cause, paths: &Paths) -> Self {
        Self {
            place: PlaceOut::of(&cause.place, paths),
            statement: &cause.statement,
            compiled: cause.compiled.as_deref(),
            symbol: &cause.symbol,
            how: &cause.how,
            label: cause.label(),
            is_exact: cause.is_exact,
            is_static: cause.is_static,
            times: cause.times,
        }
    }
}

#[derive(Serialize)]
struct ReasonOut<'a> {
    level: &'static str,
    text: &'a str,
}

impl<'a> ReasonOut<'a> {
    fn of(reason: &'a Reason) -> Self {
        Self { level: reason.level.code(), text: &reason.text }
    }
}

#[derive(Serialize)]
struct Gate<'a> {
    outcome: &'static str,
    exit_code: u8,
    /// Why it is inconclusive.
    reason: Option<&'a str>,
    fail_over: f64,
    confirmed_by_second_run: bool,
    fixed: Vec<EntryOut<'a>>,
    stale: Vec<EntryOut<'a>>,
    ignores: Vec<NoteOut<'a>>,
}

impl<'a> Gate<'a> {
    fn of(decision: &'a Decision, paths: &Paths) -> Self {
        let entries = |list: &'a [Entry]| list.iter().map(EntryOut::of).collect();
        let reason = match &decision.outcome {
            Outcome::Inconclusive(why) => Some(why.as_str()),
            _ => None,
        };
        let notes = decision.notes.iter().filter_map(|note| {
            let ignore = decision.ignores.get(note.ignore)?;
            let path = paths.relative(&ignore.file);
            let (problem, text) = (note.kind.name(), note.kind.words());
            Some(NoteOut { problem, path, line: ignore.line, rules: &ignore.rules, text })
        });
        Self {
            outcome: decision.outcome.name(),
            exit_code: decision.outcome.exit_code(),
            reason,
            fail_over: decision.limits.fail_over,
            confirmed_by_second_run: decision.is_confirmed,
            fixed: entries(&decision.fixed),
            stale: entries(&decision.stale),
            ignores: notes.collect(),
        }
    }
}

/// An entry of the baseline that was not found again.
#[derive(Serialize)]
struct EntryOut<'a> {
    fingerprint: &'a str,
    rule: &'a str,
    title: &'a str,
    file: &'a str,
}

impl<'a> EntryOut<'a> {
    fn of(entry: &'a Entry) -> Self {
        let Entry { fingerprint, rule, title, file, .. } = entry;
        Self { fingerprint, rule, title, file }
    }
}

/// A comment with something wrong.
#[derive(Serialize)]
struct NoteOut<'a> {
    problem: &'static str,
    path: String,
    line: u32,
    rules: &'a [String],
    text: String,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::Format;
    use super::super::testing::{HOSTILE, class_out_of_tags, findings, named, two, written};

    #[test]
    fn the_form_is_fixed() {
        insta::assert_snapshot!(written(Format::Json, &two()));
    }

    #[test]
    fn every_number_says_what_it_is() {
        fn check(path: &str, value: &Value) {
            match value {
                Value::Number(number) => {
                    let last = path.rsplit('.').next().unwrap_or_default();
                    let plain = ["line", "column", "end_line", "end_column", "fail_over", "exit_code"];
                    let part = ["value", "n", "low", "high", "level"];
                    assert!(plain.contains(&last) || part.contains(&last), "{path}: {number}");
                }
                Value::Array(list) => list.iter().for_each(|it| check(path, it)),
                Value::Object(map) => {
                    if map.contains_key("value") {
                        for key in ["unit", "n", "low", "high"] {
                            assert!(map.contains_key(key), "{path} has no {key}");
                        }
                        let (low, high) = (map["low"].as_f64(), map["high"].as_f64());
                        let value = map["value"].as_f64().unwrap_or(f64::NAN);
                        assert!(low.is_none_or(|low| low <= value) && high.is_none_or(|high| high >= value));
                    }
                    map.iter().for_each(|(key, it)| check(&format!("{path}.{key}"), it));
                }
                _ => {}
            }
        }
        check("", &serde_json::from_str(&written(Format::Json, &two())).expect("JSON"));
    }

    #[test]
    fn names_are_kept_to_the_last_byte() {
        let text = written(Format::Json, &findings(vec![named(class_out_of_tags(), HOSTILE)]));
        let read: Value = serde_json::from_str(&text).expect("JSON");
        let finding = &read["findings"][0];
        assert_eq!(finding["causes"][0]["statement"], HOSTILE);
        assert_eq!(finding["causes"][0]["place"]["path"], format!("shop/{HOSTILE}"));
        assert!(!text.contains('\x1b') && !text.contains('\0'));
    }
}
