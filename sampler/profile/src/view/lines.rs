//! The hottest lines.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::weights::{Split, Weights};
use crate::ids::StringId;
use crate::tables::Tables;

/// One line of source and what is spent in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRow {
    /// `co_filename`.
    pub file: String,
    /// Line from 1; `None` where the interpreter knows none.
    pub line: Option<u32>,
    /// Weight of the samples in which it was the innermost line that is shown.
    pub own: Split,
    /// Weight of the samples in which it was on the stack, each counted once.
    pub total: Split,
}

/// Adds up the weights by file and line, the largest self weight first, then by total, file and line.
pub fn lines(weights: &Weights, tables: &Tables) -> Vec<LineRow> {
    let mut sums = FxHashMap::<(StringId, Option<u32>), Sum>::default();
    for (round, (stack, weight)) in weights.merged().into_iter().enumerate() {
        let Some(stack) = stack else { continue };
        let mut innermost = true;
        for frame in tables.frames_of(stack).filter_map(|frame| tables.frames.get(frame)) {
            let Some(function) = tables.functions.get(frame.function) else { continue };
            if !weights.shows(frame.function) {
                continue;
            }
            let sum = sums.entry((function.file, frame.span.line)).or_default();
            if std::mem::take(&mut innermost) {
                sum.own.add(weight);
            }
            // Recursion through a line counts once per stack.
            if sum.counted.replace(round) != Some(round) {
                sum.total.add(weight);
            }
        }
    }
    let row = |((file, line), sum): ((StringId, Option<u32>), Sum)| LineRow {
        file: tables.text(file).into(),
        line,
        own: sum.own,
        total: sum.total,
    };
    let mut rows: Vec<LineRow> = sums.into_iter().map(row).filter(|row| row.total.sum() > 0).collect();
    rows.sort_by(|one, other| key(one).cmp(&key(other)));
    rows
}

#[derive(Default)]
struct Sum {
    own: Split,
    total: Split,
    counted: Option<usize>,
}

fn key(row: &LineRow) -> impl Ord + '_ {
    (Reverse(row.own.sum()), Reverse(row.total.sum()), &row.file, row.line)
}
