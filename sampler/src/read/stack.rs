//! Walking the frames of a thread through bytes that were copied while the thread ran.
//!
//! The copy may be torn: the current frame was read a moment before the frames, and the thread went
//! on meanwhile. A chain of frames is believed only if it could have existed:
//!
//! - every frame belongs to a code object, and its instruction lies in that code;
//! - frames on the data stack descend and tile it (`_PyThreadState_PushFrame` allocates exactly the
//!   frame size of the code), so a frame left over from a call that has returned does not fit on the
//!   frame that took its caller's place;
//! - a frame that was called by its caller's opcode, not through C code, has a caller that stands at
//!   an opcode which can call and that has stored its value stack;
//! - no frame has emptied its locals, as a return does.
//!
//! What fails is read again; what passes was, as far as can be known from outside, a real stack.

use crate::layout::spec::{FrameOffsets, Instruction, Layout, StackTop};
use crate::process::memory::Bytes;

/// Upper bound of frames in one stack. CPython's default recursion limit is 1,000; beyond this the
/// stack is cut at the root and marked.
pub const MAX_FRAMES: usize = 50_000;

/// `FRAME_OWNED_BY_THREAD`: the frame lives on the thread's data stack (3.11+).
const OWNED_BY_THREAD: u8 = 0;

/// A frame as it stands in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// Address of the frame.
    pub addr: u64,
    /// Address of its code object, without tag bits.
    pub code: u64,
    /// Address of the instruction (3.11+), or its byte offset in the code (before).
    pub instruction: u64,
    /// The frame lives on the data stack of the thread.
    pub on_data_stack: bool,
    /// The frame was called by the opcode of the next older frame, without C code in between.
    pub inlined: bool,
    /// What it says of its value stack.
    pub value_stack: ValueStack,
}

/// What a frame says of its value stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueStack {
    /// Its instructions run, or it called through C code.
    InUse,
    /// Empty, locals included: the frame has returned, unless it has no locals.
    Empty,
    /// Stored, as before a call from opcode to opcode.
    Stored,
    /// The version does not say.
    Unknown,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// The chain ended where chains end.
    Complete {
        /// The innermost shim, if the chain has one.
        shim: Option<Shim>,
    },
    /// A frame lies at this address, which was not copied.
    Missing(u64),
    /// The chain cannot be real.
    Broken,
    /// More than [`MAX_FRAMES`] frames.
    TooDeep,
}

/// A frame of the C stack that stands for the C code that entered Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shim {
    /// Its address.
    pub addr: u64,
    /// The frame that called that C code; 0 at the root.
    pub caller: u64,
}

/// What one frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    previous: u64,
    code: u64,
    instruction: u64,
    owner: u8,
    entered_from_c: bool,
    shim: bool,
    /// Says so itself, where the version has a field for it.
    runs: bool,
    value_stack: ValueStack,
}

/// Collects the frames that begin at `current`, the leaf first. `lookup` gives the bytes of a frame
/// at an address, if they were copied.
pub fn walk<'a>(
    layout: &Layout,
    current: u64,
    mut lookup: impl FnMut(u64) -> Option<&'a [u8]>,
    frames: &mut Vec<RawFrame>,
) -> Walk {
    frames.clear();
    let mut addr = current;
    let mut rooted = true;
    let mut shim = None;
    // A torn copy can lead in a circle. One address that is passed twice tells; it is moved on after 1, 2,
    // 4, 8 … steps, so that it comes to lie on the circle (Brent's algorithm).
    let (mut mark, mut mark_at) = (0, 1);
    // Every step counts, shims included.
    for step in 1..=MAX_FRAMES {
        if addr == mark && addr != 0 {
            return Walk::Broken;
        }
        if step == mark_at {
            (mark, mark_at) = (addr, mark_at * 2);
        }
        if addr == 0 {
            return if rooted { Walk::Complete { shim } } else { Walk::Broken };
        }
        if !addr.is_multiple_of(8) {
            return Walk::Broken;
        }
        let Some(bytes) = lookup(addr) else { return Walk::Missing(addr) };
        let Some(link) = decode(&layout.frame, addr, bytes) else { return Walk::Broken };
        rooted = may_be_root(&layout.frame, &link);
        if link.shim {
            shim = shim.or(Some(Shim { addr, caller: link.previous }));
            // Whatever called from here did so through C code.
            if let Some(inner) = frames.last_mut() {
                inner.inlined = false;
            }
        } else {
            let is_leaf = addr == current;
            if link.code == 0 || (!link.runs && (!is_leaf || link.previous == 0)) {
                return Walk::Broken;
            }
            if !link.runs {
                // The leaf has not begun, or has ended and is about to be unlinked (before 3.11): its
                // caller is what runs. A frame that was freed has no caller.
                addr = link.previous;
                continue;
            }
            frames.push(RawFrame {
                addr,
                code: link.code,
                instruction: link.instruction,
                on_data_stack: link.owner == OWNED_BY_THREAD,
                inlined: layout.frame.owner.is_some() && !link.entered_from_c && link.previous != 0,
                value_stack: link.value_stack,
            });
        }
        addr = link.previous;
    }
    if addr == 0 && rooted { Walk::Complete { shim } } else { Walk::TooDeep }
}

/// Whether a chain may end in this frame. C code entered the outermost frame: from 3.12 on through a
/// shim, on 3.11 with a flag. A generator that has just yielded has no caller either, and would pass
/// for a stack of its own.
fn may_be_root(frame: &FrameOffsets, link: &Link) -> bool {
    match (frame.owner_shim, frame.is_entry) {
        (Some(_), _) => link.shim,
        (None, Some(_)) => link.entered_from_c,
        (None, None) => true,
    }
}

fn decode(frame: &FrameOffsets, addr: u64, bytes: &[u8]) -> Option<Link> {
    let owner = match frame.owner {
        Some(offset) => bytes.u8_at(offset)?,
        None => OWNED_BY_THREAD,
    };
    // Values of `enum _frameowner` count up to 3 in 3.11-3.15 (4 on free-threaded 3.14).
    if owner > 4 {
        return None;
    }
    let runs = match frame.executing {
        Some(executing) => bytes.u8_at(executing.offset)? == executing.value,
        None => true,
    };
    let instruction = match frame.instruction {
        Instruction::Address(offset) => bytes.u64_at(offset)?,
        // -1 before the first instruction: counts as the first.
        Instruction::LastIndex { offset, unit } => {
            u64::from((bytes.u32_at(offset)? as i32).max(0) as u32) * u64::from(unit)
        }
    };
    Some(Link {
        previous: bytes.u64_at(frame.previous)?,
        // Stack references carry a tag in the low bits from 3.14; objects are aligned to 8 bytes.
        code: bytes.u64_at(frame.code)? & !7,
        instruction,
        owner,
        entered_from_c: match frame.is_entry {
            Some(offset) => bytes.u8_at(offset)? != 0,
            None => false,
        },
        shim: frame.owner_shim == Some(owner),
        runs,
        value_stack: value_stack(frame, addr, bytes)?,
    })
}

fn value_stack(frame: &FrameOffsets, addr: u64, bytes: &[u8]) -> Option<ValueStack> {
    Some(match frame.stack_top {
        None => ValueStack::Unknown,
        Some(StackTop::Index(offset)) => match bytes.u32_at(offset)? as i32 {
            0 => ValueStack::Empty,
            ..0 => ValueStack::InUse,
            _ => ValueStack::Stored,
        },
        Some(StackTop::Pointer(offset)) => match bytes.u64_at(offset)? {
            0 => ValueStack::InUse,
            top if top == addr.wrapping_add(frame.localsplus as u64) => ValueStack::Empty,
            _ => ValueStack::Stored,
        },
    })
}

/// What is known of a code object, as far as validation needs it.
pub trait CodeFacts {
    /// Size of its frames on the data stack in words; `None` where frames are not on one.
    fn frame_words(&self) -> Option<u32>;
    /// Whether the instruction lies in the code (or just before it, for a frame that has not begun).
    fn holds_instruction(&self, instruction: u64) -> bool;
    /// Whether its frames have locals.
    fn has_locals(&self) -> bool;
    /// Whether the opcode there can call a Python function without going through C code.
    fn can_call(&self, instruction: u64) -> bool;
}

/// Whether a frame has returned: what is left of it is no part of any stack.
pub fn has_returned<C: CodeFacts + ?Sized>(frame: &RawFrame, code: &C) -> bool {
    frame.value_stack == ValueStack::Empty && code.has_locals()
}

/// Whether the leaf may be what a call has left behind. 3.11 does not empty a frame on return, so one
/// that C code called, of whose caller nothing can be demanded, must say that it runs.
pub fn leaf_has_left(layout: &Layout, frames: &[RawFrame]) -> bool {
    let keeps_on_return = layout.frame.is_entry.is_some();
    keeps_on_return
        && frames.first().is_some_and(|leaf| !leaf.inlined && leaf.value_stack != ValueStack::InUse)
}

/// Whether `inner` can have been called from `outer`: see the module's list.
pub fn edge_is_possible<C: CodeFacts + ?Sized>(inner: &RawFrame, outer: &RawFrame, outer_code: &C) -> bool {
    if inner.inlined && (outer.value_stack == ValueStack::InUse || !outer_code.can_call(outer.instruction)) {
        return false;
    }
    if inner.inlined && inner.on_data_stack && outer.on_data_stack {
        let Some(words) = outer_code.frame_words() else { return true };
        // A caller in an older chunk is not adjacent; a chunk is at least 16 KiB, a page-aligned
        // mapping, so an adjacent frame in the same chunk is above its caller.
        let above = inner.addr.wrapping_sub(outer.addr);
        let begins_chunk = inner.addr & 0xfff <= CHUNK_HEADER_BYTES;
        return above == u64::from(words) * 8 || begins_chunk;
    }
    true
}

/// Upper bound of `sizeof(_PyStackChunk)` up to `data`, plus the word that the first chunk skips.
const CHUNK_HEADER_BYTES: u64 = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::versions::spec_for;

    struct Facts;

    impl CodeFacts for Facts {
        fn frame_words(&self) -> Option<u32> {
            Some(12)
        }
        fn holds_instruction(&self, _: u64) -> bool {
            true
        }
        fn has_locals(&self) -> bool {
            true
        }
        fn can_call(&self, instruction: u64) -> bool {
            instruction == 7
        }
    }

    /// The bytes of a frame of CPython 3.14: a code object, a caller, an owner.
    fn bytes(layout: &Layout, previous: u64, owner: u8) -> Vec<u8> {
        let mut bytes = vec![0; layout.frame.size];
        bytes[layout.frame.code..][..8].copy_from_slice(&0x7000_u64.to_le_bytes());
        bytes[layout.frame.previous..][..8].copy_from_slice(&previous.to_le_bytes());
        bytes[layout.frame.owner.expect("3.14 states it")] = owner;
        bytes
    }

    #[test]
    fn a_generator_that_has_yielded_is_not_a_stack() {
        const OWNED_BY_GENERATOR: u8 = 1;
        let layout = spec_for(14).expect("3.14 is known").headers(false);
        let shim = layout.frame.owner_shim.expect("3.14 has shims");
        let root = bytes(layout, 0, shim);
        let walked = |previous| {
            let generator = bytes(layout, previous, OWNED_BY_GENERATOR);
            let lookup = |addr| match addr {
                0x1000 => Some(generator.as_slice()),
                0x2000 => Some(root.as_slice()),
                _ => None,
            };
            walk(layout, 0x1000, lookup, &mut Vec::new())
        };
        assert!(matches!(walked(0x2000), Walk::Complete { shim: Some(_) }));
        assert_eq!(walked(0), Walk::Broken);
    }

    #[test]
    fn a_circle_is_noticed_before_it_is_walked_for_long() {
        let layout = spec_for(14).expect("3.14 is known").headers(false);
        // 0x100 leads to 0x200 and so on; 0x500 leads back to 0x300.
        let frames: Vec<Vec<u8>> =
            [0x200, 0x300, 0x400, 0x500, 0x300].map(|previous| bytes(layout, previous, 0)).into();
        let mut steps = 0;
        let lookup = |addr: u64| {
            steps += 1;
            frames.get((addr / 0x100) as usize - 1).map(Vec::as_slice)
        };
        assert_eq!(walk(layout, 0x100, lookup, &mut Vec::new()), Walk::Broken);
        assert!(steps < 12, "{steps} steps");
    }

    fn frame(addr: u64, instruction: u64) -> RawFrame {
        let value_stack = ValueStack::Stored;
        RawFrame { addr, code: 8, instruction, on_data_stack: true, inlined: true, value_stack }
    }

    #[test]
    fn frames_tile_the_data_stack() {
        let caller = frame(0x10100, 7);
        assert!(edge_is_possible(&frame(0x10100 + 96, 0), &caller, &Facts));
        assert!(!edge_is_possible(&frame(0x10100 + 104, 0), &caller, &Facts));
        assert!(!edge_is_possible(&frame(0x10100 - 96, 0), &caller, &Facts));
    }

    #[test]
    fn the_first_frame_of_a_chunk_has_its_caller_elsewhere() {
        assert!(edge_is_possible(&frame(0x20018, 0), &frame(0x10100, 7), &Facts));
    }

    #[test]
    fn a_frame_without_its_locals_has_returned() {
        assert!(!has_returned(&frame(0x10100, 7), &Facts));
        assert!(has_returned(&RawFrame { value_stack: ValueStack::Empty, ..frame(0x10100, 7) }, &Facts));
    }

    #[test]
    fn a_caller_stands_at_a_call() {
        let leaf = frame(0x10160, 0);
        assert!(!edge_is_possible(&leaf, &frame(0x10100, 3), &Facts));
        let running = RawFrame { value_stack: ValueStack::InUse, ..frame(0x10100, 7) };
        assert!(!edge_is_possible(&leaf, &running, &Facts));
        let through_c = RawFrame { inlined: false, ..leaf };
        assert!(edge_is_possible(&through_c, &frame(0x10100, 3), &Facts));
    }
}
