//! The panes, one file each: what stands where on the screen.

pub(crate) mod advice;
pub(crate) mod flame;
pub(crate) mod footer;
pub(crate) mod functions;
pub(crate) mod header;
pub(crate) mod help;
pub(crate) mod opcodes;
pub(crate) mod source;
pub(crate) mod threads;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use slowpath_profile::evidence::SpecState;
use slowpath_profile::export::printable;
use slowpath_profile::text::columns;
use slowpath_profile::view::live::StateMix;

use crate::app::{App, Hit, Overlay, Pane};
use crate::layout::Screen;
use crate::theme::Theme;

/// Draws everything.
pub(crate) fn draw(app: &mut App, area: Rect, buf: &mut Buffer) {
    app.hits.clear();
    app.visible.clear();
    // A page stands one column away from either side.
    app.width = area.width.saturating_sub(2);
    let Some(screen) = Screen::of(area, app.focus, header::problem(app).is_some()) else {
        let theme = app.theme;
        put(buf, area, 0, &theme.text("needs 40x10".into()), theme.strong());
        return;
    };
    header::draw(app, screen.header, buf);
    for (pane, area) in screen.panes {
        app.visible.push(pane);
        app.hits.push((area, Hit::Pane(pane)));
        match pane {
            Pane::Functions => functions::draw(app, area, buf),
            Pane::Source => source::draw(app, area, buf),
            Pane::Instructions => opcodes::draw(app, area, buf),
            Pane::Advice => advice::draw(app, area, buf),
            Pane::Threads => threads::draw(app, area, buf),
            Pane::Flame => flame::draw(app, area, buf),
        }
    }
    for x in screen.lines {
        for y in x.top()..x.bottom() {
            buf.set_string(x.x, y, app.theme.sign("│", "|"), app.theme.faint());
        }
    }
    footer::draw(app, screen.footer, buf);
    if matches!(app.overlay, Overlay::Help(_) | Overlay::Page(..)) {
        help::draw(app, screen.body, buf);
    }
}

/// A piece of text in its style.
pub(crate) type Piece = (String, Style);

/// Text of a target, safe to draw.
pub(crate) fn safe(theme: Theme, text: &str) -> String {
    theme.text(printable(text).into_owned())
}

/// Draws text in a line of an area, cut at its end.
pub(crate) fn put(buf: &mut Buffer, area: Rect, line: u16, text: &str, style: Style) {
    pieces(buf, area, line, &[(text.to_owned(), style)]);
}

/// Draws pieces one behind the other, cut at the end of the area.
pub(crate) fn pieces(buf: &mut Buffer, area: Rect, line: u16, pieces: &[Piece]) {
    if line >= area.height {
        return;
    }
    let (mut x, y) = (area.x, area.y + line);
    for (text, style) in pieces {
        let left = area.right().saturating_sub(x);
        if left == 0 {
            break;
        }
        (x, _) = buf.set_stringn(x, y, text, usize::from(left), *style);
    }
}

/// The title line of a pane: its number and name, then what its numbers are of. The rest is for rows.
pub(crate) fn title(app: &App, pane: Pane, area: Rect, buf: &mut Buffer, (name, rest): (&str, &str)) -> Rect {
    let theme = app.theme;
    let number = Pane::ALL.iter().position(|known| *known == pane).unwrap_or(0) + 1;
    let head = format!(" {number} {name} ");
    let rest = safe(theme, rest);
    let line = theme.sign("─", "-");
    let used = columns(&head) + columns(&rest) + 2;
    let fill = line.repeat(usize::from(area.width).saturating_sub(used));
    let style = theme.title(app.focus == pane);
    pieces(buf, area, 0, &[(head, style), (format!(" {rest} "), Style::new()), (fill, theme.faint())]);
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}

/// Draws over a whole row that it is selected.
pub(crate) fn mark(app: &App, pane: Pane, area: Rect, line: u16, buf: &mut Buffer) {
    if line < area.height {
        let row = Rect { y: area.y + line, height: 1, ..area };
        buf.set_style(row, app.theme.selected(app.focus == pane));
    }
}

/// A bar of `cells` signs, as many of each state as its part of the instructions; one at least of each
/// bad state that is there.
pub(crate) fn state_bar(theme: Theme, mix: &StateMix, cells: u32) -> Vec<Piece> {
    let counts = mix.counts();
    let all: u32 = counts.iter().map(|(_, count)| count).sum();
    if all == 0 {
        return vec![(" ".repeat(cells as usize), Style::new())];
    }
    let is_bad = |state| matches!(state, SpecState::Deopted | SpecState::BackedOff | SpecState::Warming);
    let mut left = cells;
    let mut bar = Vec::new();
    // The bad ones first get their place; the order on the screen stays.
    let mut widths = counts.map(|(state, count)| {
        let least = u32::from(count > 0 && is_bad(state));
        let width = (count * cells / all).max(least).min(left);
        left -= width;
        width
    });
    if let Some(widest) = (0..widths.len()).max_by_key(|at| widths[*at]) {
        widths[widest] += left;
    }
    for ((state, _), width) in counts.iter().zip(widths).filter(|(_, width)| *width > 0) {
        bar.push((theme.glyph(*state).repeat(width as usize), theme.state(*state)));
    }
    bar
}

/// `text` with spaces behind it up to `width` columns.
pub(crate) fn padded(text: String, width: usize) -> String {
    let fill = width.saturating_sub(columns(&text));
    text + &" ".repeat(fill)
}
