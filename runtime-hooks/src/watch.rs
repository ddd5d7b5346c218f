//! What the interpreter calls.

use std::ffi::c_int;
use std::sync::atomic::{AtomicPtr, Ordering};

use slowpath_events::layout::{header, kind, object};

use crate::cache::{CACHE, Write};
use crate::file::Map;
use crate::python::{HASH, OB_TYPE, Object, word};
use crate::record::State;
use crate::writer::QUICK;

/// `PyDict_EVENT_DEALLOCATED`.
const DEALLOCATED: c_int = 5;
/// `PyFunction_EVENT_DESTROY`, `_MODIFY_CODE`, `_MODIFY_DEFAULTS`, `_MODIFY_KWDEFAULTS`.
const FUNCTION_DESTROY: c_int = 1;
const FUNCTION_KINDS: [(c_int, u8); 3] = [(2, kind::CODE), (3, kind::DEFAULTS), (4, kind::KWDEFAULTS)];
/// `PY_CODE_EVENT_DESTROY`.
const CODE_DESTROY: c_int = 1;
const NULL: Object = std::ptr::null_mut();
/// Names of a class or a module that are looked through for another.
const MAX_NAMES: usize = 65_536;
/// Classes within classes are followed so deep.
const MAX_NESTED: usize = 8;

/// What the hooks know; null before they are in and after they are out.
pub(crate) static STATE: AtomicPtr<State> = AtomicPtr::new(std::ptr::null_mut());

#[inline]
fn state() -> Option<&'static State> {
    // SAFETY: a state is never freed.
    unsafe { STATE.load(Ordering::Acquire).as_ref() }
}

/// The same with the file.
fn with_file() -> Option<(&'static State, Map)> {
    let state = state()?;
    Some((state, state.file()?))
}

/// `PyDict_WatchCallback` where [`QUICK`] is prepared: most writes need no more than this, and it calls nothing.
pub(crate) extern "C" fn on_dict_quickly(event: c_int, dict: Object, key: Object, value: Object) -> c_int {
    let write = Write { object: dict, key, kind: event as u8 };
    // SAFETY: the interpreter calls with objects that are alive, and null where there is none.
    unsafe {
        if let Some(line) = CACHE.find(QUICK.instruction(), write) {
            let ty = if value.is_null() { 0 } else { word(value.cast(), OB_TYPE) };
            let is_it = || {
                word(key.cast(), OB_TYPE) == QUICK.string_type.load(Ordering::Relaxed)
                    && word(key.cast(), HASH) == line.key_id()
            };
            if (line.key_id() == 0 || is_it()) && line.count_quickly(ty) {
                return 0;
            }
        }
    }
    on_dict(event, dict, key, value)
}

/// `PyDict_WatchCallback`.
#[inline(never)]
pub(crate) extern "C" fn on_dict(event: c_int, dict: Object, key: Object, value: Object) -> c_int {
    let Some(state) = state() else { return 0 };
    // SAFETY: the interpreter calls with objects that are alive, and null where there is none.
    unsafe {
        if !state.write_again(Write { object: dict, key, kind: event as u8 }, value) {
            on_dict_slowly(state, event, dict, key, value);
        }
    }
    0
}

#[inline(never)]
unsafe fn on_dict_slowly(state: &State, event: c_int, dict: Object, key: Object, value: Object) {
    let Some(map) = state.file() else { return };
    // SAFETY: as the caller says.
    unsafe {
        match event {
            _ if dict == state.modules.load(Ordering::Relaxed) => state.imported(map, event, key, value),
            DEALLOCATED => state.forget(map, dict),
            0..DEALLOCATED => {
                // The key of these is another dict, or none.
                let key = if event >= c_int::from(kind::CLONED) { NULL } else { key };
                let value = if key.is_null() { NULL } else { value };
                state.write(map, Write { object: dict, key, kind: event as u8 }, value);
            }
            _ => {}
        }
    }
}

/// `PyType_WatchCallback`.
pub(crate) extern "C" fn on_type(ty: Object) -> c_int {
    written(ty, kind::VERSION);
    0
}

fn written(object: Object, kind: u8) {
    let Some(state) = state() else { return };
    let write = Write { object, key: NULL, kind };
    // SAFETY: called by a watcher, with an object that is alive.
    unsafe {
        if !state.write_again(write, NULL)
            && let Some(map) = state.file()
        {
            state.write(map, write, NULL);
        }
    }
}

/// `PyFunction_WatchCallback`.
pub(crate) extern "C" fn on_function(event: c_int, function: Object, _: Object) -> c_int {
    // Functions are made all the time.
    if event == 0 {
        return 0;
    }
    if event == FUNCTION_DESTROY {
        state().into_iter().for_each(|state| state.forget_function(function));
    } else if let Some((_, kind)) = FUNCTION_KINDS.iter().find(|(number, _)| *number == event) {
        written(function, *kind);
    }
    0
}

/// `PyCode_WatchCallback`.
pub(crate) extern "C" fn on_code(event: c_int, code: Object) -> c_int {
    if event == CODE_DESTROY
        && let Some((state, map)) = with_file()
    {
        state.forget_code(map, code);
    }
    0
}

impl State {
    fn id(&self, at: usize) -> Option<c_int> {
        Some(self.ids[at].load(Ordering::Relaxed)).filter(|id| *id >= 0)
    }

    /// Something happened to `sys.modules`.
    #[cold]
    unsafe fn imported(&self, map: Map, event: c_int, key: Object, value: Object) {
        if event > c_int::from(kind::MODIFIED) || key.is_null() || value.is_null() {
            return;
        }
        // SAFETY: the interpreter calls with objects that are alive; the frame is that of this thread.
        unsafe {
            // The import system takes a module out and puts it in again when it has run.
            let Some(is_new) = self.watch_module(map, key, value) else { return };
            let name = self.name(map, key);
            let place = self.offsets.here(&self.api);
            self.event(map, kind::IMPORT, name, if is_new { 1 } else { 2 }, place);
        }
    }

    /// Watches a module and its classes; whether it was not watched before, `None` if it is no module.
    ///
    /// # Safety
    /// Both objects must be alive, and the caller attached.
    pub(crate) unsafe fn watch_module(&self, map: Map, name: Object, module: Object) -> Option<bool> {
        // SAFETY: as the caller says; the dict is that of a module.
        unsafe {
            if !self.api.is_string(name) || !self.api.is_module(module) {
                return None;
            }
            let dict = (self.api.module_dict)(module);
            if dict.is_null() {
                return None;
            }
            if self.object(map, dict).is_some() {
                return Some(false);
            }
            let mut text = [0; 16];
            let text = self.api.text(name, &mut text);
            let kind = match text {
                b"builtins" => object::BUILTINS,
                _ => object::MODULE,
            };
            if text == b"__main__" {
                self.main.store(dict, Ordering::Relaxed);
            }
            let name = self.name(map, name);
            if self.enter(map, dict, kind, (name, 0)).is_some() {
                self.watch_dict(map, dict);
            }
            self.each(dict, |_, value| {
                if self.api.is_heap_class(value) {
                    self.watch_class(map, value, 0);
                }
            });
            Some(true)
        }
    }

    /// Watches `sys.modules` and all that is in it.
    ///
    /// # Safety
    /// `modules` must be that dict, and the caller attached.
    pub(crate) unsafe fn watch_modules(&self, map: Map, modules: Object) {
        self.modules.store(modules, Ordering::Relaxed);
        // SAFETY: as the caller says.
        unsafe {
            self.watch_dict(map, modules);
            self.each(modules, |name, module| {
                self.watch_module(map, name, module);
            });
        }
    }

    unsafe fn watch_dict(&self, map: Map, dict: Object) {
        // SAFETY: the caller says that it is a dict and alive; the id is that of a watcher.
        if self.id(0).is_none_or(|id| unsafe { (self.api.dict_watch)(id, dict) } != 0) {
            map.count(header::UNWATCHED);
        }
    }

    /// Watches a class, its attributes and the classes among them.
    ///
    /// # Safety
    /// It must be alive, and the caller attached.
    pub(crate) unsafe fn watch_class(&self, map: Map, class: Object, depth: usize) {
        if depth > MAX_NESTED || self.object(map, class).is_some() {
            return;
        }
        // SAFETY: the caller says that it is a class and alive. Its dict is borrowed from it: what is returned is
        // given back while the class still holds it.
        unsafe {
            let dict = (self.api.type_dict)(class);
            if dict.is_null() {
                return;
            }
            (self.api.release)(dict);
            let qualname = (self.api.type_qualname)(class);
            let mut text = [0; 256];
            let text = self.api.text(qualname, &mut text);
            if !qualname.is_null() {
                (self.api.release)(qualname);
            }
            let mut module = 0;
            self.each(dict, |key, value| {
                let mut text = [0; 16];
                if module == 0 && self.api.text(key, &mut text) == b"__module__" {
                    module = self.name(map, value);
                }
            });
            let names = (map.keep(text), module);
            // The dict must come next: `State::forget` relies on it.
            if self.enter(map, class, object::CLASS, names).is_none()
                || self.enter(map, dict, object::CLASS_DICT, names).is_none()
            {
                return;
            }
            if self.id(1).is_some_and(|id| (self.api.type_watch)(id, class) != 0) {
                map.count(header::UNWATCHED);
            }
            self.watch_dict(map, dict);
            self.each(dict, |_, value| {
                if self.api.is_heap_class(value) {
                    self.watch_class(map, value, depth + 1);
                }
            });
        }
    }

    /// Goes through a dict.
    unsafe fn each(&self, dict: Object, mut found: impl FnMut(Object, Object)) {
        let (mut at, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
        for _ in 0..MAX_NAMES {
            // SAFETY: the caller says that it is a dict and alive; nothing changes it meanwhile.
            if unsafe { (self.api.dict_next)(dict, &mut at, &mut key, &mut value) } == 0 {
                break;
            }
            found(key, value);
        }
    }
}
