//! What was written lately, found by the writing instruction: most writes are one of these.
//!
//! A line holds what a slot holds, in the form in which it is at hand: the address of the instruction instead of
//! code object and offset, the address of the key beside its hash. It is right for as long as the code object and the
//! object live; when one that has slots dies, or the hooks are taken out, all lines are forgotten.

use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::python::Object;

/// Lines; a power of two.
const LINES: usize = 512;
/// No line: instructions are at even addresses.
const EMPTY: usize = 1;

/// One write, in one line of the processor's cache.
#[repr(align(64))]
pub(crate) struct Line {
    instruction: AtomicUsize,
    object: AtomicUsize,
    key: AtomicUsize,
    key_id: AtomicUsize,
    kind: AtomicUsize,
    /// Address of the count of its slot.
    count: AtomicPtr<u64>,
    /// A type of values that are no classes; 0 stands for no value.
    plain: AtomicUsize,
}

/// So many writes of each slot are events of their own; later ones if their number is a power of two.
const FIRST: u64 = 4;

/// Whether the write of this number is an event of its own.
#[inline(always)]
pub(crate) fn is_event(number: u64) -> bool {
    // 1, 2 and 4 are powers of two.
    number & number.wrapping_sub(1) == 0 || number == FIRST - 1
}

/// The lines of this process. A callback comes with the GIL of the main interpreter, so they have one user at a time.
pub(crate) static CACHE: Cache = Cache([const { Line::empty() }; LINES]);

impl Line {
    const fn empty() -> Self {
        Self {
            instruction: AtomicUsize::new(EMPTY),
            object: AtomicUsize::new(0),
            key: AtomicUsize::new(0),
            key_id: AtomicUsize::new(0),
            kind: AtomicUsize::new(0),
            count: AtomicPtr::new(std::ptr::null_mut()),
            plain: AtomicUsize::new(0),
        }
    }
}

/// A write as a watcher tells it.
#[derive(Clone, Copy)]
pub(crate) struct Write {
    pub(crate) object: Object,
    /// May be null.
    pub(crate) key: Object,
    pub(crate) kind: u8,
}

/// The lines.
pub(crate) struct Cache([Line; LINES]);

impl Line {
    /// Counts one more of a write that [`Cache::find`] gave this line for, if that is all there is to do: no event, and a
    /// value of the type that came last.
    #[inline(always)]
    pub(crate) fn count_quickly(&self, ty: usize) -> bool {
        // SAFETY: as in `count`.
        let count = unsafe { AtomicU64::from_ptr(self.count.load(Relaxed)) };
        let more = count.load(Relaxed).wrapping_add(1);
        if is_event(more) || self.plain.load(Relaxed) != ty {
            return false;
        }
        count.store(more, Relaxed);
        true
    }

    /// What the key must hash to; 0 where its address is enough: there is none, or it lives for ever.
    #[inline]
    pub(crate) fn key_id(&self) -> usize {
        self.key_id.load(Relaxed)
    }

    /// Counts one more. Whoever is here holds the GIL, so nobody else counts.
    #[inline]
    pub(crate) fn count(&self) -> u64 {
        // SAFETY: a line that is found was kept, with the address of a word in a mapping that is never taken away.
        let count = unsafe { AtomicU64::from_ptr(self.count.load(Relaxed)) };
        let more = count.load(Relaxed).wrapping_add(1);
        count.store(more, Relaxed);
        more
    }

    /// Whether values of this type, the last one met here, are no classes.
    #[inline]
    pub(crate) fn is_plain(&self, ty: Object) -> bool {
        self.plain.load(Relaxed) == ty as usize
    }

    /// Notes a type whose values are no classes.
    pub(crate) fn note_plain(&self, ty: Object) {
        self.plain.store(ty as usize, Relaxed);
    }
}

impl Cache {
    #[inline(always)]
    fn line(&self, instruction: usize, write: Write) -> &Line {
        let mixed = (instruction >> 1) ^ (write.object as usize >> 4) ^ (write.key as usize >> 4);
        &self.0[mixed & (LINES - 1)]
    }

    /// The line of a write. The caller has to compare the hash of the key.
    #[inline(always)]
    pub(crate) fn find(&self, instruction: usize, write: Write) -> Option<&Line> {
        let line = self.line(instruction, write);
        let same = line.instruction.load(Relaxed) == instruction
            && line.object.load(Relaxed) == write.object as usize
            && line.key.load(Relaxed) == write.key as usize
            && line.kind.load(Relaxed) == usize::from(write.kind);
        same.then_some(line)
    }

    /// Keeps a write; its count must be in a mapping that is never taken away.
    pub(crate) fn keep(&self, instruction: usize, write: Write, key_id: usize, count: &AtomicU64) {
        let line = self.line(instruction, write);
        line.instruction.store(instruction, Relaxed);
        line.object.store(write.object as usize, Relaxed);
        line.key.store(write.key as usize, Relaxed);
        line.key_id.store(key_id, Relaxed);
        line.kind.store(usize::from(write.kind), Relaxed);
        line.count.store(count.as_ptr(), Relaxed);
        line.plain.store(0, Relaxed);
    }

    /// Forgets all lines.
    pub(crate) fn forget(&self) {
        self.0.iter().for_each(|line| line.instruction.store(EMPTY, Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_writes_and_powers_of_two_are_events() {
        let events: Vec<u64> = (1..40).filter(|number| is_event(*number)).collect();
        assert_eq!(events, [1, 2, 3, 4, 8, 16, 32]);
    }

    fn write(object: usize, key: usize) -> Write {
        Write { object: object as Object, key: key as Object, kind: 1 }
    }

    #[test]
    fn a_write_is_found_until_something_dies() {
        let (cache, count) = (Cache([const { Line::empty() }; LINES]), AtomicU64::new(7));
        assert!(cache.find(0x1000, write(0x20, 0x30)).is_none());
        cache.keep(0x1000, write(0x20, 0x30), 99, &count);
        let line = cache.find(0x1000, write(0x20, 0x30)).expect("just kept");
        assert_eq!((line.count(), line.key_id(), count.load(Relaxed)), (8, 99, 8));
        for other in [write(0x21, 0x30), write(0x20, 0x31), Write { kind: 2, ..write(0x20, 0x30) }] {
            assert!(cache.find(0x1000, other).is_none());
        }
        assert!(cache.find(0x1002, write(0x20, 0x30)).is_none());
        assert!(!line.is_plain(0x40 as Object) && !line.count_quickly(0x40));
        line.note_plain(0x40 as Object);
        assert!(line.is_plain(0x40 as Object) && line.count_quickly(0x40));
        assert_eq!(count.load(Relaxed), 9);
        // What is an event of its own is left to the long way.
        count.store(15, Relaxed);
        assert!(!line.count_quickly(0x40));
        assert_eq!(count.load(Relaxed), 15);
        cache.forget();
        assert!(cache.find(0x1000, write(0x20, 0x30)).is_none());
    }
}
