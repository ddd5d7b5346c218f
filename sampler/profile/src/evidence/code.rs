//! Hot code objects and their instructions.

use serde::{Deserialize, Serialize};
use serde_with::apply;

use super::{NamespaceRef, Site, is_default};
use crate::ids::FunctionId;

/// What was seen of one code object.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CodeEvidence {
    /// Its function in the tables.
    pub function: FunctionId,
    /// How often its bytecode was read.
    pub looks: u32,
    /// Code objects of this function that were seen: more than one means that it is made anew at run
    /// time, or that it was loaded twice.
    pub copies: u32,
    /// Body of a module or class, or `exec`: its variables live in a dict, not in slots.
    pub uses_names: bool,
    /// Takes `*args`.
    pub takes_args: bool,
    /// Takes `**kwargs`.
    pub takes_kwargs: bool,
    /// The dict of its globals.
    pub globals: Option<NamespaceRef>,
    /// Its instructions that the interpreter could specialise, and those that a rule asks about, in
    /// the order of their offsets.
    pub sites: Vec<Site>,
}
