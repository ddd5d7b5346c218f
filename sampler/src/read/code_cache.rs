//! Code objects that have been read, and how their entries are kept from going stale.
//!
//! An address says nothing: a program that makes functions at run time frees code objects and gets
//! the same addresses for others. CPython 3.12+ has a counter in the interpreter state that moves
//! when code objects come (and go); while it stands still, every entry holds. When it has moved, each
//! entry is compared with memory before it is used again. Before 3.12 there is no such counter: see
//! [`CodeCache::verify`].

use rustc_hash::{FxHashMap, FxHashSet};
use slowpath_profile::{FrameId, FunctionId, Tables};

use crate::layout::spec::Layout;
use crate::process::memory::Memory;
use crate::read::ahead::Ahead;
use crate::read::code::{Code, CodeError};

/// Entries kept; a program with more code objects starts over.
const MAX_ENTRIES: usize = 200_000;
/// Code objects that one read compares with memory.
const COMPARED_AT_ONCE: usize = 64;
/// Comparisons after which a code object counts as settled: most that die, die young (the code of a
/// module, what `exec` compiles).
const SETTLED: u32 = 64;

/// A code object and what the recorder calls it.
#[derive(Debug)]
pub struct Entry {
    /// The code object.
    pub code: Code,
    /// Its function in the tables.
    pub function: FunctionId,
    /// The frames of its instructions, by unit, as far as they have been seen.
    frames: Vec<Option<FrameId>>,
    /// The epoch in which it was last known to be in memory.
    verified: u64,
    /// How often it was found unchanged after a tick that used it.
    comparisons: u32,
    /// Its number in the order of reading.
    number: u64,
}

impl Entry {
    /// Its number in the order of reading: another code object at the same address has another one.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The frame of an instruction at a byte offset.
    pub fn frame(&mut self, offset: u32, tables: &mut Tables) -> FrameId {
        let unit = offset as usize / 2;
        if let Some(Some(frame)) = self.frames.get(unit) {
            return *frame;
        }
        let span = self.code.span(offset);
        let frame = tables.frames.intern(slowpath_profile::Frame {
            function: self.function,
            instruction: Some(offset),
            span,
        });
        if self.frames.len() <= unit {
            self.frames.resize(unit + 1, None);
        }
        self.frames[unit] = Some(frame);
        frame
    }
}

/// Code objects by address.
#[derive(Debug, Default)]
pub struct CodeCache {
    entries: FxHashMap<u64, Entry>,
    /// Types that are `PyCode_Type` (one per process; more only if memory is hostile).
    code_types: FxHashSet<u64>,
    /// Moves when entries must be compared with memory before they are used again.
    epoch: u64,
    generation: Option<u64>,
    /// Addresses at which a code object was seen to replace another.
    volatile: FxHashSet<u64>,
    /// Code objects used since the last comparison, where no counter tells of changes.
    window: FxHashSet<u64>,
    /// How many code objects have been read.
    reads: u64,
    /// Entries with at least this number have been read since [`CodeCache::settle`].
    fresh_from: u64,
}

impl CodeCache {
    /// Notes the interpreter's counter. `None`: there is none.
    ///
    /// Returns whether entries must be compared again (the counter has moved).
    pub fn observe_generation(&mut self, generation: Option<u64>) -> bool {
        let moved = generation.is_some() && generation != self.generation;
        if moved {
            self.generation = generation;
            self.epoch += 1;
        }
        moved
    }

    /// The entry of the code object at `addr`, read or compared with memory if need be.
    pub fn get(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        addr: u64,
        tables: &mut Tables,
    ) -> Result<&mut Entry, CodeError> {
        self.refresh(memory, layout, std::iter::once(addr));
        if !self.entries.contains_key(&addr) {
            if self.entries.len() >= MAX_ENTRIES {
                self.entries.clear();
            }
            let entry = self.read(memory, layout, addr, tables)?;
            self.entries.insert(addr, entry);
        }
        self.entries.get_mut(&addr).ok_or(CodeError::NotCode(addr))
    }

    /// Compares those of the code objects at `addrs` with memory that must be before they are used.
    pub fn refresh(&mut self, memory: &dyn Memory, layout: &Layout, addrs: impl Iterator<Item = u64>) {
        let mut stale: Vec<u64> = addrs.filter(|addr| self.is_stale(*addr)).collect();
        stale.sort_unstable();
        stale.dedup();
        for (addr, is_there) in self.compare(memory, layout, &stale) {
            match self.entries.get_mut(&addr) {
                Some(entry) if is_there => entry.verified = self.epoch,
                _ => self.forget(addr),
            }
        }
    }

    /// Whether an entry must be compared with memory before it is used.
    fn is_stale(&self, addr: u64) -> bool {
        let may_change_uncounted = !self.counts_changes() && self.volatile.contains(&addr);
        self.entries.get(&addr).is_some_and(|entry| entry.verified != self.epoch || may_change_uncounted)
    }

    /// Whether each of the known code objects at `addrs` is still there, by one read for many.
    fn compare(&self, memory: &dyn Memory, layout: &Layout, addrs: &[u64]) -> Vec<(u64, bool)> {
        let mut compared = Vec::with_capacity(addrs.len());
        for some in addrs.chunks(COMPARED_AT_ONCE) {
            let known = || some.iter().filter_map(|addr| self.entries.get(addr));
            let mut ahead = Ahead::new(memory);
            ahead.fetch(known().flat_map(|entry| entry.code.witnesses(layout)));
            compared
                .extend(known().map(|entry| (entry.code.addr, entry.code.is_still_there(&ahead, layout))));
        }
        compared
    }

    /// Addresses of all code objects that are known.
    pub fn addresses(&self) -> impl Iterator<Item = u64> {
        self.entries.keys().copied()
    }

    /// How many code objects have been read so far.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Calls all entries settled: [`CodeCache::is_fresh`] is false for them.
    pub fn settle(&mut self) {
        self.fresh_from = self.reads;
    }

    /// Whether an entry has been read since [`CodeCache::settle`].
    pub fn is_fresh(&self, entry: &Entry) -> bool {
        entry.number >= self.fresh_from
    }

    /// The entry of the code object at `addr` if it is known; nothing is read.
    pub fn peek(&self, addr: u64) -> Option<&Entry> {
        self.entries.get(&addr)
    }

    /// Notes that a stack names the code object at `addr`, where no counter tells of changes.
    pub fn note_use(&mut self, addr: u64) {
        self.window.insert(addr);
    }

    /// Compares code objects that were used with memory, where no counter tells of changes (before
    /// 3.12): the young ones after every tick, all of them when the window of ticks ends. Returns the
    /// functions that are gone: samples since the last comparison that name them may have meant
    /// another function, and are withdrawn.
    ///
    /// A code object that is the same at both ends of a window was the same throughout, unless its
    /// address was used by another and then by an identical one; an address that was once seen to
    /// change is therefore compared at each use from then on.
    pub fn verify(&mut self, memory: &dyn Memory, layout: &Layout, window_ends: bool) -> Vec<FunctionId> {
        let mut gone = Vec::new();
        let window = std::mem::take(&mut self.window);
        let is_due = |entry: &Entry| window_ends || entry.comparisons < SETTLED;
        let due = window.iter().filter(|addr| self.entries.get(addr).is_some_and(is_due));
        let due: Vec<u64> = due.copied().collect();
        for (addr, is_there) in self.compare(memory, layout, &due) {
            match self.entries.get_mut(&addr) {
                Some(entry) if is_there => entry.comparisons += 1,
                Some(entry) => {
                    gone.push(entry.function);
                    self.forget(addr);
                }
                None => {}
            }
        }
        if !window_ends {
            self.window = window;
        }
        gone
    }

    /// Whether a counter of the interpreter tells of changes.
    pub fn counts_changes(&self) -> bool {
        self.generation.is_some()
    }

    /// Has these code objects compared with memory before they are used again.
    pub fn distrust(&mut self, addrs: impl Iterator<Item = u64>) {
        for addr in addrs {
            if let Some(entry) = self.entries.get_mut(&addr) {
                entry.verified = u64::MAX;
            }
        }
    }

    fn forget(&mut self, addr: u64) {
        self.entries.remove(&addr);
        self.volatile.insert(addr);
    }

    fn read(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        addr: u64,
        tables: &mut Tables,
    ) -> Result<Entry, CodeError> {
        let known = &mut self.code_types;
        let mut is_code_type = |type_addr: u64| {
            known.contains(&type_addr)
                || (is_named_code(memory, layout, type_addr) && known.insert(type_addr))
        };
        let code = Code::read(memory, layout, addr, &mut is_code_type)?;
        let function = intern_function(&code, tables);
        let number = self.reads;
        self.reads += 1;
        Ok(Entry { code, function, frames: Vec::new(), verified: self.epoch, comparisons: 0, number })
    }
}

fn intern_function(code: &Code, tables: &mut Tables) -> FunctionId {
    tables.python_function(&code.name, &code.qualname, &code.file, code.first_line)
}

/// Whether the type at an address calls itself `code`, as only `PyCode_Type` does.
fn is_named_code(memory: &dyn Memory, layout: &Layout, type_addr: u64) -> bool {
    let name = memory.read_u64(type_addr.wrapping_add(layout.object.tp_name as u64));
    name.and_then(|name| memory.read_bytes(name, 5)).is_ok_and(|name| name == b"code\0")
}
