use proptest::prelude::*;

use super::super::testing::{World, table};
use super::*;

const CODE: u64 = 0x5000_0000;

fn world() -> (World, Opcodes) {
    let world = World::default();
    world.opcodes();
    world.code(CODE);
    let opcodes = Opcodes::read(&world, &table()).unwrap();
    (world, opcodes)
}

fn read(world: &World, opcodes: &Opcodes) -> Option<Code> {
    Code::read(world, &table(), opcodes, CODE)
}

fn frame(code: u64, lasti: u32) -> Frame {
    Frame { addr: 0x7000_0000, code, previous: 0, lasti }
}

#[test]
fn a_code_object_says_who_it_is_and_where_its_instructions_stand() {
    let (world, opcodes) = world();
    let code = read(&world, &opcodes).unwrap();
    assert_eq!((&code.name[..], &code.qualname[..], &code.file[..]), ("work", "Class.work", "app.py"));
    assert_eq!(code.first_line, 12);
    // The instruction with its cache is three units long.
    assert_eq!(code.starts, [0, 0, 0, 3]);
    let offsets = [0, 1, 3, 4, 5, u32::MAX].map(|lasti| code.instruction(lasti));
    assert_eq!(offsets, [Some(0), Some(0), Some(0), Some(6), None, None]);
    assert_eq!((code.span(0, 0).line, code.span(4, 6).line), (Some(12), Some(13)));
    let name = |number| code.name_at(&world, &table(), number);
    assert_eq!((name(0).as_deref(), name(1), name(usize::MAX)), (Some("attribute"), None, None));
}

#[test]
fn a_cache_that_is_longer_than_its_code_ends_with_it() {
    let (_, opcodes) = world();
    assert_eq!(starts(&[1, 0], &opcodes), [0]);
    assert_eq!(starts(&[2, 0, 1, 0, 0, 0], &opcodes), [0, 1, 1]);
    assert_eq!(starts(&[2, 0, 9], &opcodes), [0]);
    assert!(starts(&[], &opcodes).is_empty());
}

#[test]
fn sizes_and_addresses_that_cannot_be_are_no_code() {
    let table = table();
    let sizes = [table.code_units_len, table.code_linetable_len, table.code_names_len];
    let addrs = [
        table.code_units,
        table.code_linetable,
        table.code_name,
        table.code_qualname,
        table.code_source_path,
    ];
    for offset in sizes {
        for size in [MAX_PART + 1, 1 << 40, 1 << 63, u64::MAX] {
            let (world, opcodes) = world();
            world.word(CODE + offset, size);
            assert!(read(&world, &opcodes).is_none(), "{offset} {size:#x}");
        }
    }
    for offset in addrs {
        for addr in [0, 0x6666_0000, u64::MAX, u64::MAX - 1] {
            let (world, opcodes) = world();
            world.word(CODE + offset, addr);
            assert!(read(&world, &opcodes).is_none(), "{offset} {addr:#x}");
        }
    }
    // More than is there, though less than is too much.
    let (world, opcodes) = world();
    world.word(CODE + table.code_units_len, MAX_PART);
    assert!(read(&world, &opcodes).is_none());
}

#[test]
fn a_text_that_is_too_long_is_cut_and_one_that_is_no_text_is_marked() {
    let (world, opcodes) = world();
    let long = "x".repeat(MAX_TEXT + 9);
    world.text(CODE + 0x2000, &long);
    world.word(CODE + table().code_name, CODE + 0x2000);
    let name = read(&world, &opcodes).unwrap().name;
    assert_eq!((name.chars().count(), name.ends_with('…')), (MAX_TEXT + 1, true));
    world.word(CODE + 0x2000 + table().text_len, u64::MAX);
    assert!(read(&world, &opcodes).is_none_or(|code| code.name.chars().count() <= MAX_TEXT + 1));
    world.put(CODE + 0x2100, &[0xff; 4]);
    world.word(CODE + 0x2000 + table().text_len, 4);
    assert_eq!(read(&world, &opcodes).unwrap().name, "\u{fffd}".repeat(4));
}

#[test]
fn opcodes_that_are_none_are_not_read() {
    let (world, _) = world();
    world.word(table().opcodes + 9 * OPCODE_WORDS as u64 * 8 + 8, 0x0101_0101);
    assert!(Opcodes::read(&world, &table()).is_none());
    assert!(Opcodes::read(&world, &Table { opcodes: u64::MAX - 64, ..table() }).is_none());
}

#[test]
fn code_at_an_address_that_is_used_again_is_read_again() {
    let (world, opcodes) = world();
    let mut codes = Codes::default();
    let frames = [frame(CODE, 1), frame(CODE, 4)];
    let mut confirm = |world: &World, frames: &[Frame]| codes.confirm(world, &table(), &opcodes, frames);
    // What was not known is read; the frames are read anew, because it may be another's already.
    assert_eq!(confirm(&world, &frames), Err(Changed));
    assert_eq!(confirm(&world, &frames), Ok(()));
    world.word(CODE + table().code_qualname, CODE + 0x800);
    assert_eq!(confirm(&world, &frames), Err(Changed));
    assert_eq!(confirm(&world, &frames), Ok(()));
    // One that is nowhere does not take the others with it.
    assert_eq!(confirm(&world, &[frames[0], frame(0x6666_0000, 1)]), Err(Changed));
    assert_eq!(confirm(&world, &frames), Ok(()));
    assert_eq!(codes.get(CODE).unwrap().qualname, "work");
}

#[test]
fn frames_beyond_the_end_of_their_code_are_no_stack() {
    let (world, opcodes) = world();
    let (mut codes, mut tables, mut last) = (Codes::default(), Tables::default(), Vec::new());
    let _ = codes.confirm(&world, &table(), &opcodes, &[frame(CODE, 1)]);
    let frames = [frame(CODE, 4), Frame { addr: 0x7000_0200, ..frame(CODE, 1) }];
    assert_eq!(codes.intern(&frames, &mut last, &mut tables), Ok(()));
    assert_eq!((last.len(), tables.functions.len()), (2, 1));
    assert_eq!(codes.intern(&[frame(CODE, 5)], &mut last, &mut tables), Err(Changed));
    assert_eq!(codes.intern(&[frame(0x6666_0000, 1)], &mut last, &mut tables), Err(Changed));
}

proptest! {
    #[test]
    fn any_code_object_is_read_or_refused(
        words in prop::collection::vec((0_u64..20, prop_oneof![
            any::<u64>(), 0_u64..64, (0_u64..0x1000).prop_map(|at| CODE + at)
        ]), 1..12),
        units in prop::collection::vec(any::<u8>(), 0..64),
        lasti in any::<u32>(),
    ) {
        let (world, opcodes) = world();
        world.put(CODE + 0x400, &units);
        words.into_iter().for_each(|(at, word)| world.word(CODE + at * 8, word));
        if let Some(code) = read(&world, &opcodes) {
            prop_assert_eq!(code.starts.len(), code.units.1);
            for lasti in [lasti, lasti % 64] {
                if let Some(offset) = code.instruction(lasti) {
                    prop_assert!(offset as usize <= code.units.1 * 2);
                    code.span(lasti, offset);
                }
            }
            code.name_at(&world, &table(), lasti as usize % 9);
        }
    }
}
