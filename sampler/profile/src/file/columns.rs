//! Columns of integers: the values of one field of many samples, stored together.
//!
//! A column is the smallest of three forms, each cut into planes (the lowest byte of every value, then
//! the next …), because a plane of noise is stored raw and a plane of zeros costs two bytes:
//! - *plain*: the least value, then every value as its distance from that;
//! - *dictionary*: the distinct values in ascending order, then every value as its position there;
//! - *sparse*: a plane that tells which values are not 0, then those as a plain column.

use std::io;

use super::bytes::{Bytes, put_varint};
use super::error::Malformed;
use super::pack::{Packer, Unpacker};

const PLAIN: u8 = 0;
const DICTIONARY: u8 = 1;
const SPARSE: u8 = 2;

/// Encodes columns; keeps its working memory.
pub(super) struct ColumnWriter {
    packer: Packer,
    plane: Vec<u8>,
    distinct: Vec<u64>,
    reduced: Vec<u64>,
}

impl ColumnWriter {
    pub(super) fn new() -> io::Result<Self> {
        let packer = Packer::new()?;
        Ok(Self { packer, plane: Vec::new(), distinct: Vec::new(), reduced: Vec::new() })
    }

    /// The column in its smallest form.
    pub(super) fn encode(&mut self, values: &[u64]) -> io::Result<Vec<u8>> {
        let mut best = vec![PLAIN];
        self.plain(values, &mut best)?;
        self.distinct.clear();
        self.distinct.extend_from_slice(values);
        self.distinct.sort_unstable();
        self.distinct.dedup();
        // One distinct value is best plain, and a dictionary of most values cannot be smaller.
        if self.distinct.len() > 1 && self.distinct.len() <= values.len() / 2 {
            let mut other = vec![DICTIONARY];
            self.dictionary(values, &mut other)?;
            keep_smaller(&mut best, other);
        }
        if self.distinct.len() > 1 && self.distinct[0] == 0 {
            let mut other = vec![SPARSE];
            self.sparse(values, &mut other)?;
            keep_smaller(&mut best, other);
        }
        Ok(best)
    }

    fn plain(&mut self, values: &[u64], out: &mut Vec<u8>) -> io::Result<()> {
        let least = values.iter().copied().min().unwrap_or(0);
        put_varint(out, least);
        self.reduced.clear();
        self.reduced.extend(values.iter().map(|value| value - least));
        self.planes(out)
    }

    fn dictionary(&mut self, values: &[u64], out: &mut Vec<u8>) -> io::Result<()> {
        put_varint(out, self.distinct.len() as u64);
        let mut previous = 0;
        for &value in &self.distinct {
            put_varint(out, value - previous);
            previous = value;
        }
        let distinct = &self.distinct;
        let position = |value: &u64| distinct.partition_point(|known| known < value) as u64;
        self.reduced.clear();
        self.reduced.extend(values.iter().map(position));
        self.planes(out)
    }

    fn sparse(&mut self, values: &[u64], out: &mut Vec<u8>) -> io::Result<()> {
        self.plane.clear();
        self.plane.extend(values.iter().map(|value| u8::from(*value != 0)));
        self.packer.pack(&self.plane, out)?;
        let present: Vec<u64> = values.iter().copied().filter(|value| *value != 0).collect();
        self.plain(&present, out)
    }

    /// The number of planes and the planes of `self.reduced`.
    fn planes(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let greatest = self.reduced.iter().copied().max().unwrap_or(0);
        let width = (64 - greatest.leading_zeros()).div_ceil(8);
        out.push(width as u8);
        for byte in 0..width {
            self.plane.clear();
            self.plane.extend(self.reduced.iter().map(|value| (value >> (byte * 8)) as u8));
            self.packer.pack(&self.plane, out)?;
        }
        Ok(())
    }
}

fn keep_smaller(best: &mut Vec<u8>, other: Vec<u8>) {
    if other.len() < best.len() {
        *best = other;
    }
}

/// Decodes columns; keeps its working memory.
pub(super) struct ColumnReader {
    unpacker: Unpacker,
    plane: Vec<u8>,
}

impl ColumnReader {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { unpacker: Unpacker::new()?, plane: Vec::new() })
    }

    /// Replaces `values` by the `count` values of an encoded column. The caller has bounded `count`.
    pub(super) fn decode(
        &mut self,
        mut bytes: Bytes<'_>,
        count: usize,
        values: &mut Vec<u64>,
    ) -> Result<(), Malformed> {
        match bytes.u8("column form")? {
            PLAIN => self.plain(&mut bytes, count, values)?,
            DICTIONARY => self.dictionary(&mut bytes, count, values)?,
            SPARSE => self.sparse(&mut bytes, count, values)?,
            form => return Err(Malformed::new("column form", form)),
        }
        if bytes.is_empty() { Ok(()) } else { Err(Malformed::new("bytes after a column:", bytes.0.len())) }
    }

    fn plain(&mut self, bytes: &mut Bytes<'_>, count: usize, values: &mut Vec<u64>) -> Result<(), Malformed> {
        let least = bytes.varint("least value")?;
        self.planes(bytes, count, values)?;
        values.iter_mut().for_each(|value| *value = value.wrapping_add(least));
        Ok(())
    }

    fn dictionary(
        &mut self,
        bytes: &mut Bytes<'_>,
        count: usize,
        values: &mut Vec<u64>,
    ) -> Result<(), Malformed> {
        let length = bytes.count(1, "dictionary length")?;
        let mut distinct = Vec::with_capacity(length);
        let mut previous = 0_u64;
        for _ in 0..length {
            previous = previous.wrapping_add(bytes.varint("dictionary entry")?);
            distinct.push(previous);
        }
        self.planes(bytes, count, values)?;
        for value in values.iter_mut() {
            let known = usize::try_from(*value).ok().and_then(|at| distinct.get(at));
            *value = *known.ok_or_else(|| Malformed::new("dictionary position", *value))?;
        }
        Ok(())
    }

    fn sparse(
        &mut self,
        bytes: &mut Bytes<'_>,
        count: usize,
        values: &mut Vec<u64>,
    ) -> Result<(), Malformed> {
        let mut mask = Vec::new();
        self.unpacker.unpack(bytes, count, &mut mask)?;
        let present = mask.iter().filter(|bit| **bit != 0).count();
        let mut some = Vec::new();
        self.plain(bytes, present, &mut some)?;
        let mut some = some.into_iter();
        values.clear();
        values.extend(mask.iter().map(|bit| if *bit != 0 { some.next().unwrap_or_default() } else { 0 }));
        Ok(())
    }

    fn planes(
        &mut self,
        bytes: &mut Bytes<'_>,
        count: usize,
        values: &mut Vec<u64>,
    ) -> Result<(), Malformed> {
        let width = bytes.u8("column width")?;
        if width > 8 {
            return Err(Malformed::new("column width", width));
        }
        values.clear();
        values.resize(count, 0);
        for byte in 0..width {
            self.unpacker.unpack(bytes, count, &mut self.plane)?;
            for (value, part) in values.iter_mut().zip(&self.plane) {
                *value |= u64::from(*part) << (byte * 8);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn round_trip(values: &[u64]) -> Vec<u8> {
        let encoded = ColumnWriter::new().unwrap().encode(values).unwrap();
        let mut again = Vec::new();
        ColumnReader::new().unwrap().decode(Bytes(&encoded), values.len(), &mut again).unwrap();
        assert_eq!(again, values);
        encoded
    }

    proptest! {
        #[test]
        fn columns_survive(values in vec(any::<u64>(), 0..50), few in vec(0..3_u64, 0..300)) {
            round_trip(&values);
            round_trip(&few.iter().map(|value| value * 1_000_003).collect::<Vec<_>>());
        }

        #[test]
        fn noise_is_an_error_or_the_right_number_of_values(noise in vec(any::<u8>(), 0..60)) {
            let mut values = Vec::new();
            if ColumnReader::new().unwrap().decode(Bytes(&noise), 7, &mut values).is_ok() {
                prop_assert_eq!(values.len(), 7);
            }
        }
    }

    #[test]
    fn the_smallest_form_is_chosen() {
        assert_eq!(round_trip(&[900; 500]).len(), 4, "equal values cost nothing");
        assert_eq!(round_trip(&(0..500).collect::<Vec<_>>())[0], PLAIN);
        let few: Vec<u64> =
            (0..500).map(|n: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61) * 1_000_003).collect();
        assert_eq!(round_trip(&few)[0], DICTIONARY);
        let steps: Vec<u64> =
            (0..500).map(|n: u64| if n.is_multiple_of(4) { 4000 + n * 7919 % 200 } else { 0 }).collect();
        assert_eq!(round_trip(&steps)[0], SPARSE);
    }
}
