//! The view, driven by keys over a profile that is made by hand.

use ratatui::buffer::Buffer;

/// The characters of a screen.
pub(crate) fn text(buf: &Buffer) -> String {
    let area = buf.area;
    let mut out = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut skip = 0;
        for x in area.left()..area.right() {
            let symbol = buf[(x, y)].symbol();
            // The cell behind a wide character holds nothing.
            if skip > 0 {
                skip -= 1;
                continue;
            }
            skip = slowpath_profile::text::columns(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
