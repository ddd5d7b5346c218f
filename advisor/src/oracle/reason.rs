//! Why an instruction cannot be specialised: the clauses of the decision, each with one sentence.

/// The clause that says no. The names follow `SPEC_FAIL_*` of CPython where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The class has used up its version tags.
    OutOfVersions,
    /// The interpreter has used up the versions of dict keys.
    KeysOutOfVersions,
    /// A dict of globals has a key that is not a string.
    NonStringKeys,
    /// The class has a Python `__getattribute__`, or a native type finds attributes its own way.
    Overridden,
    /// The class has a Python `__getattr__`.
    HasGetattr,
    /// The class has a Python `__setattr__`.
    HasSetattr,
    /// The module has a `__getattr__`, or lacks the name.
    ModuleGetattr,
    /// The attribute is computed by native code.
    NativeDescriptor,
    /// The attribute is a property, for which there is no form here.
    Property,
    /// What the class holds is an object of a Python class, which may become a descriptor.
    MutableClass,
    /// `functools.cached_property`, which is such an object.
    CachedProperty,
    /// A descriptor written in Python.
    PythonDescriptor,
    /// The class holds a value of the name of an instance attribute.
    ClassValue,
    /// A value of the class is read through an instance.
    ClassValueRead,
    /// An instance attribute hides a method.
    MethodShadowed,
    /// A `classmethod` or `staticmethod` is read through an instance.
    WrappedMethod,
    /// The class of the class is not `type`.
    Metaclass,
    /// The instance has a dict beside its values.
    SplitDict,
    /// The instance has a dict of its own, which lacks what the form relies on.
    OwnDict,
    /// The name is not among those that instances share.
    NotInKeys,
    /// The type lays out attributes in its own way.
    NotManagedDict,
    /// Something replaces the evaluation of frames.
    EvalFrameHook,
    /// The function was modified at run time.
    FunctionModified,
    /// An object with a Python `__call__`.
    CallableObject,
    /// A `functools.partial`.
    Partial,
    /// A class whose class is not `type` is called.
    MetaclassCall,
    /// A class with a `__new__` of its own is called.
    OwnNew,
    /// A class whose `__init__` takes `*args`, `**kwargs` or keyword-only arguments is called.
    ComplexInit,
    /// The operands are of different types.
    DifferentTypes,
    /// No form for operands of these types.
    OtherTypes,
    /// Tuples, or other objects that compare element by element.
    TupleCompare,
    /// An integer of 30 bits or more.
    BigInt,
    /// A negative index.
    NegativeIndex,
    /// A subclass of `dict`.
    DictSubclass,
    /// A Python `__getitem__`.
    PythonGetitem,
    /// `in` searches a list or tuple from its beginning.
    LinearSearch,
    /// `in` asks an object of another kind.
    OtherContainer,
    /// A Python `__bool__` or `__len__`.
    PythonTruth,
    /// An iterator with a Python `__next__`.
    PythonIterator,
    /// What is unpacked is neither a tuple nor a list.
    OtherUnpacked,
}

impl Reason {
    /// One plain sentence, without full stop.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::OutOfVersions => {
                "the class was modified so often that the interpreter no longer caches anything about it"
            }
            Self::KeysOutOfVersions => "the interpreter has no version numbers left for dicts",
            Self::NonStringKeys => "the dict holds a key that is not a string",
            Self::Overridden => "each lookup runs code that replaces the normal way to find attributes",
            Self::HasGetattr => {
                "the class has a __getattr__, which is asked, or which this version cannot see through"
            }
            Self::HasSetattr => "each assignment runs a __setattr__",
            Self::ModuleGetattr => "the module answers through its __getattr__",
            Self::NativeDescriptor => "the attribute is computed by native code at each read",
            Self::Property => "the attribute is a property, which this version calls the slow way",
            Self::MutableClass => {
                "the class holds an object under this name whose own class could change at any time"
            }
            Self::CachedProperty => {
                "cached_property is asked again at each read, even when the value is there"
            }
            Self::PythonDescriptor => "a descriptor written in Python runs at each use",
            Self::ClassValue => "the class holds a value of the same name, so each use must look at both",
            Self::ClassValueRead => "a value of the class is read through an instance",
            Self::MethodShadowed => "an attribute of the instance hides the method of its class",
            Self::WrappedMethod => "a classmethod or staticmethod is looked up through an instance",
            Self::Metaclass => "the class has a metaclass, which this version cannot see through",
            Self::SplitDict => "the object got a __dict__, so its attributes are no longer found by position",
            Self::OwnDict => "the __dict__ of the object was replaced or filled in one go",
            Self::NotInKeys => "the attribute is not among those that objects of this class share",
            Self::NotManagedDict => "objects of this type keep their attributes in another way",
            Self::EvalFrameHook => "something replaces the way in which functions are run",
            Self::FunctionModified => {
                "the function was modified at run time, which ends its caching for ever"
            }
            Self::CallableObject => "what is called is an object with a __call__, found anew each time",
            Self::Partial => "what is called is a partial, which builds a new argument list each time",
            Self::MetaclassCall => "the class has a metaclass, so that making an object is a general call",
            Self::OwnNew => "the class has its own __new__, so that making an object is a general call",
            Self::ComplexInit => "its __init__ takes *args, **kwargs or keyword-only arguments",
            Self::DifferentTypes => "the two sides are of different types",
            Self::OtherTypes => "there is no fast form for these types",
            Self::TupleCompare => "the values are compared element by element",
            Self::BigInt => "the integers are too large for the fast form",
            Self::NegativeIndex => "the index is negative",
            Self::DictSubclass => "the container is a subclass of dict",
            Self::PythonGetitem => "each subscript runs a __getitem__ written in Python",
            Self::LinearSearch => "the elements are compared one by one until one is equal",
            Self::OtherContainer => "the container has no fast form for this test",
            Self::PythonTruth => "each test runs a __bool__ or __len__ written in Python",
            Self::PythonIterator => "each step runs a __next__ written in Python",
            Self::OtherUnpacked => "what is unpacked is neither a tuple nor a list",
        }
    }

    /// As CPython's statistics would call it.
    pub fn code(self) -> &'static str {
        match self {
            Self::OutOfVersions | Self::KeysOutOfVersions => "OUT_OF_VERSIONS",
            Self::NonStringKeys => "NON_STRING",
            Self::Overridden | Self::HasGetattr | Self::HasSetattr => "OVERRIDDEN",
            Self::ModuleGetattr => "MODULE_ATTR_NOT_FOUND",
            Self::NativeDescriptor => "OVERRIDING_DESCRIPTOR",
            Self::Property => "PROPERTY",
            Self::MutableClass | Self::CachedProperty | Self::PythonDescriptor => "MUTABLE_CLASS",
            Self::ClassValue | Self::ClassValueRead => "CLASS_ATTR_SIMPLE",
            Self::MethodShadowed => "SHADOWED",
            Self::WrappedMethod => "CLASS_ATTR_DESCRIPTOR",
            Self::Metaclass => "METACLASS_ATTRIBUTE",
            Self::SplitDict => "SPLIT_DICT",
            Self::OwnDict => "NOT_IN_DICT",
            Self::NotInKeys => "NOT_IN_KEYS",
            Self::NotManagedDict => "NOT_MANAGED_DICT",
            Self::EvalFrameHook => "PEP_523",
            Self::FunctionModified => "OUT_OF_VERSIONS",
            Self::CallableObject | Self::Partial => "OTHER",
            Self::MetaclassCall => "METACLASS",
            Self::OwnNew => "OVERRIDDEN",
            Self::ComplexInit => "INIT_NOT_SIMPLE",
            Self::DifferentTypes => "DIFFERENT_TYPES",
            Self::OtherTypes | Self::DictSubclass | Self::PythonGetitem => "OTHER",
            Self::TupleCompare => "TUPLE",
            Self::BigInt => "BIG_INT",
            Self::NegativeIndex => "OUT_OF_RANGE",
            Self::LinearSearch => "LIST",
            Self::OtherContainer => "USER_CLASS",
            Self::PythonTruth => "OTHER",
            Self::PythonIterator => "OTHER",
            Self::OtherUnpacked => "ITERATOR",
        }
    }
}
