//! How an instance keeps its attributes, a sequence its items, an int its size.

use slowpath_profile::evidence::InstanceDict;

use crate::layout::spec::{self, Layout};
use crate::process::memory::{Bytes, Memory};
use crate::read::dict::read_word;
use crate::read::keys::DictHead;
use crate::read::type_flags::{LIST_SUBCLASS, TUPLE_SUBCLASS};
use crate::read::types::RawType;

const WORD: u64 = 8;
/// `PyDictValues.valid` (3.13+), in front of the values.
const VALUES_VALID: usize = 3;

/// How the instance of `class` at `object` keeps its attributes at this moment.
pub fn instance_dict(memory: &dyn Memory, layout: &Layout, object: u64, class: &RawType) -> InstanceDict {
    if !class.has_managed_dict(layout) {
        return unmanaged(memory, layout, object, class).unwrap_or_default();
    }
    let before = |words: u64| memory.read_u64(object.checked_sub(words * WORD)?).ok();
    let found = match layout.object.instance_dict {
        spec::InstanceDict::Offset => None,
        spec::InstanceDict::ManagedPair => match before(4) {
            Some(0) => before(3).and_then(|dict| made(memory, layout, dict)),
            Some(_) => Some(InstanceDict::Values),
            None => None,
        },
        spec::InstanceDict::ManagedTagged => match before(3) {
            Some(tagged) if tagged & 1 == 1 => Some(InstanceDict::Values),
            Some(dict) => made(memory, layout, dict),
            None => None,
        },
        spec::InstanceDict::Inline { managed_words } => match before(managed_words.into()) {
            Some(0) if class.has_inline_values(layout) => inline(memory, layout, object, class),
            Some(dict) => made(memory, layout, dict),
            None => None,
        },
    };
    found.unwrap_or_default()
}

/// A dict pointer inside the object, or none at all. Negative offsets are not followed.
fn unmanaged(memory: &dyn Memory, layout: &Layout, object: u64, class: &RawType) -> Option<InstanceDict> {
    let offset = read_word(memory, class.addr, layout.object.tp_dictoffset)?.cast_signed();
    match u64::try_from(offset).ok()? {
        0 => Some(InstanceDict::None),
        offset => made(memory, layout, memory.read_u64(object.checked_add(offset)?).ok()?),
    }
}

/// Values behind the object, while they are in use.
fn inline(memory: &dyn Memory, layout: &Layout, object: u64, class: &RawType) -> Option<InstanceDict> {
    let size = read_word(memory, class.addr, layout.object.tp_basicsize)?;
    let head = memory.read_u64(object.checked_add(size)?).ok()?.to_le_bytes();
    (head[VALUES_VALID] != 0).then_some(InstanceDict::Values)
}

/// A dict that may have been made. Sharing keys, it has `ma_values`.
fn made(memory: &dyn Memory, layout: &Layout, dict: u64) -> Option<InstanceDict> {
    if dict == 0 {
        return None;
    }
    let head = DictHead::read(memory, layout, dict)?;
    Some(if head.values == 0 { InstanceDict::Own } else { InstanceDict::Shared })
}

/// The address of an item of the list or tuple at `addr`: `choose` is given the length.
pub fn container_item(
    memory: &dyn Memory,
    layout: &Layout,
    addr: u64,
    choose: impl Fn(u64) -> Option<u64>,
) -> Option<u64> {
    let object = &layout.object;
    let flags = read_word(memory, read_word(memory, addr, object.ob_type)?, object.tp_flags)?;
    let len = read_word(memory, addr, object.ob_size)?;
    let index = if len == 0 { None } else { choose(len).filter(|index| *index < len) }?;
    let first = match (flags & LIST_SUBCLASS != 0, flags & TUPLE_SUBCLASS != 0) {
        (true, _) => read_word(memory, addr, object.list_ob_item)?,
        (_, true) => addr.checked_add(object.tuple_ob_item as u64)?,
        _ => return None,
    };
    memory.read_u64(first.checked_add(index.checked_mul(WORD)?)?).ok()
}

/// Digits of the int at `addr`, and whether it is negative.
pub fn int_size(memory: &dyn Memory, layout: &Layout, addr: u64) -> Option<(u64, bool)> {
    let long = &layout.object.long;
    let word = read_word(memory, addr, long.size_or_tag)?;
    Some(match long.tagged {
        true => (word >> 3, word & 3 == 2),
        false => (word.cast_signed().unsigned_abs(), word.cast_signed() < 0),
    })
}

/// The value of the int at `addr`, if it has at most one digit.
pub fn small_int(memory: &dyn Memory, layout: &Layout, addr: u64) -> Option<i64> {
    let (digits, is_negative) = int_size(memory, layout, addr)?;
    if digits > 1 {
        return None;
    }
    let digit = memory.read_bytes(addr.checked_add(layout.object.long.digits as u64)?, 4).ok()?;
    let value = if digits == 0 { 0 } else { i64::from(digit.u32_at(0)?) };
    Some(if is_negative { -value } else { value })
}
