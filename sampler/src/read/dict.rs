//! Walks dicts and the attributes of instances.
//!
//! A dict of a running program may change while it is read: entries may be missing or stale, never
//! more than asked for. Sizes that cannot be end the walk.

use crate::layout::spec::{InstanceDict, Layout};
use crate::process::memory::{Bytes, Memory};
use crate::read::keys::Keys;
use crate::read::text;
use crate::read::type_flags::{INLINE_VALUES, MANAGED_DICT};

/// Entries that are read at a time.
const BATCH: usize = 1024;
/// Keys whose text is read at a time.
const KEYS_PER_READ: usize = 32;
/// Entries of a dict that are searched for a name: `sys.modules` of large programs has thousands.
const MAX_SEARCHED: usize = 100_000;

/// `PyDictValues.valid` (3.13+), in front of the values.
const VALUES_VALID: usize = 3;

const WORD: u64 = 8;

/// Addresses of at most `max` keys and values of the `PyDictObject` at `dict`, in insertion order.
pub fn items(memory: &dyn Memory, layout: &Layout, dict: u64, max: usize) -> Vec<(u64, u64)> {
    try_items(memory, layout, dict, max).unwrap_or_default()
}

fn try_items(memory: &dyn Memory, layout: &Layout, dict: u64, max: usize) -> Option<Vec<(u64, u64)>> {
    let offsets = &layout.object.dict;
    let keys = read_word(memory, dict, offsets.ma_keys)?;
    let values = read_word(memory, dict, offsets.ma_values)?;
    if values == 0 {
        let mut items = entries(memory, layout, keys, max)?;
        items.retain(|(_, value)| *value != 0);
        return Some(items);
    }
    split_items(memory, layout, keys, values.checked_add(offsets.values_first as u64)?, max)
}

/// The value of a text key in the dict at `dict`.
pub fn get_str(memory: &dyn Memory, layout: &Layout, dict: u64, name: &str) -> Option<u64> {
    find_str(memory, layout, &items(memory, layout, dict, MAX_SEARCHED), name)
}

fn find_str(memory: &dyn Memory, layout: &Layout, items: &[(u64, u64)], name: &str) -> Option<u64> {
    items.chunks(KEYS_PER_READ).find_map(|items| {
        let keys: Vec<u64> = items.iter().map(|(key, _)| *key).collect();
        let texts = text::strings(memory, &layout.object, &keys);
        let position = texts.iter().position(|text| text.as_deref() == Some(name))?;
        items.get(position).map(|(_, value)| *value)
    })
}

/// The attribute `name` in the dict of the instance (or module) at `object`, however its dict is kept.
pub fn instance_attribute(memory: &dyn Memory, layout: &Layout, object: u64, name: &str) -> Option<u64> {
    match attributes(memory, layout, object)? {
        Attributes::Nowhere => None,
        Attributes::Dict(dict) => get_str(memory, layout, dict, name),
        Attributes::Values { class, first } => {
            let keys = shared_keys(memory, layout, class)?;
            let items = split_items(memory, layout, keys, first, MAX_SEARCHED)?;
            find_str(memory, layout, &items, name)
        }
    }
}

/// Where the attributes of an instance are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributes {
    /// Its class gives it no dict: `__slots__`, or a built-in type.
    Nowhere,
    /// In a dict; 0 while it has not been made.
    Dict(u64),
    /// In an array that begins at `first`, named by the [`shared_keys`] of the class.
    Values {
        /// Address of the class.
        class: u64,
        /// Address of the first value.
        first: u64,
    },
}

/// Where the attributes of the instance at `object` are.
pub fn attributes(memory: &dyn Memory, layout: &Layout, object: u64) -> Option<Attributes> {
    let class = read_word(memory, object, layout.object.ob_type)?;
    let flags = read_word(memory, class, layout.object.tp_flags)?;
    attributes_of(memory, layout, object, class, flags)
}

/// Where the attributes of the instance at `object` are, whose class with its `tp_flags` is known.
pub fn attributes_of(
    memory: &dyn Memory,
    layout: &Layout,
    object: u64,
    class: u64,
    flags: u64,
) -> Option<Attributes> {
    if layout.object.instance_dict == InstanceDict::Offset || flags & MANAGED_DICT == 0 {
        return from_dictoffset(memory, layout, object, class);
    }
    let shared = |values: u64| {
        let first = values.checked_add(layout.object.dict.values_first as u64)?;
        Some(Attributes::Values { class, first })
    };
    let before = |words: u64| memory.read_u64(object.checked_sub(words * WORD)?).ok();
    match layout.object.instance_dict {
        InstanceDict::Offset => None,
        InstanceDict::ManagedPair => match before(4)? {
            0 => Some(Attributes::Dict(before(3)?)),
            values => shared(values),
        },
        InstanceDict::ManagedTagged => match before(3)? {
            tagged if tagged & 1 == 1 => shared(tagged.checked_add(1)?),
            dict => Some(Attributes::Dict(dict)),
        },
        InstanceDict::Inline { managed_words } => {
            let dict = before(managed_words.into())?;
            if dict != 0 || flags & INLINE_VALUES == 0 {
                return Some(Attributes::Dict(dict));
            }
            let values = object.checked_add(read_word(memory, class, layout.object.tp_basicsize)?)?;
            let valid = memory.read_u64(values).ok()?.to_le_bytes()[VALUES_VALID];
            if valid == 0 { None } else { shared(values) }
        }
    }
}

/// Address of the keys by which the instances of a class lay out their values.
pub fn shared_keys(memory: &dyn Memory, layout: &Layout, class: u64) -> Option<u64> {
    read_word(memory, class, layout.object.ht_cached_keys)
}

/// A dict pointer inside the object. Negative offsets (variable-sized objects with a dict) are rare
/// and not followed.
fn from_dictoffset(memory: &dyn Memory, layout: &Layout, object: u64, class: u64) -> Option<Attributes> {
    let offset = read_word(memory, class, layout.object.tp_dictoffset)?.cast_signed();
    Some(match u64::try_from(offset).ok()? {
        0 => Attributes::Nowhere,
        offset => Attributes::Dict(memory.read_u64(object.checked_add(offset)?).ok()?),
    })
}

/// Keys of a shared table with the values of one instance.
fn split_items(
    memory: &dyn Memory,
    layout: &Layout,
    keys: u64,
    first: u64,
    max: usize,
) -> Option<Vec<(u64, u64)>> {
    let entries = entries(memory, layout, keys, max)?;
    let values = memory.read_bytes(first, entries.len() * 8).ok()?;
    let values = values.chunks_exact(8).filter_map(|word| word.u64_at(0));
    let items = entries.iter().zip(values).map(|((key, _), value)| (*key, value));
    Some(items.filter(|(_, value)| *value != 0).collect())
}

/// All entries with a key; the value is 0 where it was deleted or lies elsewhere (split tables).
fn entries(memory: &dyn Memory, layout: &Layout, keys: u64, max: usize) -> Option<Vec<(u64, u64)>> {
    let mut place = Keys::read(memory, layout, keys)?;
    let wanted = place.count.min(max);
    let mut entries = Vec::with_capacity(wanted.min(BATCH));
    while entries.len() < wanted {
        place.count = wanted - entries.len();
        let range = place.entries(BATCH);
        let bytes = memory.read_bytes(range.addr, range.len).ok()?;
        entries.extend(place.pairs(&bytes));
        place.first = range.end()?;
    }
    Some(entries)
}

/// The word of a structure at `addr`.
pub(crate) fn read_word(memory: &dyn Memory, addr: u64, offset: usize) -> Option<u64> {
    memory.read_u64(addr.checked_add(offset as u64)?).ok()
}
