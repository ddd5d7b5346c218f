//! Text for a terminal: nothing that came from a target reaches it unescaped, and nothing is wider
//! than it.

use std::fmt::Write as _;

pub(crate) use slowpath_profile::export::printable as escaped;
pub(crate) use slowpath_profile::text::{
    bytes, columns, counted, cut_end, cut_start, hertz, percent, seconds, thousands,
};

/// Colours and width of the place that text goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether escape sequences may be written.
    pub(crate) color: bool,
    /// Columns.
    pub(crate) width: usize,
}

impl Style {
    /// Bold.
    pub(crate) fn strong(self, text: &str) -> String {
        self.sgr("1", text)
    }
    /// Less important.
    pub(crate) fn faint(self, text: &str) -> String {
        self.sgr("2", text)
    }
    /// A fact that is as it should be.
    pub(crate) fn good(self, text: &str) -> String {
        self.sgr("32", text)
    }
    /// Look here.
    pub(crate) fn warn(self, text: &str) -> String {
        self.sgr("33", text)
    }
    /// An error.
    pub(crate) fn bad(self, text: &str) -> String {
        self.sgr("31;1", text)
    }

    fn sgr(self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Breaks `text` at spaces into lines of at most `width` columns; all but the first are indented.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let needed = columns(word);
        if used > 0 && used + 1 + needed > width {
            let _ = write!(out, "\n{:indent$}", "");
            used = indent;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += needed;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_the_terminal() {
        assert_eq!(escaped("größe_日本"), "größe_日本");
        assert_eq!(escaped("a\x1b[2Jb\n\u{9b}"), "a\\x1b[2Jb\\n\\x9b");
        assert_eq!(escaped("x\u{202e}gpj"), "x\\u{202e}gpj");
    }

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("one two three", 9, 2), "one two\n  three");
        assert_eq!(wrap("unbreakable word", 4, 1), "unbreakable\n word");
    }
}
