//! Function objects and what leads to them: methods, decorators, classes.

use crate::layout::spec::Layout;
use crate::layout::state::StateSpec;
use crate::process::memory::Memory;
use crate::read::dict::{get_str, read_word};
use crate::read::objects::type_name;
use crate::read::text;

/// First field behind the header of a `method` (`im_func`), `classmethod`, `staticmethod`, `partial`
/// and `cell`; `fget`, `fset` and `fdel` of a `property` begin there.
pub const FIRST_FIELD: usize = 16;

/// The Python function that an object is, or that a bound method calls.
pub fn function_of(memory: &dyn Memory, layout: &Layout, object: u64) -> Option<u64> {
    match type_name(memory, layout, object)?.as_str() {
        "function" => Some(object),
        "method" => {
            let function = read_word(memory, object, FIRST_FIELD)?;
            (type_name(memory, layout, function)? == "function").then_some(function)
        }
        _ => None,
    }
    .filter(|function| read_word(memory, *function, layout.object.function.func_code).is_some())
}

/// `module.qualname` of the function object at `function`; without the module if that is no text.
pub fn full_name(memory: &dyn Memory, layout: &Layout, spec: &StateSpec, function: u64) -> Option<String> {
    let string = |offset| text::string(memory, &layout.object, read_word(memory, function, offset)?);
    let name = string(spec.function.qualname)?;
    Some(match string(spec.function.module) {
        Some(module) => format!("{module}.{name}"),
        None => name,
    })
}

/// `__module__` of a class, if it is text in its dict.
pub fn class_module(memory: &dyn Memory, layout: &Layout, class: u64) -> Option<String> {
    let dict = read_word(memory, class, layout.object.types.tp_dict).filter(|dict| *dict != 0)?;
    text::string(memory, &layout.object, get_str(memory, layout, dict, "__module__")?)
}

/// Whether the `functools.partial` at `partial` binds keyword arguments: whether its `kw`, behind `fn` and
/// `args`, is a dict with items.
pub fn binds_keywords(memory: &dyn Memory, layout: &Layout, partial: u64) -> Option<bool> {
    let bound = read_word(memory, partial, FIRST_FIELD + 16)?;
    if type_name(memory, layout, bound)? != "dict" {
        return None;
    }
    Some(read_word(memory, bound, layout.object.dict.ma_used)? > 0)
}
