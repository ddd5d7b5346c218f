//! What the words of a text are.

use std::ops::Range;

use ruff_python_ast::token::TokenKind;
use ruff_text_size::Ranged;
use slowpath_profile::source_text::{SourceText, Word, WordKind};

use super::tokens::{bytes, line_starts, parsed};

/// Words of one text that are told; a text with more is a table that a program wrote.
const MOST_WORDS: usize = 200_000;

/// A text with its words. One with errors has those that can be told; one that is too large or nests too
/// deeply has none.
pub fn source_text(text: &str) -> SourceText {
    let mut source = SourceText::of_lines(text);
    let Some(parsed) = parsed(text) else { return source };
    let starts = line_starts(text);
    let mut is_defined = false;
    for token in parsed.tokens().iter() {
        let kind = kind_of(token.kind(), is_defined);
        is_defined = matches!(token.kind(), TokenKind::Def | TokenKind::Class);
        if let Some(kind) = kind {
            source.words.extend(by_line(&source.lines, &starts, bytes(token.range()), kind));
        }
        if source.words.len() >= MOST_WORDS {
            break;
        }
    }
    source
}

fn kind_of(kind: TokenKind, is_defined: bool) -> Option<WordKind> {
    use TokenKind as Kind;
    match kind {
        Kind::Comment => Some(WordKind::Comment),
        Kind::String | Kind::FStringStart | Kind::FStringMiddle | Kind::FStringEnd => Some(WordKind::Text),
        Kind::TStringStart | Kind::TStringMiddle | Kind::TStringEnd => Some(WordKind::Text),
        Kind::Int | Kind::Float | Kind::Complex => Some(WordKind::Number),
        Kind::Name if is_defined => Some(WordKind::Defined),
        kind if kind.is_keyword() => Some(WordKind::Keyword),
        _ => None,
    }
}

/// A range of the text as one word on each of its lines that is not empty there.
fn by_line(lines: &[String], starts: &[usize], range: Range<usize>, kind: WordKind) -> Vec<Word> {
    let first = starts.partition_point(|start| *start <= range.start).saturating_sub(1);
    let mut words = Vec::new();
    for (line, (text, start)) in lines.iter().zip(starts).enumerate().skip(first) {
        if *start >= range.end {
            break;
        }
        let (from, to) = (range.start.saturating_sub(*start), (range.end - start).min(text.len()));
        if from < to {
            words.push(Word { line, range: from..to, kind });
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use WordKind::{Comment, Defined, Keyword, Number, Text};
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<(usize, String, WordKind)> {
        let source = source_text(text);
        let word =
            |word: &Word| (word.line, source.lines[word.line][word.range.clone()].to_owned(), word.kind);
        source.words.iter().map(word).collect()
    }

    fn expected(words: &[(usize, &str, WordKind)]) -> Vec<(usize, String, WordKind)> {
        words.iter().map(|(line, word, kind)| (*line, (*word).to_owned(), *kind)).collect()
    }

    #[test]
    fn words_have_kinds() {
        let text = "def área(x):  # größe\n    return f'{x} 🐍' + \"s\" * 2.5\n";
        let first = [(0, "def", Keyword), (0, "área", Defined), (0, "# größe", Comment)];
        let last = [(1, "return", Keyword), (1, "f'", Text), (1, " 🐍", Text), (1, "'", Text)];
        let end = [(1, "\"s\"", Text), (1, "2.5", Number)];
        assert_eq!(words(text), expected(&[&first[..], &last, &end].concat()));
    }

    #[test]
    fn a_string_of_many_lines_is_one_word_on_each() {
        let text = "x = \"\"\"one\r\n\r\n  two\"\"\"\rclass A: pass";
        let string = [(0, "\"\"\"one", Text), (2, "  two\"\"\"", Text)];
        let class = [(3, "class", Keyword), (3, "A", Defined), (3, "pass", Keyword)];
        assert_eq!(words(text), expected(&[&string[..], &class].concat()));
    }

    #[test]
    fn a_word_that_may_be_a_name_is_a_keyword_only_where_it_is_one() {
        assert_eq!(words("match = type(case)"), []);
        let text = "match x:\n  case 1: pass\n";
        let wanted = [(0, "match", Keyword), (1, "case", Keyword), (1, "1", Number), (1, "pass", Keyword)];
        assert_eq!(words(text), expected(&wanted));
    }

    #[test]
    fn what_nests_too_deeply_has_lines_without_words() {
        let source = source_text(&format!("x = {}1", "-".repeat(100_000)));
        assert_eq!((source.lines.len(), source.words.len()), (1, 0));
    }

    proptest! {
        #[test]
        fn whatever_the_text_words_lie_in_their_lines(text in "[ \\t\n\r\\\\'\"{}()#a-z0-9é🐍:f]{0,200}") {
            let source = source_text(&text);
            for word in &source.words {
                prop_assert!(source.lines[word.line].get(word.range.clone()).is_some_and(|it| !it.is_empty()));
            }
        }
    }
}
