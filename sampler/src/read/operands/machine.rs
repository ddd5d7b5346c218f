//! Executes instructions on a stack of what each value is.

use slowpath_profile::evidence::{OpFamily, OperandRole};

use super::{SiteOperands, Source};
use crate::layout::spec::OpcodeTable;
use crate::read::caches::Instruction;
use crate::read::stack_effect::effect;

/// Attributes of attributes that are followed.
const MAX_CHAIN: usize = 3;
/// Values on the stack that are followed.
const MAX_STACK: usize = 64;

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

/// The stack of values, as one instruction after the other leaves it.
pub(super) struct Machine {
    stack: Vec<Source>,
    dialect: Dialect,
}

impl Machine {
    /// Begins with an empty stack.
    pub(super) fn new(opcodes: &OpcodeTable) -> Self {
        Self { stack: Vec::new(), dialect: Dialect::of(opcodes) }
    }

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

    /// The operands of an instruction that is about to be executed.
    pub(super) fn operands(&self, family: OpFamily, instruction: &Instruction) -> SiteOperands {
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

    /// What an instruction does to the stack.
    pub(super) fn execute(&mut self, instruction: &Instruction) {
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

/// A superinstruction of 3.11-3.12 (`LOAD_FAST__LOAD_CONST`) stands in place of its first half; the
/// second one follows.
pub(super) fn base_name(name: &'static str) -> &'static str {
    let name = name.strip_prefix("INSTRUMENTED_").unwrap_or(name);
    name.split_once("__").map_or(name, |(first, _)| first)
}
