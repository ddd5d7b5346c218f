//! The types that sites of hot code met, and their bases, over time.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use slowpath_profile::evidence::{Attribute, SharedKeys, TypeFacts, TypeRef};
use slowpath_profile::FunctionId;
use slowpath_profile::ids::Id;

use super::dict_watch::DictWatch;
use super::kinds::{Kinds, ValueKind};
use crate::layout::spec::Layout;
use crate::process::memory::Memory;
use crate::read::dict::read_word;
use crate::read::keys::Keys;
use crate::read::text;
use crate::read::types::{RawType, Statics};

/// Types that are kept.
const MAX_TYPES: usize = 512;
/// Addresses of types that are remembered: a class that is made again and again has many.
const MAX_ADDRS: usize = 16_384;
/// Types that one look reads.
const MAX_PER_LOOK: usize = 48;
/// Types whose attributes are looked up anew at one look.
const MAX_REFRESHED: usize = 16;
/// A type that no site met for so many looks is no longer read.
const COOL_AFTER: u32 = 100;
/// Attributes of one type that are looked up.
const MAX_ATTRIBUTES: usize = 64;
/// Names of shared keys that are read.
const MAX_SHARED: usize = 64;

/// All types that were met.
#[derive(Debug, Default)]
pub(crate) struct Types {
    known: Vec<Known>,
    by_addr: FxHashMap<u64, TypeRef>,
    by_name: FxHashMap<(String, String), TypeRef>,
    kinds: Kinds,
    statics: Option<Statics>,
    searched_statics: bool,
    /// The type that the next look begins with.
    next: usize,
    truncated: bool,
}

/// One type.
#[derive(Debug)]
struct Known {
    raw: RawType,
    facts: TypeFacts,
    dict: DictWatch,
    /// Attributes that sites ask for.
    asked: BTreeMap<String, Attribute>,
    /// Address and number of entries of the shared keys whose names were read, and the names.
    shared: (u64, usize, Vec<String>),
    /// The look at which a site met it last.
    met: u32,
    /// What is known of it has to be worked out again.
    dirty: bool,
    /// Its address has been given to something else.
    gone: bool,
    /// The tag is from this type object: the next one may differ from it only by a change.
    tagged: bool,
}

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
    /// The type at `addr`, met at look `number` in the interpreter at `interpreter`. `None` if there is
    /// no type, or no room.
    pub(crate) fn meet(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        interpreter: u64,
        addr: u64,
        number: u32,
    ) -> Option<TypeRef> {
        if let Some(id) = self.by_addr.get(&addr) {
            self.known.get_mut(id.index())?.met = number;
            return Some(*id);
        }
        let raw = RawType::read(memory, layout, addr)?;
        let (module, name) = raw.names(memory, layout)?;
        let id = match self.by_name.get(&(module.clone(), name.clone())).copied() {
            Some(id) => {
                self.replace(id, raw, number);
                id
            }
            None => self.insert(raw, module, name, number)?,
        };
        if self.by_addr.len() >= MAX_ADDRS {
            self.by_addr.clear();
        }
        self.by_addr.insert(addr, id);
        self.learn_bases(memory, layout, interpreter, id, number);
        Some(id)
    }

    /// Another type object of the same module and name.
    fn replace(&mut self, id: TypeRef, raw: RawType, number: u32) {
        let Some(known) = self.known.get_mut(id.index()) else { return };
        known.facts.copies = known.facts.copies.saturating_add(1);
        (known.raw, known.met, known.gone, known.tagged, known.dirty) = (raw, number, false, false, true);
        known.dict = DictWatch::default();
        known.shared = (0, 0, Vec::new());
    }

    fn insert(&mut self, raw: RawType, module: String, name: String, number: u32) -> Option<TypeRef> {
        if self.known.len() >= MAX_TYPES {
            self.truncated = true;
            return None;
        }
        let id = TypeRef::from_index(self.known.len());
        self.by_name.insert((module.clone(), name.clone()), id);
        let is_heap = raw.is_heap();
        let facts = TypeFacts { name, module, is_heap, is_immutable: raw.is_immutable(), ..TypeFacts::default() };
        self.known.push(Known {
            raw,
            facts,
            dict: DictWatch::default(),
            asked: BTreeMap::new(),
            shared: (0, 0, Vec::new()),
            met: number,
            dirty: true,
            gone: false,
            tagged: false,
        });
        Some(id)
    }

    fn learn_bases(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        interpreter: u64,
        id: TypeRef,
        number: u32,
    ) {
        let Some(raw) = self.known.get(id.index()).map(|known| known.raw) else { return };
        let addrs = raw.mro(memory, layout);
        self.find_statics(memory, layout, interpreter, &raw, addrs.last().copied());
        // The remotest first: by the time of a class all its bases are known.
        let mut mro: Vec<TypeRef> = Vec::with_capacity(addrs.len());
        for addr in addrs.iter().skip(1).rev() {
            mro.extend(self.meet(memory, layout, interpreter, *addr, number));
        }
        mro.reverse();
        let is_type = RawType::peek(memory, layout, raw.metaclass).is_none_or(|it| it.metaclass == it.addr);
        let metaclass = match is_type {
            true => None,
            false => self.meet(memory, layout, interpreter, raw.metaclass, number),
        };
        let dict = raw.dict(memory, layout, self.statics.as_ref());
        let Some(known) = self.known.get_mut(id.index()) else { return };
        known.dict = DictWatch::new(dict);
        if dict != 0 {
            let _ = known.dict.look(memory, layout);
        }
        known.facts.version.limit = layout.object.types.tp_versions_used.map(|(_, limit)| limit);
        (known.facts.mro, known.facts.metaclass) = (mro, metaclass);
        known.facts.construction.own_metaclass = !is_type;
        known.count_tag();
    }

    /// Searches once for where static types keep their dicts.
    fn find_statics(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        interpreter: u64,
        raw: &RawType,
        object: Option<u64>,
    ) {
        if self.searched_statics || interpreter == 0 {
            return;
        }
        let peek = |addr| RawType::peek(memory, layout, addr);
        // The metaclass of `object` is `type`.
        let Some(object) = object.and_then(peek) else { return };
        let Some(of_types) = peek(object.metaclass).filter(|it| it.addr != raw.addr || !raw.is_heap()) else {
            return;
        };
        self.searched_statics = true;
        self.statics = Statics::find(memory, layout, interpreter, &object, &of_types);
    }

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

    /// The type as it stood in memory at the last look.
    pub(crate) fn raw(&self, id: TypeRef) -> Option<&RawType> {
        self.known.get(id.index()).map(|known| &known.raw)
    }

    /// Addresses of types that may hold a version tag, by tag, as of the last look.
    pub(crate) fn by_tag(&self, tag: u32) -> Option<TypeRef> {
        let has_tag = |known: &Known| tag != 0 && !known.gone && known.raw.tag == tag;
        self.known.iter().position(has_tag).map(TypeRef::from_index)
    }

    /// Reads the types that sites met lately.
    pub(crate) fn look(&mut self, memory: &dyn Memory, layout: &Layout, number: u32) {
        let count = self.known.len();
        let (mut looked, mut seen) = (0, 0);
        while seen < count && looked < MAX_PER_LOOK {
            let index = (self.next + seen) % count;
            seen += 1;
            let known = &mut self.known[index];
            if known.gone || known.raw.is_immutable() || number.saturating_sub(known.met) > COOL_AFTER {
                continue;
            }
            looked += 1;
            if !known.look(memory, layout) {
                known.gone = true;
                let id = TypeRef::from_index(index);
                self.by_addr.retain(|_, other| *other != id);
            }
        }
        self.next = if count == 0 { 0 } else { (self.next + seen) % count };
        self.refresh(memory, layout);
    }

    /// Works out again what depends on the dicts of classes.
    fn refresh(&mut self, memory: &dyn Memory, layout: &Layout) {
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
        let Some(raw) = self.raw(id) else { return };
        facts.managed_dict = raw.has_managed_dict(layout);
        facts.inline_values = raw.has_inline_values(layout);
        let Some(object) = facts.mro.last().and_then(|last| self.raw(*last)) else { return };
        let asks_python = facts.hooks.getattribute || facts.hooks.getattr;
        facts.hooks.native_get = !asks_python && raw.getattro != object.getattro;
        facts.hooks.native_set = !facts.hooks.setattr && raw.setattro != object.setattro;
        facts.construction.own_new = raw.new != object.new;
    }

    fn describe_attribute(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        id: TypeRef,
        attribute: &mut Attribute,
    ) {
        use slowpath_profile::evidence::AttributeKind;
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
            values.extend(known.dict.values().take(32));
            let is_function = |value: &u64| self.kinds.known(memory, layout, *value).is_some_and(ValueKind::is_function);
            values.into_iter().find(is_function).map(|value| (TypeRef::from_index(index), value))
        };
        open.filter_map(first_function).take(MAX_REFRESHED).collect()
    }

    /// Notes where the body of a class is.
    pub(crate) fn set_defined_in(&mut self, id: TypeRef, function: FunctionId) {
        if let Some(known) = self.known.get_mut(id.index()) {
            known.facts.defined_in = Some(function);
        }
    }

    /// What was seen, in the order of [`TypeRef`]s.
    pub(crate) fn facts(&self) -> Vec<TypeFacts> {
        let facts = self.known.iter().map(|known| TypeFacts {
            attributes: known.asked.values().cloned().collect(),
            changes: known.dict.changes(),
            ..known.facts.clone()
        });
        facts.collect()
    }

    /// Whether something was left out.
    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated
    }
}

impl Known {
    /// Reads it again; `false` if it is not there any more.
    fn look(&mut self, memory: &dyn Memory, layout: &Layout) -> bool {
        let Some(raw) = RawType::peek(memory, layout, self.raw.addr) else { return false };
        if !raw.is_same(&self.raw) {
            return false;
        }
        self.raw = raw;
        self.count_tag();
        if self.dict.addr() != 0 {
            self.dirty |= self.dict.look(memory, layout) == Some(true);
        }
        true
    }

    fn count_tag(&mut self) {
        let version = &mut self.facts.version;
        version.looks += 1;
        version.zero += u32::from(self.raw.tag == 0);
        version.changes += u32::from(self.tagged && version.last != self.raw.tag);
        (version.last, version.used, self.tagged) = (self.raw.tag, self.raw.versions_used, true);
    }

    fn read_shared_keys(&mut self, memory: &dyn Memory, layout: &Layout, facts: &mut TypeFacts) {
        facts.keys = None;
        if !self.raw.is_heap() {
            return;
        }
        let addr = read_word(memory, self.raw.addr, layout.object.ht_cached_keys);
        let Some(keys) = addr.filter(|addr| *addr != 0).and_then(|addr| Keys::read(memory, layout, addr)) else {
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
