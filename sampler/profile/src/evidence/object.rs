//! Types and functions that hot code met.

use serde::{Deserialize, Serialize};
use serde_with::apply;

use super::{KeyChange, KeysKind, TypeRef, is_default};
use crate::ids::FunctionId;

/// `tp_version_tag` over time. Caches that hold a tag are valid while the type holds the same; 0 means
/// that no cache can be.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VersionTag {
    /// The last tag.
    pub last: u32,
    /// Looks at it.
    pub looks: u32,
    /// Looks at which it was 0.
    pub zero: u32,
    /// Looks at which it differed from the look before.
    pub changes: u32,
    /// `tp_versions_used` (3.13+): tags that the type has had so far.
    pub used: Option<u16>,
    /// `MAX_VERSIONS_PER_CLASS` of this version: with so many used, it gets no more.
    pub limit: Option<u16>,
}

impl VersionTag {
    /// Whether the type will never have a version tag again.
    pub fn is_spent(&self) -> bool {
        self.last == 0 && self.used.zip(self.limit).is_some_and(|(used, limit)| used >= limit)
    }
}

/// What replaces the interpreter's own way of finding attributes.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttributeHooks {
    /// A Python `__getattribute__`.
    pub getattribute: bool,
    /// A Python `__getattr__`.
    pub getattr: bool,
    /// A Python `__setattr__` or `__delattr__`.
    pub setattr: bool,
    /// `tp_getattro` is native and not `object`'s (modules, types and super have their own).
    pub native_get: bool,
    /// `tp_setattro` is native and not `object`'s.
    pub native_set: bool,
}

/// `ht_cached_keys`: names of attributes that instances share.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SharedKeys {
    /// `dk_nentries`: names so far.
    pub entries: u32,
    /// `dk_usable`: names that still fit.
    pub usable: u32,
    /// `dk_version`; 0: none.
    pub version: u32,
    /// `dk_kind`.
    pub kind: KeysKind,
}

/// What an attribute of a class is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    /// A Python function: a method.
    Function,
    /// A method of a built-in type.
    NativeMethod,
    /// `classmethod`.
    ClassMethod,
    /// `staticmethod`.
    StaticMethod,
    /// `property` with a Python getter.
    Property,
    /// A member descriptor: `__slots__`.
    Slot,
    /// A getset descriptor of a built-in type.
    GetSet,
    /// `functools.cached_property`.
    CachedProperty,
    /// Another instance of a Python class that has `__get__` and neither `__set__` nor `__delete__`.
    PythonDescriptor,
    /// The same with `__set__` or `__delete__`.
    PythonDataDescriptor,
    /// A plain instance of a Python class, without `__get__`.
    PythonInstance,
    /// A plain value of a built-in type.
    Value,
    /// No class in the MRO has it.
    Missing,
    /// It could not be told.
    #[default]
    Unknown,
}

/// An attribute that a site asks for, as the type's MRO answers.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: AttributeKind,
    /// The class in whose dict it was found.
    pub holder: Option<TypeRef>,
    /// The type of the value.
    pub type_name: String,
    /// Whether instances that were looked at had an attribute of that name of their own.
    pub on_instance: bool,
    /// Whether the name is among the keys that instances share.
    pub in_shared_keys: bool,
}

/// How instances of a type are made, as far as it decides whether a call of the type can specialise.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Construction {
    /// A Python `__new__`, or that of a built-in type other than `object`.
    pub own_new: bool,
    /// A Python `__init__`.
    pub python_init: bool,
    /// `__init__` takes `*args`, `**kwargs` or keyword-only arguments.
    pub complex_init: bool,
    /// The metaclass is not `type` (`ABCMeta`, `EnumType`, …).
    pub own_metaclass: bool,
}

/// A type.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TypeFacts {
    /// `__qualname__`, or `tp_name` of a built-in type.
    pub name: String,
    /// `__module__`.
    pub module: String,
    /// Where its body is, if a method of it was found.
    pub defined_in: Option<FunctionId>,
    /// Made by a `class` statement (`Py_TPFLAGS_HEAPTYPE`).
    pub is_heap: bool,
    /// `Py_TPFLAGS_IMMUTABLETYPE`.
    pub is_immutable: bool,
    /// `__mro__` without the type itself.
    pub mro: Vec<TypeRef>,
    /// The metaclass, where it is not `type`.
    pub metaclass: Option<TypeRef>,
    /// Its version tag.
    pub version: VersionTag,
    /// Its attribute hooks.
    pub hooks: AttributeHooks,
    /// `Py_TPFLAGS_MANAGED_DICT`.
    pub managed_dict: bool,
    /// `Py_TPFLAGS_INLINE_VALUES`.
    pub inline_values: bool,
    /// Its shared keys.
    pub keys: Option<SharedKeys>,
    /// A Python `__call__`.
    pub python_call: bool,
    /// A Python `__bool__` or `__len__`.
    pub python_truth: bool,
    /// A Python `__next__`.
    pub python_next: bool,
    /// A Python `__getitem__`.
    pub python_getitem: bool,
    /// How instances are made.
    pub construction: Construction,
    /// Attributes that sites ask for.
    pub attributes: Vec<Attribute>,
    /// Attributes of the class itself that were seen to change between two looks.
    pub changes: Vec<KeyChange>,
    /// Other types of the same name and module: the class is made again and again.
    pub copies: u32,
}

impl TypeFacts {
    /// `module.name`; without the module for built-in types.
    pub fn full_name(&self) -> String {
        match self.module.as_str() {
            "" | "builtins" => self.name.clone(),
            module => format!("{module}.{}", self.name),
        }
    }

    /// The attribute of this name, if a site asked for it.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

/// A Python function object.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FunctionFacts {
    /// The function of its code object.
    pub function: FunctionId,
    /// `func_version`: 0 none yet or overflowed, 1 cleared for ever (3.13+).
    pub version: u32,
    /// Looks at which it differed from the look before.
    pub version_changes: u32,
    /// Looks at it.
    pub looks: u32,
}
