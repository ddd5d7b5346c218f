//! The two ways in.
//!
//! *From the start* (`run --exact`): the dynamic linker loads the library because the environment says so, and
//! calls [`start`] before the program begins. In a program that is not Python nothing happens, so that a shell
//! hands the environment on to what it starts. In Python the environment is put back as it was, and the entry of
//! `posix` in `PyImport_Inittab`, the documented table of built-in modules, is replaced by a function that
//! calls the original and then installs the hooks: the import system loads `posix` when it sets itself up, before
//! any code of the program. Nothing of this stays behind; in particular no audit hook, which would make every
//! later audit event (`id()` is one) build its arguments.
//!
//! *Later* (`attach --exact`): the interpreter runs a script that loads the library as an extension module.
//! [`PyInit_slowpath_hooks`] installs the hooks and then says that there is no module, so none is left.

use std::ffi::{CStr, CString, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicPtr, Ordering};

use slowpath_events::environment::{ATTRIBUTE, PRELOAD, VARIABLE, told, without};
use slowpath_events::layout::status;

use crate::install::{decline, install, judge, remove};
use crate::python::{Api, Object, symbol};

/// The built-in module whose loading is the moment to install.
const MOMENT: &CStr = c"posix";
/// Most built-in modules.
const MAX_MODULES: usize = 4096;
/// Longest wish.
const MAX_WISH: usize = 512;

type Init = unsafe extern "C" fn() -> Object;

/// `struct _inittab`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    name: *const c_char,
    init: Option<Init>,
}

/// The directory, the flag `c` before it if children write files too; null if nothing is wished.
static DIRECTORY: AtomicPtr<CString> = AtomicPtr::new(std::ptr::null_mut());
static ORIGINAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

/// Called by the dynamic linker when the library is loaded.
extern "C" fn start() {
    let Some(value) = variable(VARIABLE) else { return };
    if symbol(c"PyImport_GetModuleDict").is_none() {
        return;
    }
    let told = told(&value);
    restore(told.is_some_and(|told| told.had_preload));
    let Some(told) = told else { return };
    match judge() {
        Ok(_) => {}
        Err(why) => return decline(told.directory, why),
    }
    let mut wish = if told.children { b"c".to_vec() } else { Vec::new() };
    wish.extend_from_slice(told.directory);
    let Ok(wish) = CString::new(wish) else { return };
    DIRECTORY.store(Box::leak(Box::new(wish)), Ordering::Relaxed);
    if !replace() {
        decline(told.directory, status::UNKNOWN_LAYOUT);
    }
}

fn variable(name: &str) -> Option<Vec<u8>> {
    std::env::var_os(name).map(|value| value.as_bytes().to_vec())
}

/// Puts the environment back as it was.
#[expect(clippy::disallowed_methods, reason = "the program itself is to find it so, and has not begun")]
fn restore(had_preload: bool) {
    let list = variable(PRELOAD);
    let kept = list.as_deref().and_then(|list| without(list, &own_path(), had_preload));
    // SAFETY: no other thread of this process runs yet.
    unsafe {
        std::env::remove_var(VARIABLE);
        match kept {
            Some(kept) => std::env::set_var(PRELOAD, OsStr::from_bytes(&kept)),
            None => std::env::remove_var(PRELOAD),
        }
    }
}

/// The path that this library was loaded by.
fn own_path() -> Vec<u8> {
    // SAFETY: all zeros is a value of this structure of pointers.
    let mut found: libc::Dl_info = unsafe { std::mem::zeroed() };
    let own: extern "C" fn() = start;
    // SAFETY: the address is one of our functions; what is found lives as long as the library.
    unsafe {
        if libc::dladdr(own as *const c_void, &mut found) == 0 || found.dli_fname.is_null() {
            return Vec::new();
        }
        CStr::from_ptr(found.dli_fname).to_bytes().to_vec()
    }
}

/// Replaces the entry of the module in a copy of the table.
fn replace() -> bool {
    let Some(place) = symbol(c"PyImport_Inittab") else { return false };
    let place: *mut *const Entry = place.cast();
    // SAFETY: `PyImport_Inittab` points to entries up to one without a name, and may be set before the
    // interpreter is initialised, which it is not before the program has begun.
    unsafe {
        let table = place.read();
        if table.is_null() {
            return false;
        }
        let mut copy = Vec::new();
        let mut replaced = false;
        for at in 0..MAX_MODULES {
            let mut entry = table.add(at).read();
            if !entry.name.is_null()
                && CStr::from_ptr(entry.name) == MOMENT
                && let Some(original) = entry.init
            {
                ORIGINAL.store(original as *mut c_void, Ordering::Relaxed);
                entry.init = Some(moment);
                replaced = true;
            }
            copy.push(entry);
            if entry.name.is_null() {
                break;
            }
        }
        if replaced {
            place.write(Vec::leak(copy).as_ptr());
        }
        replaced
    }
}

/// In place of the module's own function.
unsafe extern "C" fn moment() -> Object {
    let original = ORIGINAL.load(Ordering::Relaxed);
    // SAFETY: it was the function of this entry; the interpreter calls with its GIL held.
    unsafe {
        let module = std::mem::transmute::<*mut c_void, Init>(original)();
        if let Some(wish) = DIRECTORY.load(Ordering::Relaxed).as_ref() {
            let wish = wish.as_bytes();
            let children = wish.first() == Some(&b'c');
            install(wish.strip_prefix(b"c").unwrap_or(wish), children);
        }
        module
    }
}

/// What the script wants: a directory (after `c`, if children are to write files too), or `-` for the end. It says so
/// in an attribute of `sys`, which it takes away again.
unsafe fn wish(api: &Api) -> Option<Vec<u8>> {
    let mut text = [0; MAX_WISH];
    // SAFETY: the caller is attached; the object is borrowed from `sys` for as long as this takes.
    let text = unsafe { api.text((api.sys_object)(ATTRIBUTE.as_ptr()), &mut text) };
    (1..MAX_WISH).contains(&text.len()).then(|| text.to_vec())
}

/// Loaded as an extension module by the script of `attach --exact`.
///
/// # Safety
/// To be called by the import system.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit_slowpath_hooks() -> Object {
    let Some(api) = Api::find() else { return std::ptr::null_mut() };
    // SAFETY: the interpreter calls with its GIL held.
    unsafe {
        match wish(&api) {
            Some(wish) if wish == b"-" => remove(),
            Some(wish) if wish.first() == Some(&b'c') => install(&wish[1..], true),
            Some(wish) => install(&wish, false),
            None => {}
        }
        let error = api.import_error.cast::<Object>().read();
        (api.set_error)(error, c"the hooks are no module".as_ptr());
    }
    std::ptr::null_mut()
}
