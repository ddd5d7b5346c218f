//! The distinct frames that a format shows.
//!
//! The model tells apart every instruction; most formats know a function and a line. Frames that a
//! format cannot tell apart must be one entry, else viewers list the same text many times.

use rustc_hash::FxHashMap;

use super::label::{FrameText, Level, frame_text};
use crate::ids::{FrameId, Id};
use crate::tables::Tables;

/// Levels merged by what a format tells apart, numbered from 0 in the order of their first frame.
pub(super) struct FrameSet {
    /// The entry of each frame of the profile.
    entry_of: Vec<u32>,
    /// A level that stands for each entry.
    levels: Vec<Level>,
}

/// The levels that are not frames of the profile.
const PSEUDO: [Level; 5] =
    [Level::Truncated, Level::Dropped, Level::NoPython, Level::WaitingForGil, Level::Idle];

impl FrameSet {
    /// Functions and lines.
    pub(super) fn by_line(tables: &Tables) -> Self {
        Self::merged(tables, true)
    }

    /// Functions only.
    pub(super) fn by_function(tables: &Tables) -> Self {
        Self::merged(tables, false)
    }

    fn merged(tables: &Tables, lines: bool) -> Self {
        let mut known = FxHashMap::default();
        let mut levels = PSEUDO.to_vec();
        let frames = tables.frames.values().iter().enumerate();
        let entry_of = frames.map(|(at, frame)| {
            let line = if lines { frame.span.line.unwrap_or(0) } else { 0 };
            *known.entry((frame.function, line)).or_insert_with(|| {
                levels.push(Level::Frame(FrameId::from_index(at)));
                levels.len() as u32 - 1
            })
        });
        Self { entry_of: entry_of.collect(), levels }
    }

    /// A level that stands for each entry.
    pub(super) fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The entry of a level. A frame of another table (a damaged recording) counts as unreadable.
    pub(super) fn entry(&self, level: Level) -> u32 {
        let pseudo = |level| PSEUDO.iter().position(|known| *known == level).unwrap_or(0) as u32;
        match level {
            Level::Frame(id) => {
                self.entry_of.get(id.index()).copied().unwrap_or_else(|| pseudo(Level::Truncated))
            }
            level => pseudo(level),
        }
    }

    /// The texts of all entries in their order.
    pub(super) fn texts<'a>(&'a self, tables: &'a Tables) -> impl Iterator<Item = FrameText<'a>> {
        self.levels.iter().map(|level| frame_text(tables, *level))
    }
}
