//! What `check` tells people: the findings, what became of each, and the verdict.

use slowpath_advisor::baseline::{Changes, Entry};
use slowpath_advisor::gate::{Decision, Outcome, State};
use slowpath_advisor::output::{Paths, Report};
use slowpath_profile::finding::{Findings, Place};

use super::advice;
use super::text::{Style, counted, escaped, wrap};

/// The whole text.
pub(crate) fn render(
    report: &Report<'_>,
    decision: &Decision,
    changes: Option<Changes>,
    style: Style,
) -> String {
    let shown = shown(report.findings, decision, report.paths);
    let mut out = advice::render(&shown, style, false);
    let mut line = |text: String| out += &format!("{}\n", wrap(&text, style.width, 2));
    for (finding, state) in report.findings.findings.iter().zip(&decision.states) {
        line(format!("{} {}", style.warn(&escaped(&finding.id)), state_words(*state, decision)));
    }
    let entry =
        |entry: &Entry| format!("{} {} ({})", entry.rule, escaped(&entry.title), escaped(&entry.about));
    decision.fixed.iter().for_each(|it| line(format!("{} {}", style.good("fixed:"), entry(it))));
    decision
        .stale
        .iter()
        .for_each(|it| line(format!("{} {}", style.warn("stale in the baseline:"), entry(it))));
    for note in &decision.notes {
        let Some(ignore) = decision.ignores.get(note.ignore) else { continue };
        let place = format!("{}:{}", report.paths.relative(&ignore.file), ignore.line);
        let (kind, words) = (note.kind.name(), note.kind.words());
        line(format!("{} {kind} ignore comment, {}", style.warn(&escaped(&place)), escaped(&words)));
    }
    if let Some(changes) = changes {
        line(changed(changes));
    }
    line(verdict(decision, style));
    out
}

/// The findings that are not ignored, with paths as everywhere.
fn shown(findings: &Findings, decision: &Decision, paths: &Paths) -> Findings {
    let mut shown = findings.clone();
    let mut states = decision.states.iter();
    shown.findings.retain(|_| !matches!(states.next(), Some(State::Ignored { .. })));
    let relative = |place: &mut Place| place.file = paths.relative(&place.file);
    for finding in shown.findings.iter_mut().chain(&mut shown.minor) {
        finding.causes.iter_mut().for_each(|cause| relative(&mut cause.place));
        finding.hurts.iter_mut().for_each(|hurt| relative(&mut hurt.place));
    }
    shown
}

fn state_words(state: State, decision: &Decision) -> String {
    let words = state.words().to_owned();
    let State::Ignored { by } = state else { return words };
    let reason = decision.ignores.get(by).map_or("", |ignore| ignore.reason.as_str());
    if reason.is_empty() { words } else { format!("{words} because {}", escaped(reason)) }
}

fn changed(changes: Changes) -> String {
    let Changes { removed, lowered, added, raised, refused } = changes;
    let parts = [(removed, "removed"), (lowered, "lowered"), (added, "added"), (raised, "raised")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {} {what}", if count == 1 { "entry" } else { "entries" }))
        .collect();
    let done = if parts.is_empty() { "unchanged".to_owned() } else { parts.join(", ") };
    match refused {
        0 => format!("baseline: {done}"),
        n => format!("baseline: {done}; {} not taken in: that needs --accept", counted(n as u64, "finding")),
    }
}

fn verdict(decision: &Decision, style: Style) -> String {
    let fails: Vec<&State> = decision.states.iter().filter(|state| state.fails()).collect();
    match &decision.outcome {
        Outcome::Failed => format!(
            "{} {} at the limit of {:.1}% or above{}; fix it, or accept it with --update-baseline --accept",
            style.bad("check failed:"),
            counted(fails.len() as u64, "new finding"),
            decision.limits.fail_over * 100.0,
            if decision.is_confirmed { ", seen in both runs" } else { "" }
        ),
        Outcome::Inconclusive(why) => format!("{} {}", style.warn("check inconclusive:"), escaped(why)),
        Outcome::Advisory | Outcome::Clean => {
            let unsure = decision.cannot_tell.len() as u64;
            let told = match unsure {
                0 => "nothing new that costs enough to fail".to_owned(),
                n => format!(
                    "nothing new that costs enough to fail, as far as can be told: {} could not tell",
                    counted(n, "rule")
                ),
            };
            format!("{} {told}", style.good("check passed:"))
        }
    }
}
