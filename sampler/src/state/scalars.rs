//! Numbers and strings in a dict: whether a value is still the same one.
//!
//! A counter gets a new `int` at each step, and the memory of the last but one for it: addresses alone
//! would not tell. Other values stay alive, or are changed without the dict.

use rustc_hash::FxHashMap;

use crate::layout::spec::Layout;
use crate::process::memory::{Bytes, Memory, Range};
use crate::read::dict::read_word;
use crate::read::text;

/// Values that one look reads.
const MAX_READ: usize = 2_048;
/// Bytes of a value that are compared, type included: the digit of an int, a float, the length and hash
/// of a string.
const LEN: usize = 24;

/// The contents of values by the address of their key.
#[derive(Debug, Default)]
pub(super) struct Scalars {
    /// The address of the value, and its content if it is a number or a string.
    known: FxHashMap<u64, (u64, Option<[u8; LEN]>)>,
    /// Types of values: whether they are numbers or strings.
    types: FxHashMap<u64, bool>,
}

impl Scalars {
    /// Reads the values of these keys; those keys whose value is another one at the same address.
    pub(super) fn look(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        values: &FxHashMap<u64, u64>,
    ) -> Vec<u64> {
        self.known.retain(|key, _| values.contains_key(key));
        let is_open = |key: &u64, value: &u64| {
            self.known.get(key).is_none_or(|(before, content)| before != value || content.is_some())
        };
        let open: Vec<(u64, u64)> = values
            .iter()
            .filter(|(key, value)| is_open(key, value))
            .map(|(key, value)| (*key, *value))
            .take(MAX_READ)
            .collect();
        let start = layout.object.ob_type as u64;
        let ranges: Vec<Range> =
            open.iter().map(|(_, value)| Range::new(value.saturating_add(start), LEN)).collect();
        let mut bytes = vec![0; ranges.len() * LEN];
        let filled = memory.read_vectored(&ranges, &mut bytes).unwrap_or(0);
        let contents = bytes[..filled].chunks_exact(LEN).filter_map(|chunk| chunk.first_chunk::<LEN>());
        let mut changed = Vec::new();
        for ((key, value), content) in open.iter().zip(contents) {
            let content = Some(*content).filter(|content| self.is_scalar(memory, layout, content));
            let before = self.known.insert(*key, (*value, content));
            let was = before.filter(|(before, _)| before == value).and_then(|(_, content)| content);
            if was.is_some() && content != was {
                changed.push(*key);
            }
        }
        changed
    }

    fn is_scalar(&mut self, memory: &dyn Memory, layout: &Layout, content: &[u8; LEN]) -> bool {
        let Some(class) = content.u64_at(0) else { return false };
        *self.types.entry(class).or_insert_with(|| {
            let name = read_word(memory, class, layout.object.tp_name);
            let name = name.and_then(|name| text::c_string(memory, name, 16));
            matches!(name.as_deref(), Some("int" | "float" | "str" | "bytes"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::spec_for;
    use crate::read::testing::Image;

    /// A value at 0x1000 of a type at 0x1100 with this name.
    fn memory(content: u64, type_name: &[u8]) -> Image {
        let mut bytes = vec![0; 0x300];
        let mut put = |offset: usize, value: u64| bytes[offset..][..8].copy_from_slice(&value.to_le_bytes());
        put(8, 0x1100);
        put(16, content);
        put(0x100 + 24, 0x1200);
        bytes[0x200..][..type_name.len()].copy_from_slice(type_name);
        Image { start: 0x1000, bytes }
    }

    #[test]
    fn a_number_in_the_place_of_another_is_noticed_a_list_is_not() {
        let layout = spec_for(14).unwrap().headers(false);
        let values = FxHashMap::from_iter([(7, 0x1000)]);
        for (name, changed) in [(&b"int\0"[..], vec![7]), (b"list\0", vec![])] {
            let mut scalars = Scalars::default();
            assert_eq!(scalars.look(&memory(1, name), layout, &values), [0; 0]);
            assert_eq!(scalars.look(&memory(1, name), layout, &values), [0; 0]);
            assert_eq!(scalars.look(&memory(2, name), layout, &values), changed);
        }
    }
}
