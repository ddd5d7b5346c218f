//! Collapsed stacks: one line per distinct stack, `process;thread;frame;frame count`.
//!
//! This is what `flamegraph.pl`, inferno and many viewers read. They split a line at `;` and take the
//! number after the last space, two numbers being a comparison. Names that would confuse them are
//! escaped: `;` is written `\x3b`, and a space that begins, ends or precedes a final number `\x20`.
//! A file sorts by its lines, and equal lines are added up.

use std::collections::BTreeMap;
use std::io::Write;

use rustc_hash::FxHashMap;

use super::counts::count;
use super::label::{Level, command, frame_text, process_label, push_escape, thread_label, thread_name};
use super::{ExportError, ExportOptions};
use crate::ids::{ProcessId, ThreadId};
use crate::source::Source;
use crate::tables::Tables;

/// Writes the collapsed stacks.
pub(super) fn write(
    source: &mut dyn Source,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    for (stack, samples) in fold(source, options, Detail::of(options))? {
        writeln!(out, "{stack} {samples}")?;
    }
    Ok(())
}

/// What labels tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Processes and threads by id, frames by line.
    Lines,
    /// Processes and threads by id, frames by function.
    Functions,
    /// Only what stays the same from one run to the next: no ids, no lines.
    Comparable,
}

impl Detail {
    pub(super) fn of(options: &ExportOptions) -> Self {
        if options.lines { Self::Lines } else { Self::Functions }
    }
}

/// The collapsed stacks and their samples, sorted.
pub(super) fn fold(
    source: &mut dyn Source,
    options: &ExportOptions,
    detail: Detail,
) -> Result<BTreeMap<String, u64>, ExportError> {
    let counts = count(source, options)?;
    let mut names = Names { source, detail, frames: FxHashMap::default() };
    let mut roots: FxHashMap<ThreadId, String> = FxHashMap::default();
    let mut levels = Vec::new();
    let mut folded = BTreeMap::new();
    for (place, weight) in counts {
        place.levels(names.source.tables(), options.mark_states, &mut levels);
        let root = roots.entry(place.thread).or_insert_with(|| names.root(place.thread));
        let mut line = root.clone();
        for level in &levels {
            line.push(';');
            line.push_str(names.frame(*level));
        }
        *folded.entry(line).or_insert(0) += weight.samples;
    }
    Ok(folded)
}

/// Labels that were made already.
struct Names<'a> {
    source: &'a dyn Source,
    detail: Detail,
    frames: FxHashMap<Level, String>,
}

impl Names<'_> {
    fn root(&self, thread: ThreadId) -> String {
        let (tables, threads, processes) =
            (self.source.tables(), self.source.threads(), self.source.processes());
        let known = threads.get(thread.0 as usize);
        let process = known.map_or(ProcessId(u32::MAX), |thread| thread.process);
        let (process, thread) = match (self.detail, known) {
            (Detail::Comparable, Some(known)) => {
                (command(processes, process), thread_name(tables, known).into_owned())
            }
            _ => (process_label(processes, process), thread_label(tables, threads, thread)),
        };
        format!("{};{}", escape(&process), escape(&thread))
    }

    fn frame(&mut self, level: Level) -> &str {
        let (tables, detail) = (self.source.tables(), self.detail);
        self.frames.entry(level).or_insert_with(|| escape(&frame_label(tables, level, detail)))
    }
}

/// `qualname (file:line)`; by function, its first line tells namesakes of a file apart.
fn frame_label(tables: &Tables, level: Level, detail: Detail) -> String {
    let text = frame_text(tables, level);
    let line = match detail {
        Detail::Lines => text.line,
        Detail::Functions => text.first_line,
        Detail::Comparable => 0,
    };
    match (&*text.file, line) {
        ("", _) => text.name.into_owned(),
        (file, 0) => format!("{} ({file})", text.name),
        (file, line) => format!("{} ({file}:{line})", text.name),
    }
}

/// A label that every reader takes as one frame.
pub(super) fn escape(label: &str) -> String {
    let body = label.trim_start_matches(char::is_whitespace);
    let mut safe = String::with_capacity(label.len());
    for character in label[..label.len() - body.len()].chars() {
        push_escape(&mut safe, character);
    }
    // Readers skip lines that begin with `#` as comments.
    let body = if safe.is_empty() && body.starts_with('#') {
        push_escape(&mut safe, '#');
        &body[1..]
    } else {
        body
    };
    let number = trailing_number(body);
    for (at, character) in body.char_indices() {
        if character == ';' || (number.is_some_and(|start| at >= start) && character.is_whitespace()) {
            push_escape(&mut safe, character);
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Where a label's end begins that a reader could take for a count: white space, digits and points.
fn trailing_number(label: &str) -> Option<usize> {
    let kept = label.trim_end_matches(|c: char| c.is_whitespace() || c.is_ascii_digit() || c == '.');
    label[kept.len()..].contains(char::is_whitespace).then_some(kept.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_be_taken_for_separators_or_counts() {
        assert_eq!(escape("f (a;b.py:3)"), "f (a\\x3bb.py:3)");
        assert_eq!(escape("f 12"), "f\\x2012");
        assert_eq!(escape(" f 1.5 2 "), "\\x20f\\x201.5\\x202\\x20");
        assert_eq!(escape("# f"), "\\x23 f");
        assert_eq!(escape("plain name x2"), "plain name x2");
    }
}
