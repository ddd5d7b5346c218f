//! The keys of dicts: what their header says, and their entries as one copy.

use slowpath_profile::evidence::KeysKind;

use crate::layout::spec::{DictKeys, DictTag, Layout};
use crate::process::memory::{Bytes, Memory, Range};

/// Slots of a hash table that are believed in (log2).
const MAX_LOG2_SIZE: u8 = 32;
/// Largest `offsetof(PyDictKeysObject, dk_indices)`, with room.
const MAX_HEAD: usize = 64;

/// What a `PyDictKeysObject` says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Its address.
    pub addr: u64,
    /// `dk_kind`; before 3.11 the keys do not say, and count as [`KeysKind::Unicode`].
    pub kind: KeysKind,
    /// `dk_version` (3.11+); 0: none.
    pub version: u32,
    /// `dk_usable` (3.11+): entries that still fit.
    pub usable: Option<u32>,
    /// Address of the first entry.
    pub first: u64,
    /// `dk_nentries`: entries, those of deleted keys included.
    pub count: usize,
    /// Entries that there is room for.
    pub capacity: usize,
    /// Size of an entry in bytes.
    pub size: usize,
    /// Where its key is in an entry; the value follows it.
    pub key: usize,
}

impl Keys {
    /// Reads the header of the keys at `addr`. `None` if what is there cannot be one.
    pub fn read(memory: &dyn Memory, layout: &Layout, addr: u64) -> Option<Self> {
        let mut head = [0; MAX_HEAD];
        let head = head.get_mut(..head_len(layout))?;
        memory.read(addr, head).ok()?;
        Self::decode(layout, addr, head)
    }

    /// Decodes the header, copied from `addr`.
    pub fn decode(layout: &Layout, addr: u64, head: &[u8]) -> Option<Self> {
        let (slots, indices_at, indices_len, count, kind) = match layout.object.dict.keys {
            DictKeys::Sized { dk_size, dk_nentries, dk_indices } => {
                let slots = head.u64_at(dk_size).filter(|slots| slots.is_power_of_two())?;
                let index_len = match slots {
                    0..=0xff => 1,
                    0x100..=0xffff => 2,
                    0x1_0000..=0xffff_ffff => 4,
                    _ => return None,
                };
                (slots, dk_indices, slots * index_len, head.u64_at(dk_nentries)?, None)
            }
            DictKeys::Logarithmic {
                dk_log2_size,
                dk_log2_index_bytes,
                dk_kind,
                dk_nentries,
                dk_indices,
                ..
            } => {
                let log2 = head.u8_at(dk_log2_size).filter(|log2| *log2 <= MAX_LOG2_SIZE)?;
                // At least a byte per slot (and 8 in all), at most 8.
                let log2_len =
                    head.u8_at(dk_log2_index_bytes).filter(|len| (log2..=log2 + 3).contains(len))?;
                let kind = head.u8_at(dk_kind)?;
                (1 << log2, dk_indices, 1 << log2_len, head.u64_at(dk_nentries)?, Some(kind))
            }
        };
        let (version, usable) = version_and_usable(layout, head);
        let count = usize::try_from(count).ok().filter(|count| *count as u64 <= slots)?;
        // Entries carry the hash unless all keys are strings, and always did before 3.11.
        let (size, key) = if kind.is_none_or(|kind| kind == 0) { (24, 8) } else { (16, 0) };
        let kind = match kind {
            Some(0) => KeysKind::General,
            Some(2) => KeysKind::Split,
            _ => KeysKind::Unicode,
        };
        let first = addr.checked_add(indices_at as u64)?.checked_add(indices_len)?;
        // `USABLE_FRACTION`.
        let capacity = usize::try_from(slots / 3 * 2 + slots % 3 * 2 / 3).ok()?.max(count);
        Some(Self { addr, kind, version, usable, first, count, capacity, size, key })
    }

    /// Keys of the same size at another address; a hostile one may wrap around, and then nothing is there.
    pub fn moved_to(self, addr: u64) -> Self {
        Self { addr, first: self.first.wrapping_sub(self.addr).wrapping_add(addr), ..self }
    }

    /// Where all entries are that there is room for, at most `max`.
    pub fn room(&self, max: usize) -> Range {
        Range::new(self.first, self.capacity.min(max) * self.size)
    }

    /// Where the first `max` entries are.
    pub fn entries(&self, max: usize) -> Range {
        Range::new(self.first, self.count.min(max) * self.size)
    }

    /// Keys and values out of copied entries; a value is 0 where the key was deleted, or where values
    /// lie elsewhere (split keys).
    pub fn pairs<'a>(&self, entries: &'a [u8]) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let (size, key) = (self.size, self.key);
        entries.chunks_exact(size).filter_map(move |entry| Some((entry.u64_at(key)?, entry.u64_at(key + 8)?)))
    }
}

fn version_and_usable(layout: &Layout, head: &[u8]) -> (u32, Option<u32>) {
    match layout.object.dict.keys {
        DictKeys::Sized { .. } => (0, None),
        DictKeys::Logarithmic { dk_version, dk_usable, .. } => {
            let usable = head.u64_at(dk_usable).map(|usable| u32::try_from(usable).unwrap_or(0));
            (head.u32_at(dk_version).unwrap_or(0), usable)
        }
    }
}

/// Bytes of a `PyDictKeysObject` that [`Keys::decode`] needs.
pub fn head_len(layout: &Layout) -> usize {
    match layout.object.dict.keys {
        DictKeys::Sized { dk_indices, .. } | DictKeys::Logarithmic { dk_indices, .. } => dk_indices,
    }
}

/// The fixed part of a `PyDictObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DictHead {
    /// `ma_used`.
    pub used: u64,
    /// The word with version and counters.
    pub tag: u64,
    /// `ma_keys`.
    pub keys: u64,
    /// `ma_values`; 0 unless the dict shares its keys.
    pub values: u64,
}

impl DictHead {
    /// Bytes of a `PyDictObject` that it needs, from the start of the object.
    pub fn len(layout: &Layout) -> usize {
        let dict = &layout.object.dict;
        dict.ma_keys.max(dict.ma_values) + 8
    }

    /// Decodes the bytes of a dict.
    pub fn decode(layout: &Layout, bytes: &[u8]) -> Option<Self> {
        let dict = &layout.object.dict;
        Some(Self {
            used: bytes.u64_at(dict.ma_used)?,
            tag: bytes.u64_at(dict.tag.offset)?,
            keys: bytes.u64_at(dict.ma_keys)?,
            values: bytes.u64_at(dict.ma_values)?,
        })
    }

    /// Reads the head of the dict at `addr`, which must be one.
    pub fn read(memory: &dyn Memory, layout: &Layout, addr: u64) -> Option<Self> {
        Self::decode(layout, &memory.read_bytes(addr, Self::len(layout)).ok()?)
    }

    /// The version that every store changes, where the version of CPython has one (before 3.14).
    pub fn version(&self, tag: &DictTag) -> Option<u64> {
        tag.version_shift.map(|shift| self.tag >> shift)
    }

    /// Stores that the just-in-time compiler has counted (3.13+).
    pub fn mutations(&self, tag: &DictTag) -> Option<u8> {
        tag.mutations_shift.map(|shift| (self.tag >> shift) as u8 & 15)
    }
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

    /// Keys of 3.14 with 8 slots and these entries.
    fn keys(kind: u8, version: u32, entries: &[u64]) -> Image {
        let mut bytes = vec![0; 32];
        (bytes[8], bytes[9], bytes[10]) = (3, 3, kind);
        bytes[12..16].copy_from_slice(&version.to_le_bytes());
        bytes[16..24].copy_from_slice(&4u64.to_le_bytes());
        bytes[24..32].copy_from_slice(&(entries.len() as u64 / 2).to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(entries.iter().flat_map(|word| word.to_le_bytes()));
        Image { start: 0x1000, bytes }
    }

    #[test]
    fn a_header_leads_to_its_entries() {
        let image = keys(1, 77, &[0x10, 0x20, 0x30, 0]);
        let keys = Keys::read(&image, layout(14), 0x1000).unwrap();
        assert_eq!((keys.kind, keys.version, keys.usable), (KeysKind::Unicode, 77, Some(4)));
        let range = keys.entries(10);
        let entries = image.read_bytes(range.addr, range.len).unwrap();
        assert_eq!(keys.pairs(&entries).collect::<Vec<_>>(), [(0x10, 0x20), (0x30, 0)]);
        assert_eq!(keys.entries(1).len, 16);
    }

    #[test]
    fn general_keys_have_larger_entries() {
        let keys = Keys::read(&keys(0, 0, &[1, 2]), layout(14), 0x1000).unwrap();
        assert_eq!((keys.kind, keys.size, keys.key), (KeysKind::General, 24, 8));
    }

    #[test]
    fn the_bits_of_a_tag_are_told_apart() {
        let head = DictHead { used: 0, tag: 7 << 12 | 5 << 8 | 1, keys: 0, values: 0 };
        let tag = |minor| layout(minor).object.dict.tag;
        assert_eq!((head.version(&tag(13)), head.mutations(&tag(13))), (Some(7), Some(5)));
        assert_eq!((head.version(&tag(14)), head.mutations(&tag(14))), (None, Some(5)));
        assert_eq!((head.version(&tag(12)), head.mutations(&tag(12))), (Some(7 << 4 | 5), None));
        assert_eq!(head.version(&tag(8)), Some(head.tag));
    }

    proptest! {
        #[test]
        fn any_bytes_are_bounded(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            minor in 8u8..=15,
            addr in prop_oneof![Just(0x1000), any::<u64>()],
        ) {
            let image = Image { start: 0x1000, bytes };
            if let Some(keys) = Keys::read(&image, layout(minor), addr) {
                prop_assert!(keys.entries(1000).len <= 24_000);
            }
            let _ = DictHead::read(&image, layout(minor), addr);
        }
    }
}
