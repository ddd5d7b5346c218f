//! What the values on the stack of straight-line bytecode are called.
//!
//! A small model of the value stack, enough to say what an instruction stores to: `self`, `type(self)`,
//! `shop.models`, the dict that `globals()` returns. It follows instructions in their order; where
//! control flow or an instruction that it does not know interferes, values are unknown, never wrong
//! in kind: a name is given only to a value that the instructions right before produced.

use std::sync::Arc;

/// Longest text that a value is called, in bytes.
const MAX_TEXT: usize = 60;
/// Values that the model keeps.
const MAX_DEPTH: usize = 256;

/// A value on the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing is known of it.
    Unknown,
    /// The null that calls of functions have in place of `self` (3.11+).
    Null,
    /// A global or builtin of this name.
    Global(Arc<str>),
    /// What this expression yields.
    Expression(Arc<str>),
    /// A constant string.
    Text(Arc<str>),
    /// The dict of globals.
    Globals,
    /// The `__dict__` of what is called so.
    DictOf(Arc<str>),
    /// `__build_class__`.
    BuildClass,
    /// A method of a dict that matters: the dict, and its name.
    DictMethod(Arc<Value>, Arc<str>),
}

impl Value {
    /// An expression, if it is not too long.
    pub fn expression(text: String) -> Self {
        if text.len() > MAX_TEXT { Self::Unknown } else { Self::Expression(text.into()) }
    }

    /// What it is called; empty if that is not known.
    pub fn text(&self) -> &str {
        match self {
            Self::Global(text) | Self::Expression(text) => text,
            Self::Globals => "globals()",
            Self::Unknown | Self::Null | Self::Text(_) | Self::DictOf(_) => "",
            Self::BuildClass | Self::DictMethod(..) => "",
        }
    }

    /// The constant string that it is; empty if it is not one.
    pub fn constant(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// The attribute of it.
    pub fn attribute(self, name: &Arc<str>) -> Self {
        match (&self, &**name) {
            (Self::Globals | Self::DictOf(_), _) => Self::DictMethod(Arc::new(self), name.clone()),
            (_, "__dict__") => Self::DictOf(self.text().into()),
            _ if self.text().is_empty() => Self::Unknown,
            _ => Self::expression(format!("{}.{name}", self.text())),
        }
    }

    /// An item of it.
    pub fn item(&self, key: &Self) -> Self {
        match (self.text(), key) {
            ("", _) => Self::Unknown,
            (container, Self::Text(key)) => Self::expression(format!("{container}[{key:?}]")),
            (_, key) if key.text().is_empty() => Self::Unknown,
            (container, key) => Self::expression(format!("{container}[{}]", key.text())),
        }
    }

    /// What a call of it with these arguments yields, as far as its text tells.
    pub fn called(&self, arguments: &[Self]) -> Self {
        let known = arguments.iter().all(|argument| !argument.text().is_empty());
        if self.text().is_empty() || !known || arguments.len() > 2 {
            return Self::Unknown;
        }
        let arguments: Vec<&str> = arguments.iter().map(Self::text).collect();
        Self::expression(format!("{}({})", self.text(), arguments.join(", ")))
    }
}

/// The value stack.
#[derive(Debug, Default)]
pub struct Stack(Vec<Value>);

impl Stack {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Pushes a value.
    pub fn push(&mut self, value: Value) {
        if self.0.len() >= MAX_DEPTH {
            self.0.clear();
        }
        self.0.push(value);
    }

    /// Pushes values of which nothing is known.
    pub fn push_unknown(&mut self, count: u32) {
        (0..count.min(MAX_DEPTH as u32)).for_each(|_| self.push(Value::Unknown));
    }

    /// Takes the topmost value.
    pub fn pop(&mut self) -> Value {
        self.0.pop().unwrap_or(Value::Unknown)
    }

    /// Drops the topmost `count` values.
    pub fn drop(&mut self, count: u32) {
        let left = self.0.len().saturating_sub(count as usize);
        self.0.truncate(left);
    }

    /// Takes the topmost `count` values, the lowest first. `None` if that is more than any call has.
    pub fn take(&mut self, count: u32) -> Option<Vec<Value>> {
        let count = usize::try_from(count).ok().filter(|count| *count <= MAX_DEPTH)?;
        let mut taken = vec![Value::Unknown; count.saturating_sub(self.0.len())];
        taken.extend(self.0.drain(self.0.len().saturating_sub(count)..));
        Some(taken)
    }

    /// The value `depth` places from the top, which is 1.
    pub fn peek(&self, depth: u32) -> Value {
        let place = self.0.len().checked_sub(depth as usize);
        place.and_then(|place| self.0.get(place)).cloned().unwrap_or(Value::Unknown)
    }

    /// Exchanges the topmost value with the one `depth` places from the top.
    pub fn swap(&mut self, depth: u32) {
        let len = self.0.len();
        match len.checked_sub(depth as usize) {
            Some(place) if depth >= 1 => self.0.swap(place, len - 1),
            _ => self.clear(),
        }
    }

    /// Moves the topmost value below the `depth - 1` others: `ROT_TWO`, `ROT_THREE`, `ROT_FOUR`.
    pub fn rotate(&mut self, depth: u32) {
        match self.0.len().checked_sub(depth as usize) {
            Some(place) if depth >= 1 => self.0[place..].rotate_right(1),
            _ => self.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(name: &str) -> Value {
        Value::Expression(name.into())
    }

    #[test]
    fn values_are_called_as_they_are_written() {
        let kind = Value::Global("type".into()).called(&[named("self")]);
        assert_eq!(kind.text(), "type(self)");
        assert_eq!(kind.attribute(&"created".into()).text(), "type(self).created");
        assert_eq!(named("self").attribute(&"__dict__".into()), Value::DictOf("self".into()));
        assert_eq!(named("sys.modules").item(&Value::Text("shop".into())).text(), "sys.modules[\"shop\"]");
        assert_eq!(Value::Unknown.attribute(&"created".into()), Value::Unknown);
        assert_eq!(named("f").called(&[Value::Unknown]), Value::Unknown);
        assert_eq!(named(&"x".repeat(59)).attribute(&"y".into()), Value::Unknown);
    }

    proptest! {
        #[test]
        fn any_moves_are_survived(moves in proptest::collection::vec((0u8..8, 0u32..1000), 0..300)) {
            let mut stack = Stack::default();
            for (kind, count) in moves {
                match kind {
                    0 => stack.push(named("x")),
                    1 => stack.push_unknown(count),
                    2 => stack.drop(count),
                    3 => stack.swap(count % 5),
                    4 => stack.rotate(count % 5),
                    5 => drop(stack.take(count)),
                    6 => stack.push(stack.peek(count % 5)),
                    _ => drop(stack.pop()),
                }
                prop_assert!(stack.0.len() <= MAX_DEPTH);
            }
        }
    }
}
