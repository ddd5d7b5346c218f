//! Where the operands of an instruction come from, as its code tells.
//!
//! The instructions are followed in order with a stack of what each value is: a local, a global, a
//! constant, an attribute of one of those. What is not followed is [`Source::Unknown`], and after an
//! instruction that is not known here everything is. Where two ways join, the nearer one counts: what
//! comes out is a value that the site may meet, not all of them.

use slowpath_profile::evidence::{OpFamily, OperandRole};

use crate::layout::spec::OpcodeTable;
use crate::read::caches::{CodeParts, Instruction};
use crate::read::stack_effect::effect;

/// Attributes of attributes that are followed.
const MAX_CHAIN: usize = 3;
/// Values on the stack that are followed.
const MAX_STACK: usize = 64;

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
    let mut machine = Machine { stack: Vec::new(), dialect: Dialect::of(opcodes) };
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

/// A superinstruction of 3.11-3.12 (`LOAD_FAST__LOAD_CONST`) stands in place of its first half; the
/// second one follows.
fn base_name(name: &'static str) -> &'static str {
    let name = name.strip_prefix("INSTRUMENTED_").unwrap_or(name);
    name.split_once("__").map_or(name, |(first, _)| first)
}

/// What differs between versions.
#[derive(Clone, Copy, Debug)]
struct Dialect {
    /// The lowest bit of `LOAD_GLOBAL`'s argument says that a null goes with it (3.11+).
    nulls: bool,
    /// The lowest bit of `LOAD_ATTR`'s argument says that a method is loaded (3.12+).
    loads_methods: bool,
    /// The null comes after the callable (3.13+).
    callable_first: bool,
    /// `CALL_FUNCTION_EX` has keywords, or a null in their place (3.14+).
    always_keywords: bool,
    /// Cells are numbered by themselves (before 3.11).
    cells_apart: bool,
}

impl Dialect {
    fn of(opcodes: &OpcodeTable) -> Self {
        let has = |name: &str| opcodes.0.iter().any(|opcode| opcode.name == name);
        let nulls = has("PUSH_NULL");
        Self {
            nulls,
            loads_methods: !has("LOAD_METHOD"),
            callable_first: has("CALL_KW"),
            always_keywords: has("LOAD_SMALL_INT"),
            cells_apart: !nulls,
        }
    }
}

impl Dialect {
    /// Values above the callable of a call that unpacks: the positional arguments, and keywords if the
    /// lowest bit says so, or in any case (3.14+).
    fn unpacked(self, oparg: u32) -> u32 {
        1 + (oparg & 1).max(u32::from(self.always_keywords))
    }
}

/// Whether a call takes `*args` or `**kwargs`.
fn unpacks(name: &str) -> bool {
    name.starts_with("CALL_FUNCTION_EX") || name.starts_with("CALL_EX")
}

struct Machine {
    stack: Vec<Source>,
    dialect: Dialect,
}

impl Machine {
    /// The value `depth` below the top.
    fn peek(&self, depth: usize) -> Source {
        let index = self.stack.len().checked_sub(1 + depth);
        index.and_then(|index| self.stack.get(index)).cloned().unwrap_or(Source::Unknown)
    }

    fn push(&mut self, source: Source) {
        if self.stack.len() >= MAX_STACK {
            self.stack.remove(0);
        }
        self.stack.push(source);
    }

    fn pop(&mut self, count: u32) {
        let left = self.stack.len().saturating_sub(count as usize);
        self.stack.truncate(left);
    }

    /// Takes some values and gives others of which nothing is known.
    fn replace(&mut self, taken: u32, given: u32) {
        self.pop(taken);
        for _ in 0..given.min(MAX_STACK as u32) {
            self.push(Source::Unknown);
        }
    }

    fn operands(&self, family: OpFamily, instruction: &Instruction) -> SiteOperands {
        let roles = match family {
            OpFamily::LoadAttr | OpFamily::StoreAttr => vec![(OperandRole::Receiver, self.peek(0))],
            OpFamily::Call | OpFamily::CallKw | OpFamily::CallUnpacked => {
                vec![(OperandRole::Callee, self.callee(instruction))]
            }
            OpFamily::BinaryOp
            | OpFamily::Subscript
            | OpFamily::StoreSubscript
            | OpFamily::Compare
            | OpFamily::Contains => {
                vec![(OperandRole::Left, self.peek(1)), (OperandRole::Right, self.peek(0))]
            }
            OpFamily::ToBool | OpFamily::GetIter | OpFamily::Unpack | OpFamily::Iterate => {
                vec![(OperandRole::Left, self.peek(0))]
            }
            _ => Vec::new(),
        };
        roles.into_iter().filter(|(_, source)| source.is_known()).collect()
    }

    fn callee(&self, instruction: &Instruction) -> Source {
        let (name, arguments) = (base_name(instruction.name), instruction.oparg as usize);
        let above = match name {
            _ if unpacks(name) => self.dialect.unpacked(instruction.oparg) as usize,
            // The names of the keywords are on top.
            _ if name == "CALL_FUNCTION_KW" || name.starts_with("CALL_KW") => arguments + 1,
            _ => arguments,
        };
        if !self.dialect.nulls {
            // The object of a method is above it.
            return self.peek(above + usize::from(name == "CALL_METHOD"));
        }
        // A pair of a callable and its object or a null.
        let (upper, lower) = (self.peek(above), self.peek(above + 1));
        if !self.dialect.callable_first && lower == Source::Null { upper } else { lower }
    }

    fn execute(&mut self, instruction: &Instruction) {
        let (name, oparg) = (base_name(instruction.name), instruction.oparg);
        if !self.load(name, oparg) && !self.shuffle(name, oparg) {
            let beside = 1 + u32::from(self.dialect.nulls);
            let effect = match name {
                _ if unpacks(name) => Some((self.dialect.unpacked(oparg) + beside, 1)),
                _ => effect(name, oparg, instruction.name),
            };
            match effect {
                Some((taken, given)) => self.replace(taken, given),
                None => self.stack.clear(),
            }
        }
    }

    /// Instructions that push something known; whether it was one.
    fn load(&mut self, name: &str, oparg: u32) -> bool {
        match name {
            "LOAD_FAST" | "LOAD_FAST_CHECK" | "LOAD_FAST_BORROW" => self.push(Source::Local(oparg)),
            "LOAD_FAST_LOAD_FAST" | "LOAD_FAST_BORROW_LOAD_FAST_BORROW" => {
                self.push(Source::Local(oparg >> 4));
                self.push(Source::Local(oparg & 15));
            }
            "STORE_FAST_LOAD_FAST" => {
                self.pop(1);
                self.push(Source::Local(oparg & 15));
            }
            "LOAD_DEREF" if !self.dialect.cells_apart => self.push(Source::Cell(oparg)),
            "LOAD_CONST" | "LOAD_CONST_IMMORTAL" | "LOAD_CONST_MORTAL" => self.push(Source::Const(oparg)),
            "LOAD_SMALL_INT" => self.push(Source::SmallInt(oparg)),
            "LOAD_NAME" => self.push(Source::Global(oparg)),
            "PUSH_NULL" => self.push(Source::Null),
            _ if name.starts_with("GET_ITER") => {
                let base = self.peek(0);
                self.pop(1);
                self.push(derived(base, Source::Iterator));
            }
            _ if name.starts_with("FOR_ITER") => {
                let element = match self.peek(0) {
                    Source::Iterator(base) => derived(*base, Source::Element),
                    _ => Source::Unknown,
                };
                self.push(element);
            }
            _ if is_subscript(name, oparg) => {
                let (base, index) = (self.peek(1), self.peek(0));
                self.pop(2);
                let is_followed = base.is_known() && index.is_known() && base.depth() < MAX_CHAIN;
                let item = || Source::Item(Box::new(base), Box::new(index));
                self.push(if is_followed { item() } else { Source::Unknown });
            }
            "LOAD_METHOD" => self.load_attribute(oparg, true),
            _ if name.starts_with("LOAD_METHOD_") => self.load_attribute(oparg, true),
            _ if name.starts_with("LOAD_GLOBAL") => self.load_global(oparg),
            _ if name.starts_with("LOAD_ATTR") && self.dialect.loads_methods => {
                self.load_attribute(oparg >> 1, oparg & 1 == 1);
            }
            _ if name.starts_with("LOAD_ATTR") => self.load_attribute(oparg, false),
            _ => return false,
        }
        true
    }

    fn load_global(&mut self, oparg: u32) {
        if !self.dialect.nulls {
            return self.push(Source::Global(oparg));
        }
        let with_null = oparg & 1 == 1;
        if with_null && !self.dialect.callable_first {
            self.push(Source::Null);
        }
        self.push(Source::Global(oparg >> 1));
        if with_null && self.dialect.callable_first {
            self.push(Source::Null);
        }
    }

    fn load_attribute(&mut self, name: u32, as_method: bool) {
        let base = self.peek(0);
        self.pop(1);
        let is_followed = base.is_known() && base.depth() < MAX_CHAIN;
        self.push(if is_followed {
            Source::Attribute(Box::new(base.clone()), name)
        } else {
            Source::Unknown
        });
        if as_method {
            self.push(base);
        }
    }

    /// Instructions that move values around; whether it was one.
    fn shuffle(&mut self, name: &str, oparg: u32) -> bool {
        let len = self.stack.len();
        let rotate = |stack: &mut Vec<Source>, count: usize| {
            let from = stack.len().saturating_sub(count);
            if let Some(top) = stack.pop() {
                stack.insert(from, top);
            }
        };
        match name {
            "COPY" => self.push(self.peek((oparg as usize).saturating_sub(1))),
            "DUP_TOP" => self.push(self.peek(0)),
            "DUP_TOP_TWO" => {
                let (below, top) = (self.peek(1), self.peek(0));
                self.push(below);
                self.push(top);
            }
            "ROT_TWO" => rotate(&mut self.stack, 2),
            "ROT_THREE" => rotate(&mut self.stack, 3),
            "ROT_FOUR" => rotate(&mut self.stack, 4),
            "SWAP" if oparg >= 1 && (oparg as usize) <= len => self.stack.swap(len - 1, len - oparg as usize),
            _ => return false,
        }
        true
    }
}

/// Something of a value, unless that is not known or too far away.
fn derived(base: Source, of: impl Fn(Box<Source>) -> Source) -> Source {
    if base.is_known() && base.depth() < MAX_CHAIN { of(Box::new(base)) } else { Source::Unknown }
}

fn is_subscript(name: &str, oparg: u32) -> bool {
    // `NB_SUBSCR` (3.14+).
    const SUBSCRIPT: u32 = 26;
    name.starts_with("BINARY_SUBSCR")
        || name.starts_with("BINARY_OP_SUBSCR")
        || name == "BINARY_OP" && oparg == SUBSCRIPT
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Source::*;
    use super::*;
    use crate::layout::spec_for;
    use crate::read::caches::SitePlan;

    fn opcodes(minor: u8) -> &'static OpcodeTable {
        spec_for(minor).unwrap().opcodes
    }

    /// Code of these instructions; the last one is a site.
    fn code(instructions: &[(&'static str, u32)], family: OpFamily) -> CodeParts {
        let lay = |(index, (name, oparg)): (usize, &(&'static str, u32))| Instruction {
            offset: index as u32 * 2,
            instruction: name,
            name,
            oparg: *oparg,
            len: 2,
        };
        let instructions: Vec<_> = instructions.iter().enumerate().map(lay).collect();
        let instruction = instructions.len() - 1;
        let site = SitePlan {
            offset: instruction as u32 * 2,
            family,
            name: String::new(),
            oparg: instructions[instruction].oparg,
            instruction,
        };
        CodeParts { instructions, sites: vec![site], ..CodeParts::default() }
    }

    fn of(minor: u8, instructions: &[(&'static str, u32)], family: OpFamily) -> SiteOperands {
        operands(&code(instructions, family), opcodes(minor)).remove(0)
    }

    fn attribute(base: Source, name: u32) -> Source {
        Attribute(Box::new(base), name)
    }

    #[test]
    fn receivers_are_locals_globals_and_their_attributes() {
        let load = [("LOAD_FAST_BORROW", 1), ("LOAD_ATTR_INSTANCE_VALUE", 2 << 1), ("LOAD_ATTR", 3 << 1)];
        assert_eq!(of(14, &load, OpFamily::LoadAttr), [(OperandRole::Receiver, attribute(Local(1), 2))]);
        let store = [("LOAD_CONST", 0), ("LOAD_GLOBAL_MODULE", 5), ("STORE_ATTR", 0)];
        assert_eq!(of(10, &store, OpFamily::StoreAttr), [(OperandRole::Receiver, Global(5))]);
        // A null goes with an odd argument, first below and later above.
        assert_eq!(of(11, &store, OpFamily::StoreAttr), [(OperandRole::Receiver, Global(2))]);
        assert_eq!(of(13, &store, OpFamily::StoreAttr), []);
    }

    #[test]
    fn callees_are_where_each_version_puts_them() {
        let call = |minor, global: u32, name| {
            of(minor, &[("LOAD_GLOBAL", global), ("LOAD_FAST", 0), (name, 1)], OpFamily::Call)
        };
        let callee = [(OperandRole::Callee, Global(2))];
        assert_eq!(call(8, 2, "CALL_FUNCTION"), callee);
        assert_eq!(call(11, 2 << 1 | 1, "CALL"), callee);
        assert_eq!(call(13, 2 << 1 | 1, "CALL_PY_EXACT_ARGS"), callee);
        let method = [(OperandRole::Callee, attribute(Local(0), 4))];
        let load = |name, oparg, call| [("LOAD_FAST", 0), (name, oparg), ("LOAD_SMALL_INT", 1), (call, 1)];
        assert_eq!(of(9, &load("LOAD_METHOD", 4, "CALL_METHOD"), OpFamily::Call), method);
        assert_eq!(of(11, &load("LOAD_METHOD_WITH_VALUES", 4, "CALL_ADAPTIVE"), OpFamily::Call), method);
        assert_eq!(of(15, &load("LOAD_ATTR", 4 << 1 | 1, "CALL"), OpFamily::Call), method);
        let keywords = [("LOAD_GLOBAL", 5), ("LOAD_FAST", 0), ("LOAD_CONST", 1), ("CALL_KW", 1)];
        assert_eq!(of(14, &keywords, OpFamily::CallKw), callee);
    }

    #[test]
    fn callees_of_calls_that_unpack_are_found() {
        let pass = |minor, opcodes: &[(&'static str, u32)]| of(minor, opcodes, OpFamily::CallUnpacked);
        let both = [("LOAD_FAST", 0), ("BUILD_MAP", 0), ("LOAD_FAST", 1), ("DICT_MERGE", 1)];
        let through = [(OperandRole::Callee, Cell(3))];
        let newest = [&[("LOAD_DEREF", 3), ("PUSH_NULL", 0)], &both[..], &[("CALL_FUNCTION_EX", 1)]].concat();
        assert_eq!(pass(15, &newest), through);
        let older = [&[("PUSH_NULL", 0), ("LOAD_DEREF", 3)], &both[..], &[("CALL_FUNCTION_EX", 1)]].concat();
        assert_eq!(pass(11, &older), through);
        let oldest = [("LOAD_GLOBAL", 2), ("LOAD_FAST", 0), ("CALL_FUNCTION_EX", 0)];
        assert_eq!(pass(9, &oldest), [(OperandRole::Callee, Global(2))]);
    }

    #[test]
    fn operators_have_two_sides() {
        let found = of(14, &[("LOAD_FAST_LOAD_FAST", 0x21), ("BINARY_OP", 0)], OpFamily::BinaryOp);
        assert_eq!(found, [(OperandRole::Left, Local(2)), (OperandRole::Right, Local(1))]);
        // A superinstruction of 3.12 is followed by its second half.
        let halves = [("LOAD_FAST__LOAD_CONST", 3), ("LOAD_CONST", 1), ("COMPARE_OP", 0)];
        let found = of(12, &halves, OpFamily::Compare);
        assert_eq!(found, [(OperandRole::Left, Local(3)), (OperandRole::Right, Const(1))]);
        let after_call = [("LOAD_FAST", 0), ("CALL_FUNCTION", 0), ("LOAD_FAST", 1), ("BINARY_ADD", 0)];
        assert_eq!(of(8, &after_call, OpFamily::BinaryOp), [(OperandRole::Right, Local(1))]);
    }

    #[test]
    fn values_are_followed_when_they_are_moved() {
        let swapped = [("LOAD_FAST", 0), ("LOAD_FAST", 1), ("SWAP", 2), ("LOAD_ATTR", 0)];
        assert_eq!(of(12, &swapped, OpFamily::LoadAttr), [(OperandRole::Receiver, Local(0))]);
        let doubled = [("LOAD_FAST", 0), ("LOAD_FAST", 1), ("ROT_TWO", 0), ("DUP_TOP", 0), ("LOAD_ATTR", 0)];
        assert_eq!(of(8, &doubled, OpFamily::LoadAttr), [(OperandRole::Receiver, Local(0))]);
        let loops = [("LOAD_FAST", 4), ("GET_ITER", 0), ("FOR_ITER", 9)];
        let items = [("LOAD_FAST", 4), ("GET_ITER", 0), ("FOR_ITER_LIST", 9), ("UNPACK_SEQUENCE", 2)];
        let element = Element(Box::new(Local(4)));
        assert_eq!(of(12, &items, OpFamily::Unpack), [(OperandRole::Left, element)]);
        let item = [("LOAD_FAST", 4), ("LOAD_FAST", 5), ("BINARY_OP_SUBSCR_LIST_INT", 26), ("LOAD_ATTR", 2)];
        let [(_, item)] = &of(14, &item, OpFamily::LoadAttr)[..] else { panic!("one operand") };
        assert_eq!(*item, Item(Box::new(Local(4)), Box::new(Local(5))));
        assert!(item.last_local() == Some(5) && !item.locals_all(&|slot| slot == 4));
        assert_eq!(of(13, &loops, OpFamily::Iterate), [(OperandRole::Left, Iterator(Box::new(Local(4))))]);
    }

    #[test]
    fn after_an_unknown_instruction_nothing_is_known() {
        let code = [("LOAD_FAST", 0), ("LOAD_FAST", 1), ("MATCH_CLASS", 0), ("BINARY_OP", 0)];
        assert_eq!(of(14, &code, OpFamily::BinaryOp), []);
    }

    #[test]
    fn a_local_is_kept_until_something_stores_to_it() {
        let code = code(
            &[("LOAD_FAST", 0), ("STORE_FAST_STORE_FAST", 0x12), ("NOP", 0), ("LOAD_ATTR", 0)],
            OpFamily::LoadAttr,
        );
        assert!(is_kept(&code, 0, 0, 6) && is_kept(&code, 1, 4, 6));
        assert!(!is_kept(&code, 1, 0, 6) && !is_kept(&code, 2, 6, 2));
    }

    proptest! {
        #[test]
        fn any_instructions_are_followed(
            opcodes_and_args in proptest::collection::vec((any::<u8>(), any::<u32>()), 1..60),
            minor in 8u8..=15,
        ) {
            let table = opcodes(minor);
            let named: Vec<(&'static str, u32)> = opcodes_and_args
                .iter()
                .map(|(opcode, oparg)| (table.name(*opcode).unwrap_or("NOP"), *oparg))
                .collect();
            let parts = code(&named, OpFamily::Call);
            prop_assert_eq!(operands(&parts, table).len(), 1);
        }
    }
}
