//! Variable-length integers, written and read with bounds.

use super::error::Malformed;

/// Appends `value` in groups of seven bits, the lowest first (LEB128).
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends an absent value as 0 and a present one as itself plus one.
pub(super) fn put_optional(out: &mut Vec<u8>, value: Option<u32>) {
    put_varint(out, value.map_or(0, |value| u64::from(value) + 1));
}

/// Maps small negative and positive numbers to small unsigned ones.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Untrusted bytes, taken from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u8(&mut self, thing: &str) -> Result<u8, Malformed> {
        Ok(self.take(1, thing)?[0])
    }

    pub(super) fn take(&mut self, length: u64, thing: &str) -> Result<&'a [u8], Malformed> {
        let (left, wanted) = (self.0.len(), usize::try_from(length).unwrap_or(usize::MAX));
        if wanted > left {
            return Err(Malformed(format!("{thing} needs {length} bytes, {left} are left")));
        }
        let (taken, rest) = self.0.split_at(wanted);
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn varint(&mut self, thing: &str) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(thing)?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed(format!("{thing} is longer than 64 bits")))
    }

    pub(super) fn u32(&mut self, thing: &str) -> Result<u32, Malformed> {
        let value = self.varint(thing)?;
        u32::try_from(value).map_err(|_| Malformed::new(thing, value))
    }

    pub(super) fn optional(&mut self, thing: &str) -> Result<Option<u32>, Malformed> {
        match self.varint(thing)? {
            0 => Ok(None),
            value => u32::try_from(value - 1).map(Some).map_err(|_| Malformed::new(thing, value - 1)),
        }
    }

    /// A number of entries that take at least `each` bytes, so that the bytes left bound it.
    pub(super) fn count(&mut self, each: usize, thing: &str) -> Result<usize, Malformed> {
        let (count, left) = (self.varint(thing)?, self.0.len());
        match usize::try_from(count) {
            Ok(count) if count <= left / each => Ok(count),
            _ => Err(Malformed(format!("{thing} {count} does not fit the {left} bytes left"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_survive(value: u64, signed: i64, optional: Option<u32>) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            put_varint(&mut out, zigzag(signed));
            put_optional(&mut out, optional);
            let mut bytes = Bytes(&out);
            prop_assert_eq!(bytes.varint("value").unwrap(), value);
            prop_assert_eq!(unzigzag(bytes.varint("signed").unwrap()), signed);
            prop_assert_eq!(bytes.optional("optional").unwrap(), optional);
            prop_assert!(bytes.is_empty());
        }
    }

    #[test]
    fn too_long_and_too_short_are_errors() {
        assert!(Bytes(&[0xff; 10]).varint("id").unwrap_err().0.contains("id is longer"));
        assert!(Bytes(&[0x80]).varint("id").unwrap_err().0.contains("0 are left"));
        assert_eq!(
            Bytes(&[9, 1, 2]).count(2, "count").unwrap_err().0,
            "count 9 does not fit the 2 bytes left"
        );
        assert_eq!(Bytes(&[2, 1, 2]).count(1, "count"), Ok(2));
    }
}
