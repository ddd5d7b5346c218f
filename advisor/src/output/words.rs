//! What several forms say in the same words.

use slowpath_profile::export::printable;
use slowpath_profile::finding::{Cause, Finding, Hurt, Place, Saving};

use super::Paths;
use crate::gate::State;

/// So many slow places are listed one by one.
pub(super) const MAX_HURTS: usize = 5;

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Words.
    Text(String),
    /// A name, a path or code.
    Code(String),
}

use Part::{Code, Text};

/// One fact of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    /// What it is about.
    pub(super) label: &'static str,
    /// The fact.
    pub(super) parts: Vec<Part>,
}

impl Fact {
    fn new(label: &'static str, parts: Vec<Part>) -> Self {
        Self { label, parts }
    }

    /// Without markup, safe to show.
    pub(super) fn plain(&self) -> String {
        let part = |part: &Part| match part {
            Text(text) | Code(text) => printable(text).into_owned(),
        };
        self.parts.iter().map(part).collect()
    }
}

/// `8.4%`, with as many digits as mean something.
pub fn percent(share: f64) -> String {
    format!("{}%", number(share))
}

/// `8.4% [7.0, 9.7]`: what is saved, with its 90 % interval.
pub fn interval(saving: Saving) -> String {
    format!("{} [{}, {}]", percent(saving.share), number(saving.low), number(saving.high))
}

/// Percent with as many digits as mean something.
fn number(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() >= 20.0 { format!("{percent:.0}") } else { format!("{percent:.1}") }
}

/// `saves 8.4% [7.0%, 9.7%], 14.8% of the time is spent there`.
pub(super) fn saving(saving: &Saving) -> String {
    let Saving { share, low, high, ceiling, .. } = *saving;
    format!(
        "saves {} [{}, {}], {} of the time is spent there",
        percent(share),
        percent(low),
        percent(high),
        percent(ceiling)
    )
}

/// `shop/models.py:41:9`, as far as it is known.
pub(super) fn position(place: &Place, paths: &Paths) -> String {
    let mut text = if place.file.is_empty() { "<unknown>".into() } else { paths.relative(&place.file) };
    if let Some(line) = place.line {
        text += &format!(":{line}");
        if let Some(column) = place.column {
            text += &format!(":{column}");
        }
    }
    text
}

/// Rule, title, what it saves, and what became of it.
pub(super) fn headline(finding: &Finding, state: Option<State>) -> String {
    format!("{} {}", finding.rule, summary(finding, state))
}

/// The same without the rule.
pub(super) fn summary(finding: &Finding, state: Option<State>) -> String {
    let mut text = format!("{}: {}", printable(&finding.title), saving(&finding.saving));
    if let Some(state) = state {
        text += &format!(" ({})", state.words());
    }
    text
}

/// Everything else, in the order in which a finding is read: what is slow, what caused it, why, for
/// which versions, what to do.
pub(super) fn facts(finding: &Finding, paths: &Paths) -> Vec<Fact> {
    let mut facts: Vec<Fact> = finding
        .hurts
        .iter()
        .take(MAX_HURTS)
        .map(|hurt| Fact::new("hurts", hurt_parts(hurt, paths)))
        .collect();
    if finding.hurts.len() > MAX_HURTS {
        let more = format!("and {} more places", finding.hurts.len() - MAX_HURTS);
        facts.push(Fact::new("hurts", vec![Text(more)]));
    }
    facts.extend(finding.causes.iter().map(|cause| {
        let label = [Text(format!("({}) ", cause.label()))];
        Fact::new("caused by", label.into_iter().chain(cause_parts(cause, paths)).collect())
    }));
    if finding.causes.is_empty() {
        facts.push(Fact::new("caused by", vec![Text("not known".into())]));
    }
    let evidence = format!("evidence {}, confidence {}", finding.evidence.code(), finding.confidence.word());
    facts.push(Fact::new("why", vec![Text(evidence)]));
    for reason in &finding.why {
        let text = format!("{}: {}", reason.level.code(), reason.text);
        facts.push(Fact::new("why", vec![Text(text)]));
    }
    let stated = [
        ("applies to", &finding.applies),
        ("saving", &finding.basis),
        ("fix", &finding.fix.text),
        ("risk", &finding.fix.risk),
    ];
    let stated = stated.into_iter().filter(|(_, text)| !text.is_empty());
    facts.extend(stated.map(|(label, text)| Fact::new(label, vec![Text(text.clone())])));
    facts
}

pub(super) fn hurt_parts(hurt: &Hurt, paths: &Paths) -> Vec<Part> {
    let mut parts = place_parts(&hurt.place, paths);
    if !hurt.expression.is_empty() {
        parts.extend([Text(", ".into()), Code(hurt.expression.clone())]);
    }
    if !hurt.state.is_empty() {
        parts.push(Text(format!(", {}", hurt.state)));
    }
    parts.push(Text(format!(": {} of all samples, {} of them", percent(hurt.share), hurt.samples)));
    parts
}

pub(super) fn cause_parts(cause: &Cause, paths: &Paths) -> Vec<Part> {
    let mut parts = place_parts(&cause.place, paths);
    if !cause.statement.is_empty() {
        parts.extend([Text(", ".into()), Code(cause.statement.clone())]);
    }
    if !cause.symbol.is_empty() {
        parts.extend([Text(", changes ".into()), Code(cause.symbol.clone())]);
    }
    if !cause.how.is_empty() {
        parts.push(Text(format!(", {}", cause.how)));
    }
    parts
}

fn place_parts(place: &Place, paths: &Paths) -> Vec<Part> {
    let mut parts = vec![Code(position(place, paths))];
    if !place.function.is_empty() {
        parts.extend([Text(" in ".into()), Code(place.function.clone())]);
    }
    parts
}

/// The parts without markup, safe to show.
pub(super) fn plain(parts: Vec<Part>) -> String {
    Fact::new("", parts).plain()
}

/// `n` and the noun, with a plural s unless it is one.
pub(super) fn counted(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
