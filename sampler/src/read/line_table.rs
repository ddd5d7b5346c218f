//! Maps instructions of a code object to lines and columns, in all three encodings that CPython has
//! had since 3.8.
//!
//! A table is decoded once into ranges and then searched, so that a sample costs a binary search. Any
//! bytes decode to something: what follows a malformed entry has no line.

use slowpath_profile::Span;

use crate::layout::spec::LineTableFormat;

/// Source positions of one code object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineTable {
    /// First byte offset and span of each range, in order; a range ends where the next one begins.
    ranges: Vec<(u32, Span)>,
}

impl LineTable {
    /// Decodes the table of a code object whose `co_firstlineno` is `first_line`.
    pub fn decode(format: LineTableFormat, table: &[u8], first_line: u32) -> Self {
        let mut ranges = Ranges::default();
        match format {
            LineTableFormat::Lnotab => lnotab(table, first_line, &mut ranges),
            LineTableFormat::Lines => lines(table, first_line, &mut ranges),
            LineTableFormat::Locations => locations(table, first_line, &mut ranges),
        }
        Self { ranges: ranges.ranges }
    }

    /// Where the instruction at a byte offset stands; an empty span if the table does not say.
    pub fn span(&self, offset: u32) -> Span {
        let after = self.ranges.partition_point(|(start, _)| *start <= offset);
        after.checked_sub(1).map(|index| self.ranges[index].1).unwrap_or_default()
    }

    /// All ranges: first byte offset and span, each ending where the next one begins.
    pub fn ranges(&self) -> &[(u32, Span)] {
        &self.ranges
    }
}

/// Collects ranges; neighbours with the same span become one.
#[derive(Default)]
struct Ranges {
    ranges: Vec<(u32, Span)>,
    end: u32,
}

impl Ranges {
    /// Appends `len` bytes with this span. `None` when offsets overflow.
    fn push(&mut self, len: u32, span: Span) -> Option<()> {
        let start = self.end;
        self.end = start.checked_add(len)?;
        // An empty range would hide the one before it.
        if len > 0 && self.ranges.last().is_none_or(|(_, last)| *last != span) {
            self.ranges.push((start, span));
        }
        Some(())
    }
}

/// The span of a computed line; a line that cannot be is none.
fn of_line(line: i64) -> Span {
    u32::try_from(line).map(Span::of_line).unwrap_or_default()
}

/// `co_lnotab` (3.8-3.9, Objects/lnotab_notes.txt): pairs of unsigned byte and signed line increments.
fn lnotab(table: &[u8], first_line: u32, ranges: &mut Ranges) {
    let mut line = i64::from(first_line);
    for pair in table.chunks_exact(2) {
        if ranges.push(u32::from(pair[0]), of_line(line)).is_none() {
            return;
        }
        line += i64::from(pair[1].cast_signed());
    }
    // The last line goes on to the end of the code, whose length the table does not say.
    let _ = ranges.push(u32::MAX - ranges.end, of_line(line));
}

/// `co_linetable` of 3.10 (PEP 626): pairs of unsigned byte and signed line deltas; -128 is "no line".
fn lines(table: &[u8], first_line: u32, ranges: &mut Ranges) {
    let mut line = i64::from(first_line);
    for pair in table.chunks_exact(2) {
        let span = match pair[1].cast_signed() {
            i8::MIN => Span::default(),
            delta => {
                line += i64::from(delta);
                of_line(line)
            }
        };
        if ranges.push(u32::from(pair[0]), span).is_none() {
            return;
        }
    }
    let _ = ranges.push(u32::MAX - ranges.end, Span::default());
}

/// `co_linetable` of 3.11+ (PEP 657, Objects/locations.md): entries of 1-8 code units each.
fn locations(table: &[u8], first_line: u32, ranges: &mut Ranges) {
    let mut entries = Entries { bytes: table, line: i64::from(first_line) };
    while let Some((len, span)) = entries.next_entry() {
        if ranges.push(len, span).is_none() {
            return;
        }
    }
    let _ = ranges.push(u32::MAX - ranges.end, Span::default());
}

struct Entries<'a> {
    bytes: &'a [u8],
    line: i64,
}

impl Entries<'_> {
    /// Length in bytes and span of the next entry; `None` at the end or at a malformed entry.
    fn next_entry(&mut self) -> Option<(u32, Span)> {
        let head = self.byte()?;
        // Only the first byte of an entry has the high bit.
        if head & 0x80 == 0 {
            return None;
        }
        let len = 2 * (u32::from(head & 7) + 1);
        let code = (head >> 3) & 15;
        let span = match code {
            15 => Span::default(),
            14 => self.long()?,
            13 => {
                let delta = self.signed()?;
                self.advance(delta, 0, None, None)?
            }
            10..=12 => {
                let (column, end) = (self.byte()?, self.byte()?);
                self.advance(i64::from(code) - 10, 0, Some(column.into()), Some(end.into()))?
            }
            _ => {
                let second = u32::from(self.byte()?);
                let column = u32::from(code) << 3 | (second >> 4 & 7);
                self.advance(0, 0, Some(column), Some(column + (second & 15)))?
            }
        };
        Some((len, span))
    }

    /// Line delta, end line delta, and both columns plus one, all of variable length.
    fn long(&mut self) -> Option<Span> {
        let delta = self.signed()?;
        let end = self.unsigned()?;
        let (column, end_column) = (self.unsigned()?, self.unsigned()?);
        self.advance(delta, end, column.checked_sub(1), end_column.checked_sub(1))
    }

    fn advance(&mut self, delta: i64, lines: u32, column: Option<u32>, end: Option<u32>) -> Option<Span> {
        self.line += delta;
        let line = u32::try_from(self.line).ok()?;
        Some(Span { line: Some(line), end_line: Some(line.checked_add(lines)?), column, end_column: end })
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    /// 6 bits per byte, least first; bit 6 says that more follow.
    fn unsigned(&mut self) -> Option<u32> {
        let mut value = 0u64;
        for shift in (0..36).step_by(6) {
            let byte = self.byte()?;
            value |= u64::from(byte & 63) << shift;
            if byte & 64 == 0 {
                return u32::try_from(value).ok();
            }
        }
        None
    }

    /// The sign is the lowest bit.
    fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        let magnitude = i64::from(value >> 1);
        Some(if value & 1 == 1 { -magnitude } else { magnitude })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line_at(format: LineTableFormat, table: &[u8], offset: u32) -> Option<u32> {
        LineTable::decode(format, table, 10).span(offset).line
    }

    #[test]
    fn lnotab_lines_go_up_and_down_and_last_to_the_end() {
        // From 0: line 10, from 6: 12, from 8: 9, on line increments above 127 in two steps.
        let table = [6, 2, 2, 0xfd, 4, 127, 0, 3];
        let lines: Vec<_> =
            [0, 5, 6, 8, 11, 12, 5000].map(|at| line_at(LineTableFormat::Lnotab, &table, at).unwrap()).into();
        assert_eq!(lines, [10, 10, 12, 9, 9, 139, 139]);
        assert_eq!(line_at(LineTableFormat::Lnotab, &[], 0), Some(10));
    }

    #[test]
    fn entries_without_a_line_have_none() {
        // PEP 626: 4 bytes at +0, 2 bytes without a line, 2 bytes at +1.
        let table = [4, 0, 2, 0x80, 2, 1];
        let lines = [0, 3, 4, 6, 8].map(|at| line_at(LineTableFormat::Lines, &table, at));
        assert_eq!(lines, [Some(10), Some(10), None, Some(11), None]);
        // PEP 657: two units without location, then one with.
        let table = [0x80 | 15 << 3 | 1, 0x80 | 13 << 3, 2];
        let lines = [0, 3, 4].map(|at| line_at(LineTableFormat::Locations, &table, at));
        assert_eq!(lines, [None, None, Some(11)]);
    }

    #[test]
    fn locations_have_columns() {
        // Short form: column 8 * 1 + 3, 5 wide; long form: two lines up, one line long, columns 70-300.
        let table = [0x80 | 1 << 3, 0x35, 0x80 | 14 << 3, 5, 1, 64 | 7, 1, 64 | 45, 4];
        let decoded = LineTable::decode(LineTableFormat::Locations, &table, 10);
        let span = |line, end_line, column, end_column| Span {
            line: Some(line),
            end_line: Some(end_line),
            column: Some(column),
            end_column: Some(end_column),
        };
        assert_eq!(decoded.span(1), span(10, 10, 11, 16));
        assert_eq!(decoded.span(2), span(8, 9, 70, 300));
        assert_eq!(decoded.span(4), Span::default());
    }

    /// `fixtures/src/tables/line_table.py` on each version: the table of a function and what the
    /// interpreter says of each of its instructions.
    #[test]
    fn tables_of_every_version_say_what_their_interpreter_says() {
        let mut tables = 0;
        let (mut table, mut unit, mut known) = (LineTable::default(), 0, 0);
        for line in include_str!("testdata/line_tables.txt").lines() {
            if let ["table", version, first, hex] = line.split(' ').collect::<Vec<_>>()[..] {
                let minor = version.strip_prefix("3.").unwrap().parse().unwrap();
                let format = crate::layout::spec_for(minor).unwrap().headers(false).code.linetable_format;
                let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
                let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
                table = LineTable::decode(format, &bytes, first.parse().unwrap());
                // Lines alone before 3.11.
                (tables, unit, known) = (tables + 1, 0, if minor < 11 { 1 } else { 4 });
                continue;
            }
            let said: Vec<Option<u32>> = line.split(' ').map(|number| number.parse().ok()).collect();
            let [Some(units), ref position @ ..] = said[..] else { panic!("{line}") };
            for at in unit..unit + units {
                let span = table.span(at * 2);
                let found = [span.line, span.end_line, span.column, span.end_column];
                assert_eq!(found[..known], position[..known], "table {tables}, unit {at}");
            }
            unit += units;
        }
        assert_eq!(tables, 8);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_ordered_ranges(
            table in proptest::collection::vec(any::<u8>(), 0..512),
            first in any::<u32>(),
            offset in any::<u32>(),
        ) {
            for format in [LineTableFormat::Lnotab, LineTableFormat::Lines, LineTableFormat::Locations] {
                let decoded = LineTable::decode(format, &table, first);
                prop_assert!(decoded.ranges().is_sorted_by(|a, b| a.0 < b.0));
                prop_assert!(decoded.ranges().len() <= table.len() + 1);
                decoded.span(offset);
            }
        }
    }
}
