//! The stack of a thread of the bundled runtime, out of one vectored read.
//!
//! A thread publishes its innermost frame *before* that frame's link to its caller is stored, and clears
//! the link *before* it takes the frame back. So a chain that was caught in between ends at a frame that
//! is not the thread's outermost one. Whatever else may change while the kernel copies is seen by copying
//! everything twice: a chain that is the same in both copies, with the published top before, between and
//! behind them, was the stack at the moment between the copies. Of a deep stack only the inner end is copied
//! twice: what lies further out cannot change as long as that stands.

use rustc_hash::FxHashMap;
use slowpath_runtime_layout::Table;

use crate::process::memory::{Bytes, Memory, Range};
use crate::read::image::Image;
use crate::read::stack::MAX_FRAMES;

const PAGE: u64 = 4096;
/// Pages that are copied twice; of a deeper stack those of the frames nearest to the leaf.
const TWICE: usize = 16;
/// Pages that are copied for one stack: more than [`MAX_FRAMES`] small frames fill.
const MAX_PAGES: usize = 4096;
/// Times in a row that a single unknown frame must be seen for it to be the new root. The thread must have run
/// in between: one that waits for a processor stays in the middle of a call for as long as that takes.
const NEW_ROOT: u32 = 4;

/// A frame as it was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Its address.
    pub(crate) addr: u64,
    /// Its code object.
    pub(crate) code: u64,
    /// Its caller, or 0.
    pub(crate) previous: u64,
    /// Index of the code unit after the one that is executed.
    pub(crate) lasti: u32,
}

impl Frame {
    fn decode(table: &Table, addr: u64, bytes: &[u8]) -> Option<Self> {
        Some(Self {
            addr,
            code: bytes.u64_at(table.frame_code as usize)?,
            previous: bytes.u64_at(table.frame_previous as usize)?,
            lasti: bytes.u32_at(table.frame_lasti as usize)?,
        })
    }

    /// Whether it is the same call, which may have gone on.
    fn is_same_call(&self, other: &Self) -> bool {
        (self.addr, self.code, self.previous) == (other.addr, other.code, other.previous)
    }
}

/// What one read of a stack came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// A stack, the leaf first. It may be empty: the thread runs no Python code.
    Stack,
    /// A frame lies where nothing was copied: it will be, the next time.
    Learned,
    /// The copies are not of one moment.
    Broken,
}

/// Where the stack of a thread is expected.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Address of the address of the innermost frame.
    top: u64,
    /// Pages that frames were seen in, in order.
    pages: Vec<u64>,
    /// Those of them that hold the inner end of a deep stack, in order; empty where all are copied twice.
    inner: Vec<u64>,
    /// Number of the first range in the image.
    first: usize,
    /// Ranges of each copy.
    runs: [usize; 2],
    /// The outermost frame.
    root: Option<u64>,
    /// Another one, and how often it was seen.
    strange: (u64, u32),
    /// Changes when the thread has run or sleeps, and when it was what as the other one was last counted.
    progress: u64,
    counted_at: Option<u64>,
}

impl Plan {
    pub(crate) fn new(top: u64) -> Self {
        Self {
            top,
            pages: Vec::new(),
            inner: Vec::new(),
            first: 0,
            runs: [0; 2],
            root: None,
            strange: (0, 0),
            progress: 0,
            counted_at: None,
        }
    }

    /// Adds what a read of this stack needs, in the order that makes it checkable.
    pub(crate) fn add_to(&mut self, image: &mut Image) {
        self.first = image.len();
        let again = if self.inner.is_empty() { &self.pages } else { &self.inner };
        for (pages, count) in [&self.pages, again].into_iter().zip(&mut self.runs) {
            image.add(Range::new(self.top, 8));
            let runs = runs(pages);
            *count = runs.len();
            runs.into_iter().for_each(|run| {
                image.add(run);
            });
        }
        image.add(Range::new(self.top, 8));
    }

    /// Begins a tick. `progress` is another number than before if the thread has run since, or sleeps: an
    /// unknown root counts once for each.
    pub(crate) fn begin(&mut self, progress: u64) {
        self.progress = progress;
    }

    /// Whether it depends on the progress of the thread what is believed.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.strange.1 > 0
    }

    /// Reads the stack out of what was copied. `certain`: nothing can have moved.
    pub(crate) fn read(
        &mut self,
        memory: &dyn Memory,
        table: &Table,
        image: &Image,
        certain: bool,
        frames: &mut Vec<Frame>,
    ) -> Attempt {
        frames.clear();
        let [first, second] = [self.copy(0), self.copy(1)];
        let tops = [first.start - 1, second.start - 1, second.end];
        let tops = tops.map(|number| image.range(number).and_then(|it| it.u64_at(0)));
        let [Some(top), Some(between), Some(behind)] = tops else {
            // A page that is no longer there ends the copy.
            self.forget(image);
            return Attempt::Learned;
        };
        if top != between || between != behind {
            return Attempt::Broken;
        }
        let mut addr = top;
        while addr != 0 {
            let decode = |copy: &std::ops::Range<usize>| {
                let bytes = image.at(copy.clone(), addr, table.frame_size as usize)?;
                Frame::decode(table, addr, bytes)
            };
            let Some(frame) = decode(&first) else { return self.learn(memory, table, addr) };
            match decode(&second) {
                // A caller waits where it called; the leaf goes on all the time.
                Some(again)
                    if frame.is_same_call(&again) && (frames.is_empty() || frame.lasti == again.lasti) => {}
                // The inner end is elsewhere now, or there is none.
                None if self.inner.is_empty() || frames.is_empty() => return self.narrow(frames, table),
                // Further out than what was copied twice.
                None => {}
                Some(_) => return Attempt::Broken,
            }
            if frames.len() >= MAX_FRAMES {
                return Attempt::Broken;
            }
            frames.push(frame);
            addr = frame.previous;
        }
        if !certain && !self.ends_at_root(frames) {
            return Attempt::Broken;
        }
        self.prune(frames, table);
        if self.pages.len() > TWICE && !self.is_inner(frames) {
            return self.narrow(frames, table);
        }
        Attempt::Stack
    }

    /// Numbers of the ranges of a copy. Before each of them, and behind the last, is the top.
    fn copy(&self, number: usize) -> std::ops::Range<usize> {
        let start = self.first + 1 + if number == 0 { 0 } else { self.runs[0] + 1 };
        start..start + self.runs[number]
    }

    /// Whether what is copied twice is the inner end of this stack.
    fn is_inner(&self, frames: &[Frame]) -> bool {
        let page = frames.first().map(|frame| frame.addr & !(PAGE - 1));
        page.is_some_and(|page| self.inner.binary_search(&page).is_ok())
    }

    /// Chooses what is copied twice from now on: the pages of the frames nearest to the leaf.
    fn narrow(&mut self, frames: &[Frame], table: &Table) -> Attempt {
        let mut inner: Vec<u64> = Vec::new();
        for page in frames.iter().flat_map(|frame| pages_of(frame.addr, table.frame_size)) {
            if !inner.contains(&page) {
                inner.push(page);
            }
            if inner.len() >= TWICE {
                break;
            }
        }
        inner.sort_unstable();
        self.inner = if self.pages.len() > TWICE { inner } else { Vec::new() };
        Attempt::Learned
    }

    /// Whether the chain is whole. Only the innermost frame can be on its way in or out, so a chain of
    /// several frames is; one of a single frame is if that is the thread's outermost.
    fn ends_at_root(&mut self, frames: &[Frame]) -> bool {
        let Some(last) = frames.last() else { return true };
        if frames.len() > 1 {
            self.root = Some(last.addr);
        }
        if self.root == Some(last.addr) {
            self.strange = (0, 0);
            return true;
        }
        // Either a frame that is being entered or left, or the thread began anew, which shows whenever it
        // has run from now on. A frame that has not executed anything is being entered.
        if last.lasti == 0 {
            return false;
        }
        if self.counted_at != Some(self.progress) {
            self.counted_at = Some(self.progress);
            let again = if self.strange.0 == last.addr { self.strange.1 } else { 0 };
            self.strange = (last.addr, again + 1);
        }
        if self.strange.0 == last.addr && self.strange.1 >= NEW_ROOT {
            self.root = Some(last.addr);
            return true;
        }
        false
    }

    /// Follows the chain from `addr` page by page, without belief in what it says, so that the next
    /// read copies it.
    fn learn(&mut self, memory: &dyn Memory, table: &Table, mut addr: u64) -> Attempt {
        let mut seen: FxHashMap<u64, Vec<u8>> = FxHashMap::default();
        let before = self.pages.len();
        let mut frame_bytes = vec![0; table.frame_size as usize];
        for _ in 0..MAX_FRAMES {
            let mut whole = addr != 0;
            for page in pages_of(addr, table.frame_size) {
                if let std::collections::hash_map::Entry::Vacant(entry) = seen.entry(page) {
                    let Ok(bytes) = memory.read_bytes(page, PAGE as usize) else {
                        whole = false;
                        break;
                    };
                    entry.insert(bytes);
                    if let Err(at) = self.pages.binary_search(&page)
                        && self.pages.len() < MAX_PAGES
                    {
                        self.pages.insert(at, page);
                    }
                }
            }
            if !whole {
                break;
            }
            for (at, byte) in frame_bytes.iter_mut().enumerate() {
                let addr = addr.wrapping_add(at as u64);
                *byte = seen.get(&(addr & !(PAGE - 1))).map_or(0, |page| page[(addr % PAGE) as usize]);
            }
            let Some(frame) = Frame::decode(table, addr, &frame_bytes) else { break };
            addr = frame.previous;
        }
        if self.pages.len() > before { Attempt::Learned } else { Attempt::Broken }
    }

    /// Gives up the pages of the range that could not be copied.
    fn forget(&mut self, image: &Image) {
        self.inner.clear();
        let runs = runs(&self.pages);
        let unread = image.first_unread().and_then(|at| at.checked_sub(self.first + 1));
        match unread.and_then(|at| runs.get(at)) {
            Some(run) => self.pages.retain(|page| !run.contains(*page, 1)),
            None => self.pages.clear(),
        }
    }

    /// Stops copying where no frame has been for a while.
    fn prune(&mut self, frames: &[Frame], table: &Table) {
        // Rare enough to cost nothing, and a stack that comes and goes is not learnt each time.
        if self.pages.len() < 8 || self.pages.len() * PAGE as usize / 64 < frames.len() * 16 {
            return;
        }
        let mut used: Vec<u64> =
            frames.iter().flat_map(|frame| pages_of(frame.addr, table.frame_size)).collect();
        used.sort_unstable();
        used.dedup();
        if self.pages.len() > used.len() * 4 {
            self.pages = used;
            self.inner.clear();
        }
    }
}

/// The pages that `size` bytes at `addr` lie in.
fn pages_of(addr: u64, size: u64) -> impl Iterator<Item = u64> {
    let first = addr & !(PAGE - 1);
    let last = addr.saturating_add(size.saturating_sub(1)) & !(PAGE - 1);
    // A frame is smaller than a page.
    std::iter::once(first).chain((last != first && addr.checked_add(size).is_some()).then_some(last))
}

/// Neighbouring pages as one range each.
fn runs(pages: &[u64]) -> Vec<Range> {
    let mut runs: Vec<Range> = Vec::new();
    for page in pages {
        match runs.last_mut() {
            Some(run) if run.end() == Some(*page) => run.len += PAGE as usize,
            _ => runs.push(Range::new(*page, PAGE as usize)),
        }
    }
    runs
}

#[cfg(test)]
#[path = "stack_tests.rs"]
mod tests;
