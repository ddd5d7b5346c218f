//! Which panes fit, and where.

use ratatui::layout::{Constraint, Layout, Rect};

use crate::app::Pane;

/// Less than this is no room for anything.
const SMALLEST: (u16, u16) = (40, 10);

/// Where things are drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    pub(crate) header: Rect,
    pub(crate) body: Rect,
    pub(crate) panes: Vec<(Pane, Rect)>,
    /// Columns between panes.
    pub(crate) lines: Vec<Rect>,
    pub(crate) footer: Rect,
}

impl Screen {
    /// The layout of a terminal; `None` if it is too small. `problem` asks for a third line of the header.
    pub(crate) fn of(area: Rect, focus: Pane, problem: bool) -> Option<Self> {
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            return None;
        }
        let head = 2 + u16::from(problem && area.height >= 15);
        let [header, body, footer] =
            Layout::vertical([Constraint::Length(head), Constraint::Min(1), Constraint::Length(1)])
                .areas(area);
        let (mut panes, mut lines) = (Vec::new(), Vec::new());
        if focus == Pane::Flame {
            panes.push((focus, body));
        } else if area.width >= 120 && area.height >= 30 {
            all(body, &mut panes, &mut lines);
        } else if area.width >= 80 && area.height >= 20 {
            two(body, focus, &mut panes);
        } else {
            panes.push((focus, body));
        }
        Some(Self { header, body, panes, lines, footer })
    }
}

fn all(body: Rect, panes: &mut Vec<(Pane, Rect)>, lines: &mut Vec<Rect>) {
    let bottom = (body.height / 4).clamp(6, 12);
    let [upper, lower] = Layout::vertical([Constraint::Min(1), Constraint::Length(bottom)]).areas(body);
    let split = |area: Rect, share| {
        let parts = [Constraint::Percentage(share), Constraint::Length(1), Constraint::Min(1)];
        Layout::horizontal(parts).areas::<3>(area)
    };
    let [left, line, right] = split(upper, 54);
    let [source, code] = Layout::vertical([Constraint::Percentage(62), Constraint::Min(1)]).areas(right);
    let [advice, line_below, threads] = split(lower, 54);
    panes.extend([
        (Pane::Functions, left),
        (Pane::Source, source),
        (Pane::Instructions, code),
        (Pane::Advice, advice),
        (Pane::Threads, threads),
    ]);
    lines.extend([line, line_below]);
}

/// The focused pane with the one that it is read with.
fn two(body: Rect, focus: Pane, panes: &mut Vec<(Pane, Rect)>) {
    let (above, below) = match focus {
        Pane::Functions | Pane::Advice => (Pane::Functions, Pane::Advice),
        Pane::Source | Pane::Instructions => (Pane::Source, Pane::Instructions),
        Pane::Threads => (Pane::Functions, Pane::Threads),
        Pane::Flame => return panes.push((focus, body)),
    };
    let height = (body.height * 2 / 5).min(body.height.saturating_sub(7));
    let [upper, lower] = Layout::vertical([Constraint::Min(1), Constraint::Length(height)]).areas(body);
    panes.extend([(above, upper), (below, lower)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_fit_at_every_size_and_the_table_keeps_five_rows() {
        for width in [40, 60, 79, 80, 100, 119, 120, 160, 300] {
            for height in [10, 15, 19, 20, 24, 29, 30, 45, 100] {
                for focus in Pane::ALL {
                    let area = Rect { x: 0, y: 0, width, height };
                    let screen = Screen::of(area, focus, true).unwrap();
                    assert!(screen.panes.iter().any(|(pane, _)| *pane == focus), "{width}x{height}");
                    for (pane, rect) in &screen.panes {
                        assert_eq!(rect.intersection(area), *rect, "{pane:?} {width}x{height}");
                        let least = if *pane == Pane::Functions { 7 } else { 3 };
                        assert!(rect.height >= least, "{pane:?} {rect:?} {width}x{height}");
                    }
                }
            }
        }
        assert_eq!(Screen::of(Rect::new(0, 0, 30, 5), Pane::Functions, false), None);
    }
}
