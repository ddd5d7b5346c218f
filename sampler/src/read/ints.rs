//! Python ints.

use crate::layout::spec::Layout;
use crate::process::memory::{Bytes, Memory};
use crate::read::dict::read_word;

/// Digits of 30 bits that a value is read of.
pub const MAX_DIGITS: u64 = 4;

/// Digits of the int at `addr`, and whether it is negative.
pub fn int_size(memory: &dyn Memory, layout: &Layout, addr: u64) -> Option<(u64, bool)> {
    let long = &layout.object.long;
    let word = read_word(memory, addr, long.size_or_tag)?;
    Some(match long.tagged {
        true => (word >> 3, word & 3 == 2),
        false => (word.cast_signed().unsigned_abs(), word.cast_signed() < 0),
    })
}

/// The value of the int at `addr`, if it has at most `max` digits, and never more than [`MAX_DIGITS`].
pub fn int_value(memory: &dyn Memory, layout: &Layout, addr: u64, max: u64) -> Option<i128> {
    let (digits, is_negative) = int_size(memory, layout, addr)?;
    if digits > max.min(MAX_DIGITS) {
        return None;
    }
    let first = addr.checked_add(layout.object.long.digits as u64)?;
    let digits = memory.read_bytes(first, digits as usize * 4).ok()?;
    let digits = digits.chunks_exact(4).filter_map(|digit| digit.u32_at(0));
    let value = digits
        .enumerate()
        .fold(0i128, |value, (index, digit)| value | i128::from(digit & 0x3fff_ffff) << (30 * index));
    Some(if is_negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::spec_for;
    use crate::read::testing::Image;

    /// An int at 0x1000 with these digits, the low one first.
    fn int(minor: u8, is_negative: bool, digits: &[u32]) -> (Image, &'static Layout) {
        let layout = spec_for(minor).unwrap().headers(false);
        let long = &layout.object.long;
        let len = digits.len() as u64;
        let size = match (long.tagged, is_negative) {
            (true, _) => len << 3 | if len == 0 { 1 } else { u64::from(is_negative) * 2 },
            (false, true) => len.wrapping_neg(),
            (false, false) => len,
        };
        let mut bytes = vec![0; long.digits];
        bytes[long.size_or_tag..][..8].copy_from_slice(&size.to_le_bytes());
        bytes.extend(digits.iter().flat_map(|digit| digit.to_le_bytes()));
        (Image { start: 0x1000, bytes }, layout)
    }

    #[test]
    fn size_and_value_are_read_of_all_versions() {
        for minor in 8..=15 {
            let (zero, layout) = int(minor, false, &[]);
            assert_eq!(int_size(&zero, layout, 0x1000), Some((0, false)));
            assert_eq!(int_value(&zero, layout, 0x1000, 1), Some(0));
            let (two, layout) = int(minor, true, &[7, 1]);
            assert_eq!(int_size(&two, layout, 0x1000), Some((2, true)));
            assert_eq!(int_value(&two, layout, 0x1000, 2), Some(-(1 << 30) - 7));
            assert_eq!(int_value(&two, layout, 0x1000, 1), None, "more digits than asked for");
            let (five, layout) = int(minor, false, &[1; 5]);
            assert_eq!(int_value(&five, layout, 0x1000, 9), None, "more than are read");
        }
    }

    proptest! {
        #[test]
        fn any_memory_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..64), minor in 8u8..=15) {
            let layout = spec_for(minor).unwrap().headers(false);
            let value = int_value(&Image { start: 0x1000, bytes }, layout, 0x1000, u64::MAX);
            prop_assert!(value.is_none_or(|value| value.unsigned_abs() < 1 << 120));
        }
    }
}
