//! What the page reads: a profile as JSON, `slowpath.page/1`.
//!
//! Tables are columns, and an entry is its position in them; -1 stands for what is unknown or absent.
//!
//! | member | holds |
//! |---|---|
//! | `schema`, `slowpath` | [`SCHEMA`], the version that wrote it |
//! | `live`, `number` | whether more follows, and the number of the part that this is |
//! | `title` | what was profiled |
//! | `meta` | how it was recorded and how that went; `limits`: what the numbers cannot say |
//! | `processes`, `threads` | pid, Python, command; process (index), native id, name, whether main |
//! | `files` | path, whether of a library, `text`: its lines, or null where there are none to show, `tokens`: what words of them are, `[lines further, from, length, class, …]` |
//! | `functions` | `name`, `file` (index), `line`, `kind`: 0 Python, 1 native, 2 the runtime itself |
//! | `frames` | `function`, `line`, `column`, `end_line`, `end_column`, `offset` of the instruction |
//! | `stacks` | `parent` (-1 root; before its children), `frame` |
//! | `slots` | `length_ns`, `ordered`, `first`, `runs`: `{slot, thread, runs: [stack, kind, count, …]}` |
//! | `cpu_ns` | `[slot, thread, ns]` |
//! | `sites` | instructions by function and offset: opcode, state, cache, counter, looks |
//! | `events` | `{time_ns, thread, kind, text, function, line}`: garbage collections, specialised forms given up |
//! | `findings` | what `slowpath advise -f json` writes, or null if nothing was judged |
//! | `diff` | how it differs from an earlier profile, or null |
//!
//! A part of a live document is what is new: of the tables what stands behind `from`, of `slots` those that
//! changed, which replace the same slots of all threads, while slots before `first` are over; `texts` are
//! `[file, lines, tokens]` that were read since; `sites`, `events` and `findings` are there if they changed.
//!
//! A run is equal samples of one thread one after the other; `kind` is a
//! [`slowpath_profile::view::slots::Kind`]. The slot -1 of a
//! live document holds what is older than all others, without order.

mod columns;
mod events;
mod facts;
mod highlight;
mod texts;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use slowpath_profile::file::FileError;
use slowpath_profile::source_text::SourceText;
use slowpath_profile::view::slots::{Runs, Slots};
use slowpath_profile::{Source, ThreadId};

pub(crate) use columns::{Columns, Lengths, Names};
pub(crate) use events::{Event, events};
pub(crate) use facts::{MetaPart, ProcessPart, Site, ThreadPart, sites};
pub(crate) use texts::Texts;

/// Name of the format; the number changes when a reader of the old one would go wrong.
pub const SCHEMA: &str = "slowpath.page/1";

/// What a document holds besides the profile.
pub struct Options<'a> {
    /// What was profiled.
    pub title: String,
    /// What went less well than it should, in sentences.
    pub warnings: Vec<String>,
    /// The text of a source file, by `co_filename`, where it may be shown.
    pub text: &'a dyn Fn(&str) -> Option<SourceText>,
    /// What `slowpath advise -f json` writes, or null.
    pub findings: Value,
}

/// A profile as the page reads it.
#[derive(Debug, Serialize)]
pub struct Document {
    schema: &'static str,
    slowpath: &'static str,
    live: bool,
    number: u64,
    title: String,
    meta: MetaPart,
    processes: Vec<ProcessPart>,
    threads: Vec<ThreadPart>,
    #[serde(flatten)]
    columns: Columns,
    slots: SlotsPart,
    cpu_ns: Vec<(i64, u32, u64)>,
    sites: Vec<Site>,
    events: Vec<Event>,
    findings: Value,
    diff: Option<Value>,
}

impl Document {
    /// The document of a profile that is over.
    pub fn of(source: &mut dyn Source, options: Options<'_>) -> Result<Self, FileError> {
        let slots = Slots::collect(source)?;
        let source: &dyn Source = source;
        let tables = source.tables();
        let mut names = Names::default();
        let mut columns = Columns::default();
        let mut texts = Texts::default();
        columns.extend(tables, &mut names);
        texts.fill(&mut columns.files, options.text);
        let (part, cpu_ns) = parts(&slots);
        let mut meta = MetaPart::of(source, source.stats(), &columns.files);
        meta.warnings.extend(options.warnings);
        Ok(Self {
            schema: SCHEMA,
            slowpath: env!("CARGO_PKG_VERSION"),
            live: false,
            number: 0,
            title: options.title,
            meta,
            processes: source.processes().iter().map(ProcessPart::of).collect(),
            threads: source.threads().iter().map(|it| ThreadPart::of(it, tables)).collect(),
            columns,
            slots: part,
            cpu_ns,
            sites: facts::sites(source),
            events: events::events(&slots.collections, source, 0),
            findings: options.findings,
            diff: None,
        })
    }
}

impl Document {
    /// With what `slowpath diff -f json` writes, and the `titles` of both profiles instead of stacks.
    #[must_use]
    pub fn with_diff(self, diff: Value) -> Self {
        Self { diff: Some(diff), ..self }
    }

    pub(crate) fn is_comparison(&self) -> bool {
        self.diff.is_some()
    }
}

/// The samples, by slot and thread.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct SlotsPart {
    pub(crate) length_ns: u64,
    pub(crate) ordered: bool,
    /// The first slot of which samples are kept one by one.
    pub(crate) first: u64,
    pub(crate) runs: Vec<RunsPart>,
}

/// The samples of one thread in one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct RunsPart {
    slot: i64,
    thread: u32,
    /// Stack, kind and count of each run in turn.
    runs: Vec<i64>,
}

impl RunsPart {
    pub(crate) fn of(slot: i64, thread: ThreadId, runs: &Runs) -> Self {
        let numbers = runs.runs.iter().flat_map(|run| {
            let stack = run.stack.map_or(-1, |stack| i64::from(stack.0));
            [stack, i64::from(run.kind.number()), i64::from(run.count)]
        });
        Self { slot, thread: thread.0, runs: numbers.collect() }
    }
}

/// CPU time by slot and thread.
pub(crate) type CpuPart = (i64, u32, u64);

/// One slot.
pub(crate) fn part_of_slot(
    slot: i64,
    threads: &BTreeMap<ThreadId, Runs>,
    runs: &mut Vec<RunsPart>,
    cpu_ns: &mut Vec<CpuPart>,
) {
    for (thread, of_thread) in threads {
        runs.push(RunsPart::of(slot, *thread, of_thread));
        cpu_ns.push((slot, thread.0, of_thread.cpu_ns));
    }
}

fn parts(slots: &Slots) -> (SlotsPart, Vec<CpuPart>) {
    let number = |slot: u64| i64::try_from(slot).unwrap_or(i64::MAX);
    let all = slots.slots.iter();
    let runs = all.clone().map(|((slot, thread), runs)| RunsPart::of(number(*slot), *thread, runs));
    let used = all.filter(|(_, runs)| runs.cpu_ns > 0);
    let cpu_ns = used.map(|((slot, thread), runs)| (number(*slot), thread.0, runs.cpu_ns)).collect();
    let (length_ns, ordered) = (slots.length_ns, slots.is_ordered);
    (SlotsPart { length_ns, ordered, first: 0, runs: runs.collect() }, cpu_ns)
}
