//! The interned tables: each string, function, frame and stack is stored once and named by its id.
//!
//! Stacks are a prefix tree that grows from the root: a node is one frame and its caller's node, so a
//! sample is one integer, and two samples that share callers share nodes. A program that runs for a
//! day has few distinct stacks; the tree is bounded all the same ([`MAX_STACKS`]).

use std::borrow::Borrow;
use std::hash::Hash;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::ids::{FrameId, FunctionId, Id, StackId, StringId};

/// Upper bound of nodes in the stack tree (12 bytes and one hash entry each, about 160 MB in all).
pub const MAX_STACKS: usize = 4_000_000;

/// Stores each distinct value once, in order of arrival.
#[derive(Clone, Debug)]
pub struct Interner<I, T> {
    values: Vec<T>,
    index: FxHashMap<T, I>,
}

impl<I, T> Default for Interner<I, T> {
    fn default() -> Self {
        Self { values: Vec::new(), index: FxHashMap::default() }
    }
}

impl<I: Id, T: Clone + Eq + Hash> Interner<I, T> {
    /// The id of `value`, which is stored if it is new.
    pub fn intern(&mut self, value: T) -> I {
        if let Some(&id) = self.index.get(&value) {
            return id;
        }
        let id = I::from_index(self.values.len());
        self.append(value, id);
        id
    }

    pub(crate) fn append(&mut self, value: T, id: I) {
        self.values.push(value.clone());
        self.index.entry(value).or_insert(id);
    }

    /// The id of `value`, or `None` if it is not stored.
    pub fn find<Q: Hash + Eq + ?Sized>(&self, value: &Q) -> Option<I>
    where
        T: Borrow<Q>,
    {
        self.index.get(value).copied()
    }

    /// The value with this id, or `None` if the id is of another table (a damaged recording).
    pub fn get(&self, id: I) -> Option<&T> {
        self.values.get(id.index())
    }

    /// All values in the order of their ids.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether nothing is stored yet.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl<I: Id> Interner<I, Box<str>> {
    /// Interns a string without allocating when it is already known.
    pub fn intern_str(&mut self, text: &str) -> I {
        match self.index.get(text) {
            Some(&id) => id,
            None => self.intern(text.into()),
        }
    }
}

/// What kind of code a function is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FunctionKind {
    /// Python code with a file and lines.
    #[default]
    Python,
    /// Machine code, named by its symbol.
    Native,
    /// Work of the runtime itself, such as the garbage collector; it has no file.
    Runtime,
}

/// A function as people know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Function {
    /// `co_name`, as in `total`.
    pub name: StringId,
    /// `co_qualname`, as in `Cart.total`; equal to `name` before CPython 3.11.
    pub qualname: StringId,
    /// `co_filename`, exactly as the interpreter holds it.
    pub file: StringId,
    /// `co_firstlineno`; 0 if it has none.
    pub first_line: u32,
    /// What kind of code it is.
    pub kind: FunctionKind,
}

/// Whether a file belongs to Python or to a package, where the user can change little: the standard
/// library, installed packages, and code without a file.
pub fn is_library(file: &str) -> bool {
    file.contains("/lib/python3") || file.contains("site-packages") || file.starts_with('<')
}

/// A file as it is imported, without the directory that Python or its packages are in:
/// `json/decoder.py`.
pub fn short_path(file: &str) -> &str {
    let library = file.find("/lib/python3").and_then(|at| file[at + 1..].splitn(3, '/').nth(2));
    let below = library.unwrap_or(file);
    let packages = ["site-packages/", "dist-packages/"];
    packages.iter().find_map(|name| below.rsplit_once(name)).map_or(below, |(_, rest)| rest)
}

/// A place in source text. Lines count from 1, columns are byte offsets that count from 0, as in
/// `co_positions()`; a missing part is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First line.
    pub line: Option<u32>,
    /// Last line (CPython 3.11+).
    pub end_line: Option<u32>,
    /// First column (CPython 3.11+).
    pub column: Option<u32>,
    /// Column after the last (CPython 3.11+).
    pub end_column: Option<u32>,
}

impl Span {
    /// A span of which only the line is known.
    pub fn of_line(line: u32) -> Self {
        Self { line: Some(line), ..Self::default() }
    }
}

/// A position inside a function: an instruction and the source it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// The function.
    pub function: FunctionId,
    /// Byte offset of the instruction in the code object, as `dis` prints it; `None` where unknown.
    pub instruction: Option<u32>,
    /// Where that instruction stands in the source.
    pub span: Span,
}

/// A node of the stack tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StackNode {
    /// The caller's node; `None` at the root.
    pub parent: Option<StackId>,
    /// The frame that runs here.
    pub frame: FrameId,
}

/// All interned tables of a profile.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Names and paths.
    pub strings: Interner<StringId, Box<str>>,
    /// Functions.
    pub functions: Interner<FunctionId, Function>,
    /// Positions in functions.
    pub frames: Interner<FrameId, Frame>,
    /// The stack tree; a parent always has a smaller id than its children.
    pub stacks: Interner<StackId, StackNode>,
}

impl Tables {
    /// Enters a function that is Python code.
    pub fn python_function(&mut self, name: &str, qualname: &str, file: &str, first_line: u32) -> FunctionId {
        let [name, qualname, file] = [name, qualname, file].map(|text| self.strings.intern_str(text));
        self.functions.intern(Function { name, qualname, file, first_line, kind: FunctionKind::Python })
    }

    /// The text of a string id; an unknown id of a damaged recording reads as `"?"`.
    pub fn text(&self, id: StringId) -> &str {
        self.strings.get(id).map_or("?", |text| text)
    }

    /// The node for `frame` called from `parent`, or `None` when the tree is full.
    pub fn intern_stack(&mut self, parent: Option<StackId>, frame: FrameId) -> Option<StackId> {
        let node = StackNode { parent, frame };
        if let Some(&id) = self.stacks.index.get(&node) {
            return Some(id);
        }
        (self.stacks.len() < MAX_STACKS).then(|| self.stacks.intern(node))
    }

    /// The innermost frame of a stack.
    pub fn leaf(&self, stack: StackId) -> Option<&Frame> {
        self.frames.get(self.stacks.get(stack)?.frame)
    }

    /// The frames of a stack from the leaf to the root.
    pub fn frames_of(&self, stack: StackId) -> impl Iterator<Item = FrameId> + '_ {
        let mut next = Some(stack);
        std::iter::from_fn(move || {
            let id = next?;
            let node = self.stacks.get(id)?;
            // A parent is older than its child; anything else is a damaged file and would loop.
            next = node.parent.filter(|parent| *parent < id);
            Some(node.frame)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_files_are_named_as_they_are_imported() {
        for (file, short) in [
            ("/usr/lib/python3.14/json/decoder.py", "json/decoder.py"),
            ("/venv/lib/python3.14/site-packages/attr/_make.py", "attr/_make.py"),
            ("/usr/lib/python3/dist-packages/apt/cache.py", "apt/cache.py"),
            ("C:/x/site-packages/y.py", "y.py"),
            ("/usr/lib/python3", "/usr/lib/python3"),
            ("shop/cart.py", "shop/cart.py"),
            ("<frozen os>", "<frozen os>"),
        ] {
            assert_eq!(short_path(file), short);
        }
    }

    #[test]
    fn a_value_is_stored_once() {
        let mut tables = Tables::default();
        let first = tables.strings.intern_str("spam");
        assert_eq!(tables.strings.intern_str("spam"), first);
        assert_ne!(tables.strings.intern_str("eggs"), first);
        assert_eq!(tables.strings.len(), 2);
    }

    #[test]
    fn stacks_share_their_callers() {
        let mut tables = Tables::default();
        let root = tables.intern_stack(None, FrameId(0)).unwrap();
        let leaf = tables.intern_stack(Some(root), FrameId(1)).unwrap();
        let other = tables.intern_stack(Some(root), FrameId(2)).unwrap();
        assert_eq!(tables.frames_of(leaf).collect::<Vec<_>>(), [FrameId(1), FrameId(0)]);
        assert_eq!(tables.frames_of(other).collect::<Vec<_>>(), [FrameId(2), FrameId(0)]);
        assert_eq!(tables.stacks.len(), 3);
    }

    #[test]
    fn a_cycle_in_a_damaged_tree_ends() {
        let mut tables = Tables::default();
        let looped = StackNode { parent: Some(StackId(0)), frame: FrameId(7) };
        tables.stacks.intern(looped);
        assert_eq!(tables.frames_of(StackId(0)).count(), 1);
    }
}
