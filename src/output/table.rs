//! The table of the hottest functions.
//!
//! A thread that sleeps is not hot, so the shares are of the samples that ran or waited for the GIL,
//! and where threads sleep is listed apart with a base of its own.

use std::fmt::Write as _;

use slowpath_profile::{FunctionKind, Source, Tables, ThreadState};

use super::text::{Style, columns, cut_end, cut_start, escaped, percent, thousands, wrap};
use crate::tally::{ByState, Row, Tally};

const ROWS: usize = 15;
const IDLE_ROWS: usize = 5;
/// Below this width there is no room for the place of a function.
const WIDE: usize = 60;

/// Samples that were not idle.
fn busy(counts: ByState) -> u64 {
    counts[ThreadState::Running as usize] + counts[ThreadState::WaitingForGil as usize]
}

fn idle(counts: ByState) -> u64 {
    counts[ThreadState::Idle as usize]
}

pub(super) fn render(out: &mut String, source: &dyn Source, tally: &Tally, style: Style) {
    hottest(out, source.tables(), tally, style);
    sleeping(out, source.tables(), tally, style);
}

fn hottest(out: &mut String, tables: &Tables, tally: &Tally, style: Style) {
    let base = busy(tally.by_state);
    let mut rows: Vec<&Row> = tally.rows.iter().filter(|row| busy(row.total) > 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((busy(row.own), busy(row.total))));
    if rows.is_empty() {
        return;
    }
    let with_gil = style.width >= WIDE && tally.by_state[ThreadState::WaitingForGil as usize] > 0;
    let head = if with_gil { "  self  total    GIL  function" } else { "  self  total  function" };
    let _ = writeln!(out, "\n{}", style.faint(head));
    for row in rows.iter().take(ROWS) {
        let mut line = format!("{:>6}{:>7}", percent(busy(row.own), base), percent(busy(row.total), base));
        if with_gil {
            let _ = write!(line, "{:>7}", percent(row.own[ThreadState::WaitingForGil as usize], base));
        }
        line += "  ";
        let left = style.width.saturating_sub(columns(&line));
        let _ = writeln!(out, "{line}{}", function(tables, row, left, style));
    }
    let more = rows.len().saturating_sub(ROWS);
    let more = if more > 0 { format!("; {} more functions", thousands(more as u64)) } else { String::new() };
    let what = if idle(tally.by_state) > 0 { "samples that were not idle" } else { "samples" };
    let gil = if with_gil { "; GIL: part of self that waited for it" } else { "" };
    let note = format!("in % of {} {what}{gil}{more}", thousands(base));
    let _ = writeln!(out, "{}", style.faint(&wrap(&note, style.width, 2)));
}

fn sleeping(out: &mut String, tables: &Tables, tally: &Tally, style: Style) {
    let base = idle(tally.by_state);
    let mut rows: Vec<&Row> = tally.rows.iter().filter(|row| idle(row.own) > 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(idle(row.own)));
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", style.faint("  idle  in function"));
    for row in rows.iter().take(IDLE_ROWS) {
        let share = percent(idle(row.own), base);
        let _ = writeln!(out, "{share:>6}  {}", function(tables, row, style.width.saturating_sub(8), style));
    }
    let note = format!("in % of {} idle samples", thousands(base));
    let _ = writeln!(out, "{}", style.faint(&note));
}

/// Qualified name and place in at most `width` columns.
fn function(tables: &Tables, row: &Row, width: usize, style: Style) -> String {
    let Some(function) = tables.functions.get(row.function) else { return "?".into() };
    let name = escaped(tables.text(function.qualname));
    if function.kind == FunctionKind::Runtime || width < WIDE / 2 {
        return cut_end(&name, width);
    }
    let place = format!("{}:{}", escaped(tables.text(function.file)), function.first_line);
    // The name gets what it needs up to two thirds, the place what is left.
    let name = cut_end(&name, (width * 2 / 3).max(width.saturating_sub(columns(&place) + 2)));
    let left = width.saturating_sub(columns(&name) + 2);
    format!("{name}  {}", style.faint(&cut_start(&place, left)))
}
