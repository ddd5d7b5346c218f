//! The few words of an interpreter's state that every tick looks at.

use crate::layout::spec::Layout;
use crate::process::memory::{Bytes, Range};
use crate::read::image::Image;
use crate::read::threads::{Interpreter, gc_collecting};

/// Words closer than this are copied as one range: a range costs as much as copying a page.
const MERGE_BYTES: u64 = 1024;

/// What a tick learns of one interpreter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// `threads.head`: moves when a thread starts.
    pub(crate) threads_head: u64,
    /// Whether a garbage collection is in progress.
    pub(crate) collecting: bool,
    /// Counter of changes to code objects; `None` where there is none.
    pub(crate) generation: Option<u64>,
    /// The thread state that holds the GIL; 0 when nobody does.
    pub(crate) holder: u64,
    /// Whether there is a GIL at all.
    pub(crate) has_gil: bool,
}

/// Where those words are, merged into few ranges.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeadPlan {
    ranges: Vec<Range>,
    at: usize,
    words: Words,
}

/// Addresses of the words.
#[derive(Clone, Copy, Debug, Default)]
struct Words {
    threads_head: u64,
    collecting: u64,
    generation: Option<(u64, u8, bool)>,
    gil: u64,
    holder: u64,
    locked: u64,
    enabled: Option<u64>,
}

impl HeadPlan {
    /// The words of `interpreter`.
    pub(crate) fn new(layout: &Layout, runtime: u64, interpreter: &Interpreter) -> Self {
        let within = |offset: usize| interpreter.addr.wrapping_add(offset as u64);
        let gil = &layout.interpreter.gil;
        let in_gil = |offset: usize| interpreter.gil.wrapping_add(offset as u64);
        let words = Words {
            threads_head: within(layout.interpreter.threads_head),
            collecting: gc_collecting(layout, runtime, interpreter.addr).addr,
            generation: layout
                .interpreter
                .code_generation
                .map(|counter| (within(counter.offset), counter.width, counter.zero_is_unknown)),
            gil: interpreter.gil,
            holder: in_gil(gil.last_holder),
            locked: in_gil(gil.locked),
            enabled: gil.enabled.map(in_gil),
        };
        let mut wanted = vec![Range::new(words.threads_head, 8), Range::new(words.collecting, 4)];
        if let Some((addr, width, _)) = words.generation {
            wanted.push(Range::new(addr, usize::from(width)));
        }
        if words.gil != 0 {
            wanted.extend([Range::new(words.holder, 8), Range::new(words.locked, 4)]);
            wanted.extend(words.enabled.map(|addr| Range::new(addr, 4)));
        }
        Self { ranges: merge(wanted), at: 0, words }
    }

    /// Adds the ranges to the next read of `image`.
    pub(crate) fn add_to(&mut self, image: &mut Image) {
        self.at = image.len();
        for range in &self.ranges {
            image.add(*range);
        }
    }

    /// Decodes what was read; `None` when it could not be read.
    pub(crate) fn decode(&self, image: &Image) -> Option<Head> {
        let numbers = self.at..self.at + self.ranges.len();
        let bytes = |addr, len| image.at(numbers.clone(), addr, len);
        let word = |addr| bytes(addr, 8)?.u64_at(0);
        let int = |addr| bytes(addr, 4)?.u32_at(0);
        let generation = match self.words.generation {
            None => None,
            Some((addr, width, zero_is_unknown)) => {
                let value = if width == 4 { u64::from(int(addr)?) } else { word(addr)? };
                (value != 0 || !zero_is_unknown).then_some(value)
            }
        };
        let enabled = match self.words.enabled {
            Some(addr) => int(addr)? != 0,
            None => true,
        };
        let has_gil = self.words.gil != 0 && enabled;
        let locked = has_gil && int(self.words.locked)? as i32 > 0;
        Some(Head {
            threads_head: word(self.words.threads_head)?,
            collecting: int(self.words.collecting)? != 0,
            generation,
            holder: if locked { word(self.words.holder)? } else { 0 },
            has_gil,
        })
    }
}

/// Sorts ranges and joins those that lie close together.
fn merge(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_by_key(|range| range.addr);
    let mut merged: Vec<Range> = Vec::new();
    for range in ranges {
        let Some(end) = range.end() else { continue };
        match merged.last_mut() {
            Some(last) if range.addr - last.addr <= MERGE_BYTES => {
                last.len = last.len.max((end - last.addr) as usize);
            }
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_words_become_one_range() {
        let ranges =
            [Range::new(0x2000, 8), Range::new(0x1000, 8), Range::new(0x1010, 4), Range::new(u64::MAX, 8)];
        assert_eq!(merge(ranges.to_vec()), [Range::new(0x1000, 0x14), Range::new(0x2000, 8)]);
    }
}
