//! The one table of keys: handling, footer, help and documentation are made from it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::app::Pane;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Next row.
    Down,
    /// Previous row.
    Up,
    /// A screen further.
    PageDown,
    /// A screen back.
    PageUp,
    /// First row.
    First,
    /// Last row.
    Last,
    /// Look closer.
    Enter,
    /// Back.
    Back,
    /// Next pane.
    NextPane,
    /// Previous pane.
    PreviousPane,
    /// This pane.
    Show(Pane),
    /// Sort by the next column.
    NextColumn,
    /// Sort by the previous column.
    PreviousColumn,
    /// The other direction.
    ReverseSort,
    /// Ask for a filter.
    Filter,
    /// Next match.
    NextMatch,
    /// Previous match.
    PreviousMatch,
    /// The place of the finding.
    Jump,
    /// Draw more often.
    Faster,
    /// Draw less often.
    Slower,
    /// Stand still.
    Freeze,
    /// Count anew.
    Reset,
    /// All threads.
    AllThreads,
    /// Next thread alone.
    NextThread,
    /// Previous thread alone.
    PreviousThread,
    /// Next process alone, then all.
    NextProcess,
    /// Hide more, then nothing.
    Hide,
    /// Functions or lines.
    Lines,
    /// Window or since start.
    Scope,
    /// A longer window.
    LongerWindow,
    /// A shorter window.
    ShorterWindow,
    /// Write a file.
    Write,
    /// All keys.
    Help,
    /// Leave for the shell, to come back.
    Suspend,
    /// End.
    Quit,
}

/// A key of the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character, with shift where it takes that.
    Char(char),
    /// A character with the control key.
    Ctrl(char),
    /// Any other.
    Code(KeyCode),
}

/// One line of the table.
#[derive(Debug)]
pub struct Binding {
    /// The keys.
    pub keys: &'static [Key],
    /// As they are written.
    pub shown: &'static str,
    /// What they do, in the order of the keys; a single one for all.
    pub actions: &'static [Action],
    /// In a word, for the footer; empty to leave it out there.
    pub word: &'static str,
    /// In a sentence.
    pub help: &'static str,
}

use Action as A;
use Key::{Char, Code, Ctrl};

/// All keys, the most useful first.
pub const TABLE: &[Binding] = &[
    Binding {
        keys: &[Char('?'), Char('h')],
        shown: "?",
        actions: &[A::Help],
        word: "help",
        help: "these keys",
    },
    Binding {
        keys: &[Char('q'), Ctrl('c')],
        shown: "q",
        actions: &[A::Quit],
        word: "quit",
        help: "quit; Ctrl-C does the same",
    },
    Binding {
        keys: &[Code(KeyCode::Down), Code(KeyCode::Up), Char('j'), Char('k')],
        shown: "j k, arrows",
        actions: &[A::Down, A::Up, A::Down, A::Up],
        word: "",
        help: "next, previous row",
    },
    Binding {
        keys: &[Code(KeyCode::PageDown), Code(KeyCode::PageUp)],
        shown: "PgDn PgUp",
        actions: &[A::PageDown, A::PageUp],
        word: "",
        help: "a screen further, back",
    },
    Binding {
        keys: &[Char('g'), Char('G'), Code(KeyCode::Home), Code(KeyCode::End)],
        shown: "g G",
        actions: &[A::First, A::Last, A::First, A::Last],
        word: "",
        help: "first, last row",
    },
    Binding {
        keys: &[Code(KeyCode::Enter), Code(KeyCode::Esc)],
        shown: "Enter Esc",
        actions: &[A::Enter, A::Back],
        word: "in/out",
        help: "look closer: function, line, instruction; a finding explained; a frame of the flame graph \
               zoomed; back",
    },
    Binding {
        keys: &[Code(KeyCode::Tab), Code(KeyCode::BackTab)],
        shown: "Tab Shift-Tab",
        actions: &[A::NextPane, A::PreviousPane],
        word: "pane",
        help: "next, previous pane",
    },
    Binding {
        keys: &[Char('1'), Char('2'), Char('3'), Char('4'), Char('5'), Char('6'), Char('a'), Char('f')],
        shown: "1-6 a f",
        actions: &[
            A::Show(Pane::Functions),
            A::Show(Pane::Source),
            A::Show(Pane::Instructions),
            A::Show(Pane::Advice),
            A::Show(Pane::Threads),
            A::Show(Pane::Flame),
            A::Show(Pane::Advice),
            A::Show(Pane::Flame),
        ],
        word: "",
        help: "functions, source, instructions, advice (a), threads, flame graph (f)",
    },
    Binding {
        keys: &[Char('/')],
        shown: "/",
        actions: &[A::Filter],
        word: "filter",
        help: "filter rows, search source or flame graph: text, re:EXPR, file:TEXT, state:deopted",
    },
    Binding {
        keys: &[Char('n'), Char('N')],
        shown: "n N",
        actions: &[A::NextMatch, A::PreviousMatch],
        word: "",
        help: "next, previous match in source or flame graph",
    },
    Binding {
        keys: &[Char(' ')],
        shown: "Space",
        actions: &[A::Freeze],
        word: "freeze",
        help: "freeze the screen; sampling goes on",
    },
    Binding {
        keys: &[Char('e')],
        shown: "e",
        actions: &[A::Scope],
        word: "since start",
        help: "the last seconds, or everything since the start",
    },
    Binding {
        keys: &[Char('}'), Char('{')],
        shown: "} {",
        actions: &[A::LongerWindow, A::ShorterWindow],
        word: "",
        help: "longer, shorter window: 1, 2, 5, 10, 30, 60 s",
    },
    Binding {
        keys: &[Char('s'), Char('>'), Char('<'), Char('S')],
        shown: "s > < S",
        actions: &[A::NextColumn, A::NextColumn, A::PreviousColumn, A::ReverseSort],
        word: "sort",
        help: "sort by next (s, >), previous (<) column; the other direction (S)",
    },
    Binding {
        keys: &[Char('i')],
        shown: "i",
        actions: &[A::Hide],
        word: "hide",
        help: "hide idle samples; then frames of Python, packages and imports too; then nothing",
    },
    Binding {
        keys: &[Char('l')],
        shown: "l",
        actions: &[A::Lines],
        word: "lines",
        help: "merge by function, or by line",
    },
    Binding {
        keys: &[Char('t'), Char('['), Char(']')],
        shown: "t [ ]",
        actions: &[A::AllThreads, A::PreviousThread, A::NextThread],
        word: "thread",
        help: "all threads; previous, next thread alone",
    },
    Binding {
        keys: &[Char('p')],
        shown: "p",
        actions: &[A::NextProcess],
        word: "",
        help: "next process alone, then all of them",
    },
    Binding {
        keys: &[Char('o')],
        shown: "o",
        actions: &[A::Jump],
        word: "",
        help: "the source of the finding, thread or frame that is selected",
    },
    Binding {
        keys: &[Char('w')],
        shown: "w",
        actions: &[A::Write],
        word: "write",
        help: "write the window: NAME.slowpath, .html, .svg and the other formats of slowpath report",
    },
    Binding {
        keys: &[Char('r')],
        shown: "r",
        actions: &[A::Reset],
        word: "",
        help: "count anew (asks first)",
    },
    Binding {
        keys: &[Char('+'), Char('='), Char('-')],
        shown: "+ -",
        actions: &[A::Faster, A::Faster, A::Slower],
        word: "",
        help: "draw more, less often",
    },
    Binding {
        keys: &[Ctrl('z')],
        shown: "Ctrl-Z",
        actions: &[A::Suspend],
        word: "",
        help: "suspend; fg comes back",
    },
];

/// What a key does; `None` for one that does nothing.
pub(crate) fn action(event: KeyEvent) -> Option<Action> {
    let matches = |key: &Key| match *key {
        Char(c) => event.code == KeyCode::Char(c) && !event.modifiers.contains(KeyModifiers::CONTROL),
        Ctrl(c) => event.code == KeyCode::Char(c) && event.modifiers.contains(KeyModifiers::CONTROL),
        Code(code) => event.code == code,
    };
    TABLE.iter().find_map(|binding| {
        let at = binding.keys.iter().position(matches)?;
        binding.actions.get(at).or(binding.actions.first()).copied()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_once_and_does_something() {
        let mut seen = Vec::new();
        for binding in TABLE {
            assert!(binding.actions.len() == 1 || binding.actions.len() == binding.keys.len(), "{binding:?}");
            for key in binding.keys {
                assert!(!seen.contains(key), "{key:?}");
                seen.push(*key);
            }
        }
    }

    #[test]
    fn the_documentation_has_this_table() {
        let row = |binding: &Binding| format!("| `{}` | {} |\n", binding.shown, binding.help);
        let table: String = TABLE.iter().map(row).collect();
        let readme = include_str!("../../README.md");
        assert!(readme.contains(&table), "put this into README.md:\n{table}");
    }

    #[test]
    fn keys_are_found() {
        let press = |code, modifiers| action(KeyEvent::new(code, modifiers));
        assert_eq!(press(KeyCode::Char('G'), KeyModifiers::SHIFT), Some(Action::Last));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('4'), KeyModifiers::NONE), Some(Action::Show(Pane::Advice)));
        assert_eq!(press(KeyCode::Char('z'), KeyModifiers::NONE), None);
    }
}
