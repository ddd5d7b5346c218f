//! The source texts of the program, where they can be read and are those that ran.
//!
//! What ran is known without them: functions, lines, and what the bytecode tells. The text adds the
//! statement as it was written, and the lines of class bodies, whose code is gone once it has run.
//!
//! Invariants:
//! - a text is believed only if every function that ran begins in it on the line that the interpreter
//!   knows, and a statement only if it holds every word that the bytecode tells;
//! - a text that is missing, too large, damaged or nested too deeply is none: then less is said;
//! - nothing here reads a file. The caller hands over a reader, and is asked only for files with a
//!   cause in them.

mod file;
mod tokens;
mod words;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use rustc_hash::FxHashMap;
use slowpath_profile::finding::Cause;
use slowpath_profile::ids::Id;
use slowpath_profile::{Function, FunctionId, FunctionKind, Tables};

use self::file::File;
pub(crate) use self::file::Member;
pub use self::tokens::MAX_TEXT_BYTES;
pub(crate) use self::tokens::{comments, line_starts, normalised};
pub use self::words::source_text;

/// So many files are asked for at most.
const MAX_FILES: usize = 200;
/// More characters of a statement help nobody.
const MAX_STATEMENT: usize = 160;

/// Gives the bytes of a file, by the name that the interpreter has for it.
pub type Read<'a> = dyn Fn(&str) -> Option<Vec<u8>> + 'a;

/// The texts of the files that ran.
pub struct Sources<'a> {
    tables: &'a Tables,
    read: Option<&'a Read<'a>>,
    files: RefCell<FxHashMap<String, Option<Rc<File>>>>,
}

impl fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("is_readable", &self.read.is_some()).finish_non_exhaustive()
    }
}

impl<'a> Sources<'a> {
    /// Texts of the functions in these tables; `None` if there is no way to read them.
    pub fn new(tables: &'a Tables, read: Option<&'a Read<'a>>) -> Self {
        Self { tables, read, files: RefCell::default() }
    }

    /// What they are the texts of.
    pub fn tables(&self) -> &'a Tables {
        self.tables
    }

    fn file(&self, name: &str) -> Option<Rc<File>> {
        let read = self.read?;
        if let Some(known) = self.files.borrow().get(name) {
            return known.clone();
        }
        if name.is_empty() || name.starts_with('<') || self.files.borrow().len() >= MAX_FILES {
            return None;
        }
        let text = read(name).and_then(|bytes| String::from_utf8(bytes).ok());
        let file = text.and_then(|text| File::parse(&text)).filter(|file| self.is_what_ran(name, file));
        let file = file.map(Rc::new);
        self.files.borrow_mut().insert(name.to_owned(), file.clone());
        file
    }

    /// Whether every function of the file that ran is where it was then.
    fn is_what_ran(&self, name: &str, file: &File) -> bool {
        self.functions_of(name).all(|function| {
            self.is_inner(function) || file.defines(self.tables.text(function.name), function.first_line)
        })
    }

    /// Puts the statement as it is written in the place of what the bytecode tells of it.
    pub(crate) fn complete(&self, cause: &mut Cause) {
        if cause.compiled.is_some() {
            return;
        }
        if let Some(statement) = self.statement(cause) {
            cause.compiled = Some(std::mem::replace(&mut cause.statement, cut(statement)));
        }
    }

    fn statement(&self, cause: &Cause) -> Option<String> {
        let place = &cause.place;
        let (line, file) = (place.line?, self.file(&place.file)?);
        if ["def ", "class "].iter().any(|word| cause.statement.starts_with(word)) {
            return file.head(&place.function, line);
        }
        let words = words(&cause.statement);
        if words.is_empty() && !self.functions_of(&place.file).any(|it| !self.is_inner(it)) {
            return None;
        }
        file.statement(&place.function, line, place.column, &words)
    }

    /// What ran of a file.
    fn functions_of(&self, file: &str) -> impl Iterator<Item = &'a Function> {
        let functions = self.tables.functions.values().iter();
        functions.filter(move |it| it.kind == FunctionKind::Python && self.tables.text(it.file) == file)
    }

    /// Whether the line on which it begins tells nothing: modules, lambdas and comprehensions, and
    /// annotations, which are code since 3.14.
    fn is_inner(&self, function: &Function) -> bool {
        let name = self.tables.text(function.name);
        name.starts_with('<') || name == "__annotate__" || function.first_line == 0
    }

    /// Where the body of a class gives a name its value: the decorator of this name, if it is decorated
    /// so, else the statement. `method` is code of the class, and tells in which file it is.
    pub(crate) fn member(
        &self,
        class: &str,
        method: FunctionId,
        name: &str,
        decorator: &str,
    ) -> Option<Member> {
        let (file, method) = self.file_of(method)?;
        file.member(class, Some(method), name, decorator)
    }

    /// The line on which a class begins.
    pub(crate) fn class_head(&self, class: &str, method: FunctionId) -> Option<Member> {
        let (file, method) = self.file_of(method)?;
        file.class_head(class, Some(method))
    }

    fn file_of(&self, function: FunctionId) -> Option<(Rc<File>, (&'a str, u32))> {
        let known = self.tables.functions.values().get(function.index())?;
        let file = self.file(self.tables.text(known.file))?;
        Some((file, (self.tables.text(known.qualname), known.first_line)))
    }
}

/// Names and words in what the bytecode tells of a statement.
fn words(statement: &str) -> Vec<&str> {
    let parts = statement.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    parts.filter(|part| part.starts_with(|c: char| !c.is_ascii_digit())).collect()
}

fn cut(statement: String) -> String {
    match statement.char_indices().nth(MAX_STATEMENT) {
        Some((at, _)) => format!("{}…", statement.get(..at).unwrap_or_default()),
        None => statement,
    }
}

#[cfg(test)]
mod tests;
