//! Runs of the garbage collector, told by an entry of `gc.callbacks`.
//!
//! The list belongs to the interpreter, and the module `gc` has a reference to it. That module is not imported
//! for this, which a program could see: one is made of its definition (`PyModule_FromDefAndSpec`, as the import
//! system does), asked for the list, and dropped. What a program can see is one more entry in the list.
//!
//! The collector calls it on the thread that collects, with the GIL, before and after each collection of the main
//! interpreter. What other callbacks do at the beginning is part of the duration, as the program waits for
//! it, too.

use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicPtr, Ordering, fence};

use slowpath_events::layout::*;

use crate::file::{Map, now_ns};
use crate::python::{Api, GcApi, Method, Object};
use crate::record::State;
use crate::watch::STATE;

/// `PYTHON_API_VERSION`.
const API_VERSION: i32 = 1013;
/// `METH_FASTCALL`.
const FASTCALL: i32 = 0x80;
/// Entries of the list that are looked at.
const MOST: isize = 4096;
/// `None`, which is immortal since 3.12: what the callback returns even if the hooks are out.
static NONE: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

static CALLBACK: Method = Method {
    name: c"slowpath_collection".as_ptr(),
    function: on_collection,
    flags: FASTCALL,
    about: c"Tells slowpath, which was started with --exact, of a garbage collection.".as_ptr(),
};

/// Adds the callback, unless it is there; `false` if that is not possible.
///
/// # Safety
/// The caller must be attached to the main interpreter, without a pending error.
pub(crate) unsafe fn watch(api: &Api, gc: Option<&GcApi>) -> bool {
    let Some(gc) = gc else { return false };
    NONE.store(gc.none, Ordering::Relaxed);
    // SAFETY: as the caller says.
    unsafe {
        let Some(list) = callbacks(api, gc) else { return false };
        let mut done = place(api, gc, list).is_some();
        if !done {
            let null = std::ptr::null_mut();
            let function = (gc.make_function)(&raw const CALLBACK, null, null);
            done = !function.is_null() && (gc.list_append)(list, function) == 0;
            if !function.is_null() {
                (api.release)(function);
            }
        }
        (api.release)(list);
        if !done {
            (api.clear_error)();
        }
        done
    }
}

/// Takes the callback out.
///
/// # Safety
/// As for [`watch`].
pub(crate) unsafe fn unwatch(api: &Api, gc: Option<&GcApi>) {
    let Some(gc) = gc else { return };
    // SAFETY: as the caller says.
    unsafe {
        let Some(list) = callbacks(api, gc) else { return };
        if let Some(at) = place(api, gc, list)
            && (gc.list_set)(list, at, at + 1, std::ptr::null_mut()) != 0
        {
            (api.clear_error)();
        }
        (api.release)(list);
    }
}

/// Where the callback is in the list.
unsafe fn place(api: &Api, gc: &GcApi, list: Object) -> Option<isize> {
    // SAFETY: the caller says that it is a list; its entries are alive as long as nothing else runs.
    unsafe {
        (0..(gc.list_len)(list).min(MOST)).find(|at| {
            let entry = (gc.list_get)(list, *at);
            !entry.is_null()
                && api.type_of(entry) == gc.function_type
                && std::ptr::eq((gc.function)(entry), on_collection as *const c_void)
        })
    }
}

/// The list, with a reference of its own.
unsafe fn callbacks(api: &Api, gc: &GcApi) -> Option<Object> {
    let null: Object = std::ptr::null_mut();
    // SAFETY: the caller is attached. Whatever is made is given back; null is taken for a failure.
    unsafe {
        let release = |object: Object| {
            if !object.is_null() {
                (api.release)(object);
            }
        };
        let spec = spec(api, gc);
        let definition = if spec.is_null() { null } else { (gc.gc_definition)() };
        let module = match definition.is_null() {
            true => null,
            false => (gc.make_module)(definition, spec, API_VERSION),
        };
        let is_whole = !module.is_null() && (gc.execute)(module, definition) == 0;
        let list = if is_whole { (gc.attribute)(module, c"callbacks".as_ptr()) } else { null };
        release(module);
        release(spec);
        if !list.is_null() && api.type_of(list) == gc.list_type {
            return Some(list);
        }
        release(list);
        (api.clear_error)();
        None
    }
}

/// What stands for the module spec: `types.SimpleNamespace(name='gc')`, of the type that `sys.implementation` has.
unsafe fn spec(api: &Api, gc: &GcApi) -> Object {
    let null: Object = std::ptr::null_mut();
    // SAFETY: the caller is attached; `sys.implementation` is borrowed from `sys`.
    unsafe {
        let example = (api.sys_object)(c"implementation".as_ptr());
        let (arguments, names, name) =
            ((gc.make_tuple)(0), (gc.make_dict)(), (gc.make_string)(c"gc".as_ptr()));
        let made = [arguments, names, name];
        let mut spec = null;
        if !example.is_null()
            && made.iter().all(|object| !object.is_null())
            && (gc.dict_set)(names, c"name".as_ptr(), name) == 0
        {
            spec = (gc.call)(api.type_of(example), arguments, names);
        }
        made.into_iter().filter(|object| !object.is_null()).for_each(|object| (api.release)(object));
        spec
    }
}

/// The entry of `gc.callbacks`: `callback(phase, info)`.
extern "C" fn on_collection(_: Object, arguments: *const Object, count: isize) -> Object {
    // SAFETY: a state is never freed.
    let state = unsafe { STATE.load(Ordering::Acquire).as_ref() };
    if let Some(state) = state
        && let Some(gc) = &state.gc
        && count >= 2
    {
        // SAFETY: there are so many arguments, alive until this returns.
        unsafe { state.collection(gc, *arguments, *arguments.add(1)) };
    }
    NONE.load(Ordering::Relaxed)
}

impl State {
    /// A collection begins or ends.
    unsafe fn collection(&self, gc: &GcApi, phase: Object, info: Object) {
        let mut text = [0; 8];
        // SAFETY: the arguments are alive; each is asked only for what its type has.
        unsafe {
            match self.api.text(phase, &mut text) {
                b"start" => self.collecting_since.store(now_ns(), Ordering::Relaxed),
                b"stop" => {
                    let begun = self.collecting_since.swap(0, Ordering::Relaxed);
                    if begun != 0
                        && self.api.type_of(info) == gc.dict_type
                        && let Some(map) = self.file()
                    {
                        let number = |name: &CStr| self.number(gc, info, name);
                        let row = [number(c"generation"), number(c"collected"), number(c"uncollectable")];
                        collected(map, begun, row);
                    }
                }
                _ => {}
            }
        }
    }

    /// A number in what a collection says of itself; 0 if it is not there.
    unsafe fn number(&self, gc: &GcApi, info: Object, name: &CStr) -> u64 {
        // SAFETY: the caller says that it is a dict; what is in it is borrowed for this moment.
        unsafe {
            let value = (gc.dict_get)(info, name.as_ptr());
            let number = if value.is_null() { 0 } else { (gc.long)(value) };
            if !(gc.error)().is_null() {
                (self.api.clear_error)();
            }
            u64::try_from(number).unwrap_or(0)
        }
    }
}

/// Puts a collection into its ring, and counts it.
fn collected(map: Map, begun_ns: u64, [generation, freed, uncollectable]: [u64; 3]) {
    let duration = now_ns().saturating_sub(begun_ns);
    let of = (generation as usize).min(GENERATIONS - 1);
    map.count(header::COLLECTED + of);
    let took = header::COLLECTING_NS + of;
    map.set(took, map.get(took).wrapping_add(duration));
    let number = map.get(header::COLLECTIONS);
    let row = COLLECTIONS_AT + (number as usize % COLLECTIONS) * COLLECTION_WORDS;
    // SAFETY: asks for a number.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) } as u32;
    let whole = number.wrapping_add(1).wrapping_mul(2);
    map.word(row + collection::SEQUENCE).store(whole - 1, Ordering::Relaxed);
    fence(Ordering::Release);
    map.set(row + collection::START, begun_ns);
    map.set(row + collection::DURATION, duration);
    map.set(row + collection::THREAD, pair(of as u32, thread));
    map.set(row + collection::FREED, freed);
    map.set(row + collection::UNCOLLECTABLE, uncollectable);
    map.word(row + collection::SEQUENCE).store(whole, Ordering::Release);
    map.word(header::COLLECTIONS).store(number.wrapping_add(1), Ordering::Release);
}
