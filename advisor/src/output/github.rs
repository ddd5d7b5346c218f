//! Annotations of GitHub Actions: workflow commands on a stream of the step.
//!
//! GitHub keeps 10 annotations of each level in a step and drops the rest without a word, so there are
//! never more than [`MAX_ANNOTATIONS`], and the last one says how many there are.

use std::io::{self, Write};

use slowpath_profile::export::printable;
use slowpath_profile::finding::Finding;

use super::{Report, Severity, paths, severity, solution_site, words};
use crate::gate::State;

const MAX_ANNOTATIONS: usize = 8;

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let count = report.count();
    for (finding, state) in chosen(report) {
        annotate(report, finding, state, out)?;
    }
    if count > MAX_ANNOTATIONS {
        let text = format!("{count} findings in all, {} of them shown here", MAX_ANNOTATIONS - 1);
        writeln!(out, "::notice title=slowpath::{}", data(&text))?;
    }
    Ok(())
}

/// Those that are shown, in the order of the report. What fails the gate goes before the rest.
fn chosen<'a>(report: &Report<'a>) -> Vec<(&'a Finding, Option<State>)> {
    let all: Vec<_> = report.shown().collect();
    if all.len() <= MAX_ANNOTATIONS {
        return all;
    }
    let fails = |state: &Option<State>| state.is_some_and(State::fails);
    let mut places: Vec<usize> = (0..all.len()).collect();
    places.sort_by_key(|at| !fails(&all[*at].1));
    places.truncate(MAX_ANNOTATIONS - 1);
    places.sort_unstable();
    places.into_iter().map(|at| all[at]).collect()
}

fn annotate(
    report: &Report<'_>,
    finding: &Finding,
    state: Option<State>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let level = match severity(finding, state) {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut properties = Vec::new();
    if let Some(site) = solution_site(finding).filter(|site| paths::is_file(&site.file)) {
        // A name with such characters in it would act on the log; GitHub would not find the file either.
        properties.push(("file", printable(&report.paths.relative(&site.file)).into_owned()));
        let numbers = [("line", site.line), ("endLine", site.end_line)];
        properties
            .extend(numbers.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?.to_string()))));
        // GitHub shows columns of one line only.
        if site.line.is_some() && site.end_line.is_none_or(|end| Some(end) == site.line) {
            let numbers = [("col", site.column), ("endColumn", site.end_column)];
            properties.extend(
                numbers.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?.to_string()))),
            );
        }
    }
    properties.push(("title", format!("{} {}", finding.rule, printable(&finding.title))));
    let properties: Vec<String> =
        properties.iter().map(|(name, value)| format!("{name}={}", property(value))).collect();
    let facts = words::facts(finding, report.paths);
    let facts = facts.iter().map(|fact| format!("\n{}: {}", fact.label, fact.plain()));
    let text = words::headline(finding, state) + &facts.collect::<String>();
    writeln!(out, "::{level} {}::{}", properties.join(","), data(&text))
}

/// Text behind the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value in front of it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Format;
    use super::super::testing::{
        HOSTILE, class_out_of_tags, findings, named, polymorphic_site, two, written,
    };
    use super::*;

    /// A command as the runner reads it: level, properties, text.
    fn read(line: &str) -> (String, Vec<(String, String)>, String) {
        let rest = line.strip_prefix("::").unwrap_or_else(|| panic!("no command: {line}"));
        let (head, text) = rest.split_once("::").unwrap_or_else(|| panic!("no text: {line}"));
        let (level, properties) = head.split_once(' ').expect("properties");
        let unescape = |text: &str| {
            text.replace("%2C", ",")
                .replace("%3A", ":")
                .replace("%0A", "\n")
                .replace("%0D", "\r")
                .replace("%25", "%")
        };
        let properties = properties.split(',').map(|it| {
            let (name, value) = it.split_once('=').expect("name and value");
            (name.to_owned(), unescape(value))
        });
        (level.to_owned(), properties.collect(), unescape(text))
    }

    #[test]
    fn the_form_is_fixed() {
        insta::assert_snapshot!(written(Format::Github, &two()));
    }

    #[test]
    fn more_than_eight_end_in_their_number() {
        let many = |n| findings((0..n).map(|_| polymorphic_site()).collect());
        for (n, lines) in [(0, 0), (8, 8), (9, 8), (200, 8)] {
            let text = written(Format::Github, &many(n));
            assert_eq!(text.lines().count(), lines, "{n}");
        }
        let text = written(Format::Github, &many(9));
        assert_eq!(
            text.lines().last(),
            Some("::notice title=slowpath::9 findings in all, 7 of them shown here")
        );
    }

    proptest! {
        #[test]
        fn a_hostile_name_breaks_nothing(name in "[%:,=\n\r\\x00-\\x7f\u{202e}\u{2028}é]{0,40}") {
            for name in [name.as_str(), HOSTILE] {
                let text = written(Format::Github, &findings(vec![named(class_out_of_tags(), name)]));
                prop_assert_eq!(text.lines().count(), 1);
                let (level, properties, text) = read(text.trim_end_matches('\n'));
                prop_assert_eq!(level, "warning");
                let names: Vec<&str> = properties.iter().map(|(name, _)| name.as_str()).collect();
                prop_assert_eq!(names, ["file", "line", "endLine", "col", "endColumn", "title"]);
                prop_assert_eq!(&properties[5].1, &format!("SP301 {}", printable(name)));
                prop_assert!(text.starts_with("SP301 "));
            }
        }
    }
}
