//! Type objects as they stand in memory.
//!
//! A pointer that is said to lead to a type is believed only if its metaclass is a type, the type is
//! ready, and its MRO begins with itself: values that are read from frames may be stale.

use crate::layout::spec::{Layout, StaticTypes};
use crate::process::memory::{Bytes, Memory, Range};
use crate::read::dict::{self, read_word};
use crate::read::text;
use crate::read::tuples::tuple_items;
use crate::read::type_flags::{
    HEAPTYPE, IMMUTABLETYPE, INLINE_VALUES, LONG_SUBCLASS, MANAGED_DICT, METHOD_DESCRIPTOR, READY,
    STATIC_BUILTIN, TYPE_SUBCLASS, VALID_VERSION_TAG,
};

/// Classes of an MRO that are followed.
const MAX_MRO: usize = 256;
/// Subclasses of one class that are followed.
const MAX_SUBCLASSES: usize = 10_000;
/// Objects whose types are read in one system call.
const TYPES_PER_READ: usize = 512;
/// Bytes of the interpreter state that are searched for the entries of static types; 3.15 has 410 kB.
const MAX_STATE: usize = 1 << 20;
/// The search reads so much at a time.
const STATE_CHUNK: usize = 64 << 10;
/// In ranges of so much: what is mapped ends anywhere.
const PAGE: usize = 1024;
/// `_Py_MAX_MANAGED_STATIC_BUILTIN_TYPES` is 200 (3.12+).
const MAX_STATICS: u64 = 256;

/// The fields of a `PyTypeObject` that attribute lookup and its caches depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawType {
    /// Its address.
    pub addr: u64,
    /// `ob_type`.
    pub metaclass: u64,
    /// `tp_flags`.
    pub flags: u64,
    /// `tp_name`: a C string.
    pub tp_name: u64,
    /// `tp_getattro`.
    pub getattro: u64,
    /// `tp_setattro`.
    pub setattro: u64,
    /// `tp_new`.
    pub new: u64,
    /// `tp_descr_get` is not null.
    pub has_get: bool,
    /// `tp_descr_set` is not null.
    pub has_set: bool,
    /// `tp_dict`; null for static built-in types (3.12+).
    pub dict: u64,
    /// `tp_mro`: a tuple.
    pub mro: u64,
    /// `tp_subclasses`: a dict, or an index (static built-in types, 3.12+).
    pub subclasses: u64,
    /// `tp_version_tag`, 0 where it is not valid.
    pub tag: u32,
    /// `tp_versions_used` (3.13+).
    pub versions_used: Option<u16>,
}

impl RawType {
    /// Reads the type at `addr`; `None` if there is none.
    pub fn read(memory: &dyn Memory, layout: &Layout, addr: u64) -> Option<Self> {
        let raw = Self::peek(memory, layout, addr)?;
        let metaclass_flags = read_word(memory, raw.metaclass, layout.object.tp_flags)?;
        let first = read_word(memory, raw.mro, layout.object.tuple_ob_item)?;
        (metaclass_flags & TYPE_SUBCLASS != 0 && first == addr).then_some(raw)
    }

    /// Reads what is a type already, or has been.
    pub fn peek(memory: &dyn Memory, layout: &Layout, addr: u64) -> Option<Self> {
        if addr == 0 || !addr.is_multiple_of(8) {
            return None;
        }
        Self::decode(layout, addr, &memory.read_bytes(addr, layout.object.types.size).ok()?)
    }

    fn decode(layout: &Layout, addr: u64, bytes: &[u8]) -> Option<Self> {
        let (object, types) = (&layout.object, &layout.object.types);
        let word = |offset| bytes.u64_at(offset);
        let flags = word(object.tp_flags).filter(|flags| flags & READY != 0)?;
        let tag = bytes.u32_at(types.tp_version_tag)?;
        let is_valid = !types.tag_needs_flag || flags & VALID_VERSION_TAG != 0;
        Some(Self {
            addr,
            metaclass: word(object.ob_type)?,
            flags,
            tp_name: word(object.tp_name)?,
            getattro: word(types.tp_getattro)?,
            setattro: word(types.tp_setattro)?,
            new: word(types.tp_new)?,
            has_get: word(types.tp_descr_get)? != 0,
            has_set: word(types.tp_descr_set)? != 0,
            dict: word(types.tp_dict)?,
            mro: word(types.tp_mro).filter(|mro| *mro != 0)?,
            subclasses: word(types.tp_subclasses)?,
            tag: if is_valid { tag } else { 0 },
            versions_used: types.tp_versions_used.and_then(|(offset, _)| bytes.u16_at(offset)),
        })
    }

    /// Whether this is the same type as before, not another one at its address.
    pub fn is_same(&self, other: &Self) -> bool {
        let identity = |raw: &Self| (raw.addr, raw.tp_name, raw.mro, raw.dict, raw.flags & HEAPTYPE);
        identity(self) == identity(other)
    }

    /// `Py_TPFLAGS_HEAPTYPE`.
    pub fn is_heap(&self) -> bool {
        self.flags & HEAPTYPE != 0
    }

    /// Whether nothing can be stored to it: `Py_TPFLAGS_IMMUTABLETYPE`, or static.
    pub fn is_immutable(&self) -> bool {
        !self.is_heap() || self.flags & IMMUTABLETYPE != 0
    }

    /// `Py_TPFLAGS_MANAGED_DICT` (3.11+).
    pub fn has_managed_dict(&self, layout: &Layout) -> bool {
        layout.object.function.func_version.is_some() && self.flags & MANAGED_DICT != 0
    }

    /// `Py_TPFLAGS_INLINE_VALUES` (3.13+).
    pub fn has_inline_values(&self, layout: &Layout) -> bool {
        layout.object.types.tp_versions_used.is_some() && self.flags & INLINE_VALUES != 0
    }

    /// `Py_TPFLAGS_METHOD_DESCRIPTOR`: instances bind as functions do.
    pub fn is_method_descriptor(&self) -> bool {
        self.flags & METHOD_DESCRIPTOR != 0
    }

    /// Whether instances are types.
    pub fn is_metaclass(&self) -> bool {
        self.flags & TYPE_SUBCLASS != 0
    }

    /// Whether instances are ints.
    pub fn is_int(&self) -> bool {
        self.flags & LONG_SUBCLASS != 0
    }

    fn is_static_builtin(&self, layout: &Layout) -> bool {
        layout.object.types.statics.is_some() && self.flags & STATIC_BUILTIN != 0
    }

    /// Module and qualified name. Heap types keep the module in their dict, where `__module__` is
    /// looked up.
    pub fn names(&self, memory: &dyn Memory, layout: &Layout) -> Option<(String, String)> {
        if self.is_heap() {
            let qualname = read_word(memory, self.addr, layout.object.types.ht_qualname)?;
            let module = dict::get_str(memory, layout, self.dict, "__module__");
            let module = module.and_then(|text| text::string(memory, &layout.object, text));
            return Some((module.unwrap_or_default(), text::string(memory, &layout.object, qualname)?));
        }
        let name = text::c_string(memory, self.tp_name, 128)?;
        Some(match name.rsplit_once('.') {
            Some((module, name)) => (module.to_owned(), name.to_owned()),
            None => ("builtins".to_owned(), name),
        })
    }

    /// Addresses of the classes in its MRO, itself first.
    pub fn mro(&self, memory: &dyn Memory, layout: &Layout) -> Vec<u64> {
        tuple_items(memory, layout, self.mro, MAX_MRO).unwrap_or_default()
    }

    /// The address of its dict; 0 if it cannot be told.
    pub fn dict(&self, memory: &dyn Memory, layout: &Layout, statics: Option<&Statics>) -> u64 {
        if !self.is_static_builtin(layout) {
            return self.dict;
        }
        statics.and_then(|statics| statics.field(memory, self, statics.spec.tp_dict)).unwrap_or(0)
    }

    /// Addresses of its direct subclasses.
    pub fn subclasses(&self, memory: &dyn Memory, layout: &Layout, statics: Option<&Statics>) -> Vec<u64> {
        let dict = match self.is_static_builtin(layout) {
            true => statics.and_then(|statics| statics.field(memory, self, statics.spec.tp_subclasses)),
            false => Some(self.subclasses),
        };
        let Some(dict) = dict.filter(|dict| *dict != 0) else { return Vec::new() };
        let references = dict::items(memory, layout, dict, MAX_SUBCLASSES);
        let referent = |(_, reference)| read_word(memory, reference, layout.object.wr_object);
        references.into_iter().filter_map(referent).collect()
    }
}

/// The types of objects, many in one read; 0 where that cannot be read.
pub fn types_of(memory: &dyn Memory, layout: &Layout, objects: &[u64]) -> Vec<u64> {
    let mut types = Vec::with_capacity(objects.len());
    for objects in objects.chunks(TYPES_PER_READ) {
        let at = |object: &u64| Range::new(object.wrapping_add(layout.object.ob_type as u64), 8);
        let ranges: Vec<Range> = objects.iter().map(at).collect();
        let mut words = vec![0; ranges.len() * 8];
        // One that is not mapped ends the copy: those behind it stay 0.
        let _ = memory.read_vectored(&ranges, &mut words);
        types.extend(words.chunks_exact(8).map(|word| word.u64_at(0).unwrap_or(0)));
    }
    types
}

/// Where the interpreter keeps the dicts of static built-in types (3.12+).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statics {
    /// Address of the first entry.
    first: u64,
    spec: StaticTypes,
}

impl Statics {
    /// Finds the entries in the interpreter state at `interpreter`: each begins with the address of its
    /// type, which in turn knows its index. Two types that agree cannot do so by chance.
    pub fn find(
        memory: &dyn Memory,
        layout: &Layout,
        interpreter: u64,
        one: &RawType,
        other: &RawType,
    ) -> Option<Self> {
        let spec = layout.object.types.statics?;
        let place = |raw: &RawType| {
            let index = raw.subclasses.checked_sub(1).filter(|index| *index < MAX_STATICS)?;
            Some(index * spec.size as u64)
        };
        let (one_at, other_at) = (place(one)?, place(other)?);
        for chunk in 0..MAX_STATE / STATE_CHUNK {
            let start = interpreter.checked_add((chunk * STATE_CHUNK) as u64)?;
            let words = read_mapped(memory, start);
            if words.is_empty() {
                return None;
            }
            for (index, word) in words.chunks_exact(8).enumerate() {
                if word.u64_at(0) != Some(one.addr) {
                    continue;
                }
                let first = (start + index as u64 * 8).checked_sub(one_at);
                let first = first.filter(|first| {
                    first.checked_add(other_at).and_then(|at| memory.read_u64(at).ok()) == Some(other.addr)
                });
                if let Some(first) = first {
                    return Some(Self { first, spec });
                }
            }
        }
        None
    }

    /// The word at an offset in the entry of a static built-in type.
    fn field(&self, memory: &dyn Memory, raw: &RawType, offset: usize) -> Option<u64> {
        let index = raw.subclasses.checked_sub(1).filter(|index| *index < MAX_STATICS)?;
        let entry = self.first.checked_add(index * self.spec.size as u64)?;
        if memory.read_u64(entry).ok()? != raw.addr {
            return None;
        }
        read_word(memory, entry, offset)
    }
}

/// What is mapped of a chunk: the state of the main interpreter ends with the data of its binary.
fn read_mapped(memory: &dyn Memory, start: u64) -> Vec<u8> {
    let page = |index: usize| Range::new(start.saturating_add((index * PAGE) as u64), PAGE);
    let pages: Vec<Range> = (0..STATE_CHUNK / PAGE).map(page).collect();
    let mut bytes = vec![0; STATE_CHUNK];
    let filled = memory.read_vectored(&pages, &mut bytes).unwrap_or(0);
    bytes.truncate(filled);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::spec_for;
    use crate::read::testing::Image;

    fn layout(minor: u8) -> &'static Layout {
        spec_for(minor).unwrap().headers(false)
    }

    /// A type of 3.14 at 0x1000 that is its own metaclass, with its MRO behind it.
    fn image(flags: u64, tag: u32) -> Image {
        let mut bytes = vec![0; 0x200];
        let mut put = |offset: usize, value: u64| bytes[offset..][..8].copy_from_slice(&value.to_le_bytes());
        let object = &layout(14).object;
        put(object.ob_type, 0x1000);
        put(object.tp_flags, flags);
        put(object.types.tp_version_tag, tag.into());
        put(object.types.tp_mro, 0x11c0);
        put(0x1c0 + object.ob_size, 1);
        put(0x1c0 + object.tuple_ob_item, 0x1000);
        Image { start: 0x1000, bytes }
    }

    #[test]
    fn a_type_is_known_by_its_metaclass_and_its_mro() {
        let good = image(READY | TYPE_SUBCLASS | HEAPTYPE, 99);
        let raw = RawType::read(&good, layout(14), 0x1000).unwrap();
        assert_eq!((raw.tag, raw.versions_used, raw.is_heap()), (99, Some(0), true));
        assert_eq!(raw.mro(&good, layout(14)), [0x1000]);
        for flags in [READY, TYPE_SUBCLASS] {
            assert_eq!(RawType::read(&image(flags, 1), layout(14), 0x1000), None);
        }
        let mut other = image(READY | TYPE_SUBCLASS, 1);
        other.bytes[0x1c0 + layout(14).object.tuple_ob_item] = 8;
        assert_eq!(RawType::read(&other, layout(14), 0x1000), None, "heads another MRO");
    }

    #[test]
    fn a_tag_counts_only_while_it_is_valid() {
        let bytes = image(READY | TYPE_SUBCLASS, 99).bytes;
        let tag = |minor| RawType::decode(layout(minor), 0x1000, &bytes).unwrap().tag;
        assert_eq!((tag(9), tag(12), tag(14)), (0, 0, 99));
    }

    #[test]
    fn types_of_many_objects_are_read_at_once() {
        let words = [0u64, 0xa000, 0, 0xb000, 0, 0xc000];
        let image =
            Image { start: 0x1000, bytes: words.iter().flat_map(|word| word.to_le_bytes()).collect() };
        assert_eq!(types_of(&image, layout(14), &[0x1020, 0x1000, 0x1010]), [0xc000, 0xa000, 0xb000]);
        assert_eq!(types_of(&image, layout(14), &[0x1000, 0x9000, 0x1010]), [0xa000, 0, 0], "one is gone");
        let many = types_of(&image, layout(14), &[0x1010; 2 * TYPES_PER_READ + 1]);
        assert_eq!(many, [0xb000; 2 * TYPES_PER_READ + 1]);
    }

    #[test]
    fn entries_of_static_types_are_found_by_two_that_agree() {
        let raw = |addr, index: u64| {
            let bytes = image(READY | STATIC_BUILTIN, 0).bytes;
            let raw = RawType::decode(layout(14), addr, &bytes).unwrap();
            RawType { subclasses: index + 1, ..raw }
        };
        let (one, other) = (raw(0x9000, 2), raw(0xa000, 5));
        let mut state = vec![0; STATE_CHUNK];
        let mut put = |offset: usize, value: u64| state[offset..][..8].copy_from_slice(&value.to_le_bytes());
        // A lone pointer to the type is no entry.
        put(0x40, 0x9000);
        put(0x800 + 2 * 48, 0x9000);
        put(0x800 + 5 * 48, 0xa000);
        put(0x800 + 5 * 48 + 24, 0xd1c7);
        let memory = Image { start: 0x10000, bytes: state };
        let statics = Statics::find(&memory, layout(14), 0x10000, &one, &other).unwrap();
        assert_eq!(statics.first, 0x10800);
        assert_eq!(other.dict(&memory, layout(14), Some(&statics)), 0xd1c7);
        assert_eq!(raw(0xb000, 5).dict(&memory, layout(14), Some(&statics)), 0, "another type's entry");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            minor in 8u8..=15,
            addr in prop_oneof![Just(0x1000), any::<u64>()],
        ) {
            let image = Image { start: 0x1000, bytes };
            if let Some(raw) = RawType::peek(&image, layout(minor), addr) {
                prop_assert!(raw.mro(&image, layout(minor)).len() <= MAX_MRO);
                let _ = raw.names(&image, layout(minor));
                let _ = raw.subclasses(&image, layout(minor), None);
                let _ = Statics::find(&image, layout(minor), 0x1000, &raw, &raw);
            }
        }
    }
}
