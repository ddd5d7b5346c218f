//! How an instance keeps its attributes, and a sequence its items.

use slowpath_profile::evidence::InstanceDict;

use crate::layout::spec::Layout;
use crate::process::memory::Memory;
use crate::read::dict::{self, Attributes, read_word};
use crate::read::keys::DictHead;
use crate::read::type_flags::{LIST_SUBCLASS, TUPLE_SUBCLASS};
use crate::read::types::RawType;

const WORD: u64 = 8;

/// How the instance of `class` at `object` keeps its attributes at this moment.
pub fn instance_dict(memory: &dyn Memory, layout: &Layout, object: u64, class: &RawType) -> InstanceDict {
    match dict::attributes_of(memory, layout, object, class.addr, class.flags) {
        Some(Attributes::Nowhere) => InstanceDict::None,
        Some(Attributes::Dict(dict)) => made(memory, layout, dict).unwrap_or_default(),
        Some(Attributes::Values { .. }) => InstanceDict::Values,
        None => InstanceDict::Unknown,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::spec_for;
    use crate::read::testing::Image;
    use crate::read::type_flags::{INLINE_VALUES, MANAGED_DICT, READY};

    const CLASS: u64 = 0x1000;
    const DICT: u64 = 0x1400;
    const OBJECT: u64 = 0x1500;
    const BASIC_SIZE: u64 = 16;

    /// What is said of an instance whose class has these flags and this `tp_dictoffset`, with words at
    /// these distances from the instance.
    fn said(minor: u8, flags: u64, dictoffset: u64, words: &[(i64, u64)]) -> InstanceDict {
        let layout = spec_for(minor).unwrap().headers(false);
        let mut image = Image { start: CLASS, bytes: vec![0; 0x600] };
        let mut put = |addr: u64, value: u64| {
            image.bytes[(addr - CLASS) as usize..][..8].copy_from_slice(&value.to_le_bytes());
        };
        put(CLASS + layout.object.tp_flags as u64, READY | flags);
        put(CLASS + layout.object.tp_basicsize as u64, BASIC_SIZE);
        put(CLASS + layout.object.tp_dictoffset as u64, dictoffset);
        put(CLASS + layout.object.types.tp_mro as u64, CLASS);
        words.iter().for_each(|(distance, value)| put(OBJECT.wrapping_add_signed(*distance), *value));
        let class = RawType::peek(&image, layout, CLASS).unwrap();
        instance_dict(&image, layout, OBJECT, &class)
    }

    #[test]
    fn instances_keep_attributes_where_their_version_has_them() {
        for minor in 8..=15 {
            let ma_values = spec_for(minor).unwrap().headers(false).object.dict.ma_values as u64;
            let at_dict = (DICT + ma_values).cast_signed() - OBJECT.cast_signed();
            assert_eq!(said(minor, 0, 0, &[]), InstanceDict::None, "3.{minor}");
            assert_eq!(said(minor, 0, 16, &[(16, DICT)]), InstanceDict::Own, "3.{minor}");
            assert_eq!(said(minor, 0, 16, &[(16, DICT), (at_dict, 1)]), InstanceDict::Shared, "3.{minor}");
            assert_eq!(said(minor, 0, 16, &[]), InstanceDict::Unknown, "3.{minor}: not made yet");
            assert_eq!(said(minor, 0, u64::MAX, &[]), InstanceDict::Unknown, "3.{minor}: negative offset");
        }
        assert_eq!(said(11, MANAGED_DICT, 0, &[(-32, 0x1300)]), InstanceDict::Values);
        assert_eq!(said(11, MANAGED_DICT, 0, &[(-24, DICT)]), InstanceDict::Own);
        assert_eq!(said(12, MANAGED_DICT, 0, &[(-24, 0x1301)]), InstanceDict::Values);
        assert_eq!(said(12, MANAGED_DICT, 0, &[(-24, DICT)]), InstanceDict::Own);
        let inline = MANAGED_DICT | INLINE_VALUES;
        let valid = (BASIC_SIZE.cast_signed(), 1 << 24);
        assert_eq!(said(13, inline, 0, &[valid]), InstanceDict::Values);
        assert_eq!(said(13, inline, 0, &[]), InstanceDict::Unknown, "values are no longer in use");
        assert_eq!(said(14, inline, 0, &[valid, (-24, DICT)]), InstanceDict::Own);
        assert_eq!(said(15, MANAGED_DICT, 0, &[valid]), InstanceDict::Unknown, "no values behind it");
    }
}
