//! Any bytes as the file that hooks write: a header that is believed, then words at places that the data choose.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slowpath_events::layout::{COLLECTIONS, FILE_LEN, MAGIC, RING, SLOTS, VERSION, header};
use slowpath_events::{Bytes, Reader};

/// A file of zeros with some words in it, cut short.
struct Sparse {
    words: Vec<(usize, u64)>,
    len: usize,
}

impl Bytes for Sparse {
    fn copy(&self, at: usize, into: &mut [u8]) -> bool {
        if at.checked_add(into.len()).is_none_or(|end| end > self.len) {
            return false;
        }
        into.fill(0);
        for (place, word) in &self.words {
            for (byte, value) in (place * 8..).zip(word.to_ne_bytes()) {
                if let Some(into) = byte.checked_sub(at).and_then(|at| into.get_mut(at)) {
                    *into = value;
                }
            }
        }
        true
    }
}

fuzz_target!(|data: &[u8]| {
    let mut words = vec![(header::MAGIC, MAGIC), (header::VERSION, VERSION)];
    let mut rows = data.chunks_exact(12);
    words.extend(rows.by_ref().take(200).map(|row| {
        let place = u32::from_le_bytes([row[0], row[1], row[2], row[3]]) as usize;
        let word = u64::from_le_bytes(row[4..].try_into().unwrap_or_default());
        // The header, or anywhere.
        let place = if row[0] % 2 == 0 { 2 + place % 30 } else { place % (FILE_LEN / 8) };
        (place, word)
    }));
    let len = match rows.remainder() {
        [low, high, ..] => usize::from(u16::from_le_bytes([*low, *high])) * (FILE_LEN / 65_536),
        _ => FILE_LEN,
    };
    let Ok(mut reader) = Reader::new(Sparse { words, len }) else { return };
    reader.header();
    let slots = reader.slots();
    assert!(slots.len() <= SLOTS);
    for slot in slots.iter().take(50) {
        reader.code(slot.code);
        reader.object(slot.object);
    }
    assert!(reader.events().len() <= RING);
    assert!(reader.collections().len() <= COLLECTIONS);
});
