//! Memory of a bundled runtime that never ran, for unit tests: pages that say what a test has them say, and
//! that change while they are copied.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use slowpath_runtime_layout::{COOKIE, OPCODE_WORDS, OPCODES, Opcode, READY, Table, VERSION, WORDS};

use crate::process::memory::{Memory, MemoryError, Range};

const PAGE: u64 = 4096;

/// Address of the word that a thread's innermost frame is published in.
pub(super) const TOP: u64 = 0x1000;
/// Address of the opcodes.
const OPCODES_AT: u64 = 0x10_0000;

/// A table as the runtime could publish it.
pub(super) fn table() -> Table {
    Table {
        cookie: COOKIE,
        version: VERSION,
        words: WORDS as u64,
        state: READY,
        threads: 0x2000,
        opcodes: OPCODES_AT,
        frame_size: 144,
        frame_code: 8,
        frame_lasti: 16,
        frame_previous: 136,
        code_size: 160,
        code_units: 16,
        code_units_len: 24,
        code_counters: 32,
        code_pointers: 48,
        code_linetable: 64,
        code_linetable_len: 72,
        code_first_line: 80,
        code_flags: 84,
        code_name: 88,
        code_qualname: 96,
        code_source_path: 104,
        code_names: 112,
        code_names_len: 120,
        text_size: 40,
        text_data: 16,
        text_len: 24,
        ..Table::default()
    }
}

/// The memory.
#[derive(Debug, Default)]
pub(super) struct World {
    pages: RefCell<BTreeMap<u64, Box<[u8; PAGE as usize]>>>,
    /// Ranges that are still to be copied before a word changes: which, and to what.
    changes: RefCell<Vec<(u32, u64, u64)>>,
    /// Reads so far.
    pub(super) reads: Cell<u32>,
}

impl World {
    /// Writes bytes; pages that are not there come to be.
    pub(super) fn put(&self, addr: u64, bytes: &[u8]) {
        for (addr, byte) in (addr..).zip(bytes) {
            let mut pages = self.pages.borrow_mut();
            let page = pages.entry(addr & !(PAGE - 1)).or_insert_with(|| Box::new([0; PAGE as usize]));
            page[(addr % PAGE) as usize] = *byte;
        }
    }

    pub(super) fn word(&self, addr: u64, word: u64) {
        self.put(addr, &word.to_le_bytes());
    }

    /// Has a word change when `ranges` more ranges have been copied.
    pub(super) fn change_after(&self, ranges: u32, addr: u64, word: u64) {
        self.changes.borrow_mut().push((ranges, addr, word));
    }

    /// Takes the page at an address away.
    pub(super) fn unmap(&self, addr: u64) {
        self.pages.borrow_mut().remove(&(addr & !(PAGE - 1)));
    }

    pub(super) fn frame(&self, addr: u64, code: u64, previous: u64, lasti: u32) {
        let table = table();
        self.word(addr + table.frame_code, code);
        self.word(addr + table.frame_previous, previous);
        self.put(addr + table.frame_lasti, &lasti.to_le_bytes());
    }

    /// A chain of frames, the leaf at `leaf`, each `step` bytes before the next; the last has no caller.
    pub(super) fn chain(&self, leaf: u64, count: u64, step: u64) {
        for number in 0..count {
            let addr = leaf - number * step;
            let previous = if number + 1 == count { 0 } else { addr - step };
            self.frame(addr, 0xc0de, previous, 7);
        }
        self.word(TOP, leaf);
    }

    pub(super) fn text(&self, addr: u64, text: &str) {
        let table = table();
        self.word(addr + table.text_data, addr + 0x100);
        self.word(addr + table.text_len, text.len() as u64);
        self.put(addr + 0x100, text.as_bytes());
    }

    /// A code object `work` of `app.py` at an address that has a page of its own and two to follow: an
    /// instruction with two units of cache, and one without.
    pub(super) fn code(&self, addr: u64) {
        let table = table();
        let words = [
            (table.code_units, addr + 0x400),
            (table.code_units_len, 4),
            (table.code_counters, addr + 0x480),
            (table.code_pointers, addr + 0x500),
            (table.code_linetable, addr + 0x600),
            (table.code_linetable_len, 2),
            (table.code_name, addr + 0x800),
            (table.code_qualname, addr + 0xa00),
            (table.code_source_path, addr + 0xc00),
            (table.code_names, addr + 0x700),
            (table.code_names_len, 1),
        ];
        for (offset, word) in words {
            self.word(addr + offset, word);
        }
        self.put(addr + table.code_first_line, &12_u32.to_le_bytes());
        self.text(addr + 0x800, "work");
        self.text(addr + 0xa00, "Class.work");
        self.text(addr + 0xc00, "app.py");
        self.text(addr + 0xe00, "attribute");
        self.word(addr + 0x700, addr + 0xe00);
        self.put(addr + 0x400, &[1, 0, 0, 0, 0, 0, 2, 0]);
        // Four units, of the first line plus one.
        self.put(addr + 0x600, &[0x80 | 13 << 3 | 3, 2]);
    }

    /// Opcodes: 1 has two units of cache, no other has any.
    pub(super) fn opcodes(&self) {
        for number in 0..OPCODES as u64 {
            let caches = if number == 1 { 2 } else { 0 };
            let name = if number == 1 { "LOAD_ATTR" } else { "NOP" };
            let opcode = Opcode { caches, base: number as u8, name: name.into() };
            for (at, word) in (0..).zip(opcode.words()) {
                self.word(OPCODES_AT + (number * OPCODE_WORDS as u64 + at) * 8, word);
            }
        }
    }

    fn copy(&self, range: Range, out: &mut [u8]) -> usize {
        let pages = self.pages.borrow();
        for (at, byte) in out.iter_mut().enumerate() {
            let addr = range.addr.checked_add(at as u64);
            let Some(page) = addr.and_then(|addr| pages.get(&(addr & !(PAGE - 1)))) else { return at };
            *byte = page[((range.addr + at as u64) % PAGE) as usize];
        }
        out.len()
    }

    fn count_down(&self) {
        let mut due = Vec::new();
        self.changes.borrow_mut().retain_mut(|(ranges, addr, word)| {
            *ranges = ranges.saturating_sub(1);
            if *ranges == 0 {
                due.push((*addr, *word));
            }
            *ranges > 0
        });
        due.into_iter().for_each(|(addr, word)| self.word(addr, word));
    }
}

impl Memory for World {
    fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        self.reads.set(self.reads.get() + 1);
        let mut filled = 0;
        for range in ranges {
            let copied = self.copy(*range, &mut buf[filled..filled + range.len]);
            filled += copied;
            if copied < range.len {
                break;
            }
            self.count_down();
        }
        match ranges.first() {
            Some(first) if filled == 0 && !buf.is_empty() => Err(MemoryError::Unmapped(first.addr)),
            _ => Ok(filled),
        }
    }
}
