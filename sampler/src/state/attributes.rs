//! What the attributes of types are: lookup along the MRO, and the facts that follow from it.

use slowpath_profile::evidence::{Attribute, AttributeKind, SharedKeys, TypeFacts, TypeRef};
use slowpath_profile::ids::Id;

use super::kinds::ValueKind;
use super::types::{Known, Types};
use crate::layout::spec::Layout;
use crate::process::memory::{Bytes, Memory};
use crate::read::dict::{self, Attributes, read_word};
use crate::read::keys::Keys;
use crate::read::text;

/// Types whose attributes are looked up anew at one look.
const MAX_REFRESHED: usize = 16;
/// Attributes of one type that are looked up.
const MAX_ATTRIBUTES: usize = 64;
/// Names of shared keys that are read.
const MAX_SHARED: usize = 64;
/// Values of a class that are tried for one of its methods.
const MAX_TRIED: usize = 64;
/// An instance is asked for an attribute of its own so often, and then once in so many times.
const ASKED_OFTEN: u32 = 8;

/// `CO_VARARGS`, `CO_VARKEYWORDS`.
const TAKES_ANY: u32 = 0x4 | 0x8;

/// An attribute as the classes of an MRO answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// In the dict of this class, with this value.
    In(TypeRef, u64),
    /// In none of them.
    Missing,
    /// A dict could not be read.
    Unknown,
}

impl Types {
    /// Notes that a site asks a type for an attribute, and whether an instance had it itself.
    pub(crate) fn ask(&mut self, id: TypeRef, name: &str, on_instance: Option<bool>) {
        let Some(known) = self.known.get_mut(id.index()) else { return };
        if !known.asked.contains_key(name) {
            if name.is_empty() || known.asked.len() >= MAX_ATTRIBUTES {
                return;
            }
            let attribute = Attribute { name: name.to_owned(), ..Attribute::default() };
            known.asked.insert(name.to_owned(), attribute);
            known.dirty = true;
        }
        if let Some(attribute) = known.asked.get_mut(name) {
            attribute.on_instance |= on_instance == Some(true);
        }
    }

    /// As [`Types::ask`], of the instance at `object`.
    pub(crate) fn ask_of(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        id: TypeRef,
        object: u64,
        name: &str,
    ) {
        let Some(known) = self.known.get_mut(id.index()) else { return };
        known.asks = known.asks.wrapping_add(1);
        let is_open = known.asked.get(name).is_none_or(|attribute| !attribute.on_instance);
        let looks_now = known.asks <= ASKED_OFTEN || known.asks.is_multiple_of(ASKED_OFTEN);
        let own = if is_open && looks_now {
            Some(self.instance_value(memory, layout, id, object, name).is_some())
        } else {
            None
        };
        self.ask(id, name, own);
    }

    /// The address of an attribute that an instance has of its own.
    pub(crate) fn instance_value(
        &self,
        memory: &dyn Memory,
        layout: &Layout,
        id: TypeRef,
        object: u64,
        name: &str,
    ) -> Option<u64> {
        match dict::attributes(memory, layout, object)? {
            Attributes::Nowhere | Attributes::Dict(0) => None,
            Attributes::Dict(dict) => dict::get_str(memory, layout, dict, name),
            Attributes::Values { class, first } => {
                let known = self.known.get(id.index())?;
                if known.shared.0 != dict::shared_keys(memory, layout, class)? {
                    return dict::instance_attribute(memory, layout, object, name);
                }
                let index = known.shared.2.iter().position(|shared| shared == name)?;
                let value = memory.read_u64(first.checked_add(index as u64 * 8)?).ok()?;
                Some(value).filter(|value| *value != 0)
            }
        }
    }

    /// What the value at `addr` is.
    pub(crate) fn kind(&mut self, memory: &dyn Memory, layout: &Layout, addr: u64) -> Option<&ValueKind> {
        self.kinds.of(memory, layout, addr)
    }

    /// Where the classes of the MRO have an attribute.
    pub(crate) fn find(&self, id: TypeRef, name: &str) -> Found {
        let Some(known) = self.known.get(id.index()) else { return Found::Unknown };
        for class in std::iter::once(&id).chain(&known.facts.mro) {
            let Some(known) = self.known.get(class.index()) else { return Found::Unknown };
            if !known.dict.is_known() {
                return Found::Unknown;
            }
            if let Some(value) = known.dict.get(name) {
                return Found::In(*class, value);
            }
        }
        Found::Missing
    }

    /// Works out again what depends on the dicts of classes.
    pub(super) fn refresh(&mut self, memory: &dyn Memory, layout: &Layout) {
        let dirty = self.known.iter().enumerate().filter(|(_, known)| known.dirty && !known.gone);
        let dirty: Vec<usize> = dirty.map(|(index, _)| index).take(MAX_REFRESHED).collect();
        for index in dirty {
            let id = TypeRef::from_index(index);
            let mut facts = self.known[index].facts.clone();
            self.describe(memory, layout, id, &mut facts);
            let mut asked = std::mem::take(&mut self.known[index].asked);
            self.known[index].read_shared_keys(memory, layout, &mut facts);
            for attribute in asked.values_mut() {
                self.describe_attribute(memory, layout, id, attribute);
            }
            let known = &mut self.known[index];
            (known.facts, known.asked, known.dirty) = (facts, asked, false);
        }
    }

    fn describe(&mut self, memory: &dyn Memory, layout: &Layout, id: TypeRef, facts: &mut TypeFacts) {
        let mut python = |name| {
            let Found::In(_, value) = self.find(id, name) else { return false };
            self.kinds.of(memory, layout, value).is_some_and(|kind| kind.is_python())
        };
        facts.hooks.getattribute = python("__getattribute__");
        facts.hooks.getattr = python("__getattr__");
        facts.hooks.setattr = python("__setattr__") || python("__delattr__");
        facts.python_call = python("__call__");
        facts.python_truth = python("__bool__") || python("__len__");
        facts.python_next = python("__next__");
        facts.python_getitem = python("__getitem__");
        facts.construction.python_init = python("__init__");
        facts.construction.complex_init = self.takes_any(memory, layout, id, "__init__");
        let Some(raw) = self.raw(id) else { return };
        facts.managed_dict = raw.has_managed_dict(layout);
        facts.inline_values = raw.has_inline_values(layout);
        let Some(object) = facts.mro.last().and_then(|last| self.raw(*last)) else { return };
        let asks_python = facts.hooks.getattribute || facts.hooks.getattr;
        facts.hooks.native_get = !asks_python && raw.getattro != object.getattro;
        facts.hooks.native_set = !facts.hooks.setattr && raw.setattro != object.setattro;
        facts.construction.own_new = raw.new != object.new;
    }

    /// Whether a method takes `*args`, `**kwargs` or keyword-only arguments.
    fn takes_any(&self, memory: &dyn Memory, layout: &Layout, id: TypeRef, name: &str) -> bool {
        let Found::In(_, value) = self.find(id, name) else { return false };
        if !self.kinds.known(memory, layout, value).is_some_and(ValueKind::is_function) {
            return false;
        }
        let code = read_word(memory, value, layout.object.function.func_code);
        let header = code.and_then(|code| memory.read_bytes(code, layout.code.size).ok());
        let field = |offset| header.as_ref().and_then(|header| header.u32_at(offset)).unwrap_or(0);
        field(layout.code.flags) & TAKES_ANY != 0 || field(layout.code.kwonlyargcount) != 0
    }

    fn describe_attribute(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        id: TypeRef,
        attribute: &mut Attribute,
    ) {
        (attribute.kind, attribute.holder) = match self.find(id, &attribute.name) {
            Found::Missing => (AttributeKind::Missing, None),
            Found::Unknown => (AttributeKind::Unknown, None),
            Found::In(holder, value) => {
                let kind = self.kinds.of(memory, layout, value);
                attribute.type_name = kind.map_or_else(String::new, |kind| kind.type_name.clone());
                (kind.map_or(AttributeKind::Unknown, ValueKind::attribute), Some(holder))
            }
        };
        let shared = self.known.get(id.index()).map(|known| &known.shared.2);
        attribute.in_shared_keys = shared.is_some_and(|names| names.contains(&attribute.name));
    }

    /// Addresses of the functions in the dict of a class whose body has not been located yet.
    pub(crate) fn undefined(&self, layout: &Layout, memory: &dyn Memory) -> Vec<(TypeRef, u64)> {
        let open = self.known.iter().enumerate().filter(|(_, known)| {
            known.facts.is_heap && known.facts.defined_in.is_none() && !known.gone && known.dict.is_known()
        });
        let first_function = |(index, known): (usize, &Known)| {
            let mut values: Vec<u64> = known.dict.get("__init__").into_iter().collect();
            values.extend(known.dict.values().take(MAX_TRIED));
            let is_function =
                |value: &u64| self.kinds.known(memory, layout, *value).is_some_and(ValueKind::is_function);
            values.into_iter().find(is_function).map(|value| (TypeRef::from_index(index), value))
        };
        open.filter_map(first_function).take(MAX_REFRESHED).collect()
    }
}

impl Known {
    pub(super) fn read_shared_keys(&mut self, memory: &dyn Memory, layout: &Layout, facts: &mut TypeFacts) {
        facts.keys = None;
        if !self.raw.is_heap() {
            return;
        }
        let addr = read_word(memory, self.raw.addr, layout.object.ht_cached_keys);
        let Some(keys) = addr.filter(|addr| *addr != 0).and_then(|addr| Keys::read(memory, layout, addr))
        else {
            return;
        };
        facts.keys = keys.usable.map(|usable| SharedKeys {
            entries: u32::try_from(keys.count).unwrap_or(u32::MAX),
            usable,
            version: keys.version,
            kind: keys.kind,
        });
        if (self.shared.0, self.shared.1) == (keys.addr, keys.count) {
            return;
        }
        let range = keys.entries(MAX_SHARED);
        let Ok(entries) = memory.read_bytes(range.addr, range.len) else { return };
        let names: Vec<u64> = keys.pairs(&entries).map(|(key, _)| key).filter(|key| *key != 0).collect();
        let names = text::strings(memory, &layout.object, &names).into_iter().flatten().collect();
        self.shared = (keys.addr, keys.count, names);
    }
}
