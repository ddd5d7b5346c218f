//! Differential flame graph: the second profile's widths, coloured by what changed.
//!
//! Red is more time than before, blue less; a frame's colour is the change of the samples that end in
//! it, not of those that pass through. What is gone has no width: the table of `diff` names it. Stacks are matched by command, thread name and functions:
//! ids change from run to run and lines from version to version. The first profile is scaled to the
//! samples of the second, so that a longer recording is no change.

use std::collections::BTreeMap;
use std::io::Write;

use super::collapsed::{Detail, fold};
use super::flamegraph::{Look, draw, subtitle};
use super::{ExportError, ExportOptions};
use crate::source::Source;

/// Writes the differential flame graph of two profiles.
pub fn write_differential(
    before: &mut dyn Source,
    after: &mut dyn Source,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let (lines, samples) = fold_both(before, after, options)?;
    let note = format!("red: more than before, blue: less · {}", subtitle(after, &options.title, samples));
    draw(&lines, Look { title: &options.title, subtitle: note, outlined: true }, out)
}

/// Writes one line per stack with its samples before and after, as inferno and `flamegraph.pl` read
/// a comparison.
pub fn write_differential_collapsed(
    before: &mut dyn Source,
    after: &mut dyn Source,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    for line in fold_both(before, after, options)?.0 {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// One line per stack of either, and the samples of the second, to which the first is scaled.
fn fold_both(
    before: &mut dyn Source,
    after: &mut dyn Source,
    options: &ExportOptions,
) -> Result<(Vec<String>, u64), ExportError> {
    let folded = (fold(before, options, Detail::Comparable)?, fold(after, options, Detail::Comparable)?);
    let totals = (folded.0.values().sum::<u64>(), folded.1.values().sum::<u64>());
    if totals.0 == 0 || totals.1 == 0 {
        return Err(ExportError::Empty);
    }
    let mut merged: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for (stack, samples) in folded.0 {
        merged.entry(stack).or_default()[0] = scale(samples, totals.1, totals.0);
    }
    for (stack, samples) in folded.1 {
        merged.entry(stack).or_default()[1] = samples;
    }
    let line = |(stack, [before, after]): (String, [u64; 2])| format!("{stack} {before} {after}");
    Ok((merged.into_iter().map(line).collect(), totals.1))
}

/// `samples * to / from`, rounded to the nearest.
fn scale(samples: u64, to: u64, from: u64) -> u64 {
    let from = u128::from(from);
    let scaled = (u128::from(samples) * u128::from(to) + from / 2) / from;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ThreadState::Running;
    use crate::testing::ProfileBuilder;

    #[test]
    fn a_longer_recording_is_no_change() {
        let mut before = ProfileBuilder::new()
            .process(1)
            .sample(&["main", "parse:7"], Running, 60)
            .sample(&["main", "write"], Running, 40)
            .build();
        let mut after = ProfileBuilder::new()
            .process(2)
            .sample(&["main", "parse:8"], Running, 60)
            .sample(&["main", "write"], Running, 140)
            .build();
        let mut lines = Vec::new();
        write_differential_collapsed(&mut before, &mut after, &ExportOptions::default(), &mut lines).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        assert!(lines.lines().any(|line| line.ends_with("parse (app.py) 120 60")), "{lines}");
        let mut svg = Vec::new();
        write_differential(&mut before, &mut after, &ExportOptions::default(), &mut svg).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        // 120 of 200 before, 60 after; 80 before, 140 after.
        assert!(svg.contains("parse (app.py) (60 samples, 30.00%; -30.00%)"), "{svg}");
        assert!(svg.contains("write (app.py) (140 samples, 70.00%; +30.00%)"), "{svg}");
    }
}
