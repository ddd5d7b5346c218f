//! Comments, as they are written and as they are meant.

use super::comment::parse;
use super::*;
use crate::output::testing::{class_out_of_tags, findings, paths, two};

const TODAY: Date = Date { year: 2026, month: 11, day: 21 };

/// A comment at the line of the cause.
fn at_cause(comment: &str) -> Vec<Ignore> {
    scan("/src/shop/models.py", &format!("{}x += 1  {comment}\n", "\n".repeat(40)))
}

fn outcome(comment: &str, findings: &Findings) -> (bool, Vec<&'static str>) {
    let applied = apply(findings, &at_cause(comment), &paths(), TODAY);
    (applied.by[0].is_some(), applied.notes.iter().map(|note| note.kind.name()).collect())
}

#[test]
fn comments_are_read() {
    let parsed = |comment: &str| {
        let it = parse(comment)?;
        Some((it.rules.join(" "), it.reason, it.until, it.problem.is_some()))
    };
    let ok = |rules: &str, reason: &str, until| Some((rules.into(), reason.into(), until, false));
    let day = |year, month, day| Some(Until::Date(Date { year, month, day }));
    for (comment, wanted) in [
        ("# slowpath: ignore[SP301] because of #12", ok("SP301", "of #12", None)),
        ("#slowpath:ignore[sp301,SP302]", ok("SP301 SP302", "", None)),
        ("# noqa  # slowpath: ignore [SP301] because x", ok("SP301", "x", None)),
        (
            "# slowpath: ignore[SP301] because it waits until we upgrade",
            ok("SP301", "it waits until we upgrade", None),
        ),
        ("# slowpath: ignore[SP301] because x until 3.16", ok("SP301", "x", Some(Until::Version(3, 16)))),
        ("# slowpath: ignore[SP301] because x until 2027-01-31.", ok("SP301", "x", day(2027, 1, 31))),
        ("# slowpath: ignore[SP301] until 3.16  # noqa", ok("SP301", "", Some(Until::Version(3, 16)))),
        ("# ordinary", None),
        ("# see slowpath: ignore[SP301]", None),
        ("# slowpath: this is slow", None),
    ] {
        assert_eq!(parsed(comment), wanted, "{comment}");
    }
    for wrong in [
        "# slowpath: ignore",
        "# slowpath: ignore[",
        "# slowpath: ignore[]",
        "# slowpath: ignore[all]",
        "# slowpath: ignore[SP301] until 2027-13-01",
        "# slowpath: ignore[SP301] until 12 o'clock",
    ] {
        assert_eq!(parsed(wrong).map(|it| it.3), Some(true), "{wrong}");
    }
}

#[test]
fn a_comment_holds_for_its_line_or_the_next_with_code() {
    let text = "a = 1  # slowpath: ignore[SP301] because 1\n\
                # slowpath: ignore[SP302] because 2\n\
                # more words\n\n\
                \x20   b = '# slowpath: ignore[SP303] because 3'\n\
                # slowpath: ignore[SP304] because 4";
    let found: Vec<_> = scan("a.py", text).into_iter().map(|it| (it.line, it.holds_for)).collect();
    assert_eq!(found, [(1, 1), (2, 5), (6, 6)]);
}

#[test]
fn it_suppresses_its_rule_at_cause_and_hurt() {
    let found = findings(vec![class_out_of_tags()]);
    assert_eq!(outcome("# slowpath: ignore[SP301] because x", &found), (true, vec![]));
    let hurt = format!("{}y = 1  # slowpath: ignore[SP301] because x\n", "\n".repeat(90));
    let applied = apply(&found, &scan("pricing.py", &hurt), &paths(), TODAY);
    assert_eq!(applied.by, [Some(0)], "relative names are those of the working directory");
    let applied = apply(&found, &scan("/elsewhere/pricing.py", &hurt), &paths(), TODAY);
    assert_eq!(applied.by, [None]);
}

#[test]
fn what_is_wrong_with_it_is_said() {
    let found = findings(vec![class_out_of_tags()]);
    for (comment, wanted) in [
        ("# slowpath: ignore[SP301]", (true, vec!["reasonless"])),
        ("# slowpath: ignore[SP302] because x", (false, vec!["unused"])),
        ("# slowpath: ignore[SP301, SP302] because x", (true, vec!["unused"])),
        ("# slowpath: ignore[SP999] because no such rule", (false, vec!["unused"])),
        // Silent on this version: it may be of use on another.
        ("# slowpath: ignore[SP101] because x", (false, vec![])),
        ("# slowpath: ignore[SP301] because x until 2026-11-20", (false, vec!["expired"])),
        ("# slowpath: ignore[SP301] because x until 2026-11-21", (true, vec![])),
        ("# slowpath: ignore[SP301] because x until 3.13", (false, vec!["expired"])),
        ("# slowpath: ignore[SP301] because x until 3.14", (true, vec![])),
        ("# slowpath: ignore[SP301] because x until 3.9", (false, vec!["expired"])),
        ("# slowpath: ignore", (false, vec!["not understood"])),
    ] {
        assert_eq!(outcome(comment, &found), wanted, "{comment}");
    }
}

#[test]
fn a_version_has_come_when_all_interpreters_have_it() {
    let mut found = two();
    found.python = vec!["3.12.1".into(), "3.16.0a1".into()];
    assert!(outcome("# slowpath: ignore[SP301] because x until 3.16", &found).0);
    found.python.remove(0);
    assert!(!outcome("# slowpath: ignore[SP301] because x until 3.16", &found).0);
}

#[test]
fn days_are_counted() {
    for (seconds, year, month, day) in [
        (0, 1970, 1, 1),
        (951_782_399, 2000, 2, 28),
        (951_782_400, 2000, 2, 29),
        (951_868_800, 2000, 3, 1),
        (1_798_761_599, 2026, 12, 31),
        (4_102_444_800, 2100, 1, 1),
    ] {
        assert_eq!(Date::of_unix_time(seconds), Date { year, month, day });
    }
}
