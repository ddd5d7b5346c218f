//! Typing: filters, searches and file names.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::InputRequest;

use super::{App, Overlay, Pane};
use crate::feed::Feed;
use crate::filter::RowFilter;
use crate::flame;

impl App {
    /// Whether `/` searches in the focused pane, instead of filtering the table.
    pub(crate) fn searches(&self) -> bool {
        matches!(self.focus, Pane::Source | Pane::Flame)
    }

    pub(super) fn next_match(&mut self, forward: bool) {
        if self.focus == Pane::Flame {
            let found = crate::panes::flame::matches(self);
            let now = flame::find(&self.snapshot.tree, &self.flame);
            let next = match now {
                Some(now) if forward => found.iter().find(|node| **node > now).or(found.first()),
                Some(now) => found.iter().rev().find(|node| **node < now).or(found.last()),
                None => found.first(),
            };
            if let Some(node) = next {
                self.flame = flame::path(&self.snapshot.tree, *node);
            }
            return;
        }
        let Some(text) = self.text() else { return };
        let rows = text.len();
        let order = (1..=rows).map(|by| if forward { by } else { rows - by });
        let found =
            order.map(|by| (self.lines.at + by) % rows).find(|at| self.search.matches(&text[*at], ""));
        if let Some(at) = found {
            self.select(Pane::Source, at);
        }
    }

    pub(super) fn typed(&mut self, key: KeyEvent, feed: &mut dyn Feed) {
        let request = match key.code {
            KeyCode::Enter => return self.entered(feed),
            KeyCode::Esc => {
                self.overlay = Overlay::None;
                return;
            }
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => InputRequest::DeleteLine,
            KeyCode::Char('w') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                InputRequest::DeletePrevWord
            }
            KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::CONTROL) => InputRequest::InsertChar(c),
            KeyCode::Backspace => InputRequest::DeletePrevChar,
            KeyCode::Delete => InputRequest::DeleteNextChar,
            KeyCode::Left => InputRequest::GoToPrevChar,
            KeyCode::Right => InputRequest::GoToNextChar,
            KeyCode::Home => InputRequest::GoToStart,
            KeyCode::End => InputRequest::GoToEnd,
            _ => return,
        };
        self.input.handle(request);
    }

    fn entered(&mut self, feed: &mut dyn Feed) {
        let text = self.input.value().trim().to_owned();
        let overlay = std::mem::take(&mut self.overlay);
        if overlay == Overlay::Write {
            if !text.is_empty() {
                self.message = Some(feed.write(&text).unwrap_or_else(|error| error));
            }
            return;
        }
        match RowFilter::parse(&text) {
            Err(error) => self.message = Some(error),
            Ok(filter) if self.searches() => {
                self.search = filter;
                self.next_match(true);
            }
            Ok(filter) => {
                self.filter = filter;
                self.arrange();
            }
        }
    }
}
