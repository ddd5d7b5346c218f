//! The last line: keys, messages, and what is typed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use slowpath_profile::text::columns;

use super::{Piece, pieces, put, safe};
use crate::app::{App, Overlay, Pane};
use crate::keys::{self, Action};

/// Draws the footer.
pub(crate) fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    match &app.overlay {
        Overlay::Filter | Overlay::Write => {
            let label = match (&app.overlay, app.searches()) {
                (Overlay::Write, _) => "write to: ",
                (_, true) => "search: ",
                (_, false) => "filter (text, re:EXPR, file:TEXT, state:deopted): ",
            };
            typed(app, area, buf, label);
            return;
        }
        Overlay::AskReset => {
            put(buf, area, 0, "forget what was counted and begin anew? y / any other key", theme.warn());
            return;
        }
        Overlay::None | Overlay::Help(_) | Overlay::Page(..) => {}
    }
    if let Some(message) = &app.message {
        put(buf, area, 0, &safe(theme, message), theme.warn());
        return;
    }
    let mut line = Vec::<Piece>::new();
    let mut used = 0;
    for binding in keys::TABLE.iter().filter(|binding| !binding.word.is_empty()) {
        let word = word(app, binding.actions[0], binding.word);
        let (key, word) = (binding.shown.to_owned(), format!(" {word}  "));
        used += columns(&key) + columns(&word);
        if used > usize::from(area.width) + 2 {
            break;
        }
        line.extend([(key, theme.strong()), (word, theme.faint())]);
    }
    pieces(buf, area, 0, &line);
}

/// What a key does now.
fn word(app: &App, action: Action, word: &'static str) -> &'static str {
    match action {
        Action::Freeze if app.frozen => "go on",
        Action::Filter if app.searches() => "search",
        Action::Lines if app.query.by_line => "functions",
        Action::Scope if app.query.scope == slowpath_profile::view::live::Scope::SinceStart => "last seconds",
        Action::Enter if app.focus == Pane::Advice => "explain",
        _ => word,
    }
}

/// What is typed, with the cursor; its end stays in sight.
fn typed(app: &App, area: Rect, buf: &mut Buffer, label: &str) {
    let theme = app.theme;
    let room = usize::from(area.width);
    let label = if columns(label) + 12 > room { "> " } else { label };
    let width = room.saturating_sub(columns(label) + 1);
    let scroll = app.input.visual_scroll(width);
    let text: String = safe(theme, app.input.value());
    let cursor = app.input.visual_cursor().saturating_sub(scroll);
    let mut skipped = 0;
    let shown: String = text
        .chars()
        .skip_while(|c| {
            skipped += columns(c.encode_utf8(&mut [0; 4]));
            skipped <= scroll
        })
        .collect();
    pieces(buf, area, 0, &[(label.to_owned(), theme.strong()), (shown, Style::new())]);
    let x = (columns(label) + cursor).min(room.saturating_sub(1)) as u16;
    buf.set_style(Rect { x: area.x + x, y: area.y, width: 1, height: 1 }, theme.selected(true));
}
