//! Instructions that store to names that matter.

use serde::{Deserialize, Serialize};
use serde_with::apply;

use super::{NamespaceRef, is_default};
use crate::ids::FunctionId;
use crate::tables::Span;

/// How a name is stored to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// `global name; name = …`, or at module level.
    #[default]
    Global,
    /// `del name` of a global.
    DeleteGlobal,
    /// `object.name = …`.
    Attribute,
    /// `del object.name`.
    DeleteAttribute,
    /// `setattr(object, …)`.
    Setattr,
    /// `delattr(object, …)`.
    Delattr,
    /// `globals()[…] = …`.
    GlobalsItem,
    /// `object.__dict__[…] = …`, `vars(object)[…] = …`, `.update(…)` of one.
    DictItem,
    /// `object.__dict__`, `vars(object)`: makes a dict of an instance.
    DictRead,
    /// `object.__dict__ = …`.
    DictReplaced,
    /// `exec` or `eval`.
    Exec,
    /// A `class` statement or `type(…, …, …)` inside a function.
    ClassBody,
}

/// An instruction that stores.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Store {
    /// The function that holds it.
    pub function: FunctionId,
    /// Byte offset of the instruction.
    pub offset: u32,
    /// Where it stands in the source.
    pub span: Span,
    /// How it stores.
    pub kind: StoreKind,
    /// The name, where the bytecode tells it.
    pub name: String,
    /// What it stores to, as far as the bytecode tells: `self`, `cls`, `type(self)`, a name.
    pub target: String,
    /// The globals of the function that holds it.
    pub globals: Option<NamespaceRef>,
    /// It runs when its module is imported, not later.
    pub at_import: bool,
}
