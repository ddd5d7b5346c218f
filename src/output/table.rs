//! Tables of the hottest functions and lines.
//!
//! A thread that sleeps is not hot, so the shares are of the samples that ran or waited for the GIL,
//! and where threads sleep is listed apart with a base of its own.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt::Write as _;
use std::sync::OnceLock;

use slowpath_profile::view::{FunctionRow, Functions, LineRow, Split};
use slowpath_profile::{FunctionKind, Tables, view};

use super::text::{Style, columns, counted, cut_end, cut_start, escaped, percent, thousands, wrap};

const ROWS: usize = 15;
const LINES: usize = 5;
const IDLE_ROWS: usize = 5;
/// Below this width there is no room for the place of a function.
const WIDE: usize = 60;

/// Weight that is not idle.
fn busy(weight: Split) -> u64 {
    weight.running + weight.waiting_for_gil
}

/// All tables that have rows.
pub(super) fn render(out: &mut String, weights: &view::Weights, tables: &Tables, style: Style) {
    let functions = Functions::new(weights, tables);
    hottest(out, &functions, style);
    lines(out, weights, tables, style);
    sleeping(out, &functions, style);
}

fn hottest(out: &mut String, functions: &Functions, style: Style) {
    let base = busy(functions.base.weight);
    let mut rows: Vec<&FunctionRow> = functions.rows.iter().filter(|row| busy(row.total) > 0).collect();
    rows.sort_by_key(|row| Reverse((busy(row.own), busy(row.total))));
    if rows.is_empty() {
        return;
    }
    let with_gil = style.width >= WIDE && functions.base.weight.waiting_for_gil > 0;
    let head = if with_gil { "  self  total    GIL  function" } else { "  self  total  function" };
    let _ = writeln!(out, "\n{}", style.faint(head));
    let shown = rows.iter().take(ROWS).map(|row| {
        let mut head = format!("{:>6}{:>7}", percent(busy(row.own), base), percent(busy(row.total), base));
        if with_gil {
            let _ = write!(head, "{:>7}", percent(row.own.waiting_for_gil, base));
        }
        (head, *row)
    });
    aligned(out, shown.collect(), style);
    let what = if functions.base.weight.idle > 0 { "samples that were not idle" } else { "samples" };
    let gil = if with_gil { "; GIL: part of self that waited for it" } else { "" };
    let more = match rows.len().saturating_sub(ROWS) {
        0 => String::new(),
        more => format!("; {} not shown", counted(more as u64, "function")),
    };
    let note = format!("in % of {} {what}{gil}{more}", thousands(base));
    let _ = writeln!(out, "{}", style.faint(&wrap(&note, style.width, 2)));
}

fn lines(out: &mut String, weights: &view::Weights, tables: &Tables, style: Style) {
    let base = busy(weights.base.weight);
    let known = |row: &LineRow| busy(row.own) > 0 && row.line.is_some();
    let mut rows: Vec<LineRow> = view::lines(weights, tables).into_iter().filter(known).collect();
    rows.sort_by_key(|row| Reverse(busy(row.own)));
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", style.faint("  self  line"));
    for row in rows.iter().take(LINES) {
        let place = format!("{}:{}", shown_path(&row.file), row.line.unwrap_or(0));
        let place = cut_start(&place, style.width.saturating_sub(8));
        let _ = writeln!(out, "{:>6}  {place}", percent(busy(row.own), base));
    }
}

fn sleeping(out: &mut String, functions: &Functions, style: Style) {
    let base = functions.base.weight.idle;
    let mut rows: Vec<&FunctionRow> = functions.rows.iter().filter(|row| row.own.idle > 0).collect();
    rows.sort_by_key(|row| Reverse(row.own.idle));
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", style.faint("  idle  in function"));
    let shown = rows.iter().take(IDLE_ROWS);
    let shown = shown.map(|row| (format!("{:>6}", percent(row.own.idle, base)), *row));
    aligned(out, shown.collect(), style);
    let note = format!("in % of {} idle samples", thousands(base));
    let _ = writeln!(out, "{}", style.faint(&note));
}

/// Figures, qualified names and places in columns of their own; no place where there is no room.
fn aligned(out: &mut String, rows: Vec<(String, &FunctionRow)>, style: Style) {
    let texts = |row: &FunctionRow| {
        let place = match row.kind {
            FunctionKind::Runtime => String::new(),
            // Unknown where only stacks are read.
            _ if row.first_line == 0 => shown_path(&row.file).into_owned(),
            _ => format!("{}:{}", shown_path(&row.file), row.first_line),
        };
        (escaped(&row.name).into_owned(), place)
    };
    let rows: Vec<_> = rows.into_iter().map(|(head, row)| (head, texts(row))).collect();
    let widest = |of: &dyn Fn(&(String, String)) -> usize| rows.iter().map(|(_, row)| of(row)).max();
    let names = widest(&|(name, _)| columns(name)).unwrap_or(0);
    let places = widest(&|(_, place)| columns(place)).unwrap_or(0);
    for (head, (name, place)) in &rows {
        let left = style.width.saturating_sub(columns(head) + 2);
        if left < WIDE / 2 {
            let _ = writeln!(out, "{head}  {}", cut_end(name, left));
            continue;
        }
        let for_names = names.min((left * 2 / 3).max(left.saturating_sub(places + 2)));
        let name = cut_end(name, for_names);
        let gap = for_names.saturating_sub(columns(&name)) + 2;
        let place = cut_start(place, left.saturating_sub(for_names + 2));
        let place = if place.is_empty() { place } else { format!("{:gap$}{}", "", style.faint(&place)) };
        let _ = writeln!(out, "{head}  {name}{place}");
    }
}

/// A path of the target as it is shown: below the working directory, from there.
pub(super) fn shown_path(path: &str) -> Cow<'_, str> {
    static HERE: OnceLock<Option<String>> = OnceLock::new();
    let here = HERE.get_or_init(|| std::env::current_dir().ok()?.into_os_string().into_string().ok());
    let below = here.as_ref().and_then(|here| path.strip_prefix(here.as_str())?.strip_prefix('/'));
    escaped(below.unwrap_or(path))
}

/// A name and its place: the name gets two thirds if it needs them, the place what is left.
pub(super) fn named_place(name: &str, place: &str, width: usize, style: Style) -> String {
    let name = cut_end(name, (width * 2 / 3).max(width.saturating_sub(columns(place) + 2)));
    let left = width.saturating_sub(columns(&name) + 2);
    format!("{name}  {}", style.faint(&cut_start(place, left)))
}
