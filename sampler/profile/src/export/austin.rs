//! Text in the manner of Austin, for the tools that read it.
//!
//! One line per stack: `P<pid>;T<interpreter>:<thread>;file:function:line;… <microseconds>`, after lines
//! `# key: value` that describe the recording. The facts are those of the `austin-python` reader: a
//! frame splits at its last two colons, so a function's name may not contain one, and a frame of the
//! function `GC` marks a sample of the garbage collector. Equal stacks of a thread are added up; a
//! metric is the time they stand for.

use std::io::Write;

use super::collapsed::escape;
use super::counts::{Place, count};
use super::frames::FrameSet;
use super::label::{FrameText, printable};
use super::{ExportError, ExportOptions};
use crate::meta::{Meta, Mode};
use crate::source::Source;
use crate::tables::FunctionKind;

/// Writes the profile as Austin's text.
pub(super) fn write(
    source: &mut dyn Source,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let counts = count(source, options)?;
    let tables = source.tables();
    let frames = FrameSet::by_line(tables);
    let texts: Vec<String> = frames.texts(tables).map(|text| frame(&text)).collect();
    write_header(source, out)?;
    let mut levels = Vec::new();
    for (place, weight) in counts {
        out.write_all(thread(source, &place).as_bytes())?;
        place.levels(tables, options.mark_states, &mut levels);
        for level in &levels {
            let text = texts.get(frames.entry(*level) as usize).map_or("", String::as_str);
            write!(out, ";{text}")?;
        }
        writeln!(out, " {}", weight.wall_ns / 1000)?;
    }
    Ok(())
}

fn write_header(source: &dyn Source, out: &mut dyn Write) -> Result<(), ExportError> {
    let (meta, stats) = (source.meta(), source.stats());
    // `gil` has no word of its own there; it is the CPU time of one lock.
    let mode = if meta.mode == Mode::Wall { "wall" } else { "cpu" };
    writeln!(out, "# mode: {mode}")?;
    if let Some(interval_us) = interval_us(meta) {
        writeln!(out, "# interval: {interval_us}")?;
    }
    writeln!(out, "# duration: {}", (stats.duration_s * 1e6) as u64)?;
    writeln!(out, "# slowpath: {}", printable(&meta.slowpath))?;
    if let Some(process) = source.processes().first() {
        writeln!(out, "# python: {}", printable(&process.python))?;
        writeln!(out, "# command: {}", printable(&process.command))?;
    }
    Ok(())
}

fn interval_us(meta: &Meta) -> Option<u64> {
    meta.period_ns().map(|period| period / 1000)
}

/// `P4242;T0:4243`, the thread by its native id in hexadecimal.
fn thread(source: &dyn Source, place: &Place) -> String {
    let Some(thread) = source.threads().get(place.thread.0 as usize) else {
        return "P0;T0:0".to_owned();
    };
    let pid = source.processes().get(thread.process.0 as usize).map_or(0, |process| process.pid);
    let id = if thread.native_id == 0 { thread.python_id } else { thread.native_id.into() };
    format!("P{pid};T{}:{id:x}", thread.interpreter)
}

fn frame(text: &FrameText<'_>) -> String {
    let collector = text.kind == FunctionKind::Runtime && text.name == "<GC>";
    let name = if collector { "GC" } else { &*text.name };
    let name = escape(name).replace(':', "\\x3a");
    format!("{}:{name}:{}", escape(&text.file), text.line)
}
