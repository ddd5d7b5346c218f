//! The tables of what slots refer to: objects, code objects, names.

use std::sync::atomic::Ordering;

use slowpath_events::layout::*;

use crate::cache::CACHE;
use crate::file::Map;
use crate::python::Object;
use crate::record::{CODE_INDEX, OBJECT_INDEX, State, mix, places, slot_at};

/// Longest name and path, in bytes.
const MAX_NAME: usize = 256;
const MAX_PATH: usize = 1024;

const fn code_at(number: u32) -> usize {
    CODES_AT + number as usize * CODE_WORDS
}

const fn object_at(number: u32) -> usize {
    OBJECTS_AT + number as usize * OBJECT_WORDS
}

impl State {
    /// The number of an object that is watched.
    pub(crate) fn object(&self, map: Map, object: Object) -> Option<u32> {
        let numbers = places(mix(object as u64, 0, 0), OBJECT_INDEX)
            .map_while(|at| self.objects[at].load(Ordering::Relaxed).checked_sub(1));
        let mut numbers = numbers;
        numbers.find(|number| map.get(object_at(*number) + objects::ADDRESS) == object as u64)
    }

    /// Enters an object; `None` if there is no room.
    pub(crate) fn enter(&self, map: Map, object: Object, kind: u64, names: (u64, u64)) -> Option<u32> {
        let used = map.get(header::OBJECTS);
        let free = places(mix(object as u64, 0, 0), OBJECT_INDEX)
            .find(|at| self.objects[*at].load(Ordering::Relaxed) == 0);
        let Some(free) = free.filter(|_| used < OBJECTS as u64) else {
            map.count(header::UNWATCHED);
            return None;
        };
        let number = used as u32;
        let row = object_at(number);
        map.set(row + objects::ADDRESS, object as u64);
        map.set(row + objects::KIND, kind);
        map.set(row + objects::NAME, names.0);
        map.set(row + objects::MODULE, names.1);
        map.word(header::OBJECTS).store(used + 1, Ordering::Release);
        self.objects[free].store(number + 1, Ordering::Relaxed);
        Some(number)
    }

    pub(crate) unsafe fn function(&self, map: Map, function: Object) -> Option<u32> {
        if let Some(known) = self.object(map, function) {
            return Some(known);
        }
        // SAFETY: the caller says that it is a function; its code is borrowed and alive.
        let name = unsafe {
            let code = (self.api.function_code)(function);
            if code.is_null() { 0 } else { self.field(map, code, self.offsets.qualname) }
        };
        self.functions.fetch_add(1, Ordering::Relaxed);
        self.enter(map, function, object::FUNCTION, (name, 0))
    }

    /// A function is gone.
    #[inline]
    pub(crate) fn forget_function(&self, function: Object) {
        if self.functions.load(Ordering::Relaxed) > 0
            && let Some(map) = self.file()
        {
            self.forget(map, function);
        }
    }

    /// An object is gone, and its address may be used again.
    pub(crate) fn forget(&self, map: Map, object: Object) {
        let Some(number) = self.object(map, object) else { return };
        let row = object_at(number);
        map.set(row + objects::ADDRESS, 0);
        self.forget_slots(map, number, object);
        if map.get(row + objects::KIND) == object::CLASS_DICT {
            // The class is entered before its dict, and goes with it.
            let class = map.get(object_at(number.wrapping_sub(1)) + objects::ADDRESS);
            map.set(object_at(number.wrapping_sub(1)) + objects::ADDRESS, 0);
            self.forget_slots(map, number.wrapping_sub(1), class as Object);
        }
    }

    fn forget_slots(&self, map: Map, number: u32, object: Object) {
        if self.written.get(number as usize).is_some_and(|it| it.load(Ordering::Relaxed)) {
            self.retire(map, slot::OBJECT, object as u64);
        }
    }

    /// Makes slots that name this address match nothing any more.
    fn retire(&self, map: Map, word: usize, address: u64) {
        CACHE.forget();
        for number in 0..map.get(header::SLOTS).min(SLOTS as u64) as u32 {
            let at = slot_at(number) + word;
            if map.get(at) == address {
                map.set(at, 0);
            }
        }
    }

    /// A code object is gone.
    pub(crate) fn forget_code(&self, map: Map, code: Object) {
        let Some(number) = self.known_code(map, code).1 else { return };
        map.set(code_at(number) + code::ADDRESS, 0);
        self.retire(map, slot::CODE, code as u64);
    }

    /// The first free place for a code object in the index, and its number if it is known.
    fn known_code(&self, map: Map, code: Object) -> (Option<usize>, Option<u32>) {
        for at in places(mix(code as u64, 0, 0), CODE_INDEX) {
            match self.codes[at].load(Ordering::Relaxed).checked_sub(1) {
                None => return (Some(at), None),
                Some(number) if map.get(code_at(number) + code::ADDRESS) == code as u64 => {
                    return (None, Some(number));
                }
                Some(_) => {}
            }
        }
        (None, None)
    }

    /// The number of a code object, which is entered if it is new.
    pub(crate) unsafe fn code(&self, map: Map, code: Object) -> Option<u32> {
        let free = match self.known_code(map, code) {
            (_, Some(number)) => return Some(number),
            (free, None) => free?,
        };
        let used = map.get(header::CODES);
        if used >= CODES as u64 {
            return None;
        }
        // SAFETY: the caller says that it is a code object and alive; these are fields of it.
        let (file, qualname, first_line, before) = unsafe {
            let first_line = code.cast::<u8>().add(self.offsets.first_line).cast::<u32>().read();
            let (file, qualname) = (self.field(map, code, self.offsets.filename), self.offsets.qualname);
            let mut name = [0; MAX_NAME];
            let name = self.api.text(self.object_at(code, self.offsets.name), &mut name).len();
            let qualname = self.field(map, code, qualname);
            (file, qualname, first_line, halves(qualname).0.saturating_sub(name as u32))
        };
        let number = used as u32;
        let row = code_at(number);
        map.set(row + code::ADDRESS, code as u64);
        map.set(row + code::FILE, file);
        map.set(row + code::QUALNAME, qualname);
        map.set(row + code::LINE, pair(before, first_line));
        map.word(header::CODES).store(used + 1, Ordering::Release);
        self.codes[free].store(number + 1, Ordering::Relaxed);
        Some(number)
    }

    unsafe fn object_at(&self, object: Object, offset: usize) -> Object {
        // SAFETY: the caller names a field of the object that holds an object.
        unsafe { crate::python::word(object.cast(), offset) as Object }
    }

    unsafe fn field(&self, map: Map, object: Object, offset: usize) -> u64 {
        let mut buffer = [0; MAX_PATH];
        // SAFETY: the caller names a field of the object that holds a string.
        map.keep(unsafe { self.api.text(self.object_at(object, offset), &mut buffer) })
    }

    /// Keeps the text of a string, unless it is what was kept last.
    ///
    /// # Safety
    /// `string` must be alive or null.
    pub(crate) unsafe fn name(&self, map: Map, string: Object) -> u64 {
        // SAFETY: as the caller says.
        let id = unsafe { self.api.key_id(string) };
        if id == self.last.0.load(Ordering::Relaxed) {
            return self.last.1.load(Ordering::Relaxed);
        }
        let mut buffer = [0; MAX_NAME];
        // SAFETY: as the caller says.
        let place = map.keep(unsafe { self.api.text(string, &mut buffer) });
        self.last.0.store(id, Ordering::Relaxed);
        self.last.1.store(place, Ordering::Relaxed);
        place
    }

    /// A key as text; one that is not a string goes by the name of its type.
    pub(crate) unsafe fn key_text(&self, map: Map, key: Object) -> u64 {
        // SAFETY: the caller says that the key is alive or null.
        unsafe {
            match key.is_null() {
                true => 0,
                false if self.api.is_string(key) => self.name(map, key),
                false => map.keep(b"<not a string>"),
            }
        }
    }
}
