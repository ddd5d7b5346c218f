//! The table of functions, or of lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use slowpath_profile::tables::short_path;
use slowpath_profile::text::{columns, counted, cut_middle, share_percent};
use slowpath_profile::view::live::{Row, Scope};

use super::{Piece, mark, padded, pieces, put, safe, state_bar, title};
use crate::app::{App, Column, Hidden, Hit, Pane};
use crate::theme::Theme;

/// Columns of one number.
const NUMBER: usize = 7;
/// Signs of a state bar.
const STATES: u32 = 6;
/// Columns of the word of the worst state.
const WORD: usize = 11;

/// Which columns there is room for, and how wide they are.
struct Columns {
    trend: bool,
    states: bool,
    word: bool,
    name: usize,
    file: usize,
}

impl Columns {
    fn of(width: usize, rows: impl Iterator<Item = usize>) -> Self {
        let (trend, states, word) = (width >= 50, width >= 60, width >= 80);
        let mut left = width.saturating_sub(2 * NUMBER);
        left -= if trend { NUMBER } else { 0 };
        left -= if states { STATES as usize + 1 } else { 0 };
        left -= if word { WORD + 1 } else { 0 };
        let longest = rows.max().unwrap_or(0).max(8);
        let name = if width < 50 { left } else { longest.min(left * 11 / 20) };
        Self { trend, states, word, name, file: left.saturating_sub(name + 1) }
    }
}

/// Draws the pane.
pub(crate) fn draw(app: &mut App, area: Rect, buf: &mut Buffer) {
    let body = title(app, Pane::Functions, area, buf, (name(app), &base(app)));
    let theme = app.theme;
    let height = usize::from(body.height.saturating_sub(1));
    let visible = app.rows.visible(height, app.shown.len());
    let rows = || visible.clone().filter_map(|at| app.snapshot.rows.get(*app.shown.get(at)?));
    let widths = rows().map(|row| columns(&safe(theme, &row.name)));
    let layout = Columns::of(usize::from(body.width), widths);
    let mut hits = heading(app, &layout, body, buf);
    for (line, (at, row)) in visible.clone().zip(rows()).enumerate() {
        let line = line as u16 + 1;
        pieces(buf, body, line, &cells(theme, row, &layout));
        if at == app.rows.at {
            mark(app, Pane::Functions, body, line, buf);
        }
        hits.push((Rect { y: body.y + line, height: 1, ..body }, Hit::Row(Pane::Functions, at)));
    }
    if app.shown.is_empty() {
        put(buf, body, 1, empty(app), theme.faint());
    }
    app.hits.append(&mut hits);
}

fn name(app: &App) -> &'static str {
    if app.query.by_line { "Lines" } else { "Functions" }
}

/// What the percentages are of, and what is left out.
fn base(app: &App) -> String {
    let samples = counted(app.snapshot.base.weight.sum(), "sample");
    let time = match app.query.scope {
        Scope::Window => format!("last {:.1} s", app.snapshot.span_s),
        Scope::SinceStart => format!("since start, {:.0} s", app.snapshot.span_s),
    };
    let mut text = format!("% of {samples}, {time}");
    if !app.filter.is_empty() {
        text = format!("/{} ({} of {})  {text}", app.filter.text, app.shown.len(), app.snapshot.rows.len());
    }
    text += match app.hidden {
        Hidden::Nothing => "; with idle",
        Hidden::Idle => "; no idle",
        Hidden::Library => "; no idle, no library",
    };
    if let Some(thread) = app.thread {
        let row = app.snapshot.threads.iter().find(|row| row.thread == thread);
        text = format!("thread {}  {text}", row.map_or("?", |row| &row.name));
    }
    if let Some(pid) = app.process {
        text = format!("pid {pid}  {text}");
    }
    text
}

fn empty(app: &App) -> &'static str {
    match (app.snapshot.rows.is_empty(), app.snapshot.health.samples) {
        (false, _) => " no row matches the filter; Esc clears it",
        (true, 0) => " no samples yet",
        (true, _) if app.hidden != Hidden::Nothing => " nothing ran; i shows where threads are idle",
        (true, _) => " no Python code ran",
    }
}

fn heading(app: &App, layout: &Columns, area: Rect, buf: &mut Buffer) -> Vec<(Rect, Hit)> {
    let theme = app.theme;
    let arrow = if app.reversed { theme.sign("▲", "^") } else { theme.sign("▼", "v") };
    let mut parts = vec![(Column::Own, format!("{:>NUMBER$}", "self")), (Column::Total, "  total".into())];
    if layout.trend {
        parts.push((Column::Trend, format!("{:>NUMBER$}", "trend")));
    }
    if layout.states {
        let width = STATES as usize + if layout.word { WORD + 1 } else { 0 };
        parts.push((Column::States, padded(" state".into(), width + 1)));
    }
    parts.push((Column::Name, padded(" name".into(), layout.name + 1)));
    if layout.file > 3 {
        parts.push((Column::File, "file".into()));
    }
    let mut hits = Vec::new();
    let mut drawn = Vec::<Piece>::new();
    let mut x = area.x;
    for (column, mut text) in parts {
        let width = columns(&text) as u16;
        let style = if column == app.column { theme.strong() } else { theme.faint() };
        if column == app.column {
            text = with_arrow(&text, arrow);
        }
        hits.push((Rect { x, y: area.y, width, height: 1 }.intersection(area), Hit::Sort(column)));
        x = x.saturating_add(width);
        drawn.push((text, style));
    }
    pieces(buf, area, 0, &drawn);
    hits
}

/// Puts the arrow into the space before or behind the word.
fn with_arrow(text: &str, arrow: &str) -> String {
    let word = text.trim();
    let at = text.find(word).unwrap_or(0);
    if at > 1 {
        return format!("{}{arrow}{word}{}", &text[..at - 1], &text[at + word.len()..]);
    }
    let behind = &text[at + word.len()..];
    format!("{}{word}{arrow}{}", &text[..at], behind.strip_prefix(' ').unwrap_or(behind))
}

fn cells(theme: Theme, row: &Row, layout: &Columns) -> Vec<Piece> {
    let plain = Style::new();
    let number = |share: f64| format!("{:>NUMBER$}", share_percent(share));
    let mut cells =
        vec![(number(row.own_share), theme.heat(row.own_share)), (number(row.total_share), plain)];
    if layout.trend {
        cells.push(trend(theme, row.trend));
    }
    if layout.states {
        cells.push((" ".into(), plain));
        cells.extend(state_bar(theme, &row.states, STATES));
    }
    if layout.word {
        let worst = row.states.worst();
        let word = worst.map_or(String::new(), |state| format!(" {}", state.word()));
        let word = slowpath_profile::text::cut_end(&word, WORD + 1);
        let style = worst.map_or(plain, |state| theme.state(state));
        cells.push((padded(theme.text(word), WORD + 1), style));
    }
    let name = theme.text(slowpath_profile::text::cut_end(&safe(theme, &row.name), layout.name));
    cells.push((
        format!(" {}", padded(name, layout.name)),
        if row.is_library { plain } else { theme.strong() },
    ));
    if layout.file > 3 {
        let line = row.line.map_or(String::new(), |line| format!(":{line}"));
        let place = format!("{}{line}", safe(theme, short_path(&row.file)));
        cells.push((" ".into(), plain));
        cells.push((theme.text(cut_middle(&place, layout.file - 1)), theme.faint()));
    }
    cells
}

/// How the share has changed from the window before, in points.
fn trend(theme: Theme, trend: Option<f64>) -> Piece {
    let Some(points) = trend.map(|trend| trend * 100.0) else {
        return (" ".repeat(NUMBER), Style::new());
    };
    let text = match points {
        p if p >= 0.5 => format!("{}{p:.1}", theme.sign("▲", "+")),
        p if p <= -0.5 => format!("{}{:.1}", theme.sign("▼", "-"), -p),
        _ => "=".into(),
    };
    let style = if points.abs() >= 0.5 { Style::new() } else { theme.faint() };
    (" ".repeat(NUMBER.saturating_sub(columns(&text))) + &text, style)
}
