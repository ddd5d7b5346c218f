//! Chrome's Trace Event format, for Perfetto and `chrome://tracing`.
//!
//! Samples are not events, so a slice is drawn from consecutive samples that share a function at the
//! same depth; two calls between which no sample fell look like one. Slices are pairs of events in the
//! order of time, the caller's around the callee's: viewers order complete events by their begin alone,
//! and a caller and its callee often begin with the same sample. States are leaf slices of their own category.

use std::io::{self, Write};

use rustc_hash::FxHashSet;
use serde_json::json;

use super::frames::FrameSet;
use super::label::{FrameText, Level, process_label, thread_name};
use super::timeline::{ThreadLog, Timeline};
use super::{ExportError, ExportOptions, json_text};
use crate::ids::{Id, ProcessId};
use crate::meta::Thread;
use crate::source::Source;

/// A gap of more than this many periods between two samples of a thread ends its slices.
const GAP_PERIODS: u64 = 10;

/// Writes the trace.
pub(super) fn write(
    source: &mut dyn Source,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let timeline = Timeline::read(source, options)?;
    let source: &dyn Source = source;
    out.write_all(
        b"{\"displayTimeUnit\":\"ms\",\"otherData\":{\"exporter\":\"slowpath\"},\"traceEvents\":[\n",
    )?;
    let frames = FrameSet::by_function(source.tables());
    let levels = frames.levels();
    let texts = levels.iter().zip(frames.texts(source.tables()));
    let texts: Vec<String> = texts.map(|(level, text)| event_text(*level, &text)).collect();
    let mut taken = FxHashSet::default();
    let mut events = Events { out, first: true };
    for (at, _) in source.processes().iter().enumerate() {
        let name = process_label(source.processes(), ProcessId::from_index(at));
        events.name("process_name", pid(source, ProcessId::from_index(at)), 0, &name)?;
    }
    for log in &timeline.threads {
        let (pid, tid) = ids(source, log, &mut taken);
        if let Some(thread) = thread_of(source, log) {
            events.name("thread_name", pid, tid, &thread_name(source.tables(), thread))?;
        }
        let mut track = Track { pid, tid, texts: &texts, open: Vec::new() };
        write_thread(source, options, &frames, log, &mut track, &mut events)?;
    }
    events.out.write_all(b"\n]}\n")?;
    Ok(())
}

fn write_thread(
    source: &dyn Source,
    options: &ExportOptions,
    frames: &FrameSet,
    log: &ThreadLog,
    track: &mut Track<'_>,
    events: &mut Events<'_>,
) -> io::Result<()> {
    let period_us = source.meta().period_ns().map_or(1, |period| (period / 1000).max(1));
    let mut levels = Vec::new();
    let mut end_us = 0;
    for run in log.iter() {
        let gap = run.first_us.saturating_sub(end_us) > GAP_PERIODS * period_us;
        if gap && source.meta().period_ns().is_some() {
            track.close(0, end_us, events)?;
        }
        run.place.levels(source.tables(), options.mark_states, &mut levels);
        track.switch(frames, &levels, run.first_us, events)?;
        end_us = run.last_us + period_us;
    }
    track.close(0, end_us, events)
}

/// The slices that are open on one thread.
struct Track<'a> {
    pid: u32,
    tid: u64,
    /// The constant part of each entry's event.
    texts: &'a [String],
    /// Entries, from the root to the leaf.
    open: Vec<u32>,
}

impl Track<'_> {
    /// Ends the slices that the new stack does not share and begins those that are new.
    fn switch(
        &mut self,
        frames: &FrameSet,
        levels: &[Level],
        time_us: u64,
        events: &mut Events<'_>,
    ) -> io::Result<()> {
        let entries = levels.iter().map(|level| frames.entry(*level));
        let shared = self.open.iter().zip(entries.clone()).take_while(|(open, entry)| *open == entry).count();
        self.close(shared, time_us, events)?;
        for entry in entries.skip(shared) {
            let text = self.texts.get(entry as usize).map_or("", String::as_str);
            events.begin(self.pid, self.tid, time_us, text)?;
            self.open.push(entry);
        }
        Ok(())
    }

    fn close(&mut self, depth: usize, time_us: u64, events: &mut Events<'_>) -> io::Result<()> {
        for _ in self.open.drain(depth.min(self.open.len())..) {
            events.end(self.pid, self.tid, time_us)?;
        }
        Ok(())
    }
}

/// Writes events with commas between them.
struct Events<'a> {
    out: &'a mut dyn Write,
    first: bool,
}

impl Events<'_> {
    fn separate(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.first) { Ok(()) } else { self.out.write_all(b",\n") }
    }

    fn begin(&mut self, pid: u32, tid: u64, ts: u64, text: &str) -> io::Result<()> {
        self.separate()?;
        write!(self.out, r#"{{"ph":"B","pid":{pid},"tid":{tid},"ts":{ts},{text}}}"#)
    }

    fn end(&mut self, pid: u32, tid: u64, ts: u64) -> io::Result<()> {
        self.separate()?;
        write!(self.out, r#"{{"ph":"E","pid":{pid},"tid":{tid},"ts":{ts}}}"#)
    }

    fn name(&mut self, what: &str, pid: u32, tid: u64, name: &str) -> io::Result<()> {
        self.separate()?;
        write!(self.out, r#"{{"ph":"M","pid":{pid},"tid":{tid},"name":"{what}","args":{{"name":"#)?;
        json_text::value(self.out, name)?;
        self.out.write_all(b"}}")
    }
}

/// What is the same in every slice of a level: `"name":"f","cat":"python","args":{…}`.
fn event_text(level: Level, text: &FrameText<'_>) -> String {
    let (name, cat) = (json!(text.name), category(level));
    if text.file.is_empty() {
        return format!(r#""name":{name},"cat":"{cat}""#);
    }
    let args = json!({"file": text.file, "line": text.first_line});
    format!(r#""name":{name},"cat":"{cat}","args":{args}"#)
}

fn category(level: Level) -> &'static str {
    match level {
        Level::Frame(_) => "python",
        Level::WaitingForGil => "gil",
        Level::Idle => "idle",
        Level::Truncated | Level::Dropped | Level::NoPython => "unknown",
    }
}

fn thread_of<'a>(source: &'a dyn Source, log: &ThreadLog) -> Option<&'a Thread> {
    source.threads().get(log.thread.0 as usize)
}

fn pid(source: &dyn Source, process: ProcessId) -> u32 {
    source.processes().get(process.index()).map_or(0, |process| process.pid)
}

/// Process and thread id. A thread without a native id, or with that of another thread (one that ended,
/// or the same one in another interpreter), gets a number of its own: slices of two would not nest.
fn ids(source: &dyn Source, log: &ThreadLog, taken: &mut FxHashSet<(u32, u64)>) -> (u32, u64) {
    let thread = thread_of(source, log);
    let pid = thread.map_or(0, |thread| pid(source, thread.process));
    let native = thread.map_or(0, |thread| u64::from(thread.native_id));
    if native != 0 && taken.insert((pid, native)) {
        (pid, native)
    } else {
        (pid, (1 << 32) + u64::from(log.thread.0))
    }
}
