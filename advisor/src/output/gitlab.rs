//! Code Quality report of GitLab: a list of what is wrong, each with a place and a severity.

use std::io::{self, Write};

use serde::Serialize;

use super::{NO_FILE, Report, Severity, paths, severity, solution_site, words};

#[derive(Serialize)]
struct Issue<'a> {
    description: String,
    check_name: &'a str,
    /// GitLab compares by it what a merge brings; two issues must not share one.
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
}

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut issues: Vec<Issue<'_>> = Vec::new();
    for (finding, state) in report.shown() {
        let site = solution_site(finding).filter(|site| paths::is_file(&site.file));
        let same = issues.iter().filter(|issue| issue.fingerprint.starts_with(&finding.fingerprint)).count();
        let fingerprint = match same {
            0 => finding.fingerprint.clone(),
            n => format!("{}-{n}", finding.fingerprint),
        };
        issues.push(Issue {
            description: words::headline(finding, state),
            check_name: &finding.rule,
            fingerprint,
            severity: match severity(finding, state) {
                Severity::Error => "major",
                Severity::Warning => "minor",
                Severity::Note => "info",
            },
            location: Location {
                path: site.map_or_else(|| NO_FILE.to_owned(), |site| report.paths.relative(&site.file)),
                lines: Lines { begin: site.and_then(|site| site.line).unwrap_or(1).max(1) },
            },
        });
    }
    super::write_json(&issues, out)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::Format;
    use super::super::testing::{HOSTILE, class_out_of_tags, findings, named, two, written};

    #[test]
    fn the_form_is_fixed() {
        insta::assert_snapshot!(written(Format::Gitlab, &two()));
    }

    #[test]
    fn no_two_issues_share_a_fingerprint() {
        let same = vec![class_out_of_tags(), class_out_of_tags(), class_out_of_tags()];
        let read: Value = serde_json::from_str(&written(Format::Gitlab, &findings(same))).expect("JSON");
        let mut prints: Vec<&str> =
            read.as_array().expect("a list").iter().filter_map(|it| it["fingerprint"].as_str()).collect();
        prints.dedup();
        assert_eq!(prints.len(), 3, "{prints:?}");
    }

    #[test]
    fn a_hostile_name_is_shown_escaped() {
        let text = written(Format::Gitlab, &findings(vec![named(class_out_of_tags(), HOSTILE)]));
        let read: Value = serde_json::from_str(&text).expect("JSON");
        let said = read[0]["description"].as_str().expect("text");
        assert!(!said.contains(['\n', '\u{1b}', '\u{202e}', '\0']), "{said:?}");
        // The path must be the file's own: GitLab looks it up.
        assert_eq!(read[0]["location"]["path"], format!("shop/{HOSTILE}"));
    }
}
