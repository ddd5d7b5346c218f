//! A summary in Markdown (CommonMark with GitHub's tables), for a pull request or a step summary.
//!
//! Names stand in `<code>` with every character escaped that Markdown or HTML would read: a code span
//! of backticks could not hold a `|` in a table.

use std::io::{self, Write};

use slowpath_profile::export::printable;
use slowpath_profile::finding::Finding;

use super::words::{self, Fact, Part, counted, percent};
use super::{Report, solution_site};
use crate::gate::{Decision, Outcome, State};

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let shown: Vec<_> = report.shown().collect();
    writeln!(out, "## slowpath: {}\n", text(&verdict(report, shown.len())))?;
    let python = slowpath_profile::meta::interpreter_name(&report.findings.python.join(", "));
    let base = format!("{python}, {}", counted(report.findings.samples, "sample"));
    writeln!(out, "{}\n", text(&base))?;
    if !shown.is_empty() {
        writeln!(out, "| | finding | saves | 90 % interval | evidence | where |")?;
        writeln!(out, "|---|---|---|---|---|---|")?;
        for (finding, state) in &shown {
            row(report, finding, *state, out)?;
        }
        writeln!(out)?;
    }
    for (finding, state) in &shown {
        details(report, finding, *state, out)?;
    }
    report.decision.map_or(Ok(()), |decision| rest(report, decision, out))
}

fn verdict(report: &Report<'_>, shown: usize) -> String {
    let findings = counted(shown as u64, "finding");
    match report.decision.map(|decision| &decision.outcome) {
        None => findings,
        Some(Outcome::Clean) if shown == 0 => "nothing found".into(),
        Some(Outcome::Clean) => format!("nothing new ({findings} known)"),
        Some(Outcome::Advisory) => format!("passed, {findings}"),
        Some(Outcome::Failed) => format!("failed, {findings}"),
        Some(Outcome::Inconclusive(why)) => format!("inconclusive: {why}"),
    }
}

fn row(report: &Report<'_>, finding: &Finding, state: Option<State>, out: &mut dyn Write) -> io::Result<()> {
    let saving = &finding.saving;
    let place = solution_site(finding).map(|site| code(&words::position(site, report.paths)));
    writeln!(
        out,
        "| {} | {} {} | {} | {} to {} | {} | {} |",
        text(state.map_or("", State::name)),
        text(&finding.rule),
        text(&finding.title),
        percent(saving.share),
        percent(saving.low),
        percent(saving.high),
        finding.evidence.code(),
        place.unwrap_or_default(),
    )
}

fn details(
    report: &Report<'_>,
    finding: &Finding,
    state: Option<State>,
    out: &mut dyn Write,
) -> io::Result<()> {
    // Up to the empty line this is HTML, and no Markdown is read in it.
    writeln!(out, "<details><summary>{}</summary>\n", html(&words::headline(finding, state)))?;
    for fact in words::facts(finding, report.paths) {
        writeln!(out, "- {}: {}", fact.label, marked_up(&fact))?;
    }
    if !finding.fix.diff.is_empty() {
        let lines: Vec<_> = finding.fix.diff.iter().map(|line| printable(line)).collect();
        let fence = fence_for(&lines);
        writeln!(out, "\n{fence}diff")?;
        for line in lines {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "{fence}")?;
    }
    writeln!(out, "\n</details>\n")
}

/// What else the gate has to say.
fn rest(report: &Report<'_>, decision: &Decision, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = Vec::new();
    for (rule, reason) in &decision.cannot_tell {
        lines.push(format!("{} cannot tell: {}", text(rule), text(reason)));
    }
    for (entries, what) in [
        (&decision.fixed, "fixed since the baseline"),
        (&decision.stale, "in the baseline, but can never be found again"),
    ] {
        lines.extend(entries.iter().map(|it| format!("{what}: {} {}", text(&it.rule), text(&it.title))));
    }
    for note in &decision.notes {
        let Some(ignore) = decision.ignores.get(note.ignore) else { continue };
        let place = format!("{}:{}", report.paths.relative(&ignore.file), ignore.line);
        lines.push(format!("{}: {} comment, {}", code(&place), note.kind.name(), text(&note.kind.words())));
    }
    let ignored = decision.states.iter().filter(|state| matches!(state, State::Ignored { .. })).count();
    if ignored > 0 {
        lines.push(format!("{} suppressed by comments", counted(ignored as u64, "finding")));
    }
    lines.iter().try_for_each(|line| writeln!(out, "- {line}"))
}

fn marked_up(fact: &Fact) -> String {
    let part = |part: &Part| match part {
        Part::Text(it) => text(it),
        Part::Code(it) => code(it),
    };
    fact.parts.iter().map(part).collect()
}

fn code(name: &str) -> String {
    format!("<code>{}</code>", text(name))
}

/// Words, with nothing in them that Markdown or HTML would read.
fn text(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for character in printable(words).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' | '$' | '^' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

/// Words in an HTML block.
fn html(words: &str) -> String {
    printable(words).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A fence that no line can close.
fn fence_for<T: AsRef<str>>(lines: &[T]) -> String {
    let longest = lines.iter().map(|line| longest_run(line.as_ref())).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

fn longest_run(line: &str) -> usize {
    line.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

    use super::super::Format;
    use super::super::testing::{HOSTILE, class_out_of_tags, findings, named, two, written};
    use super::*;

    /// What a reader sees: cells of the table, items of lists, code blocks, and HTML tags.
    #[derive(Debug, Default, PartialEq)]
    struct Seen {
        cells: Vec<String>,
        items: usize,
        blocks: Vec<String>,
        tags: Vec<String>,
        other: Vec<String>,
    }

    fn read(markdown: &str) -> Seen {
        let mut seen = Seen::default();
        let mut text = String::new();
        for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
            match event {
                Event::Text(it) => text += &it,
                Event::InlineHtml(tag) | Event::Html(tag) => seen.tags.push(tag.trim().to_owned()),
                Event::Start(Tag::TableCell | Tag::CodeBlock(CodeBlockKind::Fenced(_))) => text.clear(),
                Event::End(TagEnd::TableCell) => seen.cells.push(std::mem::take(&mut text)),
                Event::End(TagEnd::CodeBlock) => seen.blocks.push(std::mem::take(&mut text)),
                Event::Start(Tag::Item) => seen.items += 1,
                Event::Start(
                    tag @ (Tag::Link { .. }
                    | Tag::Image { .. }
                    | Tag::Emphasis
                    | Tag::Strong
                    | Tag::Strikethrough
                    | Tag::BlockQuote(_)),
                ) => seen.other.push(format!("{tag:?}")),
                Event::Code(it) => seen.other.push(format!("code {it}")),
                _ => {}
            }
        }
        seen
    }

    #[test]
    fn the_form_is_fixed() {
        insta::assert_snapshot!(written(Format::Markdown, &two()));
    }

    #[test]
    fn a_reader_sees_what_was_meant() {
        let seen = read(&written(Format::Markdown, &two()));
        let columns = 6;
        assert_eq!(seen.cells.len(), 3 * columns);
        assert_eq!(
            &seen.cells[columns + 1..columns + 6],
            [
                "SP301 class Model was modified over 1,000 times: its attributes are no longer cached",
                "8.4%",
                "7.0% to 9.7%",
                "E3",
                "shop/models.py:41:9",
            ]
        );
        assert_eq!(seen.blocks, ["-    type(self).created += 1\n+    next(_created)\n"]);
    }

    proptest! {
        #[test]
        fn a_hostile_name_breaks_nothing(name in "[|`*_\\[\\]<>&#~!$\\\\()\n :./\\x00-\\x7f\u{202e}é]{1,40}") {
            let plain = read(&written(Format::Markdown, &findings(vec![named(class_out_of_tags(), "x")])));
            for name in [name.as_str(), HOSTILE] {
                let text = written(Format::Markdown, &findings(vec![named(class_out_of_tags(), name)]));
                let seen = read(&text);
                prop_assert_eq!(seen.cells.len(), plain.cells.len(), "{}", text);
                prop_assert_eq!(seen.items, plain.items, "{}", text);
                prop_assert_eq!(seen.blocks.len(), plain.blocks.len(), "{}", text);
                prop_assert_eq!(&seen.other, &plain.other, "{}", text);
                let tags = |seen: &Seen| {
                    seen.tags.iter().filter(|tag| !tag.starts_with("<details>")).cloned().collect::<Vec<_>>()
                };
                prop_assert_eq!(tags(&seen), tags(&plain), "{}", text);
                let summary = seen.tags.iter().find(|tag| tag.starts_with("<details>"));
                prop_assert_eq!(summary.map(|it| it.matches('<').count()), Some(3), "{}", text);
                let title = format!("SP301 {}", printable(name));
                prop_assert_eq!(seen.cells[7].trim(), title.trim(), "{}", text);
            }
        }
    }
}
