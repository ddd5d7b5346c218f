//! Threads: what each of them did.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use slowpath_profile::text::{share_percent, thousands};
use slowpath_profile::view::live::ThreadRow;

use super::{Piece, mark, padded, pieces, put, safe, title};
use crate::app::{App, Hit, Pane};
use crate::theme::Theme;

/// Draws the pane.
pub(crate) fn draw(app: &mut App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let all = app.snapshot.threads.len();
    let rest = format!("{}; % of the thread's samples, cpu % of a core", thousands(all as u64));
    let body = title(app, Pane::Threads, area, buf, ("Threads", &rest));
    let head =
        format!("{:>6}{:>9}{:>6}{:>6}{:>6}{:>9}  thread", "run", "wantGIL", "idle", "GIL", "cpu", "samples");
    put(buf, body, 0, &head, theme.faint());
    let several = app.snapshot.processes.len() > 1;
    let visible = app.threads.visible(usize::from(body.height.saturating_sub(1)), all);
    for (line, at) in visible.enumerate() {
        let line = line as u16 + 1;
        let row = &app.snapshot.threads[at];
        pieces(buf, body, line, &cells(theme, row, several));
        if at == app.threads.at {
            mark(app, Pane::Threads, body, line, buf);
        }
        let area = Rect { y: body.y + line, height: 1, ..body };
        app.hits.push((area, Hit::Row(Pane::Threads, at)));
    }
    if all == 0 {
        put(buf, body, 1, " no thread was sampled", theme.faint());
    }
}

fn cells(theme: Theme, row: &ThreadRow, several: bool) -> Vec<Piece> {
    let [running, waiting, idle] = row.shares.map(share_percent);
    let mut name = if row.name.is_empty() { "Thread".into() } else { safe(theme, &row.name) };
    if row.native_id != 0 {
        name = format!("{name} ({})", row.native_id);
    }
    if several {
        name = format!("{name}, pid {}", row.pid);
    }
    let samples = thousands(row.weight.sum() + row.dropped);
    vec![
        (format!("{running:>6}"), theme.heat(row.shares[0])),
        (format!("{waiting:>9}"), if row.shares[1] >= 0.1 { theme.warn() } else { Style::new() }),
        (format!("{idle:>6}{:>6}", share_percent(row.gil_share)), Style::new()),
        (format!("{:>6}{samples:>9}  ", share_percent(row.cpu_share)), Style::new()),
        (padded(name, 0), if row.is_main { theme.strong() } else { Style::new() }),
    ]
}
