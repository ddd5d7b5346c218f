//! speedscope: one sampled profile per thread, in the order of time, weighted in microseconds.
//!
//! The format is stated by speedscope's own JSON schema. It has no field for what a thread was doing,
//! so states are leaf frames.

use std::io::{self, Write};

use serde::Serialize;

use super::frames::FrameSet;
use super::label::{FrameText, process_label, thread_label};
use super::timeline::{Run, ThreadLog, Timeline};
use super::{ExportError, ExportOptions, json_text};
use crate::source::Source;
use crate::tables::Tables;

/// The address that tells readers which schema the file follows.
const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

/// A frame as the schema has it.
#[derive(Serialize)]
struct SharedFrame<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    file: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    line: u32,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// Writes the profile for speedscope.
pub(super) fn write(
    source: &mut dyn Source,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let timeline = Timeline::read(source, options)?;
    let tables = source.tables();
    let frames = if options.lines { FrameSet::by_line(tables) } else { FrameSet::by_function(tables) };
    write!(out, r#"{{"$schema":"{SCHEMA}","exporter":"#)?;
    json_text::value(out, &format!("slowpath {}", source.meta().slowpath))?;
    out.write_all(br#","name":"#)?;
    json_text::value(out, &*super::printable(&options.title))?;
    out.write_all(br#","shared":{"frames":"#)?;
    json_text::array(out, frames.texts(tables), |out, text| write_frame(out, &text, options.lines))?;
    out.write_all(br#"},"profiles":"#)?;
    let stacks = Stacks { tables, frames: &frames, mark_states: options.mark_states };
    json_text::array(out, &timeline.threads, |out, log| write_thread(out, source, &stacks, log))?;
    out.write_all(b"}\n")?;
    Ok(())
}

fn write_frame(out: &mut dyn Write, text: &FrameText<'_>, lines: bool) -> io::Result<()> {
    let line = if lines { text.line } else { text.first_line };
    json_text::value(out, &SharedFrame { name: &text.name, file: &text.file, line })
}

/// How a run's stack is written.
struct Stacks<'a> {
    tables: &'a Tables,
    frames: &'a FrameSet,
    mark_states: bool,
}

fn write_thread(
    out: &mut dyn Write,
    source: &dyn Source,
    stacks: &Stacks<'_>,
    log: &ThreadLog,
) -> io::Result<()> {
    let end_ns: u64 = log.iter().fold(0, |sum, run| sum.saturating_add(run.wall_ns));
    out.write_all(br#"{"type":"sampled","name":"#)?;
    json_text::value(out, &name(source, log))?;
    out.write_all(br#","unit":"microseconds","startValue":0,"endValue":"#)?;
    json_text::thousandths(out, end_ns)?;
    out.write_all(br#","samples":"#)?;
    let mut levels = Vec::new();
    json_text::array(out, log.iter(), |out, run: Run| {
        run.place.levels(stacks.tables, stacks.mark_states, &mut levels);
        json_text::array(out, &levels, |out, level| write!(out, "{}", stacks.frames.entry(*level)))
    })?;
    out.write_all(br#","weights":"#)?;
    json_text::array(out, log.iter(), |out, run| json_text::thousandths(out, run.wall_ns))?;
    out.write_all(b"}")
}

fn name(source: &dyn Source, log: &ThreadLog) -> String {
    let threads = source.threads();
    let thread = thread_label(source.tables(), threads, log.thread);
    match threads.get(log.thread.0 as usize) {
        Some(known) => format!("{} · {thread}", process_label(source.processes(), known.process)),
        None => thread,
    }
}
