//! Line tables in all encodings.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slowpath_sampler::layout::spec::LineTableFormat;
use slowpath_sampler::read::line_table::LineTable;

fuzz_target!(|data: &[u8]| {
    let (head, table) = data.split_at(data.len().min(4));
    let first = head.iter().fold(0, |first, byte| first << 8 | u32::from(*byte));
    for format in [LineTableFormat::Lnotab, LineTableFormat::Lines, LineTableFormat::Locations] {
        let decoded = LineTable::decode(format, table, first);
        assert!(decoded.ranges().is_sorted_by(|a, b| a.0 < b.0));
        assert!(decoded.ranges().len() <= table.len() + 1);
        for offset in [0, 1, first, u32::MAX] {
            decoded.span(offset);
        }
    }
});
