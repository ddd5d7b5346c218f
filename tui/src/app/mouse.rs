//! What the mouse does.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::{App, Hit, Overlay, Pane};
use crate::feed::Feed;
use crate::flame;

impl App {
    pub(super) fn mouse(&mut self, mouse: MouseEvent, feed: &mut dyn Feed) {
        let at = Position { x: mouse.column, y: mouse.row };
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => self.click(at, feed),
            MouseEventKind::ScrollDown => self.scroll(at, 3),
            MouseEventKind::ScrollUp => self.scroll(at, -3),
            _ => {}
        }
    }

    fn click(&mut self, at: Position, feed: &mut dyn Feed) {
        if matches!(self.overlay, Overlay::Help(_) | Overlay::Page(..)) {
            self.overlay = Overlay::None;
            return;
        }
        // What was drawn last lies on top.
        let hit = self.hits.iter().rev().find(|(area, _)| area.contains(at)).map(|(_, hit)| *hit);
        match hit {
            Some(Hit::Pane(pane)) => self.focus = pane,
            Some(Hit::Row(pane, row)) => {
                let again = pane == Pane::Flame && self.focus == pane && {
                    flame::find(&self.snapshot.tree, &self.flame) == Some(row as u32)
                };
                self.focus = pane;
                self.select(pane, row);
                if again {
                    self.enter(feed);
                }
            }
            Some(Hit::Sort(column)) => {
                self.reversed = self.column == column && !self.reversed;
                self.column = column;
                self.arrange();
            }
            None => {}
        }
    }

    fn scroll(&mut self, at: Position, by: isize) {
        if let Overlay::Help(top) | Overlay::Page(_, top) = &mut self.overlay {
            *top = top.saturating_add_signed(by);
            return;
        }
        let over = self.hits.iter().rev().find_map(|(area, hit)| match hit {
            Hit::Pane(pane) | Hit::Row(pane, _) if area.contains(at) => Some(*pane),
            _ => None,
        });
        let focus = self.focus;
        self.focus = over.unwrap_or(focus);
        if self.focus != Pane::Flame {
            self.go(by);
        }
        self.focus = focus;
    }
}
