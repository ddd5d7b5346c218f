//! What words of a source text are, as the page reads it.

use slowpath_profile::source_text::{SourceText, WordKind};

/// Of each word the lines after that of the word before, where it begins in its line and how long it is, both
/// in UTF-16 units, and its kind: 0 keyword, 1 string, 2 comment, 3 number, 4 defined name.
pub(crate) fn tokens(text: &SourceText) -> Vec<u32> {
    let mut told = 0;
    let word = |word: &slowpath_profile::source_text::Word| {
        let line = text.lines.get(word.line)?;
        let (before, inside) = (line.get(..word.range.start)?, line.get(word.range.clone())?);
        let further = word.line.checked_sub(told)?;
        told = word.line;
        Some([u32::try_from(further).ok()?, units(before), units(inside), number(word.kind)])
    };
    text.words.iter().filter_map(word).flatten().collect()
}

fn number(kind: WordKind) -> u32 {
    match kind {
        WordKind::Keyword => 0,
        WordKind::Text => 1,
        WordKind::Comment => 2,
        WordKind::Number => 3,
        WordKind::Defined => 4,
    }
}

fn units(text: &str) -> u32 {
    u32::try_from(text.encode_utf16().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::source_text::Word;

    #[test]
    fn positions_are_those_of_the_page() {
        let word = |line, range, kind| Word { line, range, kind };
        let words = vec![
            word(0, 0..3, WordKind::Keyword),
            word(0, 4..9, WordKind::Defined),
            word(2, 5..9, WordKind::Comment),
        ];
        let lines = ["def área", "", "🐍 # é"].map(str::to_owned).to_vec();
        let text = SourceText { lines, words };
        assert_eq!(tokens(&text), [0, 0, 3, 0, 0, 4, 4, 4, 2, 3, 3, 2]);
    }

    #[test]
    fn words_that_do_not_fit_the_lines_are_left_out() {
        let word = |line, range| Word { line, range, kind: WordKind::Text };
        let text =
            SourceText { lines: vec!["é".into()], words: vec![word(0, 1..2), word(7, 0..1), word(0, 0..9)] };
        assert!(tokens(&text).is_empty());
    }
}
