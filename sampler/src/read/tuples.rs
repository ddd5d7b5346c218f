//! The items of tuples.

use crate::layout::spec::Layout;
use crate::process::memory::{Bytes, Memory};
use crate::read::dict::read_word;

/// Addresses of the first `max` items of the tuple at `tuple`. `None` if they cannot be read.
pub fn tuple_items(memory: &dyn Memory, layout: &Layout, tuple: u64, max: usize) -> Option<Vec<u64>> {
    let count = read_word(memory, tuple, layout.object.ob_size)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(max);
    let first = tuple.checked_add(layout.object.tuple_ob_item as u64)?;
    let items = memory.read_bytes(first, count * 8).ok()?;
    Some(items.chunks_exact(8).filter_map(|item| item.u64_at(0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::spec_for;
    use crate::read::testing::Image;

    #[test]
    fn no_more_items_are_read_than_asked_for() {
        let layout = spec_for(14).unwrap().headers(false);
        let mut bytes = vec![0; layout.object.tuple_ob_item];
        bytes.extend([5u64, 6, 7].iter().flat_map(|item| item.to_le_bytes()));
        let mut tuple = Image { start: 0x1000, bytes };
        let mut claim = |count: u64, max| {
            tuple.bytes[layout.object.ob_size..][..8].copy_from_slice(&count.to_le_bytes());
            tuple_items(&tuple, layout, 0x1000, max)
        };
        assert_eq!(claim(3, 9), Some(vec![5, 6, 7]));
        assert_eq!(claim(u64::MAX, 2), Some(vec![5, 6]));
        assert_eq!(claim(4, 9), None, "one is not mapped");
        assert_eq!(tuple_items(&tuple, layout, u64::MAX - 8, 9), None);
    }
}
