//! Findings: what a fix would save, and where.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use slowpath_profile::finding::{Finding, Findings, Place, VerdictKind};
use slowpath_profile::tables::short_path;
use slowpath_profile::text::{counted, cut_middle, share_percent};

use super::{Piece, mark, padded, pieces, put, safe, title};
use crate::app::{App, Hit, Pane};
use crate::theme::Theme;

/// Draws the pane.
pub(crate) fn draw(app: &mut App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let rest = base(&app.findings);
    let body = title(app, Pane::Advice, area, buf, ("Advice", &rest));
    let rows = app.findings.findings.len();
    if rows == 0 {
        put(buf, body, 0, &format!(" {}", nothing(&app.findings)), theme.faint());
        return;
    }
    put(buf, body, 0, " saves %          title and place", theme.faint());
    // A finding has two lines: what, and where.
    let visible = app.advice.visible(usize::from(body.height.saturating_sub(1)) / 2, rows);
    for (line, at) in visible.enumerate() {
        let line = line as u16 * 2 + 1;
        let finding = &app.findings.findings[at];
        pieces(buf, body, line, &head(theme, at, finding));
        pieces(buf, body, line + 1, &place_line(theme, finding, body.width));
        if at == app.advice.at {
            mark(app, Pane::Advice, body, line, buf);
        }
        let area = Rect { y: body.y + line, height: 2, ..body }.intersection(body);
        app.hits.push((area, Hit::Row(Pane::Advice, at)));
    }
}

fn base(findings: &Findings) -> String {
    let samples = counted(findings.samples, "sample");
    match findings.joint {
        Some(joint) if findings.findings.len() > 1 => {
            format!("% of {samples}; all together {}-{}", share_percent(joint.low), share_percent(joint.high))
        }
        _ => format!("% of {samples}"),
    }
}

/// Why there are none.
fn nothing(findings: &Findings) -> String {
    let looked = |kind: VerdictKind| findings.verdicts.iter().filter(|it| it.verdict == kind).count();
    let clear = looked(VerdictKind::Clear) + looked(VerdictKind::Found);
    if findings.verdicts.is_empty() || clear == 0 {
        return "collecting: nothing can be judged yet".into();
    }
    format!(
        "nothing to fix: {} looked and found nothing that costs 1% or more",
        counted(clear as u64, "rule")
    )
}

fn head(theme: Theme, at: usize, finding: &Finding) -> Vec<Piece> {
    let saving = format!("{}-{}", share_percent(finding.saving.low), share_percent(finding.saving.high));
    vec![
        (format!(" {}. ", at + 1), Style::new()),
        (padded(saving, 12), theme.heat(finding.saving.low.max(0.01))),
        (format!(" {} ", finding.rule), theme.warn()),
        (safe(theme, &finding.title), theme.strong()),
    ]
}

fn place_line(theme: Theme, finding: &Finding, width: u16) -> Vec<Piece> {
    let half = usize::from(width.saturating_sub(8)) / 2;
    let at = finding.hurts.first().map(|hurt| place(&hurt.place)).unwrap_or_default();
    let mut line = vec![("    ".into(), Style::new())];
    line.push((theme.text(cut_middle(&safe(theme, &at), half)), Style::new()));
    if let Some(cause) = finding.causes.first() {
        line.push((format!("  caused ({}) by ", cause.label()), theme.faint()));
        line.push((safe(theme, &place(&cause.place)), Style::new()));
    }
    line
}

/// `shop/models.py:41 Model.__init__`
fn place(place: &Place) -> String {
    let line = place.line.map_or(String::new(), |line| format!(":{line}"));
    let file = short_path(&place.file);
    let gap = if file.is_empty() || place.function.is_empty() { "" } else { " " };
    format!("{file}{line}{gap}{}", place.function)
}
