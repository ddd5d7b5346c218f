//! Firefox Profiler, processed format version 55.
//!
//! profiler.firefox.com loads any processed version up to its own and upgrades it; 55 is what samply's
//! writer produces, whose tables ours are compared with in a test. Every thread has its own tables, of
//! what its samples use.
//!
//! The state of a sample is the category of its leaf, which colours the activity graph; CPU use comes
//! from the CPU time of each sample. Equal consecutive samples are written as the first and the last of
//! them, weighted, so the times at which a stack began and ended stay exact.

use std::io::{self, Write};

use serde_json::json;

use super::frames::FrameSet;
use super::label::{process_label, thread_name};
use super::timeline::{Run, ThreadLog, Timeline};
use super::{ExportError, ExportOptions, json_text};
use crate::ids::Id;
use crate::meta::{Process, Thread};
use crate::source::Source;

mod tables;
#[cfg(test)]
mod tests;

use tables::{CATEGORIES, ThreadTables};

/// Writes the profile for the Firefox Profiler.
pub(super) fn write(
    source: &mut dyn Source,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let mut timeline = Timeline::read(source, options)?;
    let source: &dyn Source = source;
    // A process shows as one track if its main thread comes first.
    timeline.threads.sort_by_key(|log| thread_of(source, log).map(|it| (it.process, !it.is_main)));
    write!(out, r#"{{"meta":"#)?;
    json_text::value(out, &meta(source, options))?;
    out.write_all(br#","libs":[],"threads":"#)?;
    let frames = FrameSet::by_line(source.tables());
    let mut previous = None;
    json_text::array(out, &timeline.threads, |out, log| {
        let process = thread_of(source, log).map(|thread| thread.process);
        let leads = previous != Some(process);
        previous = Some(process);
        write_thread(out, source, options, &frames, log, leads)
    })?;
    out.write_all(b",\"pages\":[],\"profilerOverhead\":[],\"counters\":[]}\n")?;
    Ok(())
}

fn meta(source: &dyn Source, options: &ExportOptions) -> serde_json::Value {
    let meta = source.meta();
    let categories: Vec<_> = CATEGORIES
        .iter()
        .map(|(name, color)| json!({"name": name, "color": color, "subcategories": ["Other"]}))
        .collect();
    json!({
        "categories": categories,
        "debug": false,
        "extensions": {"length": 0, "baseURL": [], "id": [], "name": []},
        "interval": meta.period_ns().unwrap_or(1_000_000) as f64 / 1e6,
        "preprocessedProfileVersion": 55,
        "processType": 0,
        "product": super::printable(&options.title),
        "sampleUnits": {"time": "ms", "eventDelay": "ms", "threadCPUDelta": "µs"},
        "startTime": meta.started_unix_ns as f64 / 1e6,
        "symbolicated": true,
        "pausedRanges": [],
        "version": 24,
        "usesOnlyOneStackType": true,
        "sourceCodeIsNotOnSearchfox": true,
        "markerSchema": [],
        "importedFrom": format!("slowpath {}", meta.slowpath),
    })
}

fn write_thread(
    out: &mut dyn Write,
    source: &dyn Source,
    options: &ExportOptions,
    frames: &FrameSet,
    log: &ThreadLog,
    leads: bool,
) -> io::Result<()> {
    let tables = ThreadTables::of(source.tables(), frames, log, options.mark_states);
    write_identity(out, source, log, leads)?;
    out.write_all(br#","pausedRanges":[],"processType":"default","showMarkersInTimeline":false"#)?;
    out.write_all(br#","markers":{"length":0,"category":[],"data":[],"endTime":[],"name":[],"phase":[],"startTime":[]}"#)?;
    out.write_all(
        br#","nativeSymbols":{"length":0,"address":[],"functionSize":[],"libIndex":[],"name":[]}"#,
    )?;
    out.write_all(br#","resourceTable":{"length":0,"lib":[],"name":[],"host":[],"type":[]},"samples":"#)?;
    write_samples(out, log, &tables)?;
    tables.write(out, source.tables(), frames)?;
    out.write_all(b"}")
}

/// Names and ids; opens the thread's object.
fn write_identity(out: &mut dyn Write, source: &dyn Source, log: &ThreadLog, leads: bool) -> io::Result<()> {
    let unknown = (Thread::default(), Process::default());
    let thread = thread_of(source, log).unwrap_or(&unknown.0);
    let process = source.processes().get(thread.process.index()).unwrap_or(&unknown.1);
    let process_name = process_label(source.processes(), thread.process);
    // The profiler shows the main thread as its process.
    let name = if leads { process_name.clone() } else { thread_name(source.tables(), thread).into_owned() };
    let register_us = log.iter().next().map_or(0, |run| run.first_us);
    let identity = json!({
        "name": name,
        "isMainThread": leads,
        "pid": process.pid.to_string(),
        "tid": if thread.native_id == 0 { thread.python_id } else { thread.native_id.into() }.to_string(),
        "processName": process_name,
        "processStartupTime": process.start_ns as f64 / 1e6,
        "processShutdownTime": null,
        "registerTime": register_us as f64 / 1e3,
        "unregisterTime": null,
    });
    let text = serde_json::to_string(&identity)?;
    out.write_all(text.trim_end_matches('}').as_bytes())
}

/// One row of the table of samples.
struct Row {
    stack: u32,
    time_us: u64,
    samples: u64,
    cpu_us: u64,
}

/// The one or two rows of a run. A run's CPU time is spread evenly over its samples.
fn rows(run: Run, stack: u32) -> impl Iterator<Item = Row> {
    let first_ns = run.cpu_ns / run.samples;
    let first = Row { stack, time_us: run.first_us, samples: 1, cpu_us: first_ns / 1000 };
    let rest = (run.samples > 1).then(|| Row {
        stack,
        time_us: run.last_us,
        samples: run.samples - 1,
        cpu_us: (run.cpu_ns - first_ns) / 1000,
    });
    std::iter::once(first).chain(rest)
}

fn write_samples(out: &mut dyn Write, log: &ThreadLog, tables: &ThreadTables) -> io::Result<()> {
    let all = || log.iter().flat_map(|run| rows(run, tables.stack_of(&run.place)));
    write!(out, r#"{{"length":{},"weightType":"samples","stack":"#, all().count())?;
    json_text::array(out, all(), |out, row| write!(out, "{}", row.stack))?;
    out.write_all(br#","timeDeltas":"#)?;
    let mut previous_us = 0;
    json_text::array(out, all(), |out, row| {
        let delta = row.time_us - previous_us;
        previous_us = row.time_us;
        json_text::thousandths(out, delta)
    })?;
    out.write_all(br#","weight":"#)?;
    json_text::array(out, all(), |out, row| write!(out, "{}", row.samples))?;
    out.write_all(br#","threadCPUDelta":"#)?;
    json_text::array(out, all(), |out, row| write!(out, "{}", row.cpu_us))?;
    out.write_all(b"}")
}

fn thread_of<'a>(source: &'a dyn Source, log: &ThreadLog) -> Option<&'a Thread> {
    source.threads().get(log.thread.index())
}
