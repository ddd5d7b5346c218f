//! Calls that store: `setattr`, `globals().update`, `exec`, a class that is made.

use std::sync::Arc;

use slowpath_profile::evidence::StoreKind;

use super::{Body, Walk};
use crate::read::symbolic::Value;

impl Walk<'_> {
    /// One instruction, if it calls.
    pub(super) fn calls(&mut self, instruction: &str, oparg: u32) -> bool {
        match instruction {
            // Before 3.11; a method call has two values below the arguments.
            "CALL_FUNCTION" => self.call(oparg, true),
            "CALL_FUNCTION_KW" => {
                self.stack.pop();
                self.call(oparg, true);
            }
            "CALL_METHOD" | "CALL" => self.call(oparg, false),
            "CALL_KW" => {
                self.stack.pop();
                self.call(oparg, false);
            }
            "PRECALL" | "KW_NAMES" => {}
            "CALL_FUNCTION_EX" => {
                self.stack.clear();
                self.stack.push(Value::Unknown);
            }
            _ => return false,
        }
        true
    }

    /// A call with so many arguments. `is_bare`: there is no place for `self` below them.
    fn call(&mut self, count: u32, is_bare: bool) {
        let Some(arguments) = self.stack.take(count) else { return self.stack.clear() };
        let callee = match (self.stack.pop(), is_bare) {
            (callee, true) => callee,
            (Value::Null, false) => self.stack.pop(),
            (value, false) => match self.stack.pop() {
                Value::Null => value,
                callee => callee,
            },
        };
        let result = self.called(&callee, &arguments);
        self.stack.push(result);
    }

    /// Notes what a call does, and says what it yields.
    fn called(&mut self, callee: &Value, arguments: &[Value]) -> Value {
        let text = |index: usize| arguments.get(index).map_or("", Value::text);
        let constant = |index: usize| arguments.get(index).map_or("", Value::constant);
        match callee {
            Value::Global(name) => return self.builtin(name, arguments),
            Value::BuildClass => self.class(constant(1)),
            Value::DictMethod(dict, name) => self.dict_method(dict, name, arguments),
            Value::Expression(name) => match (&**name, arguments.len()) {
                ("object.__setattr__" | "type.__setattr__", 3) => {
                    self.store(StoreKind::Setattr, constant(1), text(0));
                }
                ("object.__delattr__" | "type.__delattr__", 2) => {
                    self.store(StoreKind::Delattr, constant(1), text(0));
                }
                ("super().__setattr__", 2) => self.store(StoreKind::Setattr, constant(0), "self"),
                ("super().__delattr__", 1) => self.store(StoreKind::Delattr, constant(0), "self"),
                ("builtins.exec" | "builtins.eval", _) => self.store(StoreKind::Exec, "", text(1)),
                _ => {}
            },
            _ => {}
        }
        callee.called(arguments)
    }

    fn builtin(&mut self, name: &Arc<str>, arguments: &[Value]) -> Value {
        let text = |index: usize| arguments.get(index).map_or("", Value::text);
        let constant = |index: usize| arguments.get(index).map_or("", Value::constant);
        match (&**name, arguments.len()) {
            ("globals", 0) => return Value::Globals,
            ("vars" | "locals", 0) if self.body == Body::Module => return Value::Globals,
            ("vars", 1) => {
                self.store(StoreKind::DictRead, "", text(0));
                return Value::DictOf(text(0).into());
            }
            ("setattr", 3) => self.store(StoreKind::Setattr, constant(1), text(0)),
            ("delattr", 2) => self.store(StoreKind::Delattr, constant(1), text(0)),
            ("exec" | "eval", 1..) => self.store(StoreKind::Exec, "", text(1)),
            ("type", 3..) => self.class(constant(0)),
            _ => {}
        }
        Value::Global(name.clone()).called(arguments)
    }

    /// A class is made: at run time if a function does it.
    fn class(&mut self, name: &str) {
        if self.body == Body::Function {
            self.store(StoreKind::ClassBody, name, "");
        }
    }

    fn dict_method(&mut self, dict: &Value, method: &str, arguments: &[Value]) {
        let key = match method {
            "__setitem__" | "__delitem__" | "setdefault" | "pop" => {
                arguments.first().map_or("", Value::constant)
            }
            "update" | "clear" | "popitem" => "",
            _ => return,
        };
        self.item(dict, key, matches!(method, "__delitem__" | "pop"));
    }
}
