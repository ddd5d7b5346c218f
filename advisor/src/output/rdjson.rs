//! Reviewdog's diagnostic format, `rdjson`.
//!
//! Its columns count bytes of UTF-8 and ours characters, and the text of the line is not at hand: so
//! only lines are given.

use std::io::{self, Write};

use serde::Serialize;

use super::{Report, Severity, paths, severity, solution_site, words};

#[derive(Serialize)]
struct Root<'a> {
    source: Source,
    diagnostics: Vec<Diagnostic<'a>>,
}

#[derive(Serialize)]
struct Source {
    name: &'static str,
}

#[derive(Serialize)]
struct Diagnostic<'a> {
    message: String,
    location: Location,
    severity: &'static str,
    code: Code<'a>,
}

#[derive(Serialize)]
struct Code<'a> {
    value: &'a str,
}

#[derive(Serialize)]
struct Location {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<Range>,
}

#[derive(Serialize)]
struct Range {
    start: Position,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Position>,
}

#[derive(Serialize)]
struct Position {
    line: u32,
}

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let diagnostics = report.shown().map(|(finding, state)| {
        let site = solution_site(finding).filter(|site| paths::is_file(&site.file));
        let range = site.and_then(|site| {
            let start = Position { line: site.line? };
            let end = site.end_line.filter(|end| *end > start.line).map(|line| Position { line });
            Some(Range { start, end })
        });
        let facts = words::facts(finding, report.paths);
        let facts = facts.iter().map(|fact| format!("\n{}: {}", fact.label, fact.plain()));
        Diagnostic {
            message: words::headline(finding, state) + &facts.collect::<String>(),
            location: Location {
                path: site.map(|site| report.paths.relative(&site.file)).unwrap_or_default(),
                range,
            },
            severity: match severity(finding, state) {
                Severity::Error => "ERROR",
                Severity::Warning => "WARNING",
                Severity::Note => "INFO",
            },
            code: Code { value: &finding.rule },
        }
    });
    let root = Root { source: Source { name: "slowpath" }, diagnostics: diagnostics.collect() };
    super::write_json(&root, out)
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::testing::{two, written};

    #[test]
    fn the_form_is_fixed() {
        insta::assert_snapshot!(written(Format::Rdjson, &two()));
    }
}
