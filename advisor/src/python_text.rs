//! What in a Python text is code, string or comment.
//!
//! A comment is told from a `#` in a string as CPython's tokenizer tells it, f-strings with nested
//! quotes (3.12+) included. Nothing else of the language is looked at, so that a text with an error, or
//! of a version to come, still has its comments.

/// A kind of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Neither string nor comment; the expressions in an f-string are code.
    Code,
    /// Part of a string, quotes and prefix included.
    String,
    /// From `#` to the end of the line, without it.
    Comment,
}

/// A run of one kind, as a range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Deeper f-strings than CPython allows (150) are read as text.
const MAX_DEPTH: usize = 200;

/// An open string.
#[derive(Clone, Copy, Debug)]
struct Open {
    quote: u8,
    is_triple: bool,
    is_raw: bool,
    /// Whether `{` opens an expression.
    is_format: bool,
}

/// What surrounds the current byte, innermost last.
#[derive(Clone, Copy, Debug)]
enum Layer {
    Text(Open),
    /// The expression of a replacement field, with so many brackets open.
    Field {
        brackets: u32,
    },
    /// What follows the colon of a replacement field of this string.
    Spec(Open),
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    layers: Vec<Layer>,
    pieces: Vec<Piece>,
}

/// The pieces of a text, in order, without a gap.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, layers: Vec::new(), pieces: Vec::new() };
    while scanner.at < scanner.bytes.len() {
        scanner.step();
    }
    scanner.pieces
}

impl Scanner<'_> {
    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Takes `length` bytes as one kind.
    fn take(&mut self, length: usize, kind: Kind) {
        let end = (self.at + length).min(self.bytes.len());
        match self.pieces.last_mut() {
            Some(last) if last.kind == kind && kind != Kind::Comment => last.end = end,
            _ => self.pieces.push(Piece { kind, start: self.at, end }),
        }
        self.at = end;
    }

    fn step(&mut self) {
        match self.layers.last().copied() {
            None => self.code(None),
            Some(Layer::Field { brackets }) => self.code(Some(brackets)),
            Some(Layer::Text(open)) => self.text(open),
            Some(Layer::Spec(open)) => self.spec(open),
        }
    }

    /// One step in code; in a replacement field with so many brackets open.
    fn code(&mut self, brackets: Option<u32>) {
        let byte = self.byte(0);
        match byte {
            b'#' => {
                let rest = &self.bytes[self.at..];
                let length = rest.iter().position(|it| matches!(it, b'\n' | b'\r')).unwrap_or(rest.len());
                return self.take(length, Kind::Comment);
            }
            b'"' | b'\'' => return self.open_string(0),
            _ if is_word(byte) => return self.word(),
            _ => {}
        }
        let Some(brackets) = brackets else { return self.take(1, Kind::Code) };
        let set = |scanner: &mut Self, brackets| {
            if let Some(layer) = scanner.layers.last_mut() {
                *layer = Layer::Field { brackets };
            }
        };
        match byte {
            b'(' | b'[' | b'{' => set(self, brackets.saturating_add(1)),
            b')' | b']' => set(self, brackets.saturating_sub(1)),
            b'}' if brackets > 0 => set(self, brackets - 1),
            b'}' => {
                self.layers.pop();
                return self.take(1, Kind::String);
            }
            // `!=` is an operator, `!r` a conversion; only the colon matters here.
            b':' if brackets == 0 => {
                if let Some(open) = self.string_of_field() {
                    self.layers.push(Layer::Spec(open));
                }
                return self.take(1, Kind::String);
            }
            _ => {}
        }
        self.take(1, Kind::Code);
    }

    /// The string in which the innermost replacement field stands.
    fn string_of_field(&self) -> Option<Open> {
        self.layers.iter().rev().find_map(|layer| match layer {
            Layer::Text(open) | Layer::Spec(open) => Some(*open),
            Layer::Field { .. } => None,
        })
    }

    /// A name, a number, or the prefix of a string.
    fn word(&mut self) {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
        let is_prefix = length <= 2
            && rest[..length].iter().all(|byte| b"rRbBuUfFtT".contains(byte))
            && matches!(self.byte(length), b'"' | b'\'');
        if is_prefix { self.open_string(length) } else { self.take(length, Kind::Code) }
    }

    /// A string whose prefix has this length.
    fn open_string(&mut self, prefix: usize) {
        let has =
            |letters: &[u8]| self.bytes[self.at..self.at + prefix].iter().any(|it| letters.contains(it));
        let quote = self.byte(prefix);
        let is_triple = self.byte(prefix + 1) == quote && self.byte(prefix + 2) == quote;
        let is_format = has(b"fFtT") && self.layers.len() < MAX_DEPTH;
        let open = Open { quote, is_triple, is_raw: has(b"rR"), is_format };
        self.layers.push(Layer::Text(open));
        self.take(prefix + if is_triple { 3 } else { 1 }, Kind::String);
    }

    /// One step in a string.
    fn text(&mut self, open: Open) {
        let byte = self.byte(0);
        if byte == b'\\' {
            return self.escape(open);
        }
        if self.closes(open) {
            self.layers.pop();
            return self.take(if open.is_triple { 3 } else { 1 }, Kind::String);
        }
        // The error of a missing quote ends with its line.
        if is_newline(byte) && !open.is_triple {
            self.layers.pop();
            return self.take(1, Kind::Code);
        }
        if open.is_format && byte == b'{' && self.byte(1) == b'{' {
            return self.take(2, Kind::String);
        }
        if open.is_format && byte == b'{' {
            self.layers.push(Layer::Field { brackets: 0 });
        }
        self.take(1, Kind::String);
    }

    /// One step behind the colon of a replacement field.
    fn spec(&mut self, open: Open) {
        let byte = self.byte(0);
        if byte == b'}' {
            // Closes the field too.
            self.layers.pop();
            self.layers.pop();
        } else if byte == b'{' {
            self.layers.push(Layer::Field { brackets: 0 });
        } else if self.closes(open) || (is_newline(byte) && !open.is_triple) {
            // An error: the field was never closed. The string closes here all the same.
            self.layers.pop();
            self.layers.pop();
            return;
        }
        self.take(1, Kind::String);
    }

    fn closes(&self, open: Open) -> bool {
        let quotes = if open.is_triple { 3 } else { 1 };
        (0..quotes).all(|ahead| self.byte(ahead) == open.quote)
    }

    /// A backslash in a string. Even in a raw one the quote behind it closes nothing.
    fn escape(&mut self, open: Open) {
        let next = self.byte(1);
        if open.is_format && matches!(next, b'{' | b'}') {
            return self.take(1, Kind::String);
        }
        // `\N{DASH}` is a character, no field.
        if open.is_format && !open.is_raw && next == b'N' && self.byte(2) == b'{' {
            let name = self.bytes[self.at..].iter().take(100).position(|byte| *byte == b'}');
            return self.take(name.map_or(2, |end| end + 1), Kind::String);
        }
        // With `\r\n` the line goes on behind both.
        let length = if next == b'\r' && self.byte(2) == b'\n' { 3 } else { 2 };
        self.take(length, Kind::String);
    }
}

/// A byte of a name or number. Every byte of a character beyond ASCII is: where a character begins
/// does not matter here.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// A statement without comments and without blanks that mean nothing.
pub(crate) fn normalised(statement: &str) -> String {
    let mut out = String::with_capacity(statement.len());
    for piece in pieces(statement) {
        let text = statement.get(piece.start..piece.end).unwrap_or_default();
        match piece.kind {
            Kind::Comment => {}
            Kind::String => out.push_str(text),
            Kind::Code => squeeze(text, &mut out),
        }
    }
    out
}

/// Appends code; of blanks stays one where it parts two words.
fn squeeze(code: &str, out: &mut String) {
    let mut blank = false;
    for character in code.chars() {
        if character.is_whitespace() || character == '\\' {
            blank = true;
            continue;
        }
        let ends_in_word = out.bytes().next_back().is_some_and(is_word);
        if blank && ends_in_word && (is_word_char(character)) {
            out.push(' ');
        }
        blank = false;
        out.push(character);
    }
}

fn is_word_char(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
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
        let pieces = pieces(text).into_iter().filter(|piece| piece.kind == Kind::Comment);
        pieces.map(|piece| &text[piece.start..piece.end]).collect()
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
            ("f'{x' # none\ny # one", vec!["# one"]),
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
        fn every_byte_is_in_one_piece(text in "[#'\"{}:\\\\fr a\n\r()é]{0,80}") {
            let pieces = pieces(&text);
            let mut at = 0;
            for piece in &pieces {
                prop_assert_eq!(piece.start, at);
                prop_assert!(piece.end > at && text.is_char_boundary(piece.end));
                at = piece.end;
            }
            prop_assert_eq!(at, text.len());
        }

        #[test]
        fn whatever_comes_in_a_string_stays_in_it(inside in "[^'\\\\\n\r]{0,40}") {
            let text = format!("x = '{inside}'  # one");
            prop_assert_eq!(comments(&text), ["# one"]);
        }
    }
}
