//! The header: what is watched, and how well.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use slowpath_profile::text::{bytes, columns, cut_end, hertz, share_percent, thousands};
use slowpath_profile::{BuildFlags, Mode};

use super::{Piece, pieces, put, safe};
use crate::app::App;
use crate::theme::Theme;

/// Below this share of the wanted rate something is wrong.
const FULL_RATE: f64 = 0.9;
/// Above this share of samples without a stack something is wrong.
const MANY_FAILED: f64 = 0.05;

/// Draws the header.
pub(crate) fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let marks = marks(app);
    let width = marks.iter().map(|(text, _)| columns(text)).sum::<usize>();
    let left = usize::from(area.width).saturating_sub(width);
    let target = theme.text(cut_end(&target(app), left));
    let gap = " ".repeat(left.saturating_sub(columns(&target)));
    let mut line: Vec<Piece> = vec![(target, theme.strong()), (gap, Style::new())];
    line.extend(marks);
    pieces(buf, area, 0, &line);
    let health = health(app, area.width);
    put(buf, area, 1, &health, Style::new());
    let used = columns(&health) as u16 + 1;
    let spark = Rect { x: area.x + used, y: area.y + 1, width: area.width.saturating_sub(used), height: 1 };
    if spark.width > 12 {
        put(
            buf,
            spark,
            0,
            &sparkline(theme, &app.snapshot.activity, usize::from(spark.width)),
            theme.faint(),
        );
    }
    if area.height > 2
        && let Some(problem) = problem(app)
    {
        put(buf, area, 2, &safe(theme, &problem), theme.warn());
    }
}

/// `pid 4242 python app.py  CPython 3.14.2 (debug)  wall time`
fn target(app: &App) -> String {
    let snapshot = &app.snapshot;
    let process = match app.process {
        Some(pid) => snapshot.processes.iter().find(|process| process.pid == pid),
        None => snapshot.processes.first(),
    };
    let Some(process) = process else { return "slowpath top: waiting for the first samples".into() };
    let more = match snapshot.processes.len() {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let mode = match snapshot.meta.mode {
        Mode::Wall => "wall time",
        Mode::Cpu => "CPU time",
        Mode::Gil => "GIL holders",
    };
    let python = format!("{}{}", safe(app.theme, &process.interpreter_name()), flags(process.build));
    let pid = process.pid;
    let command = short(&process.command);
    format!("{python}  {mode}  pid {pid}{more}: {}", safe(app.theme, command))
}

/// A command line without the directory of its program.
fn short(command: &str) -> &str {
    let program = command.split(' ').next().unwrap_or_default();
    &command[program.rfind('/').map_or(0, |slash| slash + 1)..]
}

fn flags(build: BuildFlags) -> String {
    let names = build.names();
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

fn marks(app: &App) -> Vec<Piece> {
    let theme = app.theme;
    let mut marks = Vec::new();
    let mut add = |text: &str| marks.push((format!(" [{text}]"), theme.warn()));
    if app.frozen {
        add("FROZEN");
    }
    if app.is_slow {
        add("slow terminal");
    }
    if app.ended.is_some() {
        add("process ended");
    }
    marks
}

/// The rate, what was counted and what was lost, as much of it as fits.
fn health(app: &App, width: u16) -> String {
    let health = &app.snapshot.health;
    let wanted = if health.wanted_hz > 0.0 { hertz(health.wanted_hz) } else { "max".into() };
    let parts = [
        format!("{} of {wanted}", hertz(health.achieved_hz)),
        format!("{} samples", thousands(health.samples)),
        format!("failed {}%", share_percent(health.failed_share)),
        format!("torn {}%", share_percent(health.torn_share)),
        format!("missed {}", thousands(health.missed)),
        elapsed(health.elapsed_s),
        format!("cpu {}%", share_percent(health.cpu_share)),
        app.memory.map_or(String::new(), |memory| format!("mem {}", bytes(memory))),
        format!("GC {}%", share_percent(health.gc_share)),
        format!("skipped {}", thousands(app.skipped)),
    ];
    let mut line = String::new();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        if columns(&line) + columns(&part) + 2 <= usize::from(width) {
            line += if line.is_empty() { "" } else { "  " };
            line += &part;
        }
    }
    line
}

fn elapsed(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// How much ran, the newest at the right; the highest bar is the most of the time shown.
fn sparkline(theme: Theme, activity: &[u64], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const ASCII: [char; 8] = ['_', '.', '-', ':', '=', '+', '*', '#'];
    let bars = if theme.ascii { ASCII } else { BARS };
    // The newest slot is still being filled.
    let whole = activity.split_last().map_or(activity, |(_, whole)| whole);
    let shown = &whole[whole.len().saturating_sub(width)..];
    let most = shown.iter().copied().max().unwrap_or(0).max(1);
    shown.iter().map(|value| bars[(value * 7 / most) as usize]).collect()
}

/// What is wrong with sampling, in one sentence with its remedy.
pub(crate) fn problem(app: &App) -> Option<String> {
    let health = &app.snapshot.health;
    if let Some(ended) = &app.ended {
        return Some(ended.clone());
    }
    if app.warning.is_some() {
        return app.warning.clone();
    }
    if health.samples == 0 {
        return None;
    }
    if health.wanted_hz > 0.0 && health.achieved_hz > 0.0 && health.achieved_hz < health.wanted_hz * FULL_RATE
    {
        let less = hertz(health.achieved_hz * 0.8);
        return Some(
            format!("sampling is behind: the machine is busy; ask for less, as with -r {less}")
                .replace(" Hz", "")
                .replace(',', ""),
        );
    }
    (health.failed_share > MANY_FAILED && !app.snapshot.meta.blocking).then(|| {
        "many stacks changed while they were read: --blocking pauses the target for each read".into()
    })
}
