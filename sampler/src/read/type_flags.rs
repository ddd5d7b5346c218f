//! The bits of `tp_flags` that are looked at, named as CPython names them after `Py_TPFLAGS_`.
//!
//! A bit that names a version meant nothing, or something else, before it: whoever looks at it makes
//! sure that the version has it.

/// `_Py_TPFLAGS_STATIC_BUILTIN` (3.12+).
pub(crate) const STATIC_BUILTIN: u64 = 1 << 1;
/// `Py_TPFLAGS_INLINE_VALUES` (3.13+).
pub(crate) const INLINE_VALUES: u64 = 1 << 2;
/// `Py_TPFLAGS_MANAGED_DICT` (3.11+).
pub(crate) const MANAGED_DICT: u64 = 1 << 4;
/// `Py_TPFLAGS_IMMUTABLETYPE` (3.10+).
pub(crate) const IMMUTABLETYPE: u64 = 1 << 8;
/// `Py_TPFLAGS_HEAPTYPE`.
pub(crate) const HEAPTYPE: u64 = 1 << 9;
/// `Py_TPFLAGS_READY`.
pub(crate) const READY: u64 = 1 << 12;
/// `Py_TPFLAGS_METHOD_DESCRIPTOR`.
pub(crate) const METHOD_DESCRIPTOR: u64 = 1 << 17;
/// `Py_TPFLAGS_VALID_VERSION_TAG`.
pub(crate) const VALID_VERSION_TAG: u64 = 1 << 19;

// Which built-in type an object is, subclasses included.

/// `Py_TPFLAGS_LONG_SUBCLASS`.
pub(crate) const LONG_SUBCLASS: u64 = 1 << 24;
/// `Py_TPFLAGS_LIST_SUBCLASS`.
pub(crate) const LIST_SUBCLASS: u64 = 1 << 25;
/// `Py_TPFLAGS_TUPLE_SUBCLASS`.
pub(crate) const TUPLE_SUBCLASS: u64 = 1 << 26;
/// `Py_TPFLAGS_BYTES_SUBCLASS`.
pub(crate) const BYTES_SUBCLASS: u64 = 1 << 27;
/// `Py_TPFLAGS_UNICODE_SUBCLASS`.
pub(crate) const UNICODE_SUBCLASS: u64 = 1 << 28;
/// `Py_TPFLAGS_DICT_SUBCLASS`.
pub(crate) const DICT_SUBCLASS: u64 = 1 << 29;
/// `Py_TPFLAGS_TYPE_SUBCLASS`.
pub(crate) const TYPE_SUBCLASS: u64 = 1 << 31;
