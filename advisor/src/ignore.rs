//! Comments that suppress a finding: `# slowpath: ignore[SP301] because … until 3.16`.
//!
//! A comment holds for the line it stands on, or, alone on its line, for the next line with code. It
//! suppresses the findings of its rules that are caused there or hurt there. One that suppresses
//! nothing, has ended, or gives no reason is reported.

use slowpath_profile::finding::{Finding, Findings, Place, VerdictKind};

use crate::output::Paths;
use crate::source::{comments, line_starts};

/// A day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Year.
    pub year: u16,
    /// Month from 1.
    pub month: u8,
    /// Day from 1.
    pub day: u8,
}

impl Date {
    /// The day in UTC that is so many seconds after the beginning of 1970.
    pub fn of_unix_time(seconds: u64) -> Self {
        // Years begin in March here, so that the day that comes and goes is the last of its year.
        let days = seconds / 86_400 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = u16::try_from(era * 400 + year + next).unwrap_or(u16::MAX);
        Self { year, month: month as u8, day: day as u8 }
    }

    /// `2027-01-31`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let is_date = parts.next().is_none() && (year.len(), month.len(), day.len()) == (4, 2, 2);
        let date = Self { year: year.parse().ok()?, month: month.parse().ok()?, day: day.parse().ok()? };
        let is_real = (1..=12).contains(&date.month) && (1..=31).contains(&date.day);
        (is_date && is_real).then_some(date)
    }
}

/// When a comment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// With this version of Python.
    Version(u16, u16),
    /// After this day.
    Date(Date),
}

impl Until {
    fn parse(text: &str) -> Option<Self> {
        if let Some(date) = Date::parse(text) {
            return Some(Self::Date(date));
        }
        let (major, minor) = text.split_once('.')?;
        Some(Self::Version(major.parse().ok()?, minor.parse().ok()?))
    }

    /// A version has come when every interpreter of the run has it.
    fn is_over(self, python: &[String], today: Date) -> bool {
        match self {
            Self::Date(last) => today > last,
            Self::Version(major, minor) => {
                let has_come = |it: &String| version(it).is_some_and(|it| it >= (major, minor));
                !python.is_empty() && python.iter().all(has_come)
            }
        }
    }
}

/// Major and minor part of a version.
fn version(text: &str) -> Option<(u16, u16)> {
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A comment that suppresses findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignore {
    /// The file, as it was given to [`scan`].
    pub file: String,
    /// The line of the comment.
    pub line: u32,
    /// The line that it holds for.
    pub holds_for: u32,
    /// Codes of the rules.
    pub rules: Vec<String>,
    /// The reason; empty if none is given.
    pub reason: String,
    /// When it ends.
    pub until: Option<Until>,
    /// What is wrong with it, if it is not understood. Then it suppresses nothing.
    pub problem: Option<&'static str>,
}

/// What is wrong with a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which, by its index.
    pub ignore: usize,
    /// What.
    pub kind: NoteKind,
}

/// What can be wrong with a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// These rules looked and found nothing that it could suppress.
    Unused(Vec<String>),
    /// It has ended, and suppresses nothing any more.
    Expired,
    /// It gives no reason.
    Reasonless,
    /// It is not understood.
    NotUnderstood(&'static str),
}

impl NoteKind {
    /// Its name in machine-readable forms.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unused(_) => "unused",
            Self::Expired => "expired",
            Self::Reasonless => "reasonless",
            Self::NotUnderstood(_) => "not understood",
        }
    }

    /// One sentence.
    pub fn words(&self) -> String {
        match self {
            Self::Unused(rules) => format!("nothing of {} is found here: remove it", rules.join(", ")),
            Self::Expired => "it has ended: fix the cause, or give a new end".into(),
            Self::Reasonless => "it gives no reason: add 'because …'".into(),
            Self::NotUnderstood(why) => format!("{why}: write '# slowpath: ignore[SP301] because …'"),
        }
    }
}

/// Finds the comments in a Python text.
pub fn scan(file: &str, text: &str) -> Vec<Ignore> {
    // Most files have none, and need not be taken apart.
    if !text.contains("slowpath:") {
        return Vec::new();
    }
    let starts = line_starts(text);
    let line_of = |at: usize| starts.partition_point(|start| *start <= at);
    let mut found = Vec::new();
    for (comment, next_code) in comments(text) {
        let Some(mut ignore) = text.get(comment.clone()).and_then(parse) else { continue };
        let line = line_of(comment.start);
        let before = text.get(starts[line - 1]..comment.start).unwrap_or_default();
        let alone = before.trim().is_empty();
        let holds_for = if alone { next_code.map_or(line, line_of) } else { line };
        ignore.file = file.to_owned();
        ignore.line = u32::try_from(line).unwrap_or(u32::MAX);
        ignore.holds_for = u32::try_from(holds_for).unwrap_or(u32::MAX);
        found.push(ignore);
    }
    found
}

/// Reads one comment; `None` if it is none of ours. Other tools' comments may stand before it.
fn parse(comment: &str) -> Option<Ignore> {
    let directive = comment.match_indices("slowpath:").find_map(|(at, word)| {
        let is_first = comment[..at].trim_end().ends_with('#');
        let rest = comment[at + word.len()..].trim_start().strip_prefix("ignore")?;
        is_first.then_some(rest)
    })?;
    let mut ignore = Ignore {
        file: String::new(),
        line: 0,
        holds_for: 0,
        rules: Vec::new(),
        reason: String::new(),
        until: None,
        problem: None,
    };
    ignore.problem = read_directive(directive, &mut ignore).err();
    Some(ignore)
}

fn read_directive(text: &str, ignore: &mut Ignore) -> Result<(), &'static str> {
    let inside = text.trim_start().strip_prefix('[').ok_or("it names no rule")?;
    let (rules, rest) = inside.split_once(']').ok_or("its bracket is not closed")?;
    ignore.rules = rules.split(',').map(|rule| rule.trim().to_ascii_uppercase()).collect();
    let is_code = |rule: &String| {
        rule.len() == 5 && rule.starts_with("SP") && rule[2..].bytes().all(|byte| byte.is_ascii_digit())
    };
    if !ignore.rules.iter().all(is_code) {
        return Err("it names something that is no rule");
    }
    let (reason, until) = match rest.rsplit_once("until ") {
        // "until" as a word of the reason ends nothing.
        Some((before, end)) if ends_with_date(before, end) => (before, Some(end)),
        _ => (rest, None),
    };
    if let Some(until) = until {
        let word = until.split([' ', '#']).next().unwrap_or_default();
        let until = Until::parse(word.trim_end_matches(['.', ',', ';']));
        ignore.until = Some(until.ok_or("its end is neither a version nor a date as 2027-01-31")?);
    }
    let reason = reason.trim();
    ignore.reason = reason.strip_prefix("because").unwrap_or(reason).trim().to_owned();
    Ok(())
}

/// Whether `until ` between these two is followed by something that is meant as a version or a date.
fn ends_with_date(before: &str, end: &str) -> bool {
    let is_word = before.is_empty() || before.ends_with(char::is_whitespace);
    is_word && end.starts_with(|c: char| c.is_ascii_digit())
}

/// What came of the comments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied {
    /// By the index of the finding: which comment suppresses it.
    pub(crate) by: Vec<Option<usize>>,
    /// What is wrong with comments, by line.
    pub(crate) notes: Vec<Note>,
}

/// Matches comments with findings.
pub(crate) fn apply(findings: &Findings, ignores: &[Ignore], paths: &Paths, today: Date) -> Applied {
    let is_over = |it: &Ignore| it.until.is_some_and(|until| until.is_over(&findings.python, today));
    let covering = |finding: &Finding| {
        let works = |it: &Ignore| it.problem.is_none() && !is_over(it) && covers(it, finding, paths);
        ignores.iter().position(works)
    };
    let by = findings.findings.iter().map(covering).collect();
    let mut notes = Vec::new();
    for (at, ignore) in ignores.iter().enumerate() {
        let kinds = match ignore.problem {
            Some(problem) => vec![NoteKind::NotUnderstood(problem)],
            None if is_over(ignore) => vec![NoteKind::Expired],
            None => notes_on(ignore, findings, paths),
        };
        notes.extend(kinds.into_iter().map(|kind| Note { ignore: at, kind }));
    }
    Applied { by, notes }
}

/// What is wrong with a comment that works.
fn notes_on(ignore: &Ignore, findings: &Findings, paths: &Paths) -> Vec<NoteKind> {
    let mut notes = Vec::new();
    if ignore.reason.is_empty() {
        notes.push(NoteKind::Reasonless);
    }
    let is_used = |rule: &str| {
        let mut all = findings.findings.iter().chain(&findings.minor);
        all.any(|it| it.rule == rule && covers(ignore, it, paths))
    };
    let unused = ignore.rules.iter().filter(|rule| could_be_found(findings, rule) && !is_used(rule));
    let unused: Vec<String> = unused.cloned().collect();
    if !unused.is_empty() {
        notes.push(NoteKind::Unused(unused));
    }
    notes
}

/// Whether the comment is about this finding.
fn covers(ignore: &Ignore, finding: &Finding, paths: &Paths) -> bool {
    ignore.rules.contains(&finding.rule) && places(finding).any(|place| is_at(ignore, place, paths))
}

/// Whether the rule would have found what there is. One that does not exist finds nothing, ever.
fn could_be_found(findings: &Findings, rule: &str) -> bool {
    match findings.verdicts.iter().find(|it| it.rule == rule) {
        Some(it) => matches!(it.verdict, VerdictKind::Found | VerdictKind::Clear),
        None => !findings.verdicts.is_empty(),
    }
}

fn places(finding: &Finding) -> impl Iterator<Item = &Place> {
    let causes = finding.causes.iter().map(|cause| &cause.place);
    causes.chain(finding.hurts.iter().map(|hurt| &hurt.place))
}

/// Whether the comment stands at this place: on any line of an expression that has several.
fn is_at(ignore: &Ignore, place: &Place, paths: &Paths) -> bool {
    let Some(first) = place.line else { return false };
    let last = place.end_line.unwrap_or(first).max(first);
    (first..=last).contains(&ignore.holds_for) && paths.absolute(&place.file) == paths.absolute(&ignore.file)
}

#[cfg(test)]
mod tests {
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
}
