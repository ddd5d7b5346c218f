//! Flame graph as one self-contained SVG, drawn by inferno.
//!
//! Width is samples. Colours depend on the frame's name alone, so two graphs of one program compare by
//! eye and the same profile gives the same file.

use std::fmt::Write;
use std::io;
use std::str::FromStr;

use inferno::flamegraph::color::{BackgroundColor, BasicPalette, Color, PaletteMap, StrokeColor};
use inferno::flamegraph::{self, Options, Palette, TextTruncateDirection};

use super::collapsed::{Detail, fold};
use super::label::printable;
use super::{ExportError, ExportOptions};
use crate::meta::{BuildFlags, Mode, Process};
use crate::source::Source;

/// Writes the flame graph.
pub(super) fn write(
    source: &mut dyn Source,
    options: &ExportOptions,
    out: &mut dyn io::Write,
) -> Result<(), ExportError> {
    let folded = fold(source, options, Detail::of(options))?;
    let samples: u64 = folded.values().sum();
    let lines = folded.into_iter().map(|(mut stack, count)| {
        // Writing to a string cannot fail.
        let _ = write!(stack, " {count}");
        stack
    });
    let subtitle = subtitle(source, &options.title, samples);
    draw(&lines.collect::<Vec<_>>(), Look { title: &options.title, subtitle, outlined: false }, out)
}

/// What differs between our flame graphs, besides the stacks.
pub(super) struct Look<'a> {
    /// Title.
    pub(super) title: &'a str,
    /// Line under the title.
    pub(super) subtitle: String,
    /// Frames have an outline: where colour means change, most are as white as the background.
    pub(super) outlined: bool,
}

/// Draws collapsed stacks, which must be sorted.
pub(super) fn draw(lines: &[String], look: Look<'_>, out: &mut dyn io::Write) -> Result<(), ExportError> {
    if lines.is_empty() {
        return Err(ExportError::Empty);
    }
    // What is no function has a colour of its own.
    let mut colors = PaletteMap::default();
    for (name, [r, g, b]) in PSEUDO_COLORS {
        colors.insert(name, Color { r, g, b });
    }
    let mut style = style(look);
    style.palette_map = Some(&mut colors);
    flamegraph::from_lines(&mut style, lines.iter().map(String::as_str), out)?;
    Ok(())
}

/// Colours of the frames that are no functions: cold ones among the warm ones.
const PSEUDO_COLORS: [(&str, [u8; 3]); 5] = [
    ("[idle]", [190, 205, 225]),
    ("[waiting for GIL]", [150, 120, 200]),
    ("[dropped]", [130, 130, 130]),
    ("[truncated]", [130, 130, 130]),
    ("[no Python]", [205, 205, 205]),
];

/// The look that all our flame graphs share.
fn style<'a>(look: Look<'_>) -> Options<'a> {
    let mut style = Options::default();
    style.title = printable(look.title).into_owned();
    style.subtitle = Some(look.subtitle);
    if look.outlined {
        style.stroke_color = StrokeColor::Color(Color { r: 190, g: 190, b: 190 });
    }
    style.count_name = "samples".to_owned();
    style.deterministic = true;
    style.no_sort = true;
    style.colors = Palette::Basic(BasicPalette::Hot);
    style.bgcolors = BackgroundColor::from_str("#ffffff").ok();
    style.text_truncate_direction = TextTruncateDirection::Right;
    style
}

/// `python app.py · CPython 3.14.2 · wall · 1000 Hz · 6,000 samples · trust 99.9 %`.
pub(super) fn subtitle(source: &dyn Source, title: &str, samples: u64) -> String {
    let meta = source.meta();
    let mode = match meta.mode {
        Mode::Wall => "wall",
        Mode::Cpu => "cpu",
        Mode::Gil => "gil",
    };
    let rate = match meta.rate_wanted_mhz {
        0 => "max rate".to_owned(),
        rate => format!("{} Hz", rate as f64 / 1000.0),
    };
    let mut parts = target(source.processes(), title);
    parts.push(mode.to_owned());
    parts.push(rate);
    parts.push(format!("{samples} samples"));
    parts.push(format!("trust {}", percent(source.stats().trust())));
    if meta.blocking {
        parts.push("blocking".to_owned());
    }
    parts.join(" · ")
}

/// A share in percent with one decimal, cut and not rounded: only a whole is shown as 100 %.
fn percent(share: f64) -> String {
    format!("{:.1} %", (share * 1000.0).floor() / 10.0)
}

/// The command, unless it is the title, how many more processes there are, and the build.
fn target(processes: &[Process], title: &str) -> Vec<String> {
    let Some(first) = processes.first() else { return Vec::new() };
    let mut parts = Vec::new();
    if first.command != title {
        parts.push(printable(&first.command).chars().take(60).collect());
    }
    if processes.len() > 1 {
        parts.push(format!("{} processes", processes.len()));
    }
    parts.push(format!("{}{}", printable(&first.interpreter_name()), build(first.build)));
    parts
}

fn build(flags: BuildFlags) -> String {
    let known = [
        (flags.debug, " debug"),
        (flags.free_threaded, " free-threaded"),
        (flags.jit, " JIT"),
        (flags.tail_call, " tail-call"),
    ];
    known.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_is_a_hundred_percent() {
        assert_eq!(percent(1.0), "100.0 %");
        assert_eq!(percent(0.99999), "99.9 %");
    }
}
