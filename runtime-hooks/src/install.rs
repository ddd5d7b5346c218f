//! Adds the watchers to the main interpreter and finds what is there to watch.

use std::ffi::c_int;
use std::sync::atomic::Ordering;

use slowpath_events::layout::{header, status, watcher};

use crate::cache::CACHE;
use crate::collections;
use crate::file::Map;
use crate::python::{Api, Object, version};
use crate::record::State;
use crate::watch::{STATE, on_code, on_dict, on_dict_quickly, on_function, on_type};
use crate::writer::{Offsets, QUICK, is_free_threaded};

/// The first version with watchers, and the first that is not known.
const FIRST: u64 = 0x030c;
const UNKNOWN: u64 = 0x0310;

/// Whether this interpreter can be watched; otherwise one of [`status`].
pub(crate) fn judge() -> Result<(Api, Offsets), u64> {
    let version = version();
    if version >> 16 < FIRST {
        return Err(status::TOO_OLD);
    }
    if version >> 16 >= UNKNOWN {
        return Err(status::TOO_NEW);
    }
    let api = Api::find().ok_or(status::UNKNOWN_LAYOUT)?;
    let runtime = api.runtime.cast_const().cast();
    // SAFETY: it is `_PyRuntime` of this version.
    if unsafe { is_free_threaded(version, runtime) } {
        return Err(status::FREE_THREADED);
    }
    // SAFETY: as above.
    let offsets = unsafe { Offsets::of(version, runtime) }.ok_or(status::UNKNOWN_LAYOUT)?;
    api.knows_flags().then_some((api, offsets)).ok_or(status::UNKNOWN_LAYOUT)
}

/// Leaves a file that says why there is nothing else.
pub(crate) fn decline(directory: &[u8], why: u64) {
    if let Some(map) = Map::create(directory) {
        map.set(header::PYTHON, version());
        map.set(header::STATUS, why);
        map.publish();
    }
}

/// Makes a file and watches, if this is the main interpreter and it can be watched.
///
/// # Safety
/// The thread must be attached to an interpreter, with its GIL.
pub(crate) unsafe fn install(directory: &[u8], children: bool) {
    let (api, offsets) = match judge() {
        Ok(found) => found,
        Err(why) => return decline(directory, why),
    };
    // SAFETY: the caller is attached.
    if unsafe { (api.interpreter)() != (api.main_interpreter)() } {
        return;
    }
    // SAFETY: a state is never freed.
    if let Some(state) = unsafe { STATE.load(Ordering::Acquire).as_ref() } {
        // SAFETY: as the caller says.
        unsafe { again(state, directory) };
        return;
    }
    let Some(map) = Map::create(directory) else { return };
    map.set(header::RUNTIME, api.runtime as u64);
    map.set(header::PYTHON, version());
    map.set(header::INTERPRETERS, 1);
    let state = State::new(api, offsets, directory.to_vec(), children, map);
    // It stays: a callback may be running on another thread at any time.
    let state: &'static State = Box::leak(Box::new(state));
    // SAFETY: called once, because there was no state.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    STATE.store(std::ptr::from_ref(state).cast_mut(), Ordering::Release);
    // SAFETY: as the caller says.
    unsafe { watch(state, map) };
    map.publish();
}

/// The hooks are in already: an interpreter that was ended and begun again, or a second wish to watch.
unsafe fn again(state: &'static State, directory: &[u8]) {
    // SAFETY: as the caller says; asking an unknown watcher is an error, which is taken back.
    let watched = unsafe {
        let modules = (state.api.modules)();
        let id = state.ids[0].load(Ordering::Relaxed);
        let watched = !modules.is_null()
            && modules == state.modules.load(Ordering::Relaxed)
            && (state.api.dict_watch)(id, modules) == 0;
        if !watched {
            (state.api.clear_error)();
        }
        watched
    };
    let is_same = state.directory == directory;
    if watched && is_same {
        return;
    }
    let Some(map) = Map::create(directory) else { return };
    map.set(header::RUNTIME, state.api.runtime as u64);
    map.set(header::PYTHON, version());
    map.set(header::INTERPRETERS, 1);
    // The old one, with its tables and its file, is left to whoever may be using it.
    let next = State::new(state.api, state.offsets, directory.to_vec(), state.children, map);
    let next: &'static State = Box::leak(Box::new(next));
    if watched {
        for (new, old) in next.ids.iter().zip(&state.ids) {
            new.store(old.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
    STATE.store(std::ptr::from_ref(next).cast_mut(), Ordering::Release);
    CACHE.forget();
    // SAFETY: as the caller says.
    unsafe { watch(next, map) };
    map.publish();
}

/// Takes the watchers out.
///
/// # Safety
/// The thread must be attached to the main interpreter.
pub(crate) unsafe fn remove() {
    // SAFETY: a state is never freed.
    let Some(state) = (unsafe { STATE.swap(std::ptr::null_mut(), Ordering::AcqRel).as_ref() }) else {
        return;
    };
    // The quick way asks for nothing else.
    CACHE.forget();
    let id = |at: usize| Some(state.ids[at].swap(-1, Ordering::Relaxed)).filter(|id| *id >= 0);
    let api = &state.api;
    let clear =
        [api.dict_clear_watcher, api.type_clear_watcher, api.function_clear_watcher, api.code_clear_watcher];
    for (at, clear) in clear.into_iter().enumerate() {
        // SAFETY: the interpreter gave this id.
        if id(at).is_some_and(|id| unsafe { clear(id) } != 0) {
            // SAFETY: the error is that of this call.
            unsafe { (api.clear_error)() };
        }
    }
    // SAFETY: as the caller says.
    unsafe { collections::unwatch(api, state.gc.as_ref()) };
    if let Some(map) = state.file() {
        map.set(header::STATUS, status::STOPPED);
    }
}

/// Runs in a forked child: what is mapped is the parent's.
extern "C" fn in_child() {
    // SAFETY: a state is never freed; there is one thread.
    if let Some(state) = unsafe { STATE.load(Ordering::Relaxed).as_ref() } {
        // Its lines lead into that.
        CACHE.forget();
        state.collecting_since.store(0, Ordering::Relaxed);
        let map = state.map.swap(std::ptr::null_mut(), Ordering::Relaxed);
        if !map.is_null() {
            state.parent.store(map, Ordering::Relaxed);
        }
    }
}

unsafe fn watch(state: &State, map: Map) {
    let api = &state.api;
    // SAFETY: the caller is attached; these are given functions that live as long as the process.
    unsafe {
        let add = |at: usize, bit: u64, add: &dyn Fn() -> c_int| {
            if state.ids[at].load(Ordering::Relaxed) >= 0 {
                return;
            }
            let id = add();
            if id < 0 {
                // All eight watchers of this kind are taken.
                (api.clear_error)();
                map.set(header::REFUSED, map.get(header::REFUSED) | bit);
            }
            state.ids[at].store(id, Ordering::Relaxed);
        };
        let on_dict = if QUICK.prepare(api, &state.offsets) { on_dict_quickly } else { on_dict };
        add(0, watcher::DICT, &|| (api.dict_add_watcher)(on_dict));
        add(1, watcher::TYPE, &|| (api.type_add_watcher)(on_type));
        add(2, watcher::FUNCTION, &|| (api.function_add_watcher)(on_function));
        add(3, watcher::CODE, &|| (api.code_add_watcher)(on_code));
        if !collections::watch(api, state.gc.as_ref()) {
            map.set(header::REFUSED, map.get(header::REFUSED) | watcher::COLLECTIONS);
        }
        let modules: Object = (api.modules)();
        if modules.is_null() {
            (api.clear_error)();
            map.set(header::STATUS, status::NO_MODULES);
            return;
        }
        state.watch_modules(map, modules);
    }
    map.set(header::STATUS, status::ACTIVE);
}
