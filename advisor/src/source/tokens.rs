//! Python text as tokens: comments, words, and what a statement is without its layout.
//!
//! A text with an error, or of a version to come, still has its tokens. Only one that nests deeper than
//! anybody writes has none: whoever walks it would run out of stack.

use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_python_parser::{Mode, ParseOptions, lexer, parse_unchecked};
use ruff_text_size::{Ranged, TextRange};

/// Larger texts are tables that a program wrote: they are not read.
pub const MAX_TEXT_BYTES: usize = 8 << 20;

/// So many tokens may be nested in each other. CPython gives up at 200 brackets.
const MAX_NESTED: usize = 1_000;
/// CPython gives up at 100.
const MAX_INDENTS: usize = 200;

/// What the parser makes of a text; `None` if it is too large or nests too deeply.
pub(super) fn parsed(text: &str) -> Option<ruff_python_parser::Parsed<ruff_python_ast::Mod>> {
    (text.len() <= MAX_TEXT_BYTES && is_shallow(text))
        .then(|| parse_unchecked(text, ParseOptions::from(Mode::Module)))
}

/// Whether no expression can be nested too deeply. Between two commas every token may open a level, as
/// in `- - - x` or `a.b.c`; those of the brackets around it come on top.
fn is_shallow(text: &str) -> bool {
    use TokenKind as Kind;
    let mut lexer = lexer::lex(text, Mode::Module);
    let (mut around, mut here, mut nested, mut indents) = (Vec::<usize>::new(), 0, 0, 0_usize);
    loop {
        match lexer.next_token() {
            Kind::EndOfFile => return true,
            Kind::Comment | Kind::NonLogicalNewline | Kind::String => continue,
            Kind::FStringMiddle | Kind::TStringMiddle => continue,
            Kind::Indent => indents += 1,
            Kind::Dedent => indents = indents.saturating_sub(1),
            Kind::Lpar | Kind::Lsqb | Kind::Lbrace | Kind::FStringStart | Kind::TStringStart => {
                around.push(here + 1);
                nested += here + 1;
                here = 0;
            }
            Kind::Rpar | Kind::Rsqb | Kind::Rbrace | Kind::FStringEnd | Kind::TStringEnd => {
                // The bracket is an operand of what stands before it.
                here = around.pop().unwrap_or_default();
                nested = nested.saturating_sub(here);
            }
            Kind::Newline | Kind::Semi => {
                around.clear();
                (here, nested) = (0, 0);
            }
            Kind::Comma => here = 0,
            _ => here += 1,
        }
        if nested + here > MAX_NESTED || indents > MAX_INDENTS {
            return false;
        }
    }
}

/// The comments of a text from `#` to the end of the line, as ranges of bytes, each with the place of
/// the next code behind it.
pub(crate) fn comments(text: &str) -> Vec<(std::ops::Range<usize>, Option<usize>)> {
    let Some(parsed) = parsed(text) else { return Vec::new() };
    let mut found = Vec::new();
    let mut next = None;
    for token in parsed.tokens().iter().rev() {
        match token.kind() {
            TokenKind::Comment => found.push((bytes(token.range()), next)),
            kind if is_layout(kind) => {}
            _ => next = Some(bytes(token.range()).start),
        }
    }
    found.reverse();
    found
}

pub(super) fn bytes(range: TextRange) -> std::ops::Range<usize> {
    range.start().to_usize()..range.end().to_usize()
}

/// Whether a token is neither code nor comment.
pub(super) fn is_layout(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Newline
            | TokenKind::NonLogicalNewline
            | TokenKind::Indent
            | TokenKind::Dedent
            | TokenKind::EndOfFile
    )
}

/// A statement without comments and without blanks that mean nothing.
pub(crate) fn normalised(statement: &str) -> String {
    match parsed(statement) {
        Some(parsed) => join(statement, parsed.tokens(), |before, after, _| {
            before.ends_with(is_word) && after.starts_with(is_word)
        }),
        None => statement.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// A part of a text on one line, without comments: with one blank where there were blanks.
pub(super) fn on_one_line(text: &str, tokens: &Tokens, range: TextRange) -> String {
    let Some(part) = text.get(bytes(range)) else { return String::new() };
    let inside: Vec<_> = tokens
        .iter()
        .filter(|token| range.contains_range(token.range()))
        .filter_map(|token| {
            Some(ruff_python_ast::token::Token::new(
                token.kind(),
                token.range().checked_sub(range.start())?,
                ruff_python_ast::token::TokenFlags::empty(),
            ))
        })
        .collect();
    let line = join(part, &Tokens::new(inside), |before, after, gap| {
        let breaks = gap.contains(['\n', '\r']);
        let at_bracket = before.ends_with(['(', '[', '{']) || after.starts_with([')', ']', '}']);
        !(breaks && at_bracket)
    });
    line.split(['\n', '\r']).map(str::trim_end).collect::<Vec<_>>().join(" ")
}

/// The tokens of a text behind each other; `parts` decides where blanks between two become one blank.
fn join(text: &str, tokens: &Tokens, parts: impl Fn(&str, &str, &str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut end, mut gap_from) = (0, 0);
    for token in tokens.iter() {
        let range = bytes(token.range());
        // What the lexer passed over without a token is an error, and kept.
        let passed = text.get(end..range.start).unwrap_or_default();
        let unknown = passed.trim_matches(|c: char| c.is_whitespace() || c == '\\');
        end = end.max(range.end);
        if token.kind() == TokenKind::Comment || (is_layout(token.kind()) && unknown.is_empty()) {
            continue;
        }
        let inside = text.get(range.clone()).unwrap_or_default();
        let has_gap = gap_from < range.start && !out.is_empty();
        let gap = text.get(gap_from..range.start).unwrap_or_default();
        if has_gap && unknown.is_empty() && parts(&out, inside, gap) {
            out.push(' ');
        }
        out.push_str(unknown);
        if !is_layout(token.kind()) {
            out.push_str(inside);
        }
        gap_from = end;
    }
    out
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Bytes at which the lines of a text begin, as Python counts lines: `\n`, `\r\n` and `\r` end one.
pub(crate) fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn comments(text: &str) -> Vec<&str> {
        super::comments(text).into_iter().map(|(range, _)| &text[range]).collect()
    }

    #[test]
    fn a_comment_is_no_string() {
        for (text, wanted) in [
            ("x = 1  # one", vec!["# one"]),
            ("x = '# none'", vec![]),
            ("x = \"it's\"  # one", vec!["# one"]),
            ("x = 'a\\'# none'  # one", vec!["# one"]),
            ("x = r'\\'# none'", vec![]),
            ("'''# none\n'# none\n'''# one\n# two", vec!["# one", "# two"]),
            ("x = ''  # one", vec!["# one"]),
            ("x = '' '#'", vec![]),
            ("x = b\"#\" + Rb'#'  # one", vec!["# one"]),
            ("x = 'never closed # none\ny = 2  # one", vec!["# one"]),
            ("x = 'goes on \\\n # none'  # one", vec!["# one"]),
            ("x = 'goes on \\\r\n # none'  # one", vec!["# one"]),
            ("# one\r# two\r\n# three", vec!["# one", "# two", "# three"]),
            ("élève = 'é#'  # é", vec!["# é"]),
            ("buf'#'", vec![]),
        ] {
            assert_eq!(comments(text), wanted, "{text}");
        }
    }

    #[test]
    fn format_strings_nest() {
        for (text, wanted) in [
            ("f'{x:#x}'  # one", vec!["# one"]),
            ("f'{{#}}'  # one", vec!["# one"]),
            ("f\"{d[\"#\"]}#\"  # one", vec!["# one"]),
            ("f'{f\"{f'#'}\"}#'  # one", vec!["# one"]),
            ("f'{x!r:{width}#}'  # one", vec!["# one"]),
            ("f'{(lambda: {1: \"#\"})()}'  # one", vec!["# one"]),
            ("f'\\N{NUMBER SIGN}#'  # one", vec!["# one"]),
            ("f'''{\n  x  # one\n}# none'''", vec!["# one"]),
            ("rf'\\{x}#' # one", vec!["# one"]),
            ("t'{x}#' # one", vec!["# one"]),
            ("'{x' # one", vec!["# one"]),
            ("f'{x:>{n}}' # one", vec!["# one"]),
            ("f'{x != y}#' # one", vec!["# one"]),
        ] {
            assert_eq!(comments(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_statement_is_what_it_does() {
        for (text, wanted) in [
            ("type( self ).created  +=  1   # more", "type(self).created+=1"),
            ("return  not\tx", "return not x"),
            ("x = 'a  b'", "x='a  b'"),
            ("f( a,\n   b )", "f(a,b)"),
            ("x = \\\n  1", "x=1"),
            ("f'{ a + b } c'", "f'{a+b} c'"),
        ] {
            assert_eq!(normalised(text), wanted, "{text}");
        }
    }

    #[test]
    fn lines_are_counted_as_python_counts_them() {
        assert_eq!(line_starts("a\nb\r\nc\rd"), [0, 2, 5, 7]);
        assert_eq!(line_starts(""), [0]);
    }

    proptest! {
        #[test]
        fn whatever_comes_in_a_string_stays_in_it(inside in "[^'\\\\\n\r]{0,40}") {
            let text = format!("x = '{inside}'  # one");
            prop_assert_eq!(comments(&text), ["# one"]);
        }

        #[test]
        fn nothing_of_a_statement_gets_lost(text in "[#'\"{}:\\\\fr a=.(…é0\n\r)]{0,60}") {
            let kept: String = normalised(&text).chars().filter(|c| !c.is_whitespace()).collect();
            let words: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
            if !text.contains('#') {
                let left: String = kept.chars().filter(|c| c.is_alphanumeric()).collect();
                prop_assert_eq!(left, words);
            }
        }
    }
}
