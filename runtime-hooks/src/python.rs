//! The C API of the process that we are in, looked up by name.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};

/// A `PyObject *`, or another pointer of CPython.
pub(crate) type Object = *mut c_void;

/// `PyDict_WatchCallback`.
pub(crate) type DictCallback = extern "C" fn(c_int, Object, Object, Object) -> c_int;
/// `PyType_WatchCallback`.
pub(crate) type TypeCallback = extern "C" fn(Object) -> c_int;
/// `PyFunction_WatchCallback`.
pub(crate) type FunctionCallback = extern "C" fn(c_int, Object, Object) -> c_int;
/// `PyCode_WatchCallback`.
pub(crate) type CodeCallback = extern "C" fn(c_int, Object) -> c_int;

/// The address of a symbol in the process.
pub(crate) fn symbol(name: &CStr) -> Option<Object> {
    // SAFETY: the name ends with a zero byte; looking a name up has no other requirement.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

macro_rules! api {
    (
        $(#[$about:meta])*
        $api:ident
        functions { $($function:ident: $kind:ty = $($name:literal)|+;)* }
        data { $($data:ident = $data_name:literal;)* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy)]
        pub(crate) struct $api {
            $(pub(crate) $function: $kind,)*
            $(pub(crate) $data: Object,)*
        }

        impl $api {
            /// Looks all of it up; `None` if something is missing.
            pub(crate) fn find() -> Option<Self> {
                Some(Self {
                    $($function: {
                        let found = None$(.or_else(|| symbol($name)))+?;
                        // SAFETY: CPython documents the function of this name with this signature.
                        unsafe { std::mem::transmute::<Object, $kind>(found) }
                    },)*
                    $($data: symbol($data_name)?,)*
                })
            }
        }
    };
}

api! {
    /// What is used of the C API.
    Api
    functions {
        thread_state: unsafe extern "C" fn() -> *const u8 = c"PyThreadState_GetUnchecked" | c"_PyThreadState_UncheckedGet";
        interpreter: unsafe extern "C" fn() -> Object = c"PyInterpreterState_Get";
        main_interpreter: unsafe extern "C" fn() -> Object = c"PyInterpreterState_Main";
        dict_add_watcher: unsafe extern "C" fn(DictCallback) -> c_int = c"PyDict_AddWatcher";
        dict_clear_watcher: unsafe extern "C" fn(c_int) -> c_int = c"PyDict_ClearWatcher";
        dict_watch: unsafe extern "C" fn(c_int, Object) -> c_int = c"PyDict_Watch";
        dict_next: unsafe extern "C" fn(Object, *mut isize, *mut Object, *mut Object) -> c_int = c"PyDict_Next";
        type_add_watcher: unsafe extern "C" fn(TypeCallback) -> c_int = c"PyType_AddWatcher";
        type_clear_watcher: unsafe extern "C" fn(c_int) -> c_int = c"PyType_ClearWatcher";
        type_watch: unsafe extern "C" fn(c_int, Object) -> c_int = c"PyType_Watch";
        type_dict: unsafe extern "C" fn(Object) -> Object = c"PyType_GetDict";
        type_flags: unsafe extern "C" fn(Object) -> c_ulong = c"PyType_GetFlags";
        type_qualname: unsafe extern "C" fn(Object) -> Object = c"PyType_GetQualName";
        type_is_subtype: unsafe extern "C" fn(Object, Object) -> c_int = c"PyType_IsSubtype";
        function_add_watcher: unsafe extern "C" fn(FunctionCallback) -> c_int = c"PyFunction_AddWatcher";
        function_clear_watcher: unsafe extern "C" fn(c_int) -> c_int = c"PyFunction_ClearWatcher";
        function_code: unsafe extern "C" fn(Object) -> Object = c"PyFunction_GetCode";
        code_add_watcher: unsafe extern "C" fn(CodeCallback) -> c_int = c"PyCode_AddWatcher";
        code_clear_watcher: unsafe extern "C" fn(c_int) -> c_int = c"PyCode_ClearWatcher";
        code_line: unsafe extern "C" fn(Object, c_int) -> c_int = c"PyCode_Addr2Line";
        modules: unsafe extern "C" fn() -> Object = c"PyImport_GetModuleDict";
        module_dict: unsafe extern "C" fn(Object) -> Object = c"PyModule_GetDict";
        string_length: unsafe extern "C" fn(Object) -> isize = c"PyUnicode_GetLength";
        string_char: unsafe extern "C" fn(Object, isize) -> c_uint = c"PyUnicode_ReadChar";
        sys_object: unsafe extern "C" fn(*const c_char) -> Object = c"PySys_GetObject";
        release: unsafe extern "C" fn(Object) = c"Py_DecRef";
        clear_error: unsafe extern "C" fn() = c"PyErr_Clear";
        set_error: unsafe extern "C" fn(Object, *const c_char) = c"PyErr_SetString";
    }
    data {
        code_type = c"PyCode_Type";
        module_type = c"PyModule_Type";
        type_type = c"PyType_Type";
        string_type = c"PyUnicode_Type";
        import_error = c"PyExc_ImportError";
        runtime = c"_PyRuntime";
    }
}

api! {
    /// What is used of it to be told of garbage collections.
    GcApi
    functions {
        gc_definition: unsafe extern "C" fn() -> Object = c"PyInit_gc";
        make_module: unsafe extern "C" fn(Object, Object, c_int) -> Object = c"PyModule_FromDefAndSpec2";
        execute: unsafe extern "C" fn(Object, Object) -> c_int = c"PyModule_ExecDef";
        attribute: unsafe extern "C" fn(Object, *const c_char) -> Object = c"PyObject_GetAttrString";
        call: unsafe extern "C" fn(Object, Object, Object) -> Object = c"PyObject_Call";
        make_tuple: unsafe extern "C" fn(isize) -> Object = c"PyTuple_New";
        make_dict: unsafe extern "C" fn() -> Object = c"PyDict_New";
        make_string: unsafe extern "C" fn(*const c_char) -> Object = c"PyUnicode_FromString";
        dict_set: unsafe extern "C" fn(Object, *const c_char, Object) -> c_int = c"PyDict_SetItemString";
        dict_get: unsafe extern "C" fn(Object, *const c_char) -> Object = c"PyDict_GetItemString";
        long: unsafe extern "C" fn(Object) -> c_long = c"PyLong_AsLong";
        make_function: unsafe extern "C" fn(*const Method, Object, Object) -> Object = c"PyCFunction_NewEx";
        function: unsafe extern "C" fn(Object) -> Object = c"PyCFunction_GetFunction";
        list_append: unsafe extern "C" fn(Object, Object) -> c_int = c"PyList_Append";
        list_len: unsafe extern "C" fn(Object) -> isize = c"PyList_Size";
        list_get: unsafe extern "C" fn(Object, isize) -> Object = c"PyList_GetItem";
        list_set: unsafe extern "C" fn(Object, isize, isize, Object) -> c_int = c"PyList_SetSlice";
        error: unsafe extern "C" fn() -> Object = c"PyErr_Occurred";
    }
    data {
        function_type = c"PyCFunction_Type";
        list_type = c"PyList_Type";
        dict_type = c"PyDict_Type";
        none = c"_Py_NoneStruct";
    }
}

/// `PyMethodDef`.
#[repr(C)]
pub(crate) struct Method {
    pub(crate) name: *const c_char,
    pub(crate) function: extern "C" fn(Object, *const Object, isize) -> Object,
    pub(crate) flags: c_int,
    pub(crate) about: *const c_char,
}

// SAFETY: it is never written to, and what it points to is constant.
unsafe impl Sync for Method {}

/// `PyObject.ob_type`, the same in every build that keeps a GIL.
pub(crate) const OB_TYPE: usize = 8;
/// `PyTypeObject.tp_flags`; [`Api::knows_flags`] makes sure.
const TP_FLAGS: usize = 168;
/// `PyASCIIObject.hash`: behind `ob_base` and `length`.
pub(crate) const HASH: usize = 24;
/// `Py_TPFLAGS_TYPE_SUBCLASS`, `Py_TPFLAGS_UNICODE_SUBCLASS`, `Py_TPFLAGS_HEAPTYPE`.
const IS_TYPE: u64 = 1 << 31;
const IS_STRING: u64 = 1 << 28;
const IS_HEAP: u64 = 1 << 9;

/// The word at `offset` from an address.
///
/// # Safety
/// There must be a readable, aligned word.
#[inline]
pub(crate) unsafe fn word(address: *const u8, offset: usize) -> usize {
    // SAFETY: the caller says so.
    unsafe { address.add(offset).cast::<usize>().read() }
}

impl Api {
    /// `Py_TYPE(object)`.
    ///
    /// # Safety
    /// `object` must be alive.
    #[inline]
    pub(crate) unsafe fn type_of(&self, object: Object) -> Object {
        // SAFETY: every object begins with its reference count and its type.
        unsafe { word(object.cast(), OB_TYPE) as Object }
    }

    /// Whether flags of types are where they are looked for.
    pub(crate) fn knows_flags(&self) -> bool {
        [self.type_type, self.string_type, self.code_type].iter().all(|ty| {
            // SAFETY: these are static types of the interpreter, larger than what is read.
            unsafe { word(ty.cast(), TP_FLAGS) as u64 == (self.type_flags)(*ty) }
        })
    }

    #[inline]
    unsafe fn flags_of_type_of(&self, object: Object) -> u64 {
        // SAFETY: the caller says that the object is alive, so its type is.
        unsafe { word(self.type_of(object).cast(), TP_FLAGS) as u64 }
    }

    /// Whether it is a class made by a `class` statement, or alike.
    ///
    /// # Safety
    /// `object` must be alive.
    #[inline]
    pub(crate) unsafe fn is_heap_class(&self, object: Object) -> bool {
        // SAFETY: the caller says that it is alive; only a type is asked for its own flags.
        unsafe {
            self.flags_of_type_of(object) & IS_TYPE != 0
                && word(object.cast(), TP_FLAGS) as u64 & IS_HEAP != 0
        }
    }

    /// Whether it is a string.
    ///
    /// # Safety
    /// `object` must be alive.
    #[inline]
    pub(crate) unsafe fn is_string(&self, object: Object) -> bool {
        // SAFETY: as the caller says.
        unsafe { self.flags_of_type_of(object) & IS_STRING != 0 }
    }

    /// Whether it is a module.
    ///
    /// # Safety
    /// `object` must be alive.
    pub(crate) unsafe fn is_module(&self, object: Object) -> bool {
        // SAFETY: as the caller says; both types are alive.
        unsafe {
            let ty = self.type_of(object);
            ty == self.module_type || (self.type_is_subtype)(ty, self.module_type) != 0
        }
    }

    /// The hash of a string of the very type `str`, which it has once it was a key; 0 for anything else.
    ///
    /// # Safety
    /// `key` must be alive.
    #[inline]
    pub(crate) unsafe fn hash_of(&self, key: Object) -> usize {
        // SAFETY: the caller says that it is alive; only a string is asked for more than its type.
        unsafe {
            match self.type_of(key) == self.string_type {
                true => word(key.cast(), HASH),
                false => 0,
            }
        }
    }

    /// Whether it lives as long as the interpreter does: the low half of its reference count is negative (3.12+).
    ///
    /// # Safety
    /// `object` must be alive.
    pub(crate) unsafe fn is_immortal(&self, object: Object) -> bool {
        // SAFETY: every object begins with its reference count.
        unsafe { (word(object.cast(), 0) as u32).cast_signed() < 0 }
    }

    /// What tells keys apart: the hash of a string, which a dict has computed before it calls anybody, else
    /// the address.
    ///
    /// # Safety
    /// `key` must be alive or null.
    #[inline]
    pub(crate) unsafe fn key_id(&self, key: Object) -> u64 {
        if key.is_null() {
            return 0;
        }
        // SAFETY: the caller says that it is alive; only a string has the hash there.
        let hash = unsafe {
            match self.is_string(key) {
                true => word(key.cast(), HASH) as u64,
                false => 0,
            }
        };
        if matches!(hash, 0 | u64::MAX) { key as u64 } else { hash }
    }

    /// Copies the text of a string, cut to what `buffer` takes; nothing for anything else.
    ///
    /// # Safety
    /// `string` must be alive or null.
    pub(crate) unsafe fn text<'b>(&self, string: Object, buffer: &'b mut [u8]) -> &'b [u8] {
        let mut used = 0;
        // SAFETY: the caller says that it is alive; it is asked as a string only if it is one, within its length.
        unsafe {
            let is_string = !string.is_null() && self.is_string(string);
            let length = if is_string { (self.string_length)(string) } else { 0 };
            for at in 0..length {
                // Surrogates, which UTF-8 does not have, become question marks.
                let char = char::from_u32((self.string_char)(string, at)).unwrap_or('?');
                let Some(rest) = buffer.get_mut(used..).filter(|rest| rest.len() >= char.len_utf8()) else {
                    break;
                };
                used += char.encode_utf8(rest).len();
            }
        }
        &buffer[..used]
    }
}

/// `PY_VERSION_HEX` of the process, as far as it says: `Py_Version` (3.11+).
pub(crate) fn version() -> u64 {
    // SAFETY: `Py_Version` is a constant of type unsigned long.
    symbol(c"Py_Version").map_or(0, |address| unsafe { address.cast::<c_ulong>().read() })
}
