//! Which ranges of memory hold the stack of a thread, predicted from the last time.
//!
//! One vectored read copies the thread state and the used part of its data stack (3.11+), and the few
//! frames that live elsewhere: generators, frames on the C stack, heap frames before 3.11. If the
//! prediction was wrong, the walk says which address was missing, the plan learns it, and the read is
//! done again as a whole, so that what is believed was always copied by one system call.

use crate::layout::spec::{FrameLink, Layout};
use crate::process::memory::{Bytes, Memory, Range};
use crate::read::image::Image;
use crate::read::stack::{RawFrame, Shim, Walk, walk};
use crate::read::threads::ThreadRef;

/// Upper bound of data-stack chunks of one thread (16 KiB each unless one frame needs more).
const MAX_CHUNKS: usize = 2_048;
/// Upper bound of one chunk's size.
const MAX_CHUNK_BYTES: u64 = 64 << 20;
/// `_PyCFrame`s that are predicted.
const MAX_CFRAMES: usize = 6;
/// Upper bound of `sizeof(PyThreadState)` on 3.11-3.12 (about 400 bytes).
const THREAD_STATE_BYTES: u64 = 4096;
/// Variables of one call of `_PyEval_EvalFrameDefault` lie closer than this (0x70 seen), those of two
/// nested calls farther apart (0x320 seen): its C frame is larger.
const SAME_CALL_BYTES: u64 = 0x180;
/// Bytes copied beyond the last known top, so that a few more calls still fit.
const SLACK_BYTES: u64 = 768;
/// `offsetof(_PyStackChunk, data)`: `previous`, `size`, `top`.
const CHUNK_HEADER: usize = 24;
/// Frames outside the data stack that are predicted although the last stack did not have them.
const MAX_STALE: usize = 24;
/// Stacks after which such a frame is forgotten.
const MAX_AGE: u8 = 32;
/// Upper bound of frames outside the data stack.
const MAX_OUTSIDE: usize = 16_384;

/// A `_PyStackChunk` of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chunk {
    addr: u64,
    /// Its full size in bytes.
    size: u64,
    /// How much of it is copied.
    used: u64,
}

/// A frame that does not live on the data stack.
#[derive(Clone, Copy, Debug)]
struct Outside {
    addr: u64,
    /// Reads since a stack had it.
    age: u8,
}

/// What one read of a thread gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The frames are in the buffer.
    Stack,
    /// As `Stack`, but cut at the root.
    Truncated,
    /// The prediction was wrong and has been corrected: read again.
    Learned,
    /// The copy was torn: read again.
    Broken,
    /// The thread state belongs to somebody else: the thread has ended.
    Gone,
}

/// The prediction for one thread.
#[derive(Clone, Debug)]
pub struct Plan {
    thread: ThreadRef,
    chunks: Vec<Chunk>,
    /// `_PyCFrame`s that the thread state pointed to lately, the last first (3.11-3.12): each nested
    /// call from C has its own, so programs alternate between a few.
    cframes: Vec<u64>,
    outside: Vec<Outside>,
    /// Numbers of the ranges in the image that the plan was last added to.
    at: std::ops::Range<usize>,
    /// Number of the first chunk in that image.
    first_chunk: usize,
    /// Number of the first range of `outside` in that image.
    first_outside: usize,
    /// Numbers of the ranges outside the data stack that the last walk used.
    hits: Vec<usize>,
}

impl Plan {
    /// A plan that knows nothing yet.
    pub fn new(thread: ThreadRef) -> Self {
        Self {
            thread,
            chunks: Vec::new(),
            cframes: Vec::new(),
            outside: Vec::new(),
            at: 0..0,
            first_chunk: 0,
            first_outside: 0,
            hits: Vec::new(),
        }
    }

    /// Adds the ranges to the next read of `image`.
    pub fn add_to(&mut self, layout: &Layout, image: &mut Image) {
        let first = image.add(Range::new(self.thread.addr, layout.thread.size));
        if let FrameLink::CFrame { current_frame, .. } = layout.thread.frame {
            for addr in &self.cframes {
                image.add(Range::new(*addr, current_frame + 16));
            }
        }
        self.first_chunk = image.len();
        for chunk in &self.chunks {
            image.add(Range::new(chunk.addr, chunk.used as usize));
        }
        self.first_outside = image.len();
        for frame in &self.outside {
            image.add(Range::new(frame.addr, layout.frame.size));
        }
        self.at = first..image.len();
    }

    /// Walks the stack in the image, learning what was missing. `certain`: the thread stands still, so
    /// what looks broken is a moment between two states.
    pub fn read(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        image: &Image,
        certain: bool,
        frames: &mut Vec<RawFrame>,
    ) -> Attempt {
        // Those of the walk before lie in another image; a stack without frames makes no new ones.
        self.hits.clear();
        let Some(state) = image.range(self.at.start) else { return Attempt::Gone };
        if ThreadRef::decode(&layout.thread, self.thread.addr, state) != Some(self.thread) {
            return Attempt::Gone;
        }
        let Some(current) = self.current_frame(layout, image, state) else { return Attempt::Learned };
        if current == 0 && self.may_have_no_frame(layout, state) {
            frames.clear();
            return Attempt::Stack;
        }
        if !self.know_chunks(memory, layout, state) {
            return Attempt::Learned;
        }
        if image.range(self.at.end - 1).is_none() {
            // Something of the prediction is not mapped any more: begin anew.
            self.chunks.clear();
            self.outside.clear();
            self.cframes.clear();
            return Attempt::Learned;
        }
        // A `_PyCFrame` without a frame has just been made: as broken as one with a frame of the past.
        let attempt = match current {
            0 => Attempt::Broken,
            _ => self.walk_from(memory, layout, image, current, true, frames),
        };
        match attempt {
            Attempt::Broken if certain => match self.frame_below(memory, layout, state) {
                Some(caller) => self.walk_from(memory, layout, image, caller, false, frames),
                None => Attempt::Broken,
            },
            attempt => attempt,
        }
    }

    /// `is_newest`: `current` is what the newest `_PyCFrame` says, not one below.
    fn walk_from(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        image: &Image,
        current: u64,
        is_newest: bool,
        frames: &mut Vec<RawFrame>,
    ) -> Attempt {
        let (first_chunk, first_outside) = (self.first_chunk, self.first_outside);
        let (size, end) = (layout.frame.size, self.at.end);
        self.hits.clear();
        let hits = &mut self.hits;
        let lookup = |addr| {
            if let Some(bytes) = image.at(first_chunk..first_outside, addr, size) {
                return Some(bytes);
            }
            // Frames outside the data stack stand in the order in which walks meet them.
            let hint = hits.last().map_or(first_outside, |last| last + 1);
            let number =
                image.find(hint..end, addr, size).or_else(|| image.find(first_outside..hint, addr, size))?;
            hits.push(number);
            image.at(number..number + 1, addr, size)
        };
        match walk(layout, current, lookup, frames) {
            Walk::Complete { shim } => match shim.filter(|_| is_newest) {
                Some(shim) => self.check_entry(layout, image, shim),
                None => Attempt::Stack,
            },
            Walk::TooDeep => Attempt::Truncated,
            Walk::Broken => Attempt::Broken,
            Walk::Missing(addr) => self.learn(memory, layout, addr),
        }
    }

    /// On 3.12 the innermost shim and the newest `_PyCFrame` are variables of one call of the
    /// interpreter, and what called it is noted twice: in the shim and in the `_PyCFrame` below. If
    /// they do not agree, the frames are from another moment.
    fn check_entry(&mut self, layout: &Layout, image: &Image, shim: Shim) -> Attempt {
        let FrameLink::CFrame { cframe, current_frame } = layout.thread.frame else { return Attempt::Stack };
        let newest = image.range(self.at.start).and_then(|state| state.u64_at(cframe));
        if newest.is_none_or(|newest| newest.abs_diff(shim.addr) > SAME_CALL_BYTES) {
            return Attempt::Broken;
        }
        let field = |addr: u64, offset: usize| {
            let position = self.cframes.iter().position(|known| *known == addr)?;
            image.range(self.at.start + 1 + position).and_then(|bytes| bytes.u64_at(offset))
        };
        let Some(below) = newest.and_then(|newest| field(newest, current_frame + 8)) else {
            return Attempt::Broken;
        };
        match field(below, current_frame) {
            Some(frame) if frame == shim.caller => Attempt::Stack,
            Some(_) => Attempt::Broken,
            None => {
                self.predict_cframe(below);
                Attempt::Learned
            }
        }
    }

    fn predict_cframe(&mut self, addr: u64) {
        self.cframes.truncate(MAX_CFRAMES - 1);
        self.cframes.insert(0, addr);
    }

    /// The frame that called C code which is about to enter Python: between the two, 3.11 and 3.12
    /// have a `_PyCFrame` whose `current_frame` is not set yet; the one below (`previous`, the next
    /// field) is what runs. Only of use while the thread stands still.
    fn frame_below(&self, memory: &dyn Memory, layout: &Layout, state: &[u8]) -> Option<u64> {
        let FrameLink::CFrame { cframe, current_frame } = layout.thread.frame else { return None };
        let newest = state.u64_at(cframe)?;
        let below = memory.read_u64(newest.checked_add(current_frame as u64 + 8)?).ok()?;
        memory.read_u64(below.checked_add(current_frame as u64)?).ok().filter(|frame| *frame != 0)
    }

    /// Notes which frames outside the data stack the believed stack had, so that the next prediction
    /// fits: those first and in order, then some that were of use a short while ago.
    pub fn keep(&mut self) {
        let first_outside = self.first_outside;
        let mut kept: Vec<Outside> = Vec::with_capacity(self.hits.len() + MAX_STALE);
        for &number in &self.hits {
            if let Some(frame) = self.outside.get_mut(number - first_outside) {
                kept.push(Outside { addr: frame.addr, age: 0 });
                frame.age = u8::MAX;
            }
        }
        let stale = self.outside.iter().filter(|frame| frame.age < MAX_AGE);
        kept.extend(stale.take(MAX_STALE).map(|frame| Outside { addr: frame.addr, age: frame.age + 1 }));
        self.outside = kept;
    }

    /// The current frame; `None` when the way to it had to be learned.
    fn current_frame(&mut self, layout: &Layout, image: &Image, state: &[u8]) -> Option<u64> {
        match layout.thread.frame {
            FrameLink::Direct(offset) => state.u64_at(offset),
            FrameLink::CFrame { cframe, current_frame } => {
                let addr = state.u64_at(cframe)?;
                let Some(position) = self.cframes.iter().position(|known| *known == addr) else {
                    self.predict_cframe(addr);
                    return None;
                };
                image.range(self.at.start + 1 + position)?.u64_at(current_frame)
            }
        }
    }

    /// Whether a thread without a current frame runs no Python. Of all `_PyCFrame`s only the outermost,
    /// which lies in the thread state itself, has none for good.
    fn may_have_no_frame(&self, layout: &Layout, state: &[u8]) -> bool {
        match layout.thread.frame {
            FrameLink::Direct(_) => true,
            FrameLink::CFrame { cframe, .. } => state
                .u64_at(cframe)
                .is_some_and(|addr| addr.wrapping_sub(self.thread.addr) < THREAD_STATE_BYTES),
        }
    }

    /// Whether the chunks in the plan are the thread's; if not they are read.
    fn know_chunks(&mut self, memory: &dyn Memory, layout: &Layout, state: &[u8]) -> bool {
        let Some(offset) = layout.thread.datastack_chunk else { return true };
        let (newest, top) = (state.u64_at(offset).unwrap_or(0), state.u64_at(offset + 8).unwrap_or(0));
        if self.chunks.first().map_or(0, |chunk| chunk.addr) == newest {
            if let Some(chunk) = self.chunks.first_mut() {
                let used = top.wrapping_sub(chunk.addr);
                if used <= chunk.size && used > chunk.used {
                    chunk.used = (used + SLACK_BYTES).min(chunk.size);
                    return false;
                }
                // Shrink slowly: a stack that has become shallow should not be copied as a deep one.
                let wanted = (used + SLACK_BYTES).min(chunk.size);
                if used <= chunk.size && wanted * 2 < chunk.used {
                    chunk.used -= (chunk.used - wanted) / 8;
                }
            }
            return true;
        }
        self.chunks = read_chunks(memory, newest, top);
        false
    }

    /// Learns where a missing frame lives, and those that it leads to.
    fn learn(&mut self, memory: &dyn Memory, layout: &Layout, missing: u64) -> Attempt {
        let mut addr = missing;
        let mut learned = false;
        let mut bytes = vec![0; layout.frame.size];
        for _ in 0..MAX_OUTSIDE {
            if let Some(chunk) = self.chunks.iter_mut().find(|chunk| within(chunk, addr, layout.frame.size)) {
                let end = addr - chunk.addr + layout.frame.size as u64;
                if end <= chunk.used {
                    break;
                }
                chunk.used = (end + SLACK_BYTES).min(chunk.size);
                return Attempt::Learned;
            }
            let known = self.outside.iter().any(|frame| frame.addr == addr);
            if addr == 0 || !addr.is_multiple_of(8) || known || self.outside.len() >= MAX_OUTSIDE {
                break;
            }
            if memory.read(addr, &mut bytes).is_err() {
                break;
            }
            self.outside.push(Outside { addr, age: 0 });
            learned = true;
            addr = bytes.u64_at(layout.frame.previous).unwrap_or(0);
        }
        if learned { Attempt::Learned } else { Attempt::Broken }
    }
}

fn within(chunk: &Chunk, addr: u64, len: usize) -> bool {
    Range::new(chunk.addr, chunk.size as usize).contains(addr, len)
}

/// The chunks of a data stack, the newest first: `top` bounds it, each older one says how far it is
/// used. A list that makes no sense ends there.
fn read_chunks(memory: &dyn Memory, newest: u64, top: u64) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut addr = newest;
    while addr != 0 && addr.is_multiple_of(8) && chunks.len() < MAX_CHUNKS {
        let mut header = [0; CHUNK_HEADER];
        if memory.read(addr, &mut header).is_err() {
            break;
        }
        let word = |offset| header.as_slice().u64_at(offset).unwrap_or(0);
        let (previous, size, top_index) = (word(0), word(8), word(16));
        if size < CHUNK_HEADER as u64 || size > MAX_CHUNK_BYTES {
            break;
        }
        let used = match chunks.is_empty() {
            // The newest chunk: the thread state knows its top.
            true => top.wrapping_sub(addr).saturating_add(SLACK_BYTES),
            // `_PyStackChunk.top` counts words in `data`.
            false => top_index.saturating_mul(8).saturating_add(CHUNK_HEADER as u64),
        };
        chunks.push(Chunk { addr, size, used: used.clamp(CHUNK_HEADER as u64, size) });
        addr = previous;
    }
    chunks
}
