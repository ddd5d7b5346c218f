//! Counts per function.

use rustc_hash::{FxHashMap, FxHashSet};
use slowpath_profile::file::FileError;
use slowpath_profile::{FunctionId, Quality, Source, StackId, ThreadState};

/// Samples by [`ThreadState`].
pub(crate) type ByState = [u64; ThreadState::ALL.len()];

/// One function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) function: FunctionId,
    pub(crate) own: ByState,
    pub(crate) total: ByState,
}

/// Counts of a whole profile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) samples: u64,
    pub(crate) by_state: ByState,
    pub(crate) truncated: u64,
    pub(crate) rows: Vec<Row>,
}

impl Tally {
    pub(crate) fn of(source: &mut dyn Source) -> Result<Self, FileError> {
        let mut tally = Self::default();
        let mut stacks: FxHashMap<StackId, ByState> = FxHashMap::default();
        source.for_each_sample(&mut |sample| {
            tally.samples += 1;
            tally.by_state[sample.state as usize] += 1;
            tally.truncated += u64::from(sample.quality == Quality::Truncated);
            if let Some(stack) = sample.stack {
                stacks.entry(stack).or_default()[sample.state as usize] += 1;
            }
        })?;
        let mut rows: FxHashMap<FunctionId, Row> = FxHashMap::default();
        let mut seen = FxHashSet::default();
        for (stack, counts) in stacks {
            seen.clear();
            let frames = source.tables().frames_of(stack);
            let functions = frames.filter_map(|frame| Some(source.tables().frames.get(frame)?.function));
            for (depth, function) in functions.enumerate() {
                let empty = Row { function, own: ByState::default(), total: ByState::default() };
                let row = rows.entry(function).or_insert(empty);
                for (state, count) in counts.iter().enumerate() {
                    row.own[state] += if depth == 0 { *count } else { 0 };
                    row.total[state] += if seen.contains(&function) { 0 } else { *count };
                }
                seen.insert(function);
            }
        }
        tally.rows = rows.into_values().collect();
        tally.rows.sort_by_key(|row| row.function);
        Ok(tally)
    }
}
