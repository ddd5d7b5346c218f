//! How an instance keeps its attributes.

use slowpath_profile::evidence::InstanceDict;

use crate::layout::spec::{self, Layout};
use crate::process::memory::Memory;
use crate::read::dict::read_word;
use crate::read::keys::DictHead;
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
