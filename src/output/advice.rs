//! Findings as text: one block each, in the order of the chain from "how much" to "how to check".

use std::fmt::Write as _;

use slowpath_advisor::output::{interval, percent};
use slowpath_advisor::rule::{Page, Rule};
use slowpath_profile::finding::{Cause, EvidenceLevel, Finding, Findings, Hurt, Place, VerdictKind};

use super::text::{Style, columns, counted, escaped, thousands};

/// Width of the labels on the left.
const LABEL: usize = 9;
/// Narrower than this, labels stand on lines of their own.
const NARROW: usize = 56;
/// Places that are listed of one finding.
const SHOWN: usize = 3;

/// All findings, or why there are none. `all` shows those below the floors too.
pub(crate) fn render(findings: &Findings, style: Style, all: bool) -> String {
    let mut out = String::new();
    for finding in &findings.findings {
        out.push('\n');
        block(&mut out, finding, findings.samples, style);
    }
    if all && !findings.minor.is_empty() {
        paragraph(&mut out, "Below the floor (1% saving, 30 samples):", style);
        for finding in &findings.minor {
            out.push('\n');
            block(&mut out, finding, findings.samples, style);
        }
    }
    out.push('\n');
    paragraph(&mut out, &conclusion(findings), style);
    if let Some(text) = unjudged(findings) {
        paragraph(&mut out, &text, style);
    }
    if !all && !findings.minor.is_empty() {
        let minor = counted(findings.minor.len() as u64, "finding");
        paragraph(
            &mut out,
            &format!("{minor} below the floor of 1% saving or 30 samples: --all shows them"),
            style,
        );
    }
    out
}

/// What it comes to, in a sentence.
fn conclusion(findings: &Findings) -> String {
    let judged = findings.verdicts.iter();
    let clear =
        judged.filter(|verdict| matches!(verdict.verdict, VerdictKind::Clear | VerdictKind::Found)).count();
    match (findings.findings.len(), findings.joint) {
        (0, _) if clear == 0 => "cannot tell: nothing could be judged".into(),
        (0, _) => format!("nothing to fix: {} looked and found nothing that costs 1% or more", rules(clear)),
        (1, _) => "1 finding".into(),
        (n, None) => format!("{n} findings"),
        (n, Some(joint)) => {
            format!("{n} findings; fixing all saves {} (not the sum: they share time)", interval(joint))
        }
    }
}

fn rules(n: usize) -> String {
    counted(n as u64, "rule")
}

/// Rules that could not tell, by their reason.
fn unjudged(findings: &Findings) -> Option<String> {
    let mut reasons = Vec::<(&str, Vec<&str>)>::new();
    for verdict in findings.verdicts.iter().filter(|verdict| verdict.verdict == VerdictKind::CannotTell) {
        match reasons.iter_mut().find(|(reason, _)| *reason == verdict.reason) {
            Some((_, codes)) => codes.push(&verdict.rule),
            None => reasons.push((&verdict.reason, vec![&verdict.rule])),
        }
    }
    let text = |(reason, codes): &(&str, Vec<&str>)| match codes.as_slice() {
        few if few.len() <= 3 => format!("{} ({})", escaped(reason), few.join(", ")),
        many => format!("{} ({})", escaped(reason), rules(many.len())),
    };
    let texts: Vec<String> = reasons.iter().map(text).collect();
    (!texts.is_empty()).then(|| format!("cannot tell: {}", texts.join("; ")))
}

/// A finding in full, of so many samples in all.
pub(crate) fn finding(finding: &Finding, samples: u64, style: Style) -> String {
    let mut out = String::new();
    block(&mut out, finding, samples, style);
    out
}

fn block(out: &mut String, finding: &Finding, samples: u64, style: Style) {
    let title = format!("{} {}", finding.id, finding.title);
    for (at, line) in folded(&escaped(&title), style.width).iter().enumerate() {
        let (code, rest) =
            if at == 0 { line.split_at(finding.id.len().min(line.len())) } else { ("", line.as_str()) };
        let _ = writeln!(out, "{}{}", style.warn(code), style.strong(rest));
    }
    let saving = format!(
        "{}  {} of the time is spent there, {} of {} samples",
        interval(finding.saving),
        percent(finding.saving.ceiling),
        thousands(finding.samples),
        thousands(samples)
    );
    labelled(out, "saves", &saving, style);
    hurts(out, finding, style);
    causes(out, finding, style);
    for (at, reason) in finding.why.iter().enumerate() {
        let label = if at == 0 { "why" } else { "" };
        let head = if at == 0 {
            format!("{} {}  ", finding.evidence.code(), finding.confidence.word())
        } else {
            String::new()
        };
        labelled(out, label, &format!("{head}{} {}", at + 1, reason.text), style);
    }
    labelled(out, "applies", &finding.applies, style);
    labelled(out, "based on", &format!("{}, ratio {:.1}", finding.basis, finding.saving.ratio), style);
    fix(out, finding, style);
    let verify = format!(
        "make the change in a copy, then: slowpath verify {} --with COPY -- CMD; more: slowpath explain {}",
        finding.id, finding.rule
    );
    labelled(out, "verify", &verify, style);
}

fn hurts(out: &mut String, finding: &Finding, style: Style) {
    for (at, hurt) in finding.hurts.iter().take(SHOWN).enumerate() {
        labelled(out, if at == 0 { "hurts" } else { "" }, &hurt_line(hurt), style);
    }
    let rest = finding.hurts.get(SHOWN..).unwrap_or_default();
    if !rest.is_empty() {
        let share: f64 = rest.iter().map(|hurt| hurt.share).sum();
        let text = format!("+ {} with {}", counted(rest.len() as u64, "more place"), percent(share));
        labelled(out, "", &text, style);
    }
}

fn hurt_line(hurt: &Hurt) -> String {
    let parts = [place(&hurt.place), hurt.expression.clone(), hurt.state.clone()];
    let mut line = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ");
    let _ = write!(line, "  {}", percent(hurt.share));
    line
}

fn causes(out: &mut String, finding: &Finding, style: Style) {
    if finding.causes.is_empty() {
        return;
    }
    for (at, cause) in finding.causes.iter().enumerate() {
        let label = match (at, finding.causes.len()) {
            (0, 1) => "caused",
            // Where the causes are known, several do it together.
            (0, _) if finding.evidence >= EvidenceLevel::Writer => "caused",
            (0, _) => "perhaps",
            _ => "",
        };
        labelled(out, label, &cause_line(cause), style);
    }
}

fn cause_line(cause: &Cause) -> String {
    let parts = [place(&cause.place), cause.statement.clone()];
    let parts = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ");
    let mut line = format!("({}) {parts}", cause.label());
    if !cause.symbol.is_empty() {
        let _ = write!(line, "  ({})", cause.symbol);
    }
    if !cause.how.is_empty() {
        let _ = write!(line, ": {}", cause.how);
    }
    line
}

fn fix(out: &mut String, finding: &Finding, style: Style) {
    labelled(out, "fix", &finding.fix.text, style);
    for line in &finding.fix.diff {
        example(out, line, style);
    }
    if !finding.fix.risk.is_empty() {
        labelled(out, "risk", &finding.fix.risk, style);
    }
}

/// A line of an example, `+` or `-` first. What does not fit goes on below its beginning.
fn example(out: &mut String, line: &str, style: Style) {
    let indent = indent(style);
    let line = escaped(line);
    let code = line.trim_start_matches(['+', '-']).trim_start();
    let lead = line.len() - code.len();
    let parts = folded(code, style.width.saturating_sub(indent + lead));
    for (at, part) in parts.iter().enumerate() {
        let start = if at == 0 { &line[..lead] } else { "" };
        let text = format!("{:indent$}{start:lead$}{part}", "");
        let text = match line.as_bytes().first() {
            Some(b'-') => style.bad(&text),
            Some(b'+') => style.good(&text),
            _ => text,
        };
        let _ = writeln!(out, "{text}");
    }
}

/// `shop/models.py:41:9 Model.__init__`
fn place(place: &Place) -> String {
    let mut text = place.file.clone();
    for number in [place.line, place.column].into_iter().map_while(|number| number) {
        let _ = write!(text, ":{number}");
    }
    if !text.is_empty() && !place.function.is_empty() {
        text.push(' ');
    }
    text + &place.function
}

fn indent(style: Style) -> usize {
    if style.width < NARROW { 2 } else { 2 + LABEL }
}

/// A text behind a label, escaped and folded.
fn labelled(out: &mut String, label: &str, text: &str, style: Style) {
    if text.is_empty() {
        return;
    }
    let indent = indent(style);
    let lines = folded(&escaped(text), style.width.saturating_sub(indent));
    if style.width < NARROW {
        if !label.is_empty() {
            let _ = writeln!(out, "{}", style.faint(label));
        }
        for line in lines {
            let _ = writeln!(out, "  {line}");
        }
        return;
    }
    for (at, line) in lines.iter().enumerate() {
        let label = if at == 0 { label } else { "" };
        let _ = writeln!(out, "  {}{line}", style.faint(&format!("{label:LABEL$}")));
    }
}

fn paragraph(out: &mut String, text: &str, style: Style) {
    for line in folded(&escaped(text), style.width) {
        let _ = writeln!(out, "{line}");
    }
}

/// Breaks a text at spaces into lines of at most `width` columns, words too long for one included.
/// Two spaces, which part what belongs apart, stay where they do not fall on an end.
fn folded(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = vec![String::new()];
    for (at, word) in text.split(' ').enumerate() {
        let mut word = word.to_owned();
        let used = lines.last().map_or(0, |line| columns(line));
        if at > 0 && used > 0 {
            if used + 1 + columns(&word) <= width {
                if let Some(line) = lines.last_mut() {
                    line.push(' ');
                    line.push_str(&word);
                }
                continue;
            }
            if word.is_empty() {
                continue;
            }
            lines.push(String::new());
        }
        while columns(&word) > width {
            let cut =
                word.char_indices().map(|(at, _)| at).take_while(|at| columns(&word[..*at]) <= width).last();
            let rest = word.split_off(cut.filter(|cut| *cut > 0).unwrap_or(word.len()));
            if let Some(line) = lines.last_mut() {
                line.push_str(&word);
            }
            lines.push(String::new());
            word = rest;
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(&word);
        }
    }
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

/// A manual page.
pub(crate) fn page(rule: &Rule, style: Style) -> String {
    let mut out = String::new();
    for line in folded(&format!("{} {}", rule.code, rule.name), style.width) {
        let _ = writeln!(out, "{}", style.strong(&line));
    }
    // Long lines are hard to read, whatever the terminal.
    let width = style.width.min(88).saturating_sub(2);
    for (heading, text) in rule.page.sections() {
        let _ = writeln!(out, "\n{}", style.strong(heading));
        if Page::is_code(heading) {
            for line in text.lines() {
                let _ = writeln!(out, "    {line}");
            }
            continue;
        }
        for (at, part) in text.split("\n\n").enumerate() {
            if at > 0 {
                out.push('\n');
            }
            for line in folded(part, width) {
                let _ = writeln!(out, "  {line}");
            }
        }
    }
    out
}

/// All rules, one line each.
pub(crate) fn list(all: &[Rule], style: Style) -> String {
    let mut out = String::new();
    for rule in all {
        let mut lines = folded(rule.name, style.width.saturating_sub(7)).into_iter();
        let _ = writeln!(out, "{}  {}", style.strong(rule.code), lines.next().unwrap_or_default());
        for line in lines {
            let _ = writeln!(out, "       {line}");
        }
    }
    let _ = writeln!(out, "\nslowpath explain CODE prints the page of a rule");
    out
}

#[cfg(test)]
mod tests;
