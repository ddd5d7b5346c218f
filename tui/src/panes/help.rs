//! What lies over the panes: all keys, or a page of text.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{Clear, Widget};
use slowpath_profile::evidence::SpecState;
use slowpath_profile::text::columns;

use super::{Piece, padded, pieces, safe};
use crate::app::{App, Overlay};
use crate::keys;
use crate::theme::Theme;

/// Columns of the keys.
const KEYS: usize = 15;

/// Draws the overlay.
pub(crate) fn draw(app: &mut App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let width = usize::from(area.width);
    let lines = match &app.overlay {
        Overlay::Help(_) => help(theme, width),
        Overlay::Page(text, _) => page(theme, text, width),
        _ => return,
    };
    Clear.render(area, buf);
    let room = usize::from(area.height.saturating_sub(1));
    let most = lines.len().saturating_sub(room);
    let (Overlay::Help(top) | Overlay::Page(_, top)) = &mut app.overlay else { return };
    *top = (*top).min(most);
    let top = *top;
    for (row, line) in lines.iter().skip(top).take(room).enumerate() {
        pieces(buf, area, row as u16, line);
    }
    let rest = if most > top { "; j further" } else { "" };
    let last = format!(" {} of {} lines{rest}; Esc closes ", (top + room).min(lines.len()), lines.len());
    pieces(buf, area, area.height.saturating_sub(1), &[(last, theme.title(true))]);
}

/// The table of keys and the signs of states.
fn help(theme: Theme, width: usize) -> Vec<Vec<Piece>> {
    let mut lines = vec![vec![(" Keys".to_owned(), theme.strong())]];
    for binding in keys::TABLE {
        for (at, text) in folded(binding.help, width.saturating_sub(KEYS + 2)).into_iter().enumerate() {
            let keys = if at == 0 { binding.shown } else { "" };
            lines.push(vec![
                (format!(" {}", padded(keys.into(), KEYS)), theme.strong()),
                (text, Style::new()),
            ]);
        }
    }
    lines.push(Vec::new());
    lines.push(vec![(" States of instructions".to_owned(), theme.strong())]);
    for state in SpecState::SHOWN {
        let sign = format!("   {} {}", theme.glyph(state), padded(state.word().into(), 18));
        let mut texts = folded(meaning(state), width.saturating_sub(24)).into_iter();
        lines.push(vec![(sign, theme.state(state)), (texts.next().unwrap_or_default(), Style::new())]);
        lines.extend(texts.map(|text| vec![(" ".repeat(23) + &text, Style::new())]));
    }
    lines
}

fn meaning(state: SpecState) -> &'static str {
    match state {
        SpecState::Specialised => "runs as a fast form",
        SpecState::Warming => "has run too rarely to be made fast",
        SpecState::BackedOff => "could not be made fast; will be tried again",
        SpecState::Deopted => "was fast and has been given up",
        SpecState::NotSpecialisable => "this version of Python has no fast form of it",
        SpecState::Compiled | SpecState::Unknown => "could not be told, or is in compiled code",
    }
}

fn page(theme: Theme, text: &[String], width: usize) -> Vec<Vec<Piece>> {
    let mut lines = Vec::new();
    for (at, line) in text.iter().enumerate() {
        let style = if at == 0 { theme.strong() } else { Style::new() };
        let folded = folded(&safe(theme, line), width.saturating_sub(2));
        lines.extend(folded.into_iter().map(|part| vec![(format!(" {part}"), style)]));
    }
    lines
}

/// Breaks a text at spaces; what goes on below is indented as its line is.
fn folded(text: &str, width: usize) -> Vec<String> {
    let width = width.max(10);
    let indent = text.len() - text.trim_start().len();
    let mut lines = vec![text[..indent].to_owned()];
    let mut is_empty = true;
    for word in text[indent..].split(' ') {
        let used = lines.last().map_or(0, |line| columns(line));
        if !is_empty && used + 1 + columns(word) > width {
            lines.push(" ".repeat(indent.min(width / 2)));
        } else if !is_empty && let Some(line) = lines.last_mut() {
            line.push(' ');
        }
        is_empty = false;
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
        }
    }
    lines
}
