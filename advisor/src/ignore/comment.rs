//! Reads the comments.

use super::until::Until;
use crate::source::{comments, line_starts};

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
pub(super) fn parse(comment: &str) -> Option<Ignore> {
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
