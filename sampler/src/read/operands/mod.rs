//! Where the operands of an instruction come from, as its code tells.
//!
//! The instructions are followed in order with a stack of what each value is: a local, a global, a
//! constant, an attribute of one of those. What is not followed is [`Source::Unknown`], and after an
//! instruction that is not known here everything is. Where two ways join, the nearer one counts: what
//! comes out is a value that the site may meet, not all of them.

use slowpath_profile::evidence::OperandRole;

use self::machine::{Machine, base_name};
use crate::layout::spec::OpcodeTable;
use crate::read::caches::{CodeParts, Instruction};

mod machine;

/// What a value on the stack is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The local in this slot of `localsplus`.
    Local(u32),
    /// What the cell in this slot holds.
    Cell(u32),
    /// The global, or name in a module body, `co_names[n]`.
    Global(u32),
    /// The constant `co_consts[n]`.
    Const(u32),
    /// This small int.
    SmallInt(u32),
    /// The attribute `co_names[n]` of another value.
    Attribute(Box<Source>, u32),
    /// The iterator of another value.
    Iterator(Box<Source>),
    /// Any item of another value: what a loop over it has at one step.
    Element(Box<Source>),
    /// The item of the first value at the index that is the second.
    Item(Box<Source>, Box<Source>),
    /// A null beside a callable (3.11+).
    Null,
    /// Anything else.
    Unknown,
}

impl Source {
    /// The highest slot of the locals that it is made of.
    pub fn last_local(&self) -> Option<u32> {
        match self {
            Self::Local(slot) | Self::Cell(slot) => Some(*slot),
            Self::Attribute(base, _) | Self::Iterator(base) | Self::Element(base) => base.last_local(),
            Self::Item(base, index) => base.last_local().max(index.last_local()),
            _ => None,
        }
    }

    /// Whether each of the locals that it is made of passes.
    pub fn locals_all(&self, passes: &impl Fn(u32) -> bool) -> bool {
        match self {
            Self::Local(slot) | Self::Cell(slot) => passes(*slot),
            Self::Attribute(base, _) | Self::Iterator(base) | Self::Element(base) => base.locals_all(passes),
            Self::Item(base, index) => base.locals_all(passes) && index.locals_all(passes),
            _ => true,
        }
    }

    fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown | Self::Null)
    }

    fn depth(&self) -> usize {
        match self {
            Self::Attribute(base, _) | Self::Iterator(base) | Self::Element(base) => 1 + base.depth(),
            Self::Item(base, index) => 1 + base.depth().max(index.depth()),
            _ => 0,
        }
    }
}

/// The operands of one site, as far as they are known.
pub type SiteOperands = Vec<(OperandRole, Source)>;

/// The operands of each of `parts.sites`, in their order.
pub fn operands(parts: &CodeParts, opcodes: &OpcodeTable) -> Vec<SiteOperands> {
    let mut machine = Machine::new(opcodes);
    let mut sites = parts.sites.iter().peekable();
    let mut found = Vec::with_capacity(parts.sites.len());
    for (index, instruction) in parts.instructions.iter().enumerate() {
        while let Some(site) = sites.next_if(|site| site.instruction <= index) {
            found.push(machine.operands(site.family, instruction));
        }
        machine.execute(instruction);
    }
    found.resize(parts.sites.len(), Vec::new());
    found
}

/// Whether no instruction between two byte offsets, in whichever order, stores to a local: the value
/// that is there at one is then the value that is there at the other.
pub fn is_kept(parts: &CodeParts, slot: u32, one: u32, other: u32) -> bool {
    let (from, to) = (one.min(other), one.max(other));
    let start = parts.instructions.partition_point(|it| it.offset < from);
    let between = parts.instructions[start..].iter().take_while(|it| it.offset <= to);
    !between.into_iter().any(|it| stored(it).contains(&Some(slot)))
}

/// The slots that an instruction stores to.
fn stored(instruction: &Instruction) -> [Option<u32>; 2] {
    let oparg = instruction.oparg;
    match base_name(instruction.name) {
        "STORE_FAST"
        | "STORE_FAST_MAYBE_NULL"
        | "DELETE_FAST"
        | "LOAD_FAST_AND_CLEAR"
        | "STORE_DEREF"
        | "DELETE_DEREF" => [Some(oparg), None],
        "STORE_FAST_LOAD_FAST" => [Some(oparg >> 4), None],
        "STORE_FAST_STORE_FAST" => [Some(oparg >> 4), Some(oparg & 15)],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests;
