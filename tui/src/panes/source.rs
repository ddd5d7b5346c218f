//! The source of the selected function, with what each line costs and in which state it is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use slowpath_profile::tables::short_path;
use slowpath_profile::text::{cut_end, cut_middle, share_percent};
use slowpath_profile::view::live::SourceLine;

use super::{mark, pieces, put, safe, title};
use crate::app::{App, Hit, Pane};
use crate::theme::Theme;

/// Spaces for a tab.
const TAB: &str = "    ";
/// Columns from which a pane has room for any indentation.
const WIDE: u16 = 80;

/// Draws the pane.
pub(crate) fn draw(app: &mut App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let file = app.file().map(|file| safe(theme, short_path(file))).unwrap_or_default();
    let name = if app.place.is_none() { app.row().map(|row| row.name.clone()) } else { None };
    let worst = line(app, app.line()).and_then(|line| line.states.worst());
    let word = worst.map_or(String::new(), |state| format!("  {} {}", theme.glyph(state), state.word()));
    let place = cut_middle(&format!("{file}:{}", app.line()), usize::from(area.width / 2));
    let rest = format!("{place}  {}{word}", name.unwrap_or_default());
    let body = title(app, Pane::Source, area, buf, ("Source", &rest));
    let Some(text) = app.text() else {
        put(buf, body, 0, &without_text(app), theme.faint());
        return;
    };
    let visible = app.lines.visible(usize::from(body.height), text.len());
    let margin = if body.width < WIDE { margin(&text[visible.clone()]) } else { 0 };
    for (row, at) in visible.enumerate() {
        let number = at as u32 + 1;
        let mut cells = gutter(theme, line(app, number));
        cells.push((format!(" {number:>4} "), theme.faint()));
        let code = text[at].replace('\t', TAB);
        let code = safe(theme, code.get(margin..).unwrap_or_default());
        let is_match = app.search.matches(&text[at], "");
        cells.push((
            cut_end(&code, usize::from(body.width)),
            if is_match { theme.warn() } else { Style::new() },
        ));
        pieces(buf, body, row as u16, &cells);
        if at == app.lines.at {
            mark(app, Pane::Source, body, row as u16, buf);
        }
        let area = Rect { y: body.y + row as u16, height: 1, ..body };
        app.hits.push((area, Hit::Row(Pane::Source, at)));
    }
}

/// Columns of indentation that all lines have, which a narrow pane leaves out.
fn margin(lines: &[String]) -> usize {
    let spaces = |line: &String| {
        let line = line.replace('\t', TAB);
        line.len() - line.trim_start_matches(' ').len()
    };
    lines.iter().filter(|line| !line.trim().is_empty()).map(spaces).min().unwrap_or(0)
}

fn line(app: &App, number: u32) -> Option<&SourceLine> {
    let source = app.snapshot.source.as_ref().filter(|source| Some(source.file.as_str()) == app.file())?;
    source.lines.get(&number)
}

/// Self, total and the worst state of a line.
fn gutter(theme: Theme, line: Option<&SourceLine>) -> Vec<super::Piece> {
    let Some(line) = line else { return vec![(" ".repeat(14), Style::new())] };
    let number = |share: f64| if share > 0.0 { share_percent(share) } else { String::new() };
    let worst = line.states.worst();
    let sign = worst.map_or(" ", |state| theme.glyph(state));
    vec![
        (format!("{:>6}", number(line.own_share)), theme.heat(line.own_share)),
        (format!("{:>6} ", number(line.total_share)), theme.faint()),
        (sign.into(), worst.map_or(Style::new(), |state| theme.state(state))),
    ]
}

fn without_text(app: &App) -> String {
    match app.file() {
        None => " nothing is selected".into(),
        Some(file) if file.starts_with('<') => " this code has no file".into(),
        Some(_) => " the source cannot be read here; 3 shows the instructions".into(),
    }
}
