//! Who writes: the innermost Python frame of the thread, read where it is.

use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::python::{Api, Object, word};

/// Frames that are passed over because they run no Python code: entry frames of the interpreter.
const MAX_PASSED: usize = 8;
/// Low bits of a `_PyStackRef` that are no part of the address (3.14+).
const TAGS: usize = 7;

/// Where frames and code objects keep what is needed of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offsets {
    /// `PyThreadState.current_frame`; with [`Offsets::through_cframe`], `PyThreadState.cframe`.
    current_frame: usize,
    /// 3.12: the frame is `cframe->current_frame`, its first word.
    through_cframe: bool,
    /// `_PyInterpreterFrame.f_executable` (`f_code` in 3.12).
    executable: usize,
    previous: usize,
    /// `instr_ptr` (`prev_instr` in 3.12).
    instruction: usize,
    owner: usize,
    locals: usize,
    /// `PyCodeObject.co_code_adaptive` and others.
    bytecode: usize,
    pub(crate) filename: usize,
    pub(crate) name: usize,
    pub(crate) qualname: usize,
    pub(crate) first_line: usize,
    /// `PyInterpreterState._gil.last_holder` (3.13+); 0: not known.
    gil_holder: usize,
}

/// `_PyInterpreterFrame.f_locals`, which no version publishes: behind executable, previous, function, globals and
/// builtins in all of 3.12 to 3.15.
const F_LOCALS: usize = 40;
/// `FRAME_OWNED_BY_CSTACK` (3.12, 3.13), `FRAME_OWNED_BY_INTERPRETER` (3.14, 3.15): frames that lead into the
/// interpreter and run no code of their own.
const OWNED_BY_C: u8 = 3;
/// Largest structure that is believed.
const MAX_OFFSET: u64 = 4096;
/// Largest interpreter that is believed.
const MAX_INTERPRETER: u64 = 4 << 20;

/// 3.12, which publishes nothing: `pystate.h`, `pycore_frame.h`, `code.h`.
const V3_12: Offsets = Offsets {
    current_frame: 56,
    through_cframe: true,
    executable: 0,
    previous: 8,
    instruction: 56,
    owner: 70,
    locals: F_LOCALS,
    bytecode: 192,
    filename: 112,
    name: 120,
    qualname: 128,
    first_line: 68,
    gil_holder: 0,
};

/// Positions in `_Py_DebugOffsets` behind its cookie, in words: `thread_state.current_frame`,
/// `interpreter_frame.previous`, `code_object.filename`, `code_object.co_code_adaptive`,
/// `interpreter_state.gil_runtime_state_holder`.
const fn positions(minor: u64) -> Option<[usize; 5]> {
    match minor {
        13 => Some([22, 28, 34, 42, 17]),
        14 => Some([25, 31, 39, 47, 18]),
        15 => Some([25, 39, 47, 55, 18]),
        _ => None,
    }
}

impl Offsets {
    /// The offsets of a version; `None` if it is not known or what it publishes is not sane.
    ///
    /// # Safety
    /// `runtime` must be `_PyRuntime` of an interpreter of this version.
    pub(crate) unsafe fn of(version: u64, runtime: *const u8) -> Option<Self> {
        if version >> 16 == 0x030c {
            return Some(V3_12);
        }
        let [thread, frame, code, bytecode, holder] =
            positions((version >> 16) & 0xff).filter(|_| version >> 24 == 3)?;
        // SAFETY: `_PyRuntime` begins with `_Py_DebugOffsets` (3.13+), which has these fields in this version.
        let field = |at: usize| unsafe { word(runtime, 8 + 8 * at) as u64 };
        // SAFETY: as above.
        let cookie = unsafe { word(runtime, 0).to_ne_bytes() };
        let is_sane = |offset: u64| offset < MAX_OFFSET;
        let used =
            [thread, frame, frame + 1, frame + 2, frame + 4, code, code + 1, code + 2, code + 4, bytecode];
        if cookie != *b"xdebugpy" || field(0) != version || !used.iter().all(|at| is_sane(field(*at))) {
            return None;
        }
        let offset = |at| field(at) as usize;
        let holder = field(holder);
        Some(Self {
            gil_holder: if holder < MAX_INTERPRETER { holder as usize } else { 0 },
            current_frame: offset(thread),
            through_cframe: false,
            previous: offset(frame),
            executable: offset(frame + 1),
            instruction: offset(frame + 2),
            owner: offset(frame + 4),
            locals: F_LOCALS,
            filename: offset(code),
            name: offset(code + 1),
            qualname: offset(code + 2),
            first_line: offset(code + 4),
            bytecode: offset(bytecode),
        })
    }
}

/// Whether the build of this process has no GIL: `_Py_DebugOffsets.free_threaded` (3.13+).
///
/// # Safety
/// `runtime` must be `_PyRuntime` of an interpreter of this version.
pub(crate) unsafe fn is_free_threaded(version: u64, runtime: *const u8) -> bool {
    // SAFETY: the second word behind the cookie.
    version >> 16 >= 0x030d && unsafe { word(runtime, 16) } != 0
}

/// What the quick way reads, in one line of the processor's cache: constant while the hooks are in.
pub(crate) struct Quick {
    /// Address of `last_holder` of the main interpreter's GIL, the state of the thread that has it. Since 3.13
    /// nobody is attached without having taken the GIL, so in a callback it is the own thread's.
    holder: AtomicUsize,
    current_frame: AtomicUsize,
    instruction: AtomicUsize,
    pub(crate) string_type: AtomicUsize,
}

/// The one there is.
pub(crate) static QUICK: Quick = Quick {
    holder: AtomicUsize::new(0),
    current_frame: AtomicUsize::new(0),
    instruction: AtomicUsize::new(0),
    string_type: AtomicUsize::new(0),
};

impl Quick {
    /// Prepares the quick way; `false` if there is none.
    ///
    /// # Safety
    /// The caller must be attached to the main interpreter, of this layout.
    pub(crate) unsafe fn prepare(&self, api: &Api, offsets: &Offsets) -> bool {
        if offsets.gil_holder == 0 || offsets.through_cframe {
            return false;
        }
        // SAFETY: the caller is attached; the offset is that of a word in its interpreter.
        unsafe {
            let interpreter = (api.main_interpreter)();
            let holder = interpreter as usize + offsets.gil_holder;
            if interpreter.is_null()
                || !holder.is_multiple_of(8)
                || word(holder as *const u8, 0) != (api.thread_state)() as usize
            {
                return false;
            }
            self.holder.store(holder, Relaxed);
        }
        self.current_frame.store(offsets.current_frame, Relaxed);
        self.instruction.store(offsets.instruction, Relaxed);
        self.string_type.store(api.string_type as usize, Relaxed);
        true
    }

    /// The address of the instruction that this thread executes; 0 if it runs no Python code.
    ///
    /// # Safety
    /// To be called by a watcher, after [`Quick::prepare`] said `true`.
    #[inline(always)]
    pub(crate) unsafe fn instruction(&self) -> usize {
        // SAFETY: the caller holds the GIL, so the state and its frames are its own.
        unsafe {
            let thread = word(self.holder.load(Relaxed) as *const u8, 0) as *const u8;
            let frame = word(thread, self.current_frame.load(Relaxed)) as *const u8;
            if frame.is_null() { 0 } else { word(frame, self.instruction.load(Relaxed)) }
        }
    }
}

/// An instruction that is being executed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The `_PyInterpreterFrame`.
    frame: *const u8,
    /// Address of the instruction.
    instruction: usize,
    /// Its code object.
    pub(crate) code: Object,
    /// Byte offset of the instruction.
    pub(crate) offset: u32,
}

impl Place {
    /// The instruction and what it does, as a slot has it.
    pub(crate) fn what(&self, kind: u8) -> u64 {
        u64::from(self.offset) << 8 | u64::from(kind)
    }

    /// Whether the frame is at this instruction.
    pub(crate) fn is_at(&self, instruction: usize) -> bool {
        self.instruction == instruction
    }
}

impl Offsets {
    /// Where the thread is; `None` if it runs no Python code.
    ///
    /// # Safety
    /// The caller must be attached to an interpreter of this layout.
    #[inline]
    pub(crate) unsafe fn here(&self, api: &Api) -> Option<Place> {
        // SAFETY: as the caller says.
        unsafe { self.first(api, self.top(api)) }
    }

    /// The instruction that the innermost frame is at, whatever it runs; 0 if there is none.
    ///
    /// # Safety
    /// The caller must be attached to an interpreter of this layout.
    #[inline]
    pub(crate) unsafe fn instruction(&self, api: &Api) -> usize {
        // SAFETY: the frame is the thread's own.
        unsafe {
            let top = self.top(api);
            if top.is_null() { 0 } else { word(top, self.instruction) }
        }
    }

    /// The innermost frame.
    #[inline]
    unsafe fn top(&self, api: &Api) -> *const u8 {
        // SAFETY: the thread state is our own, and so are its frames.
        unsafe {
            let thread = (api.thread_state)();
            if thread.is_null() {
                return std::ptr::null();
            }
            let top = word(thread, self.current_frame) as *const u8;
            match self.through_cframe && !top.is_null() {
                true => word(top, 0) as *const u8,
                false => top,
            }
        }
    }

    /// Who called this place.
    ///
    /// # Safety
    /// The place must be of this very moment.
    pub(crate) unsafe fn caller(&self, api: &Api, place: Place) -> Option<Place> {
        // SAFETY: the frame is alive, and so is the one below it.
        unsafe { self.first(api, word(place.frame, self.previous) as *const u8) }
    }

    /// The first of these frames that runs Python code.
    #[inline]
    unsafe fn first(&self, api: &Api, mut frame: *const u8) -> Option<Place> {
        for _ in 0..MAX_PASSED {
            if frame.is_null() {
                return None;
            }
            // SAFETY: a frame of a thread that we are; what it runs is an object, of which the type is read
            // before anything else.
            unsafe {
                let code = (word(frame, self.executable) & !TAGS) as Object;
                let owner = frame.add(self.owner).read();
                if owner < OWNED_BY_C && !code.is_null() && api.type_of(code) == api.code_type {
                    let start = code as usize + self.bytecode;
                    let instruction = word(frame, self.instruction);
                    let offset = instruction.wrapping_sub(start) as u32;
                    return Some(Place { frame, instruction, code, offset });
                }
                frame = word(frame, self.previous) as *const u8;
            }
        }
        None
    }

    /// What the frame stores plain names in: the dict of the module, in its body.
    ///
    /// # Safety
    /// The place must be of this very moment.
    #[inline]
    pub(crate) unsafe fn locals(&self, place: Place) -> Object {
        // SAFETY: the frame is alive.
        unsafe { word(place.frame, self.locals) as Object }
    }

    /// Whether the frame runs the body of the module that has this dict.
    ///
    /// # Safety
    /// The place must be of this very moment.
    #[inline]
    pub(crate) unsafe fn is_body_of(&self, place: Place, dict: Object) -> bool {
        // SAFETY: as the caller says.
        unsafe { self.locals(place) == dict }
    }
}

/// The line of a place; 0 if it has none.
///
/// # Safety
/// The code object must be alive.
pub(crate) unsafe fn line(api: &Api, place: Place) -> u32 {
    // SAFETY: the caller says so; it reads the line table, which is bytes, and makes no object.
    let line = unsafe { (api.code_line)(place.code, place.offset.min(c_int::MAX as u32) as c_int) };
    u32::try_from(line).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `_Py_DebugOffsets` of 3.14.10, as far as it is used; other words are 0.
    fn published() -> Vec<u64> {
        let mut words = vec![0; 100];
        words[0] = u64::from_ne_bytes(*b"xdebugpy");
        let known = [
            (0, 0x030e_0af0),
            (25, 72),
            (31, 8),
            (32, 0),
            (33, 56),
            (35, 74),
            (39, 112),
            (40, 120),
            (41, 128),
            (43, 68),
            (47, 208),
            (18, 7000),
        ];
        known.iter().for_each(|(at, word)| words[at + 1] = *word);
        words
    }

    fn read(version: u64, words: &[u64]) -> Option<Offsets> {
        // SAFETY: there are more words than any version reads.
        unsafe { Offsets::of(version, words.as_ptr().cast()) }
    }

    #[test]
    fn published_offsets_are_read_by_position() {
        let found = read(0x030e_0af0, &published()).expect("a sane table");
        let expected = Offsets {
            current_frame: 72,
            through_cframe: false,
            bytecode: 208,
            owner: 74,
            gil_holder: 7000,
            ..V3_12
        };
        assert_eq!(found, expected);
        assert_eq!(read(0x030c_01f0, &[]), Some(V3_12), "3.12 publishes nothing");
    }

    #[test]
    fn tables_that_make_no_sense_are_not_used() {
        let with = |at: usize, word: u64| {
            let mut words = published();
            words[at] = word;
            read(0x030e_0af0, &words)
        };
        assert_eq!(with(0, 0), None, "no cookie");
        assert_eq!(with(1, 0x030e_0bf0), None, "another version");
        assert_eq!(with(26, 1 << 40), None, "a field beyond any structure");
        assert_eq!(read(0x0310_00f0, &published()), None, "an unknown version");
    }
}
