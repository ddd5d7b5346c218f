//! The types that sites of hot code met, and their bases, over time.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use slowpath_profile::FunctionId;
use slowpath_profile::evidence::{Attribute, TypeFacts, TypeRef};
use slowpath_profile::ids::Id;

use super::dict_watch::DictWatch;
use super::kinds::Kinds;
use crate::layout::spec::Layout;
use crate::process::memory::Memory;
use crate::read::types::{RawType, Statics};

/// Types that are kept.
const MAX_TYPES: usize = 512;
/// Addresses of types that are remembered: a class that is made again and again has many.
const MAX_ADDRS: usize = 16_384;
/// Types that one look reads.
const MAX_PER_LOOK: usize = 48;
/// What follows from the fields of a type is worked out again at every so many looks.
const REFRESH_EVERY: usize = 20;
/// A type that no site met for so many looks is no longer read.
const COOL_AFTER: u32 = 100;
/// Classes that one search for version tags reads.
const MAX_SEARCHED: usize = 5_000;

/// All types that were met.
#[derive(Debug, Default)]
pub(crate) struct Types {
    pub(super) known: Vec<Known>,
    by_addr: FxHashMap<u64, TypeRef>,
    by_name: FxHashMap<(String, String), TypeRef>,
    pub(super) kinds: Kinds,
    statics: Option<Statics>,
    searched_statics: bool,
    /// The type that the next look begins with.
    next: usize,
    truncated: bool,
}

/// One type.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) raw: RawType,
    pub(super) facts: TypeFacts,
    pub(super) dict: DictWatch,
    /// Attributes that sites ask for.
    pub(super) asked: BTreeMap<String, Attribute>,
    /// Address and number of entries of the shared keys whose names were read, and the names in order.
    pub(super) shared: (u64, usize, Vec<String>),
    /// How often sites asked its instances for an attribute.
    pub(super) asks: u32,
    /// The look at which a site met it last.
    met: u32,
    /// What is known of it has to be worked out again.
    pub(super) dirty: bool,
    /// Its address has been given to something else.
    pub(super) gone: bool,
    /// The tag is from this type object: the next one may differ from it only by a change.
    tagged: bool,
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
        if let Some(id) = self.by_addr.get(&addr).copied() {
            let known = self.known.get_mut(id.index())?;
            if known.raw.addr == addr {
                known.met = number;
                return Some(id);
            }
        }
        let raw = RawType::read(memory, layout, addr)?;
        let (module, name) = raw.names(memory, layout)?;
        let id = match self.by_name.get(&(module.clone(), name.clone())).copied() {
            // One of several that are alive, met before.
            Some(id) if self.by_addr.get(&addr) == Some(&id) => return Some(id),
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
        let facts =
            TypeFacts { name, module, is_heap, is_immutable: raw.is_immutable(), ..TypeFacts::default() };
        self.known.push(Known {
            raw,
            facts,
            dict: DictWatch::default(),
            asked: BTreeMap::new(),
            shared: (0, 0, Vec::new()),
            asks: 0,
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

    /// Whether the class is made again and again.
    pub(super) fn has_copies(&self, id: TypeRef) -> bool {
        self.known.get(id.index()).is_some_and(|known| known.facts.copies > 0)
    }

    /// The type as it stood in memory at the last look.
    pub(crate) fn raw(&self, id: TypeRef) -> Option<&RawType> {
        self.known.get(id.index()).map(|known| &known.raw)
    }

    /// Whether its instances step by a Python `__next__`.
    pub(crate) fn has_python_next(&self, id: TypeRef) -> bool {
        self.known.get(id.index()).is_some_and(|known| known.facts.python_next)
    }

    /// The type that had this version tag at the last look.
    pub(crate) fn by_tag(&self, tag: u32) -> Option<TypeRef> {
        let has_tag = |known: &Known| tag != 0 && !known.gone && known.raw.tag == tag;
        self.known.iter().position(has_tag).map(TypeRef::from_index)
    }

    /// Searches all classes for those that have these version tags; whether one was found.
    pub(crate) fn search(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        interpreter: u64,
        tags: &[u32],
        number: u32,
    ) -> bool {
        // Every MRO ends with `object`.
        let last = |known: &Known| known.raw.mro(memory, layout).last().copied();
        let Some(object) = self.known.iter().find_map(last) else { return false };
        let (mut todo, mut seen, mut found) = (vec![object], FxHashSet::default(), Vec::new());
        while let Some(addr) = todo.pop() {
            if seen.len() >= MAX_SEARCHED || !seen.insert(addr) {
                continue;
            }
            let Some(raw) = RawType::peek(memory, layout, addr) else { continue };
            if raw.tag != 0 && tags.contains(&raw.tag) {
                found.push(addr);
            }
            if raw.subclasses != 0 {
                todo.extend(raw.subclasses(memory, layout, self.statics.as_ref()));
            }
        }
        let met = found.into_iter().filter_map(|addr| self.meet(memory, layout, interpreter, addr, number));
        met.count() > 0
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
            // Shared keys and what a dict does not tell of change silently.
            known.dirty |= (number as usize + index).is_multiple_of(REFRESH_EVERY);
            if !known.look(memory, layout) {
                known.gone = true;
                let id = TypeRef::from_index(index);
                self.by_addr.retain(|_, other| *other != id);
            }
        }
        self.next = if count == 0 { 0 } else { (self.next + seen) % count };
        self.refresh(memory, layout);
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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::spec_for;
    use crate::read::testing::Image;

    proptest! {
        #[test]
        fn any_memory_is_met_without_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..2_000),
            pointers in proptest::collection::vec((0usize..250, 0u64..250), 0..60),
            minor in 8u8..=15,
        ) {
            let layout = spec_for(minor).unwrap().headers(false);
            let mut image = Image { start: 0x1000, bytes };
            // Pointers into what there is, so that chases get somewhere.
            for (at, to) in pointers {
                if let Some(word) = image.bytes.get_mut(at * 8..at * 8 + 8) {
                    word.copy_from_slice(&(0x1000 + to * 8).to_le_bytes());
                }
            }
            let mut types = Types::default();
            for number in 0..4 {
                for addr in (0x1000..0x1800).step_by(8) {
                    if let Some(id) = types.meet(&image, layout, 0x1000, addr, number) {
                        types.ask_of(&image, layout, id, addr, "name");
                    }
                }
                types.look(&image, layout, number);
                types.search(&image, layout, 0x1000, &[1, 2], number);
            }
            prop_assert!(types.facts().len() <= MAX_TYPES);
        }
    }
}
