//! Finds the sections of an interpreter's state by what must be in them. See
//! [`crate::layout::state`] for why.

use crate::layout::spec::Layout;
use crate::layout::state::{Anchor, Anchored, Section};
use crate::process::memory::{Bytes, Memory, Range};
use crate::read::dict::read_word;
use crate::read::text;

/// How far from where the headers have it a section is looked for, in bytes: near, where patch releases
/// and most debug fields move it, then far (debug builds have 16 KiB more in the runtime).
const REACHES: [usize; 2] = [256, 32 << 10];
/// Sections begin at words.
const STEP: usize = 8;
/// Length of the longest name of a type that is an anchor.
const MAX_TYPE_NAME: usize = 40;

/// The address of `section` in the structure at `base`, or `None` if its anchors hold nowhere, or in
/// several places of which none is the expected one.
pub fn locate(memory: &dyn Memory, layout: &Layout, base: u64, section: &Section) -> Option<u64> {
    let expected = base.checked_add(section.at as u64)?;
    let end = section.anchors.iter().map(|anchor| anchor.at + 16).max()?;
    let exact = memory.read_bytes(expected, end).ok();
    if exact.is_some_and(|bytes| holds(memory, layout, section, expected, &bytes)) {
        return Some(expected);
    }
    REACHES.iter().find_map(|reach| match around(memory, layout, expected, *reach, end, section)?[..] {
        [place] => Some(Some(place)),
        [] => None,
        _ => Some(None),
    })?
}

/// Where within `reach` of `expected` the section, whose anchors end at `end`, could be.
fn around(
    memory: &dyn Memory,
    layout: &Layout,
    expected: u64,
    reach: usize,
    end: usize,
    section: &Section,
) -> Option<Vec<u64>> {
    let before = section.at.min(reach);
    let start = expected - before as u64;
    let bytes = as_many_as_there_are(memory, start, before + reach + end)?;
    let places = (0..bytes.len().saturating_sub(end)).step_by(STEP).filter_map(|from| {
        let addr = start.checked_add(from as u64)?;
        holds(memory, layout, section, addr, &bytes[from..from + end]).then_some(addr)
    });
    Some(places.collect())
}

/// Up to `len` bytes at `start`: all of them, or those in whole pages before the first that is not
/// mapped.
fn as_many_as_there_are(memory: &dyn Memory, start: u64, len: usize) -> Option<Vec<u8>> {
    const PAGE: u64 = 4096;
    let end = start.checked_add(len as u64)?;
    let mut ranges = Vec::new();
    let mut at = start;
    while at < end {
        let next = (at / PAGE * PAGE).checked_add(PAGE)?.min(end);
        ranges.push(Range::new(at, (next - at) as usize));
        at = next;
    }
    let mut bytes = vec![0; len];
    let filled = memory.read_vectored(&ranges, &mut bytes).ok()?;
    bytes.truncate(filled);
    Some(bytes)
}

/// Whether every anchor of `section` holds, if it begins at `addr`, where `bytes` are. What needs no
/// further reading is looked at first.
fn holds(memory: &dyn Memory, layout: &Layout, section: &Section, addr: u64, bytes: &[u8]) -> bool {
    let plausible = |anchor: &Anchor| is_plausible(layout, anchor, bytes).unwrap_or(false);
    let proven = |anchor: &Anchor| is_proven(memory, layout, anchor, addr, bytes).unwrap_or(false);
    section.anchors.iter().all(plausible) && section.anchors.iter().all(proven)
}

fn is_plausible(layout: &Layout, anchor: &Anchor, bytes: &[u8]) -> Option<bool> {
    Some(match anchor.is {
        Anchored::Object(_) | Anchored::Type(_) => is_pointer(bytes.u64_at(anchor.at)?),
        // The header of the object may lie behind the bytes.
        Anchored::Embedded(_) => bytes.u64_at(anchor.at + layout.object.ob_type).is_none_or(is_pointer),
        Anchored::Word(max) => bytes.u64_at(anchor.at)? <= max,
        Anchored::Int(min, max) => (min..=max).contains(&bytes.u32_at(anchor.at)?.cast_signed()),
        Anchored::Byte(byte) => bytes.u8_at(anchor.at)? == byte,
    })
}

fn is_pointer(word: u64) -> bool {
    word >= 0x1000 && word.is_multiple_of(8) && word >> 47 == 0
}

fn is_proven(memory: &dyn Memory, layout: &Layout, anchor: &Anchor, addr: u64, bytes: &[u8]) -> Option<bool> {
    Some(match anchor.is {
        Anchored::Object(name) => is_instance(memory, layout, bytes.u64_at(anchor.at)?, name)?,
        Anchored::Type(name) => is_named(memory, layout, bytes.u64_at(anchor.at)?, name)?,
        Anchored::Embedded(name) => is_instance(memory, layout, addr.checked_add(anchor.at as u64)?, name)?,
        Anchored::Word(_) | Anchored::Int(..) | Anchored::Byte(_) => true,
    })
}

/// Whether the object at `addr` is an instance of a type with this `tp_name`.
pub(crate) fn is_instance(memory: &dyn Memory, layout: &Layout, addr: u64, name: &str) -> Option<bool> {
    is_named(memory, layout, read_word(memory, addr, layout.object.ob_type)?, name)
}

/// Whether the type at `class` has this `tp_name`, or this one as the last part of a dotted name.
fn is_named(memory: &dyn Memory, layout: &Layout, class: u64, name: &str) -> Option<bool> {
    if !is_pointer(class) {
        return Some(false);
    }
    let text = read_word(memory, class, layout.object.tp_name)?;
    Some(text::c_string(memory, text, MAX_TYPE_NAME)?.rsplit('.').next() == Some(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::spec_for;
    use crate::read::reach::{Reach, Step};
    use crate::read::runtime_facts::{self, Places};
    use crate::read::testing::Image;

    const START: u64 = 0x10_0000;

    /// Two objects of a type called `hamt` and `dict`, 64 bytes from each other, and a section of a word
    /// that points to each.
    fn target(shift: usize, copies: usize) -> Image {
        let mut bytes = vec![0; 0x4000];
        let mut put = |at: usize, word: u64| bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        let at = |offset: u64| START + offset;
        // The type: its name.
        put(0x100 + 24, at(0x180));
        // The object.
        put(0x200 + 8, at(0x100));
        for copy in 0..copies {
            put(0x2000 + shift + copy * 64, at(0x200));
            put(0x2000 + shift + copy * 64 + 8, 7);
        }
        bytes[0x180..0x188].copy_from_slice(b"a.hamt\0\0");
        Image { start: START, bytes }
    }

    const SECTION: Section = Section {
        at: 0x1000,
        anchors: &[
            Anchor { at: 0, is: Anchored::Object("hamt") },
            Anchor { at: 8, is: Anchored::Word(7) },
            Anchor { at: 8, is: Anchored::Int(1, 7) },
        ],
    };

    fn found(shift: usize, copies: usize) -> Option<u64> {
        let layout = spec_for(14).unwrap().headers(false);
        locate(&target(shift, copies), layout, START + 0x1000, &SECTION)
    }

    #[test]
    fn a_section_is_found_where_it_is_or_nearby() {
        assert_eq!(found(0, 1), Some(START + 0x2000));
        assert_eq!(found(16, 1), Some(START + 0x2010));
        assert_eq!(found(0x800, 1), Some(START + 0x2800));
    }

    #[test]
    fn a_section_that_could_be_in_two_places_is_in_none() {
        assert_eq!(found(16, 2), None);
        assert_eq!(found(16, 0), None);
        // Where the headers have it, it is.
        assert_eq!(found(0, 2), Some(START + 0x2000));
    }

    proptest! {
        #[test]
        fn any_memory_is_survived(
            minor in 8u8..16,
            words in proptest::collection::vec((0u64..0x400, 0u64..0x2200), 0..200),
            base in 0u64..0x1000,
        ) {
            let mut bytes = vec![0; 0x2000];
            for (place, word) in words {
                // Pointers into the memory, and small numbers.
                let word = if word < 0x200 { word } else { START + (word - 0x200) / 8 * 8 };
                bytes[place as usize * 8..place as usize * 8 + 8].copy_from_slice(&word.to_le_bytes());
            }
            let memory = Image { start: START, bytes };
            let (version, base) = (spec_for(minor).unwrap(), START + base);
            let (layout, spec) = (version.headers(false), version.state);
            let mut places = Places::default();
            places.complete(&memory, layout, spec, base, base);
            let all = Places {
                eval: Some(base),
                keys: Some(base),
                monitoring: Some(base),
                allocators: Some(base),
                process: Some(base),
                gc: Some((base, base)),
            };
            for places in [places, all] {
                let _ = runtime_facts::gc(&memory, spec, &places);
                let _ = runtime_facts::monitoring_tools(&memory, layout, spec, &places);
                let _ = runtime_facts::local_tools(&memory, layout, spec, &places, &[base]);
                let _ = runtime_facts::malloc_is_debugged(&memory, spec, &places);
                let _ = runtime_facts::jit_is_on(&memory, layout, spec, &places);
            }
            let mut reach = Reach::default();
            reach.begin(base);
            let mut steps = 0;
            while reach.step(&memory, layout, spec) != Step::Done && steps < 2_000 {
                steps += 1;
            }
        }
    }
}
