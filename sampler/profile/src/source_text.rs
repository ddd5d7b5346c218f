//! The text of a source file, and what its words are: for views that show code.

use std::ops::Range;

/// What a word of Python is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordKind {
    /// A keyword.
    Keyword,
    /// A string, or a part of one.
    Text,
    /// A comment.
    Comment,
    /// A number.
    Number,
    /// The name that `def` or `class` gives.
    Defined,
}

/// A word that a view may tell from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Position of its line.
    pub line: usize,
    /// Its bytes in that line.
    pub range: Range<usize>,
    /// What it is.
    pub kind: WordKind,
}

/// The text of a source file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceText {
    /// Its lines, without their ends.
    pub lines: Vec<String>,
    /// Words in the order of the text; empty if nobody could tell them. None goes over lines.
    pub words: Vec<Word>,
}

impl SourceText {
    /// The lines of a text, as Python counts them.
    pub fn of_lines(text: &str) -> Self {
        let lines = text.split_inclusive(['\n', '\r']).collect::<Vec<_>>();
        let mut joined = Vec::<String>::with_capacity(lines.len());
        let mut before = "";
        for line in lines {
            // The two letters of `\r\n` end one line.
            if !(before.ends_with('\r') && line == "\n") {
                joined.push(line.trim_end_matches(['\n', '\r']).to_owned());
            }
            before = line;
        }
        Self { lines: joined, words: Vec::new() }
    }

    /// Bytes of it.
    pub fn bytes(&self) -> usize {
        self.lines.iter().map(|line| line.len() + 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_of_a_line_counts_once() {
        let lines = |text| SourceText::of_lines(text).lines;
        assert_eq!(lines("a\nb\r\nc\rd"), ["a", "b", "c", "d"]);
        assert_eq!(lines("a\n\n\r\r\nb\n"), ["a", "", "", "", "b"]);
        assert_eq!(lines(""), [""; 0]);
    }
}
