//! Where things are in objects: types, dicts, strings, ints and how instances keep their attributes.

use super::Offset;

/// Layouts of the built-in objects that names, locals and modules are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectOffsets {
    /// `PyObject.ob_type`.
    pub ob_type: Offset,
    /// `PyVarObject.ob_size`.
    pub ob_size: Offset,
    /// `PyTypeObject.tp_name`: a C string.
    pub tp_name: Offset,
    /// `PyTypeObject.tp_flags`: fast-subclass bits and `Py_TPFLAGS_INLINE_VALUES`, `_MANAGED_DICT`.
    pub tp_flags: Offset,
    /// `PyTypeObject.tp_basicsize`.
    pub tp_basicsize: Offset,
    /// `PyTypeObject.tp_dictoffset`.
    pub tp_dictoffset: Offset,
    /// `PyHeapTypeObject.ht_cached_keys`.
    pub ht_cached_keys: Offset,
    /// `PyASCIIObject`/`PyUnicodeObject`.
    pub unicode: UnicodeOffsets,
    /// `PyBytesObject.ob_sval`.
    pub bytes_ob_sval: Offset,
    /// `PyTupleObject.ob_item`.
    pub tuple_ob_item: Offset,
    /// `PyListObject.ob_item`: a pointer.
    pub list_ob_item: Offset,
    /// `PyFloatObject.ob_fval`.
    pub float_ob_fval: Offset,
    /// `PyLongObject`.
    pub long: LongOffsets,
    /// `PyDictObject` and its keys.
    pub dict: DictOffsets,
    /// How an instance finds its attributes.
    pub instance_dict: InstanceDict,
    /// `PyTypeObject` and `PyHeapTypeObject`, as far as attribute lookup and its caches need them.
    pub types: TypeOffsets,
    /// `PyFunctionObject`.
    pub function: FunctionOffsets,
    /// `PyModuleObject.md_dict`.
    pub md_dict: Offset,
    /// `PyWeakReference.wr_object`.
    pub wr_object: Offset,
    /// `PyCellObject.ob_ref`.
    pub cell_ob_ref: Offset,
}

/// `PyTypeObject` and `PyHeapTypeObject`, beyond the fields that naming an object needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeOffsets {
    /// `tp_getattro`.
    pub tp_getattro: Offset,
    /// `tp_setattro`.
    pub tp_setattro: Offset,
    /// `tp_dict`: a dict; of static built-in types see [`TypeOffsets::statics`] (3.12+).
    pub tp_dict: Offset,
    /// `tp_descr_get`.
    pub tp_descr_get: Offset,
    /// `tp_descr_set`.
    pub tp_descr_set: Offset,
    /// `tp_new`.
    pub tp_new: Offset,
    /// `tp_mro`: a tuple.
    pub tp_mro: Offset,
    /// `tp_subclasses`: a dict of weak references by address; of static built-in types the index in
    /// [`TypeOffsets::statics`] plus 1 (3.12+).
    pub tp_subclasses: Offset,
    /// `tp_version_tag`, an `unsigned int`.
    pub tp_version_tag: Offset,
    /// The tag means something only while `Py_TPFLAGS_VALID_VERSION_TAG` is set (before 3.13).
    pub tag_needs_flag: bool,
    /// `tp_versions_used`, 2 bytes, and `MAX_VERSIONS_PER_CLASS` (3.13+).
    pub tp_versions_used: Option<(Offset, u16)>,
    /// `ht_qualname`.
    pub ht_qualname: Offset,
    /// Size of the part of a static type that reading needs, up to the end of the last field above.
    pub size: usize,
    /// Where static built-in types keep `tp_dict` and `tp_subclasses` (3.12+).
    pub statics: Option<StaticTypes>,
}

/// Entries of `types.builtins` in `PyInterpreterState`, one for each static built-in type. Where they
/// begin moves between releases of a version, and is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticTypes {
    /// Size of an entry; its first word is the address of the type.
    pub size: usize,
    /// `tp_dict` in an entry.
    pub tp_dict: Offset,
    /// `tp_subclasses` in an entry.
    pub tp_subclasses: Offset,
}

/// `PyFunctionObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionOffsets {
    /// `func_code`.
    pub func_code: Offset,
    /// `func_globals`.
    pub func_globals: Offset,
    /// `func_version`, a `uint32_t` (3.11+).
    pub func_version: Option<Offset>,
}

/// `PyASCIIObject` and `PyCompactUnicodeObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnicodeOffsets {
    /// `length`, in code points.
    pub length: Offset,
    /// `state`: the bit field with `interned`, `kind`, `compact`, `ascii`.
    pub state: Offset,
    /// First bit of `kind` in `state` (`compact` and `ascii` follow after its 3 bits).
    pub kind_shift: u8,
    /// `sizeof(PyASCIIObject)`: where the text of a compact ASCII string begins.
    pub ascii_size: usize,
    /// `sizeof(PyCompactUnicodeObject)`: where other compact text begins.
    pub compact_size: usize,
}

/// `PyLongObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongOffsets {
    /// `ob_size` (sign and digit count, before 3.12) or `long_value.lv_tag`.
    pub size_or_tag: Offset,
    /// Whether the former is `lv_tag` (3.12+).
    pub tagged: bool,
    /// `ob_digit`: digits of 30 bits.
    pub digits: Offset,
}

/// `PyDictObject` and `PyDictKeysObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DictOffsets {
    /// `ma_used`: the number of items.
    pub ma_used: Offset,
    /// `ma_version_tag` (`_ma_watcher_tag` from 3.14 on).
    pub tag: DictTag,
    /// `ma_keys`.
    pub ma_keys: Offset,
    /// `ma_values`.
    pub ma_values: Offset,
    /// Layout of the keys object.
    pub keys: DictKeys,
    /// Offset of the first value behind `ma_values`, in bytes (`PyDictValues.values`).
    pub values_first: Offset,
}

/// The word of a dict that counts what is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DictTag {
    /// Where it is.
    pub offset: Offset,
    /// First bit of the version, which every store changes (before 3.14).
    pub version_shift: Option<u8>,
    /// First of the 4 bits that count stores to a dict which compiled code relies on (3.13+).
    pub mutations_shift: Option<u8>,
}

/// `PyDictKeysObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DictKeys {
    /// 3.8-3.10: `dk_size` is a word, entries always carry the hash.
    Sized {
        /// `dk_size`.
        dk_size: Offset,
        /// `dk_nentries`.
        dk_nentries: Offset,
        /// `dk_indices`; entries follow them.
        dk_indices: Offset,
    },
    /// 3.11+: `dk_log2_size`, `dk_log2_index_bytes`, `dk_kind`; entries of kind 1 and 2 are
    /// (key, value) without the hash.
    Logarithmic {
        /// `dk_log2_size`, a byte.
        dk_log2_size: Offset,
        /// `dk_log2_index_bytes`, a byte.
        dk_log2_index_bytes: Offset,
        /// `dk_kind`, a byte: 0 general, 1 unicode, 2 split.
        dk_kind: Offset,
        /// `dk_version`, a `uint32_t`.
        dk_version: Offset,
        /// `dk_usable`.
        dk_usable: Offset,
        /// `dk_nentries`.
        dk_nentries: Offset,
        /// `dk_indices`; entries follow them.
        dk_indices: Offset,
    },
}

/// How an instance of a Python class finds its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceDict {
    /// `tp_dictoffset` leads to a dict pointer (3.8-3.10).
    Offset,
    /// Before the object: a dict pointer at -3 words, a values pointer at -4 words (3.11).
    ManagedPair,
    /// Before the object at -3 words: a dict pointer, or a values pointer plus 1 (3.12).
    ManagedTagged,
    /// Dict pointer before the object at -3 words (`managed_words` words before, 1 on free-threaded
    /// builds); values inline after `tp_basicsize` when the type has `Py_TPFLAGS_INLINE_VALUES` (3.13+).
    Inline {
        /// Distance of the managed dict pointer before the object, in words.
        managed_words: u8,
    },
}
