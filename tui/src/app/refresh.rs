//! New numbers come in, selections stay.

use slowpath_profile::view::live::{InstructionRow, Row};

use super::{App, Column, Pane, RowKey};
use crate::feed::{Feed, Update};
use crate::flame;

/// Lines that the source shows above the selected one.
const ABOVE: usize = 4;

impl App {
    /// Takes over what is new; whether anything was.
    pub(crate) fn refresh(&mut self, feed: &mut dyn Feed) -> bool {
        let Update { snapshot, findings, ended, skipped, memory, warning } = feed.update();
        let is_news = snapshot.is_some()
            || findings.is_some()
            || ended.is_some() && self.ended.is_none()
            || warning != self.warning;
        self.warning = warning;
        self.skipped = skipped;
        // What it last had is of interest after its end.
        self.memory = memory.or(self.memory);
        if let Some(ended) = ended {
            self.ended = Some(ended);
        }
        if let Some(snapshot) = snapshot {
            self.snapshot = snapshot;
            self.arrange();
            self.center_once();
        }
        if let Some(findings) = findings {
            self.findings = findings;
            self.advice.follow(self.findings.findings.iter().map(|finding| finding.id.clone()));
        }
        self.ask(feed);
        is_news
    }

    /// Filters and sorts the rows, and finds the selected ones again.
    pub(crate) fn arrange(&mut self) {
        let before = self.row_key();
        let rows = &self.snapshot.rows;
        let mut shown: Vec<usize> = (0..rows.len()).filter(|at| self.filter.wants(&rows[*at])).collect();
        // Rows come sorted by self; a stable sort keeps that order among equals.
        let column = self.column;
        shown.sort_by(|one, other| compare(column, &rows[*one], &rows[*other]));
        if self.reversed {
            shown.reverse();
        }
        self.rows.follow(shown.iter().map(|at| key(&rows[*at])));
        self.shown = shown;
        if self.row_key() != before && self.place.is_none() {
            self.centered = None;
            self.center_source();
        }
        self.threads.follow(self.snapshot.threads.iter().map(|row| row.thread));
        let offsets: Vec<u32> = self.instructions().map(|row| row.offset).collect();
        self.code.follow(offsets.into_iter());
        flame::keep(&self.snapshot.tree, &mut self.flame);
        flame::keep(&self.snapshot.tree, &mut self.zoom);
    }

    fn row_key(&self) -> Option<RowKey> {
        self.row().map(key)
    }

    /// Instructions of the selected line.
    pub(crate) fn instructions(&self) -> impl Iterator<Item = &InstructionRow> {
        let line = self.line();
        self.snapshot.instructions.iter().filter(move |row| row.line == Some(line))
    }

    /// Shows the hottest line of the selected function, or the place that was jumped to.
    pub(crate) fn center_source(&mut self) {
        let line = match &self.place {
            Some((_, line)) => *line,
            None => self.hottest_line(),
        };
        let at = line.unwrap_or(1).saturating_sub(1) as usize;
        self.lines.set(at, at as u32 + 1);
        self.lines.top = at.saturating_sub(ABOVE);
        self.code.clear();
    }

    /// Finds the hottest line as soon as the instructions of the selected function have come, and leaves
    /// it to the user from then on.
    fn center_once(&mut self) {
        let wanted = self.row().and_then(|row| row.function);
        let has_come = wanted.is_some() && self.snapshot.function == wanted;
        if has_come
            && self.centered != wanted
            && self.place.is_none()
            && !self.snapshot.instructions.is_empty()
        {
            self.center_source();
            self.centered = wanted;
        }
    }

    fn hottest_line(&self) -> Option<u32> {
        let row = self.row()?;
        if self.query.by_line {
            return row.line;
        }
        // It is of the function that was asked for, which the new one is not yet.
        let is_known = self.snapshot.function == row.function;
        self.snapshot.hottest_line.filter(|_| is_known).or(row.line)
    }

    /// Number of rows of a pane.
    pub(crate) fn len(&self, pane: Pane) -> usize {
        match pane {
            Pane::Functions => self.shown.len(),
            Pane::Source => self.text().map_or(0, |text| text.len()),
            Pane::Instructions => self.instructions().count(),
            Pane::Advice => self.findings.findings.len(),
            Pane::Threads => self.snapshot.threads.len(),
            Pane::Flame => 0,
        }
    }
}

pub(super) fn key(row: &Row) -> RowKey {
    (row.function, row.file.clone(), row.line)
}

/// The largest first, names in their order.
fn compare(column: Column, one: &Row, other: &Row) -> std::cmp::Ordering {
    let trend = |row: &Row| row.trend.unwrap_or(0.0);
    let states = |row: &Row| {
        use slowpath_profile::evidence::SpecState::{BackedOff, Deopted, Warming};
        let count = |state| row.states.count(state);
        (count(Deopted), count(BackedOff), count(Warming))
    };
    match column {
        Column::Own => other.own.sum().cmp(&one.own.sum()),
        Column::Total => other.total.sum().cmp(&one.total.sum()),
        Column::Trend => trend(other).total_cmp(&trend(one)),
        Column::States => states(other).cmp(&states(one)),
        Column::Name => one.name.cmp(&other.name),
        Column::File => (&one.file, one.line).cmp(&(&other.file, other.line)),
    }
}
