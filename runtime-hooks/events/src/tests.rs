use proptest::prelude::*;

use super::*;

/// A file with one module, one code object, one slot and one event.
fn file() -> Vec<u8> {
    let mut file = vec![0; FILE_LEN];
    let mut set = |at: usize, word: u64| file[at * 8..][..8].copy_from_slice(&word.to_ne_bytes());
    set(header::MAGIC, MAGIC);
    set(header::VERSION, VERSION);
    set(header::PID, 7);
    set(header::STATUS, status::ACTIVE);
    set(header::RING, 1);
    set(header::SLOTS, 1);
    set(header::CODES, 1);
    set(header::OBJECTS, 1);
    set(SLOTS_AT + slot::WHAT, 20 << 8 | u64::from(kind::MODIFIED));
    set(SLOTS_AT + slot::COUNT, 1000);
    set(SLOTS_AT + slot::NAME, pair(4, 0));
    set(SLOTS_AT + slot::LINE, pair(0, 12));
    set(CODES_AT + code::FILE, pair(6, 4));
    set(CODES_AT + code::QUALNAME, pair(8, 10));
    set(CODES_AT + code::LINE, pair(4, 9));
    set(OBJECTS_AT + objects::NAME, pair(3, 10));
    set(RING_AT + event::SEQUENCE, 2);
    set(RING_AT + event::TIME, 99);
    set(RING_AT + event::THREAD, pair(u32::from(kind::MODIFIED), 41));
    set(RING_AT + event::NUMBER, 1);
    set(RING_AT + event::DEPTH, 1);
    set(RING_AT + event::FRAMES, pair(0, 12));
    set(header::COLLECTIONS, 1);
    set(header::COLLECTED + 2, 1);
    set(header::COLLECTING_NS + 2, 500);
    set(COLLECTIONS_AT + collection::SEQUENCE, 2);
    set(COLLECTIONS_AT + collection::START, 90);
    set(COLLECTIONS_AT + collection::DURATION, 500);
    set(COLLECTIONS_AT + collection::THREAD, pair(2, 41));
    set(COLLECTIONS_AT + collection::FREED, 8);
    let text = b"rateapp.pyApp.main";
    file[TEXT_AT * 8..][..text.len()].copy_from_slice(text);
    file
}

#[test]
fn what_is_written_is_read() {
    let mut reader = Reader::new(file()).unwrap();
    assert_eq!((reader.header().pid, reader.header().status), (7, status::ACTIVE));
    let expected = Slot {
        offset: 20,
        line: 12,
        kind: kind::MODIFIED,
        key: "rate".into(),
        count: 1000,
        ..Slot::default()
    };
    assert_eq!(reader.slots(), [expected]);
    let code = reader.code(0).unwrap();
    assert_eq!((&*code.file, &*code.qualname, &*code.name), ("app.py", "App.main", "main"));
    assert_eq!((reader.code(1), reader.object(1)), (None, None));
    let events = reader.events();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].thread, events[0].time_ns, &events[0].frames[..]), (41, 99, &[(0, 12)][..]));
    assert!(reader.events().is_empty() && reader.lost() == 0);
    let pause = Collection {
        start_ns: 90,
        duration_ns: 500,
        generation: 2,
        thread: 41,
        freed: 8,
        ..Collection::default()
    };
    assert_eq!(reader.collections(), [pause]);
    assert!(reader.collections().is_empty() && reader.lost_collections() == 0);
    assert_eq!((reader.header().collected, reader.header().collecting_ns), ([0, 0, 1], [0, 0, 500]));
}

#[test]
fn what_is_not_complete_is_not_read() {
    assert_eq!(Reader::new(Vec::new()).unwrap_err(), Problem::NotReady);
    assert_eq!(Reader::new(vec![0; FILE_LEN]).unwrap_err(), Problem::NotReady);
    let mut other = file();
    other[header::VERSION * 8] = 9;
    assert_eq!(Reader::new(other).unwrap_err(), Problem::OtherVersion(9));
    // Cut short by its owner.
    let mut short = file();
    short.truncate(HEADER_WORDS * 8);
    let mut reader = Reader::new(short).unwrap();
    assert!(reader.slots().is_empty() && reader.events().is_empty() && reader.code(0).is_none());
}

#[test]
fn overwritten_and_torn_events_are_counted() {
    let mut file = file();
    let mut set = |at: usize, word: u64| file[at * 8..][..8].copy_from_slice(&word.to_ne_bytes());
    let all = RING as u64 + 10;
    set(header::RING, all);
    for number in 10..all {
        set(RING_AT + (number as usize % RING) * EVENT_WORDS, 2 * (number + 1));
    }
    // One is being written.
    set(RING_AT + 20 * EVENT_WORDS, 2 * 21 - 1);
    let mut reader = Reader::new(file).unwrap();
    assert_eq!((reader.events().len(), reader.lost()), (RING - 1, 11));
}

#[test]
fn overwritten_collections_are_counted() {
    let mut file = file();
    let mut set = |at: usize, word: u64| file[at * 8..][..8].copy_from_slice(&word.to_ne_bytes());
    let all = 3 * COLLECTIONS as u64 + 5;
    set(header::COLLECTIONS, all);
    for number in all - COLLECTIONS as u64..all {
        set(COLLECTIONS_AT + (number as usize % COLLECTIONS) * COLLECTION_WORDS, 2 * (number + 1));
    }
    let mut reader = Reader::new(file).unwrap();
    assert_eq!(reader.collections().len(), COLLECTIONS);
    assert_eq!(reader.lost_collections(), 2 * COLLECTIONS as u64 + 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_that_a_target_writes_can_hurt(
        words in prop::collection::vec((0..TEXT_AT, prop_oneof![any::<u64>(), 0..20_000u64]), 1..200),
        counts in prop::collection::vec(any::<u64>(), 25),
        len in prop_oneof![Just(FILE_LEN), 0..FILE_LEN],
    ) {
        let mut file = file();
        let mut set = |at: usize, word: u64| file[at * 8..][..8].copy_from_slice(&word.to_ne_bytes());
        for (at, word) in words {
            set(at, word);
        }
        for (at, word) in counts.iter().enumerate() {
            set(header::PID + at, *word);
        }
        set(header::MAGIC, MAGIC);
        set(header::VERSION, VERSION);
        file.truncate(len);
        if let Ok(mut reader) = Reader::new(file) {
            reader.header();
            for slot in reader.slots() {
                prop_assert!(slot.key.len() <= 3 * MAX_TEXT);
                reader.code(slot.code);
                reader.object(slot.object);
            }
            prop_assert!(reader.events().len() <= RING);
            prop_assert!(reader.events().is_empty());
            prop_assert!(reader.collections().len() <= COLLECTIONS);
            prop_assert!(reader.collections().is_empty());
        }
    }
}
