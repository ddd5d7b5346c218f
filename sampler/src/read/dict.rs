//! Walks dicts and the attributes of instances.
//!
//! A dict of a running program may change while it is read: entries may be missing or stale, never
//! more than asked for. Sizes that cannot be end the walk.

use crate::layout::spec::{DictKeys, InstanceDict, Layout};
use crate::process::memory::{Bytes, Memory};
use crate::read::text;

/// Entries that are read at a time.
const BATCH: usize = 1024;
/// Slots of a hash table that are believed in (log2).
const MAX_LOG2_SIZE: u8 = 32;
/// Entries of a dict that are searched for a name: `sys.modules` of large programs has thousands.
const MAX_SEARCHED: usize = 100_000;

/// `Py_TPFLAGS_INLINE_VALUES` (3.13+).
const INLINE_VALUES: u64 = 1 << 2;
/// `Py_TPFLAGS_MANAGED_DICT` (3.11+).
const MANAGED_DICT: u64 = 1 << 4;
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
    let max = name.chars().count() + 1;
    let is_name = |key| text::string_up_to(memory, &layout.object, key, max).is_some_and(|text| text == name);
    items.iter().find(|(key, _)| is_name(*key)).map(|(_, value)| *value)
}

/// The attribute `name` in the dict of the instance (or module) at `object`, however its dict is kept.
pub fn instance_attribute(memory: &dyn Memory, layout: &Layout, object: u64, name: &str) -> Option<u64> {
    match attributes(memory, layout, object)? {
        Attributes::Dict(dict) => get_str(memory, layout, dict, name),
        Attributes::Values { keys, first } => {
            let items = split_items(memory, layout, keys, first, MAX_SEARCHED)?;
            find_str(memory, layout, &items, name)
        }
    }
}

/// Where the attributes of an instance are.
enum Attributes {
    /// In a dict.
    Dict(u64),
    /// In an array that begins at `first`, named by the keys that its type shares.
    Values { keys: u64, first: u64 },
}

fn attributes(memory: &dyn Memory, layout: &Layout, object: u64) -> Option<Attributes> {
    let class = read_word(memory, object, layout.object.ob_type)?;
    let flags = read_word(memory, class, layout.object.tp_flags)?;
    if layout.object.instance_dict == InstanceDict::Offset || flags & MANAGED_DICT == 0 {
        return from_dictoffset(memory, layout, object, class);
    }
    let shared = |values: u64| {
        let keys = read_word(memory, class, layout.object.ht_cached_keys)?;
        let first = values.checked_add(layout.object.dict.values_first as u64)?;
        Some(Attributes::Values { keys, first })
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

/// A dict pointer inside the object. Negative offsets (variable-sized objects with a dict) are rare
/// and not followed.
fn from_dictoffset(memory: &dyn Memory, layout: &Layout, object: u64, class: u64) -> Option<Attributes> {
    let offset = read_word(memory, class, layout.object.tp_dictoffset)?.cast_signed();
    let offset = u64::try_from(offset).ok().filter(|offset| *offset > 0)?;
    Some(Attributes::Dict(memory.read_u64(object.checked_add(offset)?).ok()?))
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

/// Where the entries of a `PyDictKeysObject` are and what they look like.
struct Entries {
    first: u64,
    count: usize,
    /// Size of an entry, and where its key is; the value follows it.
    size: usize,
    key: usize,
}

/// All entries with a key; the value is 0 where it was deleted or lies elsewhere (split tables).
fn entries(memory: &dyn Memory, layout: &Layout, keys: u64, max: usize) -> Option<Vec<(u64, u64)>> {
    let place = locate_entries(memory, layout, keys)?;
    let wanted = place.count.min(max);
    let mut entries = Vec::with_capacity(wanted.min(BATCH));
    let mut from = 0;
    while from < wanted {
        let count = (wanted - from).min(BATCH);
        let start = place.first.checked_add((from * place.size) as u64)?;
        let bytes = memory.read_bytes(start, count * place.size).ok()?;
        for entry in bytes.chunks_exact(place.size) {
            entries.push((entry.u64_at(place.key)?, entry.u64_at(place.key + 8)?));
        }
        from += count;
    }
    Some(entries)
}

fn locate_entries(memory: &dyn Memory, layout: &Layout, keys: u64) -> Option<Entries> {
    let mut head = [0; 64];
    let (slots, indices_at, indices_len, nentries, has_hash) = match layout.object.dict.keys {
        DictKeys::Sized { dk_size, dk_nentries, dk_indices } => {
            memory.read(keys, head.get_mut(..dk_indices)?).ok()?;
            let slots = head.u64_at(dk_size).filter(|slots| slots.is_power_of_two())?;
            let index_len = match slots {
                0..=0xff => 1,
                0x100..=0xffff => 2,
                0x1_0000..=0xffff_ffff => 4,
                _ => return None,
            };
            (slots, dk_indices, slots * index_len, head.u64_at(dk_nentries)?, true)
        }
        DictKeys::Logarithmic { dk_log2_size, dk_log2_index_bytes, dk_kind, dk_nentries, dk_indices } => {
            memory.read(keys, head.get_mut(..dk_indices)?).ok()?;
            let log2 = head.u8_at(dk_log2_size).filter(|log2| *log2 <= MAX_LOG2_SIZE)?;
            // At least a byte per slot (and 8 in all), at most 8.
            let log2_len = head.u8_at(dk_log2_index_bytes).filter(|len| (log2..=log2 + 3).contains(len))?;
            let has_hash = head.u8_at(dk_kind)? == 0;
            (1 << log2, dk_indices, 1 << log2_len, head.u64_at(dk_nentries)?, has_hash)
        }
    };
    let first = keys.checked_add(indices_at as u64)?.checked_add(indices_len)?;
    let count = usize::try_from(nentries).ok().filter(|count| *count as u64 <= slots)?;
    let (size, key) = if has_hash { (24, 8) } else { (16, 0) };
    Some(Entries { first, count, size, key })
}

/// The word of a structure at `addr`.
pub(crate) fn read_word(memory: &dyn Memory, addr: u64, offset: usize) -> Option<u64> {
    memory.read_u64(addr.checked_add(offset as u64)?).ok()
}
