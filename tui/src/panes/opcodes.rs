//! The instructions of the selected line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use slowpath_profile::text::{cut_end, share_percent, thousands};
use slowpath_profile::view::live::InstructionRow;

use super::{Piece, mark, padded, pieces, put, safe, title};
use crate::app::{App, Hit, Pane};
use crate::theme::Theme;

/// Draws the pane.
pub(crate) fn draw(app: &mut App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let rest = format!("line {}; % of samples that ran it", app.line());
    let body = title(app, Pane::Instructions, area, buf, ("Instructions", &rest));
    let rows: Vec<InstructionRow> = app.instructions().cloned().collect();
    let head =
        format!("{:>7}{:>7}  {:<20} {:<26} {}", "self", "count", "state", "instruction", "cache; counter");
    put(buf, body, 0, &head, theme.faint());
    if rows.is_empty() {
        put(buf, body, 1, " no instruction of this line was sampled or looked at", theme.faint());
    }
    let visible = app.code.visible(usize::from(body.height.saturating_sub(1)), rows.len());
    for (line, at) in visible.enumerate() {
        let line = line as u16 + 1;
        pieces(buf, body, line, &cells(theme, &rows[at]));
        if at == app.code.at {
            mark(app, Pane::Instructions, body, line, buf);
        }
        let area = Rect { y: body.y + line, height: 1, ..body };
        app.hits.push((area, Hit::Row(Pane::Instructions, at)));
    }
}

fn cells(theme: Theme, row: &InstructionRow) -> Vec<Piece> {
    let state = format!("{} {}", theme.glyph(row.state), row.state.word());
    let opcode = if row.opcode.is_empty() { "(other)" } else { &row.opcode };
    let name = if row.name.is_empty() { String::new() } else { format!(" {}", row.name) };
    let opcode = safe(theme, &format!("{:>4} {opcode}{name}", row.offset));
    let seen = [row.cache.as_str(), row.counter.as_str()];
    let seen: Vec<&str> = seen.into_iter().filter(|text| !text.is_empty()).collect();
    vec![
        (format!("{:>7}", share_percent(row.share)), theme.heat(row.share)),
        (format!("{:>7}  ", thousands(row.samples)), Style::new()),
        (padded(state, 20), theme.state(row.state)),
        (format!(" {} ", padded(theme.text(cut_end(&opcode, 34)), 26)), Style::new()),
        (safe(theme, &seen.join("; ")), theme.faint()),
    ]
}
