//! One Python file: its statements, and what its functions and classes are called.

mod walk;

use ruff_python_ast::Mod;
use ruff_python_ast::token::TokenKind;
use ruff_python_parser::Parsed;
use ruff_text_size::{Ranged, TextRange, TextSize};

use self::walk::{Found, Walk};
use super::tokens::{bytes, line_starts, on_one_line, parsed};

/// The module itself is the first scope.
const MODULE: usize = 0;

/// A file that was parsed without an error.
pub(crate) struct File {
    text: String,
    starts: Vec<usize>,
    parsed: Parsed<Mod>,
    statements: Vec<Statement>,
    scopes: Vec<Scope>,
    bindings: Vec<Binding>,
}

/// A statement; of one that holds others, what comes before the colon.
struct Statement {
    range: TextRange,
    scope: usize,
}

/// A module, class or function.
struct Scope {
    /// `__qualname__`; that of the module is empty.
    qualname: String,
    is_class: bool,
    /// The scope around it.
    parent: usize,
    /// `co_firstlineno`: that of the first decorator, if there is one.
    first_line: u32,
    def_line: u32,
    header: TextRange,
}

/// What gives a name of a class body its value.
struct Binding {
    scope: usize,
    name: String,
    range: TextRange,
    decorators: Vec<TextRange>,
}

/// Where a name of a class body gets its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) line: u32,
    pub(crate) end_line: u32,
    pub(crate) statement: String,
}

impl File {
    /// Reads a text; `None` if it is none that Python would run.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let parsed = parsed(text).filter(|parsed| parsed.errors().is_empty())?;
        let mut file = Self {
            text: text.to_owned(),
            starts: line_starts(text),
            parsed,
            statements: Vec::new(),
            scopes: vec![Scope {
                qualname: String::new(),
                is_class: false,
                parent: MODULE,
                first_line: 0,
                def_line: 0,
                header: TextRange::default(),
            }],
            bindings: Vec::new(),
        };
        let mut found = Found::default();
        if let Mod::Module(module) = file.parsed.syntax() {
            Walk { file: &file, found: &mut found }.suite(&module.body, MODULE);
        }
        file.statements = found.statements;
        file.scopes.extend(found.scopes);
        file.bindings = found.bindings;
        Some(file)
    }

    fn line_of(&self, at: TextSize) -> u32 {
        u32::try_from(self.starts.partition_point(|start| *start <= at.to_usize())).unwrap_or(u32::MAX)
    }

    /// The last line on which something of the range stands.
    fn last_line_of(&self, range: TextRange) -> u32 {
        self.line_of(
            range.end().checked_sub(TextSize::new(1)).map_or(range.start(), |it| it.max(range.start())),
        )
    }

    fn on_one_line(&self, range: TextRange) -> String {
        on_one_line(&self.text, self.parsed.tokens(), range)
    }

    /// Whether a function or class of this name begins on this line.
    pub(super) fn defines(&self, name: &str, line: u32) -> bool {
        let mut scopes = self.scopes.iter().skip(1);
        scopes.any(|scope| scope.is_called(name) && [scope.first_line, scope.def_line].contains(&line))
    }

    /// The head of the function or class of this name that begins on this line.
    pub(super) fn head(&self, function: &str, line: u32) -> Option<String> {
        let mut found =
            self.scopes.iter().skip(1).filter(|scope| {
                scope.is_named(function) && [scope.first_line, scope.def_line].contains(&line)
            });
        let scope = found.next()?;
        found.next().is_none().then(|| self.on_one_line(scope.header))
    }

    /// The statement at a place of a function that holds all these words. `None` if there is none, or
    /// more than one.
    pub(super) fn statement(
        &self,
        function: &str,
        line: u32,
        column: Option<u32>,
        words: &[&str],
    ) -> Option<String> {
        let owner = owner(function);
        let at = column.and_then(|column| self.offset(line, column));
        let mut found = self.statements.iter().filter(|statement| {
            let lines = self.line_of(statement.range.start())..=self.last_line_of(statement.range);
            lines.contains(&line)
                && self.scopes.get(statement.scope).is_some_and(|scope| scope.is_named(owner))
                && at.is_none_or(|at| bytes(statement.range).contains(&at))
                && words.iter().all(|word| self.holds(statement.range, word))
        });
        let statement = found.next()?;
        found.next().is_none().then(|| self.on_one_line(statement.range))
    }

    /// The byte at which a column begins, counted from 1 in characters.
    fn offset(&self, line: u32, column: u32) -> Option<usize> {
        let start = *self.starts.get(line.checked_sub(1)? as usize)?;
        let rest = self.text.get(start..)?;
        let (at, _) = rest.char_indices().nth(column.checked_sub(1)? as usize)?;
        Some(start + at)
    }

    /// Whether a word stands there, as a name or in a string.
    fn holds(&self, range: TextRange, word: &str) -> bool {
        let tokens = self.parsed.tokens();
        let from = tokens.partition_point(|token| token.start() < range.start());
        let inside = tokens.iter().skip(from).take_while(|token| token.end() <= range.end());
        inside.filter_map(|token| Some((token.kind(), self.text.get(bytes(token.range()))?))).any(
            |(kind, text)| match kind {
                TokenKind::Comment => false,
                TokenKind::String | TokenKind::FStringMiddle => is_in(word, text),
                // The compiler writes the class before a private name.
                _ => {
                    text == word || (text.starts_with("__") && word.starts_with('_') && word.ends_with(text))
                }
            },
        )
    }

    /// Where the body of a class gives a name its value. Of classes of the same name it is the one that
    /// has this method, with the line on which it begins.
    pub(super) fn member(
        &self,
        class: &str,
        method: Option<(&str, u32)>,
        name: &str,
        decorator: &str,
    ) -> Option<Member> {
        let class = self.class(class, method)?;
        let mut bindings = self.bindings.iter().filter(|it| it.scope == class && it.name == name);
        let binding = bindings.next_back()?;
        let by =
            binding.decorators.iter().find(|range| !decorator.is_empty() && self.holds(**range, decorator));
        let range = by.copied().unwrap_or(binding.range);
        Some(Member {
            line: self.line_of(range.start()),
            end_line: self.last_line_of(range),
            statement: self.on_one_line(range),
        })
    }

    /// The line on which a class begins, without its decorators.
    pub(super) fn class_head(&self, class: &str, method: Option<(&str, u32)>) -> Option<Member> {
        let scope = self.scopes.get(self.class(class, method)?)?;
        Some(Member {
            line: scope.def_line,
            end_line: self.last_line_of(scope.header),
            statement: self.on_one_line(scope.header),
        })
    }

    fn class(&self, class: &str, method: Option<(&str, u32)>) -> Option<usize> {
        let all = self.scopes.iter().enumerate().skip(1);
        let named: Vec<usize> =
            all.filter(|(_, scope)| scope.is_class && scope.qualname == class).map(|(at, _)| at).collect();
        if let [only] = named.as_slice() {
            return Some(*only);
        }
        let (method, line) = method?;
        let has = |class: &usize| {
            let mut inside = self.scopes.iter().skip(1).filter(|scope| scope.parent == *class);
            inside.any(|scope| scope.is_named(method) && [scope.first_line, scope.def_line].contains(&line))
        };
        let mut found = named.into_iter().filter(has);
        let class = found.next()?;
        found.next().is_none().then_some(class)
    }
}

/// Whether a word stands in a text by itself.
fn is_in(word: &str, text: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|part| part == word)
}

/// The function or class in whose text a lambda or comprehension stands.
fn owner(mut function: &str) -> &str {
    loop {
        let (before, last) = function.rsplit_once('.').unwrap_or(("", function));
        if !last.starts_with('<') {
            return function;
        }
        function = before;
    }
}

impl Scope {
    /// Whether this is its qualified name, or its name where interpreters know no other (before 3.11).
    fn is_named(&self, function: &str) -> bool {
        self.qualname == function || (!function.contains('.') && self.is_called(function))
    }

    fn is_called(&self, name: &str) -> bool {
        self.qualname.rsplit('.').next() == Some(name)
    }
}
