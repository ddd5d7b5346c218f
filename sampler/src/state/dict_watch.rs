//! One dict over time: its keys, its counters, and the names that were stored to between looks.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use slowpath_profile::evidence::{KeyChange, KeyEvent, KeysFacts, KeysKind};

use super::scalars::Scalars;
use crate::layout::spec::Layout;
use crate::process::memory::{Memory, Range};
use crate::read::keys::{DictHead, Keys, head_len};
use crate::read::{objects, text};

/// Entries of a dict that are watched; what a larger one holds beyond is not seen.
const MAX_ENTRIES: usize = 20_000;
/// Reads of a dict whose keys come and go. A program that inserts and deletes without a pause has its keys
/// moved every few microseconds: with few tries only the looks at other times would succeed, and nothing
/// would ever be seen to change.
const TRIES: u32 = 48;
/// Reads of one whose entries take more than [`SMALL_BYTES`].
const TRIES_OF_LARGE: u32 = 8;
const SMALL_BYTES: usize = 16 << 10;
/// Names that are kept as changed.
const MAX_CHANGES: usize = 256;
/// Changes that are handed on.
const MAX_REPORTED: usize = 32;
/// Text of a foreign key.
const FOREIGN_LIMIT: usize = 60;

/// A dict that is looked at again and again. Only dicts that own their values (those of modules and
/// types) can be watched.
#[derive(Debug, Default)]
pub(crate) struct DictWatch {
    addr: u64,
    head: Option<DictHead>,
    keys: Option<Keys>,
    /// The entries as they were at the last look.
    entries: Vec<u8>,
    /// Values by the address of their key.
    values: FxHashMap<u64, u64>,
    /// Addresses of keys by text.
    names: FxHashMap<String, u64>,
    /// Texts of keys by address. A key that is gone may have been freed, so it is read while it is there.
    texts: FxHashMap<u64, String>,
    scalars: Scalars,
    facts: KeysFacts,
    tag_changes: u32,
    changes: BTreeMap<(String, KeyEvent), u32>,
    foreign: Option<String>,
    truncated: bool,
}

impl DictWatch {
    /// The dict at `addr`.
    pub(crate) fn new(addr: u64) -> Self {
        Self { addr, ..Self::default() }
    }

    /// Its address.
    pub(crate) fn addr(&self) -> u64 {
        self.addr
    }

    /// Looks at it; whether it holds anything else than at the last look. `None` if it cannot be read
    /// now: what is known stays.
    pub(crate) fn look(&mut self, memory: &dyn Memory, layout: &Layout) -> Option<bool> {
        let mut place = match self.keys {
            Some(keys) => keys,
            None => Keys::read(memory, layout, DictHead::read(memory, layout, self.addr)?.keys)?,
        };
        let tries = if place.room(MAX_ENTRIES).len <= SMALL_BYTES { TRIES } else { TRIES_OF_LARGE };
        for _ in 0..tries {
            match copy(memory, layout, self.addr, &place)? {
                Copy::Whole(head, keys, entries) => {
                    return Some(self.take(memory, layout, head, keys, entries));
                }
                Copy::Moved(now) => place = place.moved_to(now),
                Copy::Resized(now) => place = now,
            }
        }
        None
    }

    /// Adds a copy to what is known; whether it holds anything else.
    fn take(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        head: DictHead,
        keys: Keys,
        entries: Vec<u8>,
    ) -> bool {
        self.count(layout, &head, &keys);
        let is_other = self.head.is_none() || entries != self.entries;
        let mut events = BTreeMap::new();
        if is_other {
            events = self.compare_with(memory, layout, &keys, &entries);
            self.entries = entries;
            let is_general = keys.kind == KeysKind::General;
            self.foreign = is_general.then(|| self.find_foreign(memory, layout, &keys)).flatten();
        }
        for key in self.scalars.look(memory, layout, &self.values) {
            events.extend(self.texts.get(&key).map(|name| (name.clone(), KeyEvent::Rebound)));
        }
        self.note(events);
        (self.head, self.keys) = (Some(head), Some(keys));
        is_other
    }

    fn count(&mut self, layout: &Layout, head: &DictHead, keys: &Keys) {
        let before = self.head.zip(self.keys);
        let versioned = layout.object.function.func_version.is_some();
        self.facts.looks += 1;
        if let Some((old_head, old_keys)) = before {
            let moved = keys.addr != old_keys.addr || keys.version != old_keys.version;
            self.facts.changes += u32::from(moved || (versioned && keys.version == 0));
            let tag = &layout.object.dict.tag;
            self.tag_changes += u32::from(head.version(tag) != old_head.version(tag));
        }
        (self.facts.kind, self.facts.version) = (keys.kind, keys.version);
    }

    /// Compares the entries with those of the last look.
    fn compare_with(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        keys: &Keys,
        entries: &[u8],
    ) -> BTreeMap<String, KeyEvent> {
        let is_first = self.head.is_none();
        let now: FxHashMap<u64, u64> =
            keys.pairs(entries).filter(|(key, value)| *key != 0 && *value != 0).collect();
        self.truncated |= keys.count > MAX_ENTRIES;
        self.learn_names(memory, layout, &now);
        let events = if is_first { BTreeMap::new() } else { self.compare(&now) };
        self.values = now;
        if self.texts.len() > 2 * self.values.len() + MAX_CHANGES {
            self.texts.retain(|key, _| self.values.contains_key(key));
            self.names.retain(|_, key| self.values.contains_key(key));
        }
        events
    }

    fn learn_names(&mut self, memory: &dyn Memory, layout: &Layout, now: &FxHashMap<u64, u64>) {
        let unknown: Vec<u64> = now.keys().copied().filter(|key| !self.values.contains_key(key)).collect();
        let texts = text::strings(memory, &layout.object, &unknown);
        for (key, text) in unknown.into_iter().zip(texts) {
            match text {
                Some(text) => {
                    self.names.insert(text.clone(), key);
                    self.texts.insert(key, text);
                }
                // Not a string, or not one any more.
                None => drop(self.texts.remove(&key)),
            }
        }
    }

    fn compare(&self, now: &FxHashMap<u64, u64>) -> BTreeMap<String, KeyEvent> {
        let mut events: BTreeMap<String, KeyEvent> = BTreeMap::new();
        let text = |key: &u64| self.texts.get(key).cloned();
        for key in self.values.keys().filter(|key| !now.contains_key(key)) {
            events.extend(text(key).map(|name| (name, KeyEvent::Deleted)));
        }
        for (key, value) in now {
            let event = match self.values.get(key) {
                Some(old) if old == value => continue,
                Some(_) => KeyEvent::Rebound,
                None => KeyEvent::Inserted,
            };
            let Some(name) = text(key) else { continue };
            // Deleted and inserted in between, under another string object of the same text.
            let event = if events.contains_key(&name) { KeyEvent::Rebound } else { event };
            events.insert(name, event);
        }
        events
    }

    fn note(&mut self, events: BTreeMap<String, KeyEvent>) {
        for (name, event) in events {
            if self.changes.len() < MAX_CHANGES || self.changes.contains_key(&(name.clone(), event)) {
                *self.changes.entry((name, event)).or_default() += 1;
            } else {
                self.truncated = true;
            }
        }
    }

    /// The first key that is not a string.
    fn find_foreign(&self, memory: &dyn Memory, layout: &Layout, keys: &Keys) -> Option<String> {
        let mut all = keys.pairs(&self.entries).filter(|(key, value)| *key != 0 && *value != 0);
        let foreign = all.find(|(key, _)| !objects::is_exact_str(memory, layout, *key))?;
        Some(objects::render(memory, layout, foreign.0, FOREIGN_LIMIT))
    }

    /// The address of the value of a key at the last look.
    pub(crate) fn get(&self, name: &str) -> Option<u64> {
        self.values.get(self.names.get(name)?).copied()
    }

    /// Values at the last look.
    pub(crate) fn values(&self) -> impl Iterator<Item = u64> {
        self.values.values().copied()
    }

    /// Whether its keys were read at least once.
    pub(crate) fn is_known(&self) -> bool {
        self.head.is_some()
    }

    /// Keys over time.
    pub(crate) fn facts(&self) -> KeysFacts {
        self.facts
    }

    /// Number of keys at the last look.
    pub(crate) fn used(&self) -> u32 {
        self.head.map_or(0, |head| u32::try_from(head.used).unwrap_or(u32::MAX))
    }

    /// How often the version that every store moves had moved, and of how many looks (before 3.14).
    pub(crate) fn tag_changes(&self, layout: &Layout) -> Option<(u32, u32)> {
        layout.object.dict.tag.version_shift.map(|_| (self.tag_changes, self.facts.looks))
    }

    /// Stores that the just-in-time compiler has counted (3.13+).
    pub(crate) fn mutations(&self, layout: &Layout) -> Option<u8> {
        self.head?.mutations(&layout.object.dict.tag)
    }

    /// A key that is not a string.
    pub(crate) fn foreign(&self) -> Option<&str> {
        self.foreign.as_deref()
    }

    /// Whether something was left out.
    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Keys that changed between looks, the most frequent first.
    pub(crate) fn changes(&self) -> Vec<KeyChange> {
        let mut changes: Vec<KeyChange> = self
            .changes
            .iter()
            .map(|((name, event), times)| KeyChange { name: name.clone(), event: *event, times: *times })
            .collect();
        changes.sort_by_key(|change| std::cmp::Reverse(change.times));
        changes.truncate(MAX_REPORTED);
        changes
    }
}

/// What one read of a dict gave.
enum Copy {
    /// Head, keys and entries of one moment.
    Whole(DictHead, Keys, Vec<u8>),
    /// The keys are at this address.
    Moved(u64),
    /// The keys have another size.
    Resized(Keys),
}

/// Copies a dict with its keys, expected at `place`, in one read. The head is copied before and after:
/// if it points to the same keys both times, the entries are theirs.
fn copy(memory: &dyn Memory, layout: &Layout, addr: u64, place: &Keys) -> Option<Copy> {
    let (dict_len, keys_len) = (DictHead::len(layout), head_len(layout));
    let room = place.room(MAX_ENTRIES);
    let dict = Range::new(addr, dict_len);
    let ranges = [dict, Range::new(place.addr, keys_len), room, dict];
    let mut bytes = vec![0; 2 * dict_len + keys_len + room.len];
    let filled = memory.read_vectored(&ranges, &mut bytes).ok()?;
    let head = DictHead::decode(layout, bytes.get(..dict_len.min(filled))?)?;
    // Shared keys have their values elsewhere.
    if head.values != 0 {
        return None;
    }
    if head.keys != place.addr || filled < bytes.len() {
        return Some(Copy::Moved(head.keys));
    }
    let Some(keys) = Keys::decode(layout, place.addr, &bytes[dict_len..dict_len + keys_len]) else {
        return Some(Copy::Moved(head.keys));
    };
    if (keys.first, keys.size) != (place.first, place.size) {
        return Some(Copy::Resized(keys));
    }
    let after = DictHead::decode(layout, &bytes[bytes.len() - dict_len..])?;
    if after.keys != head.keys {
        return Some(Copy::Moved(after.keys));
    }
    // All that there is room for: what was inserted since the count was copied counts too, and what has
    // never been used is zero.
    let entries = bytes.get(dict_len + keys_len..)?.get(..room.len)?;
    Some(Copy::Whole(head, keys, entries.to_vec()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::spec_for;
    use crate::read::testing::Image;

    const DICT: u64 = 0x1000;
    const KEYS: usize = 0x100;
    const TEXTS: usize = 0x400;

    fn layout(minor: u8) -> &'static Layout {
        spec_for(minor).unwrap().headers(false)
    }

    /// A dict of 3.14 with 16 slots whose keys are `a`, `b`, …; 0 stands for a deleted entry.
    fn dict(kind: u8, version: u32, values: &[u64]) -> Image {
        let mut bytes = vec![0; 0x800];
        let mut put = |offset: usize, value: u64| bytes[offset..][..8].copy_from_slice(&value.to_le_bytes());
        put(16, values.iter().filter(|value| **value != 0).count() as u64);
        put(32, DICT + KEYS as u64);
        put(KEYS + 8, u64::from(version) << 32 | u64::from(kind) << 16 | 4 << 8 | 4);
        put(KEYS + 24, values.len() as u64);
        let entries = KEYS + 32 + 16;
        for (index, value) in values.iter().enumerate() {
            let key = DICT + (TEXTS + index * 0x40) as u64;
            put(entries + index * 16, if *value == 0 { 0 } else { key });
            put(entries + index * 16 + 8, *value);
            // A compact ASCII string of one character.
            let text = TEXTS + index * 0x40;
            put(text + 16, 1);
            put(text + 32, 1 << 2 | 1 << 5 | 1 << 6);
            put(text + 40, u64::from(b'a') + index as u64);
        }
        Image { start: DICT, bytes }
    }

    fn watched(images: &[Image]) -> DictWatch {
        let mut watch = DictWatch::new(DICT);
        images.iter().for_each(|image| assert!(watch.look(image, layout(14)).is_some()));
        watch
    }

    fn change(name: &str, event: KeyEvent, times: u32) -> KeyChange {
        KeyChange { name: name.into(), event, times }
    }

    #[test]
    fn stores_between_looks_are_told_by_name() {
        let watch = watched(&[
            dict(1, 5, &[0x10, 0x20]),
            dict(1, 0, &[0x11, 0x20, 0x30]),
            dict(1, 0, &[0x12, 0x20, 0x30]),
            dict(1, 6, &[0x12, 0x20, 0]),
        ]);
        assert_eq!(
            watch.changes(),
            [
                change("a", KeyEvent::Rebound, 2),
                change("c", KeyEvent::Inserted, 1),
                change("c", KeyEvent::Deleted, 1)
            ]
        );
        assert_eq!((watch.get("a"), watch.get("c"), watch.used()), (Some(0x12), None, 2));
        let facts = watch.facts();
        assert_eq!((facts.version, facts.looks, facts.changes), (6, 4, 3));
        assert_eq!((watch.tag_changes(layout(14)), watch.mutations(layout(14))), (None, Some(0)));
    }

    #[test]
    fn what_stays_is_no_change() {
        let same = || dict(1, 5, &[0x10, 0x20]);
        let watch = watched(&[same(), same(), same()]);
        assert_eq!((watch.changes(), watch.facts().changes, watch.facts().looks), (vec![], 0, 3));
    }

    #[test]
    fn a_dict_that_shares_its_keys_is_not_watched() {
        let mut image = dict(1, 5, &[0x10]);
        image.bytes[40] = 8;
        assert_eq!(DictWatch::new(DICT).look(&image, layout(14)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_watched_without_panic(
            looks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0x40..0x300), 1..4),
            noise in any::<bool>(),
            minor in 8u8..=15,
        ) {
            let mut watch = DictWatch::new(DICT);
            for bytes in looks {
                let mut image = dict(1, 5, &[0x10, 0x20, 0x30]);
                // Either nothing but noise, or a dict whose keys are noise.
                let from = if noise { 0 } else { KEYS };
                image.bytes[from..][..bytes.len()].copy_from_slice(&bytes);
                let _ = watch.look(&image, layout(minor));
            }
            prop_assert!(watch.changes().len() <= MAX_REPORTED);
        }
    }
}
