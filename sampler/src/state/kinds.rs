//! What a value is to attribute lookup, told by its type.

use rustc_hash::FxHashMap;
use slowpath_profile::evidence::AttributeKind;

use crate::layout::spec::Layout;
use crate::process::memory::Memory;
use crate::read::dict::read_word;
use crate::read::types::RawType;

/// Types of values that are remembered.
const MAX_KINDS: usize = 2_048;

/// What the values of a type are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValueKind {
    /// `module.name` of the type; without the module for built-in types.
    pub(crate) type_name: String,
    attribute: AttributeKind,
    is_class: bool,
    is_module: bool,
}

impl ValueKind {
    fn of(memory: &dyn Memory, layout: &Layout, raw: &RawType) -> Option<Self> {
        let (module, name) = raw.names(memory, layout)?;
        let attribute = attribute_kind(raw, &module, &name);
        let is_module = !raw.is_heap() && name == "module";
        let type_name = match module.as_str() {
            "" | "builtins" => name,
            module => format!("{module}.{name}"),
        };
        Some(Self { type_name, attribute, is_class: raw.is_metaclass(), is_module })
    }

    /// What such a value is in the dict of a class.
    pub(crate) fn attribute(&self) -> AttributeKind {
        self.attribute
    }

    /// Whether it is a Python function.
    pub(crate) fn is_function(&self) -> bool {
        self.attribute == AttributeKind::Function
    }

    /// Whether reading it through an instance gives something else.
    pub(crate) fn is_descriptor(&self) -> bool {
        !matches!(self.attribute, AttributeKind::Value | AttributeKind::PythonInstance)
    }

    /// Whether it is a class.
    pub(crate) fn is_class(&self) -> bool {
        self.is_class
    }

    /// Whether it is a module.
    pub(crate) fn is_module(&self) -> bool {
        self.is_module
    }

    /// Whether looking it up, or calling it, runs Python code.
    pub(crate) fn is_python(&self) -> bool {
        matches!(
            self.attribute,
            AttributeKind::Function
                | AttributeKind::PythonDescriptor
                | AttributeKind::PythonDataDescriptor
                | AttributeKind::PythonInstance
        )
    }
}

/// The specialiser of 3.11+ tells values by whether their type can change: whatever a Python class
/// makes may become a descriptor at any time.
fn attribute_kind(raw: &RawType, module: &str, name: &str) -> AttributeKind {
    if !raw.is_immutable() {
        return match (raw.has_set, raw.has_get) {
            _ if (module, name) == ("functools", "cached_property") => AttributeKind::CachedProperty,
            (true, _) => AttributeKind::PythonDataDescriptor,
            (false, true) => AttributeKind::PythonDescriptor,
            (false, false) => AttributeKind::PythonInstance,
        };
    }
    match name {
        "function" => AttributeKind::Function,
        "staticmethod" => AttributeKind::StaticMethod,
        "classmethod" | "classmethod_descriptor" => AttributeKind::ClassMethod,
        "property" => AttributeKind::Property,
        "member_descriptor" => AttributeKind::Slot,
        "getset_descriptor" => AttributeKind::GetSet,
        "method_descriptor" | "wrapper_descriptor" => AttributeKind::NativeMethod,
        _ if raw.is_method_descriptor() => AttributeKind::NativeMethod,
        _ if raw.has_set => AttributeKind::GetSet,
        _ if raw.has_get => AttributeKind::NativeMethod,
        _ => AttributeKind::Value,
    }
}

/// Kinds by the address of the type.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    of_type: FxHashMap<u64, ValueKind>,
}

impl Kinds {
    /// What the value at `addr` is; `None` if it cannot be read.
    pub(crate) fn of(&mut self, memory: &dyn Memory, layout: &Layout, addr: u64) -> Option<&ValueKind> {
        let class = read_word(memory, addr, layout.object.ob_type)?;
        if !self.of_type.contains_key(&class) {
            let raw = RawType::read(memory, layout, class)?;
            let kind = ValueKind::of(memory, layout, &raw)?;
            if self.of_type.len() >= MAX_KINDS {
                self.of_type.clear();
            }
            self.of_type.insert(class, kind);
        }
        self.of_type.get(&class)
    }

    /// What the value at `addr` is, if a value of its type was met before.
    pub(crate) fn known(&self, memory: &dyn Memory, layout: &Layout, addr: u64) -> Option<&ValueKind> {
        self.of_type.get(&read_word(memory, addr, layout.object.ob_type)?)
    }
}
