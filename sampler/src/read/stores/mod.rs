//! Which instructions of a code object store to names, and to what.

mod calls;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use slowpath_profile::evidence::StoreKind;

use crate::read::caches::Instruction;
use crate::read::symbolic::{Stack, Value};

/// Stores of one code object that are kept.
const MAX_STORES: usize = 2_000;

/// Where the names and constants of a code object come from.
pub trait Operands {
    /// `co_names[index]`.
    fn name(&mut self, index: u32) -> Arc<str>;
    /// The local variable in slot `index`.
    fn local(&mut self, index: u32) -> Arc<str>;
    /// The variable of `LOAD_DEREF index`.
    fn cell(&mut self, index: u32) -> Arc<str>;
    /// `co_consts[index]` if it is a string.
    fn text(&mut self, index: u32) -> Option<Arc<str>>;
}

/// What a code object is, as far as its stores depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The body of a module, or what `exec` runs: names are globals.
    Module,
    /// The body of a class: names are attributes of a class that is not there yet.
    Class,
    /// A function.
    Function,
}

/// An instruction that stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its byte offset.
    pub offset: u32,
    /// How it stores.
    pub kind: StoreKind,
    /// The name, where the bytecode tells it.
    pub name: Arc<str>,
    /// What it stores to, where the bytecode tells it.
    pub target: Arc<str>,
}

/// The instructions that store. `flag_bits` is how many low bits of the argument of an instruction
/// are no index.
pub fn find(
    instructions: &[Instruction],
    body: Body,
    flag_bits: &dyn Fn(&str) -> u8,
    operands: &mut dyn Operands,
) -> Vec<Found> {
    let mut walk = Walk {
        body,
        flag_bits,
        operands,
        stack: Stack::default(),
        aliases: FxHashMap::default(),
        offset: 0,
        found: Vec::new(),
    };
    for instruction in instructions {
        if walk.found.len() >= MAX_STORES {
            break;
        }
        walk.offset = instruction.offset;
        walk.step(instruction.instruction, instruction.name, instruction.oparg);
    }
    walk.found
}

struct Walk<'a> {
    body: Body,
    flag_bits: &'a dyn Fn(&str) -> u8,
    operands: &'a mut dyn Operands,
    stack: Stack,
    /// Local variables that hold a dict that matters.
    aliases: FxHashMap<u32, Value>,
    offset: u32,
    found: Vec<Found>,
}

impl Walk<'_> {
    fn store(&mut self, kind: StoreKind, name: &str, target: &str) {
        let found = Found { offset: self.offset, kind, name: name.into(), target: target.into() };
        self.found.push(found);
    }

    /// One instruction: what it is, as which form, and its argument.
    fn step(&mut self, instruction: &str, form: &str, oparg: u32) {
        let known = self.stores(instruction, oparg)
            || self.loads(instruction, form, oparg)
            || self.calls(instruction, oparg)
            || self.moves(instruction, oparg)
            || self.computes(instruction, oparg);
        if !known {
            self.stack.clear();
        }
    }

    fn stores(&mut self, instruction: &str, oparg: u32) -> bool {
        match instruction {
            "STORE_GLOBAL" | "STORE_NAME" => {
                self.stack.pop();
                self.names(StoreKind::Global, instruction, oparg);
            }
            "DELETE_GLOBAL" | "DELETE_NAME" => self.names(StoreKind::DeleteGlobal, instruction, oparg),
            "STORE_ATTR" | "DELETE_ATTR" => {
                let target = self.stack.pop();
                let name = self.operands.name(oparg);
                let kind = match (instruction, &*name) {
                    ("STORE_ATTR", "__dict__") => StoreKind::DictReplaced,
                    ("STORE_ATTR", _) => StoreKind::Attribute,
                    _ => StoreKind::DeleteAttribute,
                };
                if instruction == "STORE_ATTR" {
                    self.stack.pop();
                }
                self.store(kind, &name, target.text());
            }
            "STORE_SUBSCR" | "DELETE_SUBSCR" => {
                let key = self.stack.pop();
                let container = self.stack.pop();
                if instruction == "STORE_SUBSCR" {
                    self.stack.pop();
                }
                self.item(&container, key.constant(), instruction == "DELETE_SUBSCR");
            }
            "STORE_FAST" => {
                let value = self.stack.pop();
                match value {
                    Value::Globals | Value::DictOf(_) => drop(self.aliases.insert(oparg, value)),
                    _ => drop(self.aliases.remove(&oparg)),
                }
            }
            "STORE_DEREF" => drop(self.stack.pop()),
            "DELETE_FAST" | "DELETE_DEREF" => {}
            _ => return false,
        }
        true
    }

    /// A store to a name: in the body of a class it is none, for there is no class yet.
    fn names(&mut self, kind: StoreKind, instruction: &str, oparg: u32) {
        if self.body != Body::Class || instruction.ends_with("_GLOBAL") {
            let name = self.operands.name(oparg);
            self.store(kind, &name, "");
        }
    }

    /// A store to an item of a dict, if the dict matters.
    fn item(&mut self, container: &Value, key: &str, deletes: bool) {
        match container {
            Value::Globals if deletes && !key.is_empty() => self.store(StoreKind::DeleteGlobal, key, ""),
            Value::Globals => self.store(StoreKind::GlobalsItem, key, ""),
            Value::DictOf(of) => self.store(StoreKind::DictItem, key, of),
            _ => {}
        }
    }

    fn loads(&mut self, instruction: &str, form: &str, oparg: u32) -> bool {
        let flags = (self.flag_bits)(instruction);
        let index = oparg >> flags;
        match instruction {
            "LOAD_GLOBAL" => {
                if flags > 0 && oparg & 1 == 1 {
                    self.stack.push(Value::Null);
                }
                let name = self.operands.name(index);
                self.stack.push(Value::Global(name));
            }
            "LOAD_NAME" | "LOAD_FROM_DICT_OR_GLOBALS" => {
                if instruction == "LOAD_FROM_DICT_OR_GLOBALS" {
                    self.stack.pop();
                }
                let name = self.operands.name(index);
                self.stack.push(Value::Global(name));
            }
            "LOAD_ATTR" | "LOAD_METHOD" => {
                let is_method = instruction == "LOAD_METHOD" || (flags > 0 && oparg & 1 == 1);
                self.attribute(index, is_method);
            }
            "LOAD_SUPER_ATTR" => {
                self.stack.drop(3);
                let name = self.operands.name(index);
                if oparg & 1 == 1 {
                    self.stack.push(Value::Null);
                }
                self.stack.push(Value::expression(format!("super().{name}")));
            }
            "LOAD_CONST" | "LOAD_CONST_IMMORTAL" | "LOAD_CONST_MORTAL" => {
                let text = self.operands.text(oparg);
                self.stack.push(text.map_or(Value::Unknown, Value::Text));
            }
            "LOAD_DEREF" | "LOAD_CLASSDEREF" | "LOAD_FROM_DICT_OR_DEREF" => {
                if instruction == "LOAD_FROM_DICT_OR_DEREF" {
                    self.stack.pop();
                }
                let name = self.operands.cell(oparg);
                self.stack.push(Value::Expression(name));
            }
            "LOAD_BUILD_CLASS" => self.stack.push(Value::BuildClass),
            _ => return self.loads_local(instruction, form, oparg),
        }
        true
    }

    fn loads_local(&mut self, instruction: &str, form: &str, oparg: u32) -> bool {
        match instruction {
            // In place of the first of two instructions (3.11, 3.12), or both in one (3.13+).
            "LOAD_FAST_LOAD_FAST" | "LOAD_FAST_BORROW_LOAD_FAST_BORROW" => {
                self.local(oparg >> 4);
                self.local(oparg & 15);
            }
            "STORE_FAST_LOAD_FAST" => {
                self.stores("STORE_FAST", oparg >> 4);
                self.local(oparg & 15);
            }
            "STORE_FAST_STORE_FAST" => {
                self.stores("STORE_FAST", oparg >> 4);
                self.stores("STORE_FAST", oparg & 15);
            }
            "STORE_FAST__LOAD_FAST" | "STORE_FAST__STORE_FAST" => {
                self.stores("STORE_FAST", oparg);
            }
            "LOAD_CONST__LOAD_FAST" => {
                self.loads("LOAD_CONST", form, oparg);
            }
            "LOAD_SMALL_INT"
            | "LOAD_COMMON_CONSTANT"
            | "LOAD_CLOSURE"
            | "LOAD_LOCALS"
            | "LOAD_SPECIAL"
            | "LOAD_ASSERTION_ERROR"
            | "LOAD_FAST_AND_CLEAR" => self.stack.push(Value::Unknown),
            _ if instruction.starts_with("LOAD_FAST") => self.local(oparg),
            _ => return false,
        }
        true
    }

    fn local(&mut self, index: u32) {
        let value = match self.aliases.get(&index) {
            Some(value) => value.clone(),
            None => Value::Expression(self.operands.local(index)),
        };
        self.stack.push(value);
    }

    fn attribute(&mut self, index: u32, is_method: bool) {
        let of = self.stack.pop();
        let name = self.operands.name(index);
        if &*name == "__dict__" {
            let target = of.text().to_owned();
            self.store(StoreKind::DictRead, "", &target);
        }
        if is_method {
            self.stack.push(Value::Null);
        }
        self.stack.push(of.attribute(&name));
    }
}

/// Instructions that only move or combine values.
impl Walk<'_> {
    fn moves(&mut self, instruction: &str, oparg: u32) -> bool {
        let stack = &mut self.stack;
        match instruction {
            "NOP" | "RESUME" | "CACHE" | "EXTENDED_ARG" | "NOT_TAKEN" | "MAKE_CELL" | "COPY_FREE_VARS"
            | "SETUP_LINENO" | "GEN_START" => {}
            "PUSH_NULL" => stack.push(Value::Null),
            "POP_TOP" | "POP_ITER" => drop(stack.pop()),
            "DUP_TOP" => stack.push(stack.peek(1)),
            "DUP_TOP_TWO" => {
                stack.push(stack.peek(2));
                stack.push(stack.peek(2));
            }
            "COPY" => stack.push(stack.peek(oparg)),
            "SWAP" => stack.swap(oparg),
            "ROT_TWO" => stack.rotate(2),
            "ROT_THREE" => stack.rotate(3),
            "ROT_FOUR" => stack.rotate(4),
            "ROT_N" => stack.rotate(oparg),
            _ => return false,
        }
        true
    }

    fn computes(&mut self, instruction: &str, oparg: u32) -> bool {
        let (takes, gives) = match instruction {
            "BINARY_OP" if oparg == SUBSCRIPT => return self.subscript(),
            "BINARY_SUBSCR" => return self.subscript(),
            "BINARY_SLICE" => (3, 1),
            "STORE_SLICE" => (4, 0),
            "COMPARE_OP" | "IS_OP" | "CONTAINS_OP" | "BINARY_OP" => (2, 1),
            "FORMAT_VALUE" => (1 + u32::from(oparg & 4 != 0), 1),
            "FORMAT_WITH_SPEC" => (2, 1),
            "TO_BOOL" | "FORMAT_SIMPLE" | "CONVERT_VALUE" | "GET_ITER" | "LIST_TO_TUPLE" => (1, 1),
            "CALL_INTRINSIC_1" => (1, 1),
            "BUILD_TUPLE" | "BUILD_LIST" | "BUILD_SET" | "BUILD_STRING" | "BUILD_SLICE" => (oparg, 1),
            "BUILD_MAP" => (oparg.saturating_mul(2), 1),
            "BUILD_CONST_KEY_MAP" => (oparg.saturating_add(1), 1),
            "LIST_EXTEND" | "SET_UPDATE" | "DICT_UPDATE" | "DICT_MERGE" | "LIST_APPEND" | "SET_ADD" => (1, 0),
            "MAP_ADD" => (2, 0),
            "UNPACK_SEQUENCE" => (1, oparg),
            "IMPORT_NAME" => (2, 1),
            "IMPORT_FROM" => (0, 1),
            "MAKE_FUNCTION" => return self.function(oparg),
            "SET_FUNCTION_ATTRIBUTE" => (2, 1),
            _ if instruction.starts_with("UNARY_") => (1, 1),
            _ if instruction.starts_with("BINARY_") || instruction.starts_with("INPLACE_") => (2, 1),
            _ if instruction.starts_with("POP_JUMP") => (1, 0),
            _ => return false,
        };
        self.stack.drop(takes);
        self.stack.push_unknown(gives);
        true
    }

    fn subscript(&mut self) -> bool {
        let key = self.stack.pop();
        let container = self.stack.pop();
        self.stack.push(container.item(&key));
        true
    }

    /// `MAKE_FUNCTION`: with the name on top before 3.11, and one value for each flag before 3.13.
    fn function(&mut self, flags: u32) -> bool {
        if matches!(self.stack.peek(1), Value::Text(_)) {
            self.stack.pop();
        }
        self.stack.drop(1 + (flags & 15).count_ones());
        self.stack.push(Value::Unknown);
        true
    }
}

/// `NB_SUBSCR` (3.14+); no other version has so many operators.
const SUBSCRIPT: u32 = 26;

#[cfg(test)]
mod tests;
