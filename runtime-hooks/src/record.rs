//! Counts what was written, by object, key and instruction.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use slowpath_events::layout::*;

use crate::cache::{CACHE, Line, Write, is_event};
use crate::file::{Map, now_ns};
use crate::python::{Api, GcApi, Object};
use crate::writer::{Offsets, Place, line};

/// Entries of the index of slots, of codes and of objects: twice what they index, powers of two.
const SLOT_INDEX: usize = 2 * SLOTS;
pub(crate) const CODE_INDEX: usize = 2 * CODES;
pub(crate) const OBJECT_INDEX: usize = 2 * OBJECTS;
/// Places that are tried for one entry.
const PROBES: usize = 64;
/// Frames that are looked through for the body of a module.
const MAX_DEPTH: usize = 64;
/// A frame whose code found no room.
const NO_CODE: u32 = u32::MAX;

/// Everything that the hooks of this process know.
pub(crate) struct State {
    pub(crate) api: Api,
    /// For garbage collections, if all of it is there.
    pub(crate) gc: Option<GcApi>,
    /// When the collection that runs began; 0: none runs.
    pub(crate) collecting_since: AtomicU64,
    pub(crate) offsets: Offsets,
    pub(crate) directory: Vec<u8>,
    /// Forked children have a file of their own.
    pub(crate) children: bool,
    /// The file; null in a forked child that has none yet.
    pub(crate) map: AtomicPtr<u8>,
    /// The file of the process that this one was forked from.
    pub(crate) parent: AtomicPtr<u8>,
    /// `sys.modules`, and the dict of `__main__`.
    pub(crate) modules: AtomicPtr<std::ffi::c_void>,
    pub(crate) main: AtomicPtr<std::ffi::c_void>,
    /// Ids that the interpreter gave to the watchers; negative: none.
    pub(crate) ids: [AtomicI32; 4],
    /// Numbers from 1; 0 is free.
    slots: Box<[AtomicU32]>,
    pub(crate) codes: Box<[AtomicU32]>,
    pub(crate) objects: Box<[AtomicU32]>,
    /// Functions that are entered: as long as there is none, nobody asks for one.
    pub(crate) functions: AtomicU32,
    /// Whether a slot refers to the object.
    pub(crate) written: Box<[AtomicBool]>,
    /// The text kept last, by its hash: names of modules come again and again.
    pub(crate) last: (AtomicU64, AtomicU64),
}

fn zeroed<T: Default>(count: usize) -> Box<[T]> {
    (0..count).map(|_| T::default()).collect()
}

pub(crate) fn mix(a: u64, b: u64, c: u64) -> usize {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = (a ^ b.rotate_left(21) ^ c.rotate_left(42)).wrapping_mul(K);
    (mixed >> 40) as usize
}

pub(crate) fn places(hash: usize, len: usize) -> impl Iterator<Item = usize> {
    (0..PROBES).map(move |step| (hash + step) & (len - 1))
}

pub(crate) const fn slot_at(number: u32) -> usize {
    SLOTS_AT + number as usize * SLOT_WORDS
}

impl State {
    /// A state that has seen nothing.
    pub(crate) fn new(api: Api, offsets: Offsets, directory: Vec<u8>, children: bool, map: Map) -> Self {
        Self {
            api,
            gc: GcApi::find(),
            collecting_since: AtomicU64::new(0),
            offsets,
            directory,
            children,
            map: AtomicPtr::new(map.address()),
            parent: AtomicPtr::default(),
            modules: AtomicPtr::default(),
            main: AtomicPtr::default(),
            ids: [const { AtomicI32::new(-1) }; 4],
            slots: zeroed(SLOT_INDEX),
            codes: zeroed(CODE_INDEX),
            objects: zeroed(OBJECT_INDEX),
            functions: AtomicU32::new(0),
            written: zeroed(OBJECTS),
            last: Default::default(),
        }
    }

    /// The file; a forked child makes its own when it has something to say.
    #[inline]
    pub(crate) fn file(&self) -> Option<Map> {
        // SAFETY: only maps are stored there.
        let map = unsafe { Map::at(self.map.load(Ordering::Relaxed)) };
        map.or_else(|| self.adopt())
    }

    #[cold]
    fn adopt(&self) -> Option<Map> {
        // SAFETY: only maps are stored there.
        let parent = unsafe { Map::at(self.parent.swap(std::ptr::null_mut(), Ordering::Relaxed)) }?;
        let map = self.children.then(|| Map::create(&self.directory)).flatten()?;
        map.inherit(&parent);
        map.publish();
        self.map.store(map.address(), Ordering::Relaxed);
        Some(map)
    }

    /// Counts a write that was seen lately; `false` if it was not. `value`, if there is one, is looked at for classes.
    ///
    /// # Safety
    /// To be called by a watcher, with its arguments.
    #[inline]
    pub(crate) unsafe fn write_again(&self, write: Write, value: Object) -> bool {
        // SAFETY: the thread is attached, or it would not be in a watcher.
        let instruction = unsafe { self.offsets.instruction(&self.api) };
        let Some(line) = CACHE.find(instruction, write) else { return false };
        // SAFETY: the key is alive.
        if line.key_id() != 0 && unsafe { self.api.hash_of(write.key) } != line.key_id() {
            return false;
        }
        let times = line.count();
        if is_event(times) {
            // SAFETY: as above.
            unsafe { self.detail(write, times) };
        }
        if !value.is_null() {
            // SAFETY: the value is alive.
            let ty = unsafe { self.api.type_of(value) };
            if !line.is_plain(ty) {
                // SAFETY: as above.
                unsafe { self.look_at(line, value, ty) };
            }
        }
        true
    }

    #[cold]
    unsafe fn look_at(&self, line: &Line, value: Object, ty: Object) {
        // SAFETY: the caller says that the value is alive.
        unsafe {
            match (self.api.is_heap_class(value), self.file()) {
                (true, Some(map)) => self.watch_class(map, value, 0),
                (true, None) => {}
                (false, _) => line.note_plain(ty),
            }
        }
    }

    /// Counts any write.
    ///
    /// # Safety
    /// To be called by a watcher, with its arguments.
    pub(crate) unsafe fn write(&self, map: Map, write: Write, value: Object) {
        // SAFETY: the thread is attached, or it would not be in a watcher; the value is alive.
        unsafe {
            let instruction = self.offsets.instruction(&self.api);
            match self.offsets.here(&self.api) {
                Some(place) => self.write_at(map, place, write, instruction),
                None => drop(map.count(header::NATIVE)),
            }
            if !value.is_null() && self.api.is_heap_class(value) {
                self.watch_class(map, value, 0);
            }
        }
    }

    unsafe fn write_at(&self, map: Map, place: Place, write: Write, instruction: usize) {
        let Write { object, key, kind } = write;
        // SAFETY: the place is of this moment, the key is alive.
        let (in_body, key_id, may_keep) = unsafe {
            let defines = kind == kind::ADDED && object != self.main.load(Ordering::Relaxed);
            let id = self.api.key_id(key);
            let may_keep = key.is_null() || self.api.hash_of(key) as u64 == id;
            (defines && self.offsets.is_body_of(place, object), id, may_keep)
        };
        if in_body {
            map.count(header::DEFINED);
            return;
        }
        let what = place.what(kind);
        match self.slot(map, place, write, key_id) {
            Err(None) => drop(map.count(header::UNCOUNTED)),
            // SAFETY: as above.
            Err(Some(at)) => unsafe { self.meet(map, place, Met { write, key_id, what, at }) },
            Ok(number) => {
                let row = slot_at(number);
                let times = map.count(row + slot::COUNT);
                // A frame above this one runs no Python code, and is not at this instruction.
                if place.is_at(instruction) && may_keep {
                    // SAFETY: the key is alive.
                    let lasts = key.is_null() || unsafe { self.api.is_immortal(key) };
                    let key_id = if lasts { 0 } else { key_id as usize };
                    CACHE.keep(instruction, write, key_id, map.word(row + slot::COUNT));
                }
                if is_event(times) {
                    // SAFETY: as above.
                    unsafe { self.detail_of(map, number, place, kind, times) };
                }
            }
        }
    }

    /// The slot of a write, or where it would stand in the index.
    fn slot(&self, map: Map, place: Place, write: Write, key_id: u64) -> Result<u32, Option<usize>> {
        let what = place.what(write.kind);
        for at in places(mix(write.object as u64, key_id, what), SLOT_INDEX) {
            let Some(number) = self.slots[at].load(Ordering::Relaxed).checked_sub(1) else {
                return Err(Some(at));
            };
            let row = slot_at(number);
            if map.get(row + slot::OBJECT) == write.object as u64
                && map.get(row + slot::KEY) == key_id
                && map.get(row + slot::CODE) == place.code as u64
                && map.get(row + slot::WHAT) == what
            {
                return Ok(number);
            }
        }
        Err(None)
    }

    /// Keeps a single write, with time and stack.
    #[cold]
    unsafe fn detail(&self, write: Write, times: u64) {
        // SAFETY: as the caller says.
        unsafe {
            let (Some(map), Some(place)) = (self.file(), self.offsets.here(&self.api)) else { return };
            if let Ok(number) = self.slot(map, place, write, self.api.key_id(write.key)) {
                self.detail_of(map, number, place, write.kind, times);
            }
        }
    }

    unsafe fn detail_of(&self, map: Map, number: u32, place: Place, kind: u8, times: u64) {
        // SAFETY: as the caller says.
        unsafe {
            self.settle(map, slot_at(number), place);
            self.event(map, kind, u64::from(number), times, Some(place));
        }
    }
}

/// A write that is seen for the first time.
struct Met {
    write: Write,
    key_id: u64,
    what: u64,
    /// Its place in the index.
    at: usize,
}

impl State {
    /// Makes a slot.
    #[cold]
    unsafe fn meet(&self, map: Map, place: Place, met: Met) {
        let used = map.get(header::SLOTS);
        let object = match met.write.kind {
            // SAFETY: watchers of functions give functions.
            kind::CODE..=kind::KWDEFAULTS => unsafe { self.function(map, met.write.object) },
            _ => self.object(map, met.write.object),
        };
        // SAFETY: the code is being run.
        let code = (used < SLOTS as u64).then(|| unsafe { self.code(map, place.code) }).flatten();
        let (Some(object), Some(code)) = (object, code) else {
            map.count(header::UNCOUNTED);
            return;
        };
        let number = used as u32;
        let row = slot_at(number);
        // SAFETY: the key is alive, the code is being run, and the place is of this moment.
        let (name, line, importing) = unsafe {
            (self.key_text(map, met.write.key), line(&self.api, place), self.is_importing(map, place))
        };
        map.set(row + slot::OBJECT, met.write.object as u64);
        map.set(row + slot::KEY, met.key_id);
        map.set(row + slot::CODE, place.code as u64);
        map.set(row + slot::WHAT, met.what);
        map.set(row + slot::COUNT, 1);
        map.set(row + slot::REFERENCES, pair(code, object));
        map.set(row + slot::NAME, name);
        map.set(row + slot::LINE, pair(u32::from(importing), line));
        map.word(header::SLOTS).store(used + 1, Ordering::Release);
        self.slots[met.at].store(number + 1, Ordering::Relaxed);
        self.written[object as usize % OBJECTS].store(true, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { self.event(map, met.write.kind, u64::from(number), 1, Some(place)) };
    }

    /// Takes back that a slot is only written to while modules are imported.
    unsafe fn settle(&self, map: Map, row: usize, place: Place) {
        let (importing, line) = halves(map.get(row + slot::LINE));
        // SAFETY: the place is of this moment.
        if importing != 0 && !unsafe { self.is_importing(map, place) } {
            map.set(row + slot::LINE, pair(0, line));
        }
    }

    /// Whether the body of a module other than `__main__` is on the stack.
    unsafe fn is_importing(&self, map: Map, place: Place) -> bool {
        let mut next = Some(place);
        for _ in 0..MAX_DEPTH {
            let Some(place) = next else { return false };
            // SAFETY: the frames of this thread are alive.
            let locals = unsafe { self.offsets.locals(place) };
            if !locals.is_null()
                && locals != self.main.load(Ordering::Relaxed)
                && self.object(map, locals).is_some()
            {
                return true;
            }
            // SAFETY: as above.
            next = unsafe { self.offsets.caller(&self.api, place) };
        }
        false
    }

    /// Puts an event into the ring.
    ///
    /// # Safety
    /// `place` must be of this moment.
    pub(crate) unsafe fn event(&self, map: Map, kind: u8, subject: u64, times: u64, place: Option<Place>) {
        let number = map.get(header::RING);
        let row = RING_AT + (number as usize % RING) * EVENT_WORDS;
        let mut frames = [0; FRAMES];
        let mut depth = 0;
        let mut next = place;
        while let Some(place) = next.filter(|_| depth < FRAMES) {
            // SAFETY: the frame is on the stack of this thread, so its code is alive.
            unsafe {
                let code = self.code(map, place.code).unwrap_or(NO_CODE);
                frames[depth] = pair(code, line(&self.api, place));
                next = self.offsets.caller(&self.api, place);
            }
            depth += 1;
        }
        // SAFETY: asks for a number.
        let thread = unsafe { libc::syscall(libc::SYS_gettid) } as u32;
        let whole = number.wrapping_add(1).wrapping_mul(2);
        map.word(row + event::SEQUENCE).store(whole - 1, Ordering::Relaxed);
        std::sync::atomic::fence(Ordering::Release);
        map.set(row + event::TIME, now_ns());
        map.set(row + event::THREAD, pair(u32::from(kind), thread));
        map.set(row + event::SUBJECT, subject);
        map.set(row + event::NUMBER, times);
        map.set(row + event::DEPTH, depth as u64);
        frames.iter().enumerate().for_each(|(at, frame)| map.set(row + event::FRAMES + at, *frame));
        map.word(row + event::SEQUENCE).store(whole, Ordering::Release);
        map.word(header::RING).store(number.wrapping_add(1), Ordering::Release);
    }
}
