//! The texts that exporters show for processes, threads and frames.

use std::borrow::Cow;
use std::fmt::Write;

use crate::ids::{FrameId, Id, ProcessId, ThreadId};
use crate::meta::{Process, Thread};
use crate::sample::ThreadState;
use crate::tables::{Function, FunctionKind, Tables};

/// Longest part of a command line that a label shows, in characters.
const MAX_COMMAND: usize = 80;

/// Stands for a name that is empty.
const UNNAMED: &str = "<unnamed>";

/// Text of a target made safe to show: characters that steer a terminal, break a line or change the
/// direction of text become `\x1b`, `\n` or `\u{202e}`. Everything else, other scripts included,
/// stays as it is.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        push_printable(&mut safe, character);
    }
    Cow::Owned(safe)
}

/// Appends one character, escaped if it is not safe to show.
pub(super) fn push_printable(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if !is_unsafe(character) => out.push(character),
        _ => push_escape(out, character),
    }
}

/// Appends `\x1b` for what fits a byte, else `\u{202e}`.
pub(super) fn push_escape(out: &mut String, character: char) {
    let code = u32::from(character);
    // Writing to a string cannot fail.
    let _ = if code < 0x100 { write!(out, "\\x{code:02x}") } else { write!(out, "\\u{{{code:x}}}") };
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Line and paragraph separators; marks, overrides and isolates of writing direction.
            '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Not characters in XML 1.0.
            | '\u{fffe}' | '\u{ffff}')
}

/// A level of a shown stack: a real frame or what stands for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Level {
    /// A frame of the profile.
    Frame(FrameId),
    /// Callers that could not be read.
    Truncated,
    /// No consistent stack.
    Dropped,
    /// The thread runs no Python code.
    NoPython,
    /// The thread waited for the GIL.
    WaitingForGil,
    /// The thread slept.
    Idle,
}

impl Level {
    /// The name of a level that is not a frame.
    pub(super) fn pseudo_name(self) -> Option<&'static str> {
        match self {
            Self::Frame(_) => None,
            Self::Truncated => Some("[truncated]"),
            Self::Dropped => Some("[dropped]"),
            Self::NoPython => Some("[no Python]"),
            Self::WaitingForGil => Some("[waiting for GIL]"),
            Self::Idle => Some("[idle]"),
        }
    }

    /// The leaf that marks a state; running threads need none.
    pub(super) fn of_state(state: ThreadState) -> Option<Self> {
        match state {
            ThreadState::Running => None,
            ThreadState::WaitingForGil => Some(Self::WaitingForGil),
            ThreadState::Idle => Some(Self::Idle),
        }
    }
}

/// What is known of a frame, with safe texts.
pub(super) struct FrameText<'a> {
    /// `co_qualname`.
    pub(super) name: Cow<'a, str>,
    /// `co_filename`; empty for what has no file.
    pub(super) file: Cow<'a, str>,
    /// Current line; 0 if unknown.
    pub(super) line: u32,
    /// First line of the function; 0 if unknown.
    pub(super) first_line: u32,
    /// What kind of code it is.
    pub(super) kind: FunctionKind,
}

/// The texts of a level. A frame id of a damaged recording reads as `<unnamed>`.
pub(super) fn frame_text(tables: &Tables, level: Level) -> FrameText<'_> {
    let Level::Frame(id) = level else {
        return runtime_text(Cow::Borrowed(level.pseudo_name().unwrap_or(UNNAMED)));
    };
    let frame = tables.frames.get(id);
    let function = frame.and_then(|frame| tables.functions.get(frame.function));
    let (Some(frame), Some(function)) = (frame, function) else {
        return runtime_text(Cow::Borrowed(UNNAMED));
    };
    FrameText {
        name: function_name(tables, function),
        file: printable(tables.text(function.file)),
        line: frame.span.line.unwrap_or(0),
        first_line: function.first_line,
        kind: function.kind,
    }
}

fn runtime_text(name: Cow<'_, str>) -> FrameText<'_> {
    let kind = FunctionKind::Runtime;
    FrameText { name, file: Cow::Borrowed(""), line: 0, first_line: 0, kind }
}

fn function_name<'a>(tables: &'a Tables, function: &Function) -> Cow<'a, str> {
    match printable(tables.text(function.qualname)) {
        name if name.is_empty() => Cow::Borrowed(UNNAMED),
        name => name,
    }
}

/// `python app.py (pid 4242)`.
pub(super) fn process_label(processes: &[Process], id: ProcessId) -> String {
    let pid = processes.get(id.index()).map(|process| process.pid);
    match (command(processes, id), pid) {
        (command, None) => command,
        (command, Some(pid)) if command.is_empty() => format!("pid {pid}"),
        (command, Some(pid)) => format!("{command} (pid {pid})"),
    }
}

/// The beginning of the command line.
pub(super) fn command(processes: &[Process], id: ProcessId) -> String {
    let Some(process) = processes.get(id.index()) else { return UNNAMED.to_owned() };
    let command = printable(&process.command);
    match command.char_indices().nth(MAX_COMMAND) {
        Some((end, _)) => format!("{}…", &command[..end]),
        None => command.into_owned(),
    }
}

/// `MainThread (tid 4242)`.
pub(super) fn thread_label(tables: &Tables, threads: &[Thread], id: ThreadId) -> String {
    let Some(thread) = threads.get(id.index()) else { return UNNAMED.to_owned() };
    let name = thread_name(tables, thread);
    if thread.native_id == 0 { name.into_owned() } else { format!("{name} (tid {})", thread.native_id) }
}

/// The thread's name alone.
pub(super) fn thread_name<'a>(tables: &'a Tables, thread: &Thread) -> Cow<'a, str> {
    match printable(tables.text(thread.name)) {
        name if name.is_empty() => Cow::Borrowed("Thread"),
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_escaped_and_other_scripts_are_kept() {
        assert_eq!(printable("größe_数え"), "größe_数え");
        assert_eq!(printable("a\x1b[31m\n\u{202e}b\x7f\u{9b}"), "a\\x1b[31m\\n\\u{202e}b\\x7f\\x9b");
    }
}
