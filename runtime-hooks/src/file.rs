//! The shared file of this process.

use std::ffi::CString;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use slowpath_events::layout::*;

/// Longest path of a file.
const MAX_PATH: usize = 512;

/// A mapping of the file; it stays for as long as the process does.
#[derive(Clone, Copy)]
pub(crate) struct Map(*mut u8);

/// `CLOCK_MONOTONIC` in nanoseconds.
pub(crate) fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists, and the structure is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

impl Map {
    /// Makes the file `directory/PID-TIME` and maps it. Nothing of it stays open.
    pub(crate) fn create(directory: &[u8]) -> Option<Self> {
        // SAFETY: asks for a number.
        let pid = unsafe { libc::getpid() };
        let begun_ns = now_ns();
        let mut path = Vec::with_capacity(MAX_PATH);
        path.extend_from_slice(directory);
        write!(path, "/{pid}-{begun_ns}").ok()?;
        let path = CString::new(path).ok().filter(|path| path.as_bytes().len() < MAX_PATH)?;
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC | libc::O_NOFOLLOW;
        // SAFETY: the path ends with a zero byte.
        let file = unsafe { libc::open(path.as_ptr(), flags, 0o600) };
        if file < 0 {
            return None;
        }
        // SAFETY: the file is open and ours, and is closed once.
        let base = unsafe {
            let sized = libc::ftruncate(file, FILE_LEN as libc::off_t) == 0;
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let base = match sized {
                true => libc::mmap(std::ptr::null_mut(), FILE_LEN, protection, libc::MAP_SHARED, file, 0),
                false => libc::MAP_FAILED,
            };
            libc::close(file);
            base
        };
        if base == libc::MAP_FAILED {
            return None;
        }
        let map = Self(base.cast());
        map.set(header::VERSION, VERSION);
        map.set(header::PID, u64::from(pid.unsigned_abs()));
        map.set(header::BEGUN_NS, begun_ns);
        Some(map)
    }

    /// Says that the header is complete.
    pub(crate) fn publish(self) {
        self.word(header::MAGIC).store(MAGIC, Ordering::Release);
    }

    /// The address, to be kept in an atomic.
    pub(crate) fn address(self) -> *mut u8 {
        self.0
    }

    /// The map at an address that [`Map::address`] gave.
    ///
    /// # Safety
    /// It must be one of those.
    pub(crate) unsafe fn at(address: *mut u8) -> Option<Self> {
        (!address.is_null()).then_some(Self(address))
    }

    /// A word of the file.
    #[inline]
    pub(crate) fn word(&self, at: usize) -> &AtomicU64 {
        let at = at.min(FILE_LEN / 8 - 1);
        // SAFETY: the mapping has FILE_LEN bytes, begins at a page, and is never taken away.
        unsafe { AtomicU64::from_ptr(self.0.cast::<u64>().add(at)) }
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> u64 {
        self.word(at).load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set(&self, at: usize, value: u64) {
        self.word(at).store(value, Ordering::Relaxed);
    }

    /// Counts one more. Whoever is here holds the GIL, so nobody else counts.
    #[inline]
    pub(crate) fn count(&self, at: usize) -> u64 {
        let more = self.get(at).wrapping_add(1);
        self.set(at, more);
        more
    }

    /// Keeps a text; its place. Without room, it is the empty text.
    pub(crate) fn keep(&self, text: &[u8]) -> u64 {
        let used = self.get(header::TEXT) as usize;
        let Some(end) = used.checked_add(text.len()).filter(|end| *end <= TEXT) else {
            self.set(header::TEXT_FULL, 1);
            return 0;
        };
        // SAFETY: the place is inside of the mapping, behind its words, and nobody refers to it yet.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), self.0.add(TEXT_AT * 8 + used), text.len());
        }
        self.word(header::TEXT).store(end as u64, Ordering::Release);
        pair(text.len() as u32, used as u32)
    }

    /// Takes over the tables of the process that this one was forked from, with nothing counted yet.
    pub(crate) fn inherit(&self, parent: &Self) {
        for at in [header::RUNTIME, header::PYTHON, header::STATUS, header::INTERPRETERS, header::REFUSED] {
            self.set(at, parent.get(at));
        }
        let tables = [
            (header::SLOTS, SLOTS_AT, SLOT_WORDS, SLOTS),
            (header::CODES, CODES_AT, CODE_WORDS, CODES),
            (header::OBJECTS, OBJECTS_AT, OBJECT_WORDS, OBJECTS),
        ];
        for (count, at, words, most) in tables {
            let rows = parent.get(count).min(most as u64);
            (at..at + rows as usize * words).for_each(|at| self.set(at, parent.get(at)));
            self.set(count, rows);
        }
        for number in 0..self.get(header::SLOTS) as usize {
            self.set(SLOTS_AT + number * SLOT_WORDS + slot::COUNT, 0);
        }
        let text = (parent.get(header::TEXT) as usize).min(TEXT);
        // SAFETY: both mappings have TEXT bytes there, and are apart.
        unsafe {
            std::ptr::copy_nonoverlapping(parent.0.add(TEXT_AT * 8), self.0.add(TEXT_AT * 8), text);
        }
        self.set(header::TEXT, text as u64);
    }
}
