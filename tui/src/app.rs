//! What is shown, and what keys do to it. Nothing here draws or reads a clock.

mod act;
mod mouse;
mod refresh;
mod search;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ratatui::layout::Rect;
use slowpath_profile::finding::Findings;
use slowpath_profile::view::live::{Query, Row, Snapshot};
use slowpath_profile::{FunctionId, ThreadId, ThreadState};
use tui_input::Input;

use crate::feed::Feed;
use crate::filter::RowFilter;
use crate::selection::Selection;
use crate::theme::Theme;

/// A part of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pane {
    /// The hottest functions, or lines.
    #[default]
    Functions,
    /// The source of the selected function.
    Source,
    /// The instructions of the selected line.
    Instructions,
    /// Findings.
    Advice,
    /// Threads.
    Threads,
    /// The flame graph.
    Flame,
}

impl Pane {
    /// All panes in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Functions, Self::Source, Self::Instructions, Self::Advice, Self::Threads, Self::Flame];
}

/// A column to sort by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Column {
    #[default]
    Own,
    Total,
    Trend,
    States,
    Name,
    File,
}

impl Column {
    pub(crate) const ALL: [Self; 6] =
        [Self::Own, Self::Total, Self::Trend, Self::States, Self::Name, Self::File];
}

/// How much is hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hidden {
    /// Nothing.
    Nothing,
    /// Samples of idle threads.
    #[default]
    Idle,
    /// Those, and frames of Python itself and of packages.
    Library,
}

/// What lies over the panes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Overlay {
    #[default]
    None,
    /// All keys, from this line on.
    Help(usize),
    /// A finding or a rule, from this line on.
    Page(Vec<String>, usize),
    /// "Count anew?"
    AskReset,
    /// A filter is typed.
    Filter,
    /// A file name is typed.
    Write,
}

/// What a click hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    Pane(Pane),
    Row(Pane, usize),
    Sort(Column),
}

/// What identifies a row of the table.
pub(crate) type RowKey = (Option<FunctionId>, String, Option<u32>);

/// What is left to do outside of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    Suspend,
    Quit,
}

/// Lengths of the window, in seconds.
pub(crate) const WINDOWS: [u64; 6] = [1, 2, 5, 10, 30, 60];
/// Times between two drawings.
pub(crate) const INTERVALS_MS: [u64; 7] = [100, 250, 500, 1_000, 2_000, 5_000, 10_000];

/// Everything that is shown.
pub(crate) struct App {
    pub(crate) theme: Theme,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) findings: Arc<Findings>,
    pub(crate) query: Query,
    /// What the feed was asked for last.
    asked: Option<Query>,
    pub(crate) focus: Pane,
    /// Panes to go back to.
    pub(crate) path: Vec<Pane>,
    pub(crate) overlay: Overlay,
    pub(crate) filter: RowFilter,
    /// Looked for in source and flame graph.
    pub(crate) search: RowFilter,
    pub(crate) input: Input,
    pub(crate) column: Column,
    pub(crate) reversed: bool,
    pub(crate) hidden: Hidden,
    pub(crate) thread: Option<ThreadId>,
    pub(crate) process: Option<u32>,
    /// Positions of the rows that are left, in the order in which they are shown.
    pub(crate) shown: Vec<usize>,
    pub(crate) rows: Selection<RowKey>,
    pub(crate) lines: Selection<u32>,
    pub(crate) code: Selection<u32>,
    pub(crate) advice: Selection<String>,
    pub(crate) threads: Selection<ThreadId>,
    /// Functions from the root to the selected frame of the flame graph, and to the zoomed one.
    pub(crate) flame: Vec<FunctionId>,
    pub(crate) zoom: Vec<FunctionId>,
    /// The function whose hottest line has been found.
    pub(crate) centered: Option<FunctionId>,
    /// A place that was jumped to, shown instead of the selected function's.
    pub(crate) place: Option<(String, Option<u32>)>,
    pub(crate) texts: HashMap<String, Option<Arc<Vec<String>>>>,
    pub(crate) frozen: bool,
    pub(crate) interval: usize,
    pub(crate) ended: Option<String>,
    pub(crate) skipped: u64,
    pub(crate) memory: Option<u64>,
    pub(crate) warning: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) is_slow: bool,
    pub(crate) hits: Vec<(Rect, Hit)>,
    /// The panes that the last drawing had room for.
    pub(crate) visible: Vec<Pane>,
    /// Columns of a page in the last drawing.
    pub(crate) width: u16,
}

impl App {
    /// An empty view.
    pub(crate) fn new(theme: Theme, window: Duration) -> Self {
        let mut app = Self {
            theme,
            snapshot: Arc::default(),
            findings: Arc::default(),
            query: Query { window, ..Query::default() },
            asked: None,
            focus: Pane::default(),
            path: Vec::new(),
            overlay: Overlay::default(),
            filter: RowFilter::default(),
            search: RowFilter::default(),
            input: Input::default(),
            column: Column::default(),
            reversed: false,
            hidden: Hidden::default(),
            thread: None,
            process: None,
            shown: Vec::new(),
            rows: Selection::default(),
            lines: Selection::default(),
            code: Selection::default(),
            advice: Selection::default(),
            threads: Selection::default(),
            flame: Vec::new(),
            zoom: Vec::new(),
            centered: None,
            place: None,
            texts: HashMap::new(),
            frozen: false,
            interval: 3,
            ended: None,
            skipped: 0,
            memory: None,
            warning: None,
            message: None,
            is_slow: false,
            hits: Vec::new(),
            visible: Vec::new(),
            width: 80,
        };
        app.apply_filter();
        app
    }

    /// Time between two drawings that was asked for.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_millis(INTERVALS_MS[self.interval])
    }

    /// The selected row of the table.
    pub(crate) fn row(&self) -> Option<&Row> {
        self.snapshot.rows.get(*self.shown.get(self.rows.at)?)
    }

    /// The file whose source is shown.
    pub(crate) fn file(&self) -> Option<&str> {
        match &self.place {
            Some((file, _)) => Some(file),
            None => self.row().map(|row| row.file.as_str()),
        }
    }

    /// The text of the file that is shown, once it was read.
    pub(crate) fn text(&self) -> Option<Arc<Vec<String>>> {
        self.texts.get(self.file()?).cloned().flatten()
    }

    /// The selected line of the source.
    pub(crate) fn line(&self) -> u32 {
        self.lines.at as u32 + 1
    }

    /// Takes over what changed for the samples that count.
    fn apply_filter(&mut self) {
        let filter = &mut self.query.filter;
        filter.states = match self.hidden {
            Hidden::Nothing => Vec::new(),
            Hidden::Idle | Hidden::Library => vec![ThreadState::Running, ThreadState::WaitingForGil],
        };
        let library = ["*/lib/python3*", "*/lib64/python3*", "*site-packages*", "<frozen *"];
        filter.exclude = match self.hidden {
            Hidden::Library => library.map(str::to_owned).to_vec(),
            Hidden::Nothing | Hidden::Idle => Vec::new(),
        };
        filter.processes = self.process.into_iter().collect();
        filter.only = self.thread;
    }

    /// Asks for what is needed now, if that has changed.
    pub(crate) fn ask(&mut self, feed: &mut dyn Feed) {
        self.query.function = match &self.place {
            Some((file, line)) => self.function_at(file, *line),
            None => self.row().and_then(|row| row.function),
        };
        self.query.file = self.file().map(str::to_owned);
        self.query.tree = self.focus == Pane::Flame;
        if self.asked.as_ref() != Some(&self.query) {
            feed.ask(&self.query);
            self.asked = Some(self.query.clone());
        }
        let Some(file) = self.query.file.clone() else { return };
        if !self.texts.contains_key(&file) {
            // A few files at a time: what was read long ago is read again.
            if self.texts.len() >= 16 {
                self.texts.clear();
            }
            let text = feed.source(&file).map(Arc::new);
            self.texts.insert(file, text);
            self.center_source();
        }
    }

    /// The function that a line most likely belongs to: the last to begin before it.
    fn function_at(&self, file: &str, line: Option<u32>) -> Option<FunctionId> {
        let rows = self.snapshot.rows.iter().filter(|row| row.file == file);
        let begins = |row: &&Row| row.line.unwrap_or(0) <= line.unwrap_or(u32::MAX);
        rows.filter(begins).max_by_key(|row| row.line).and_then(|row| row.function)
    }
}
