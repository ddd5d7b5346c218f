//! The tables of a profile as columns, from the beginning or from where a reader stands.

use rustc_hash::FxHashMap;
use serde::Serialize;
use slowpath_profile::source_text::SourceText;
use slowpath_profile::tables::{FunctionKind, is_library};
use slowpath_profile::{StringId, Tables};

use super::highlight;

/// A source file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) library: bool,
    pub(crate) text: Option<Vec<String>>,
    /// What words of the text are: see `highlight`.
    pub(crate) tokens: Vec<u32>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Functions {
    name: Vec<String>,
    file: Vec<u32>,
    line: Vec<u32>,
    kind: Vec<u8>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Frames {
    function: Vec<u32>,
    line: Vec<i64>,
    column: Vec<i64>,
    end_line: Vec<i64>,
    end_column: Vec<i64>,
    offset: Vec<i64>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Stacks {
    parent: Vec<i64>,
    frame: Vec<u32>,
}

/// Entries of the tables. Positions of functions, frames and stacks are the ids of the profile.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Columns {
    pub(crate) files: Vec<File>,
    functions: Functions,
    frames: Frames,
    stacks: Stacks,
}

/// Where files of a profile are in the columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    files: FxHashMap<StringId, u32>,
}

impl File {
    /// Gives it its text.
    pub(crate) fn put(&mut self, text: SourceText) {
        self.tokens = highlight::tokens(&text);
        self.text = Some(text.lines);
    }
}

/// How many entries there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Lengths {
    pub(crate) files: usize,
    pub(crate) functions: usize,
    pub(crate) frames: usize,
    pub(crate) stacks: usize,
}

fn known(value: Option<u32>) -> i64 {
    value.map_or(-1, i64::from)
}

impl Columns {
    /// Adds what the tables have more than it.
    pub(crate) fn extend(&mut self, tables: &Tables, names: &mut Names) {
        for function in tables.functions.values().iter().skip(self.functions.name.len()) {
            let files = &mut self.files;
            let file = *names.files.entry(function.file).or_insert_with(|| {
                let path = tables.text(function.file).to_owned();
                files.push(File { library: is_library(&path), path, text: None, tokens: Vec::new() });
                u32::try_from(files.len() - 1).unwrap_or(u32::MAX)
            });
            self.functions.name.push(tables.text(function.qualname).to_owned());
            self.functions.file.push(file);
            self.functions.line.push(function.first_line);
            self.functions.kind.push(match function.kind {
                FunctionKind::Python => 0,
                FunctionKind::Native => 1,
                FunctionKind::Runtime => 2,
            });
        }
        for frame in tables.frames.values().iter().skip(self.frames.function.len()) {
            self.frames.function.push(frame.function.0);
            self.frames.line.push(known(frame.span.line));
            self.frames.column.push(known(frame.span.column));
            self.frames.end_line.push(known(frame.span.end_line));
            self.frames.end_column.push(known(frame.span.end_column));
            self.frames.offset.push(known(frame.instruction));
        }
        for node in tables.stacks.values().iter().skip(self.stacks.frame.len()) {
            self.stacks.parent.push(known(node.parent.map(|parent| parent.0)));
            self.stacks.frame.push(node.frame.0);
        }
    }

    pub(crate) fn lengths(&self) -> Lengths {
        Lengths {
            files: self.files.len(),
            functions: self.functions.name.len(),
            frames: self.frames.function.len(),
            stacks: self.stacks.frame.len(),
        }
    }

    /// The entries from there on.
    pub(crate) fn since(&self, from: Lengths) -> Self {
        fn tail<T: Clone>(all: &[T], from: usize) -> Vec<T> {
            all.get(from..).unwrap_or_default().to_vec()
        }
        let Self { functions, frames, stacks, .. } = self;
        Self {
            files: tail(&self.files, from.files),
            functions: Functions {
                name: tail(&functions.name, from.functions),
                file: tail(&functions.file, from.functions),
                line: tail(&functions.line, from.functions),
                kind: tail(&functions.kind, from.functions),
            },
            frames: Frames {
                function: tail(&frames.function, from.frames),
                line: tail(&frames.line, from.frames),
                column: tail(&frames.column, from.frames),
                end_line: tail(&frames.end_line, from.frames),
                end_column: tail(&frames.end_column, from.frames),
                offset: tail(&frames.offset, from.frames),
            },
            stacks: Stacks {
                parent: tail(&stacks.parent, from.stacks),
                frame: tail(&stacks.frame, from.stacks),
            },
        }
    }
}
