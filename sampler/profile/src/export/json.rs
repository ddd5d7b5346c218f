//! slowpath's own JSON: everything that the views show, for scripts.
//!
//! One object with these members, always in this order. Weights are numbers of samples, apart by what
//! the thread was doing: `{"running", "waiting_for_gil", "idle"}`. Shares are from 0 to 1, of the sum of
//! `base.weight`. Names and paths are exact, as the interpreter holds them; a program that shows them on a
//! terminal must escape them. New members may be added; a change of what is there raises `version`.
//!
//! | member | holds |
//! |---|---|
//! | `format`, `version` | `"slowpath-profile"`, 1 |
//! | `meta` | version of slowpath, mode, rate in milli-Hertz (0 is unbounded), start in Unix nanoseconds |
//! | `stats` | what happened while recording, the fields of `--stats-json` |
//! | `trust` | `score`, and `dropped_in`: samples without a consistent stack per function (`null` where it cannot be told) |
//! | `base` | `weight` that all shares are of, `dropped` samples beside it |
//! | `processes` | pid, parent (index or `null`), command, Python version, build, first sample in ns |
//! | `threads` | process (index), interpreter, ids, name, whether main, `weight`, `dropped` |
//! | `functions` | `id`, name, file, first line, kind, `self`, `total`, and the shares of their sums; the largest self weight first |
//! | `no_python` | weight of samples of threads that run no Python code |
//! | `lines` | file, line (`null` if unknown), `self`, `total`; the largest self weight first |
//! | `call_tree` | nodes merged by function: `function` (the id above), `parent` (index or `null`; a parent comes first), `self`, `total` |

use std::io::Write;

use serde::{Serialize, Serializer};

use super::{ExportError, ExportOptions, json_text};
use crate::ids::Id;
use crate::meta::{Process, Thread};
use crate::sample::ThreadState;
use crate::source::Source;
use crate::tables::FunctionKind;
use crate::view::{CallTree, Direction, Filter, Functions, Split, Weights, lines};

/// Writes the views of the profile.
pub(super) fn write(
    source: &mut dyn Source,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let weights = Weights::collect(source, &filter(options))?;
    let source: &dyn Source = source;
    let functions = Functions::new(&weights, source.tables());
    out.write_all(br#"{"format":"slowpath-profile","version":1,"meta":"#)?;
    json_text::value(out, source.meta())?;
    out.write_all(b",\n\"stats\":")?;
    json_text::value(out, source.stats())?;
    out.write_all(b",\n\"trust\":")?;
    json_text::value(out, &Trust::of(source, &weights))?;
    out.write_all(b",\n\"base\":")?;
    json_text::value(out, &Base { weight: weights.base.weight.into(), dropped: weights.base.dropped })?;
    out.write_all(b",\n\"processes\":")?;
    json_text::array(out, source.processes(), |out, process| json_text::value(out, &process_row(process)))?;
    out.write_all(b",\n\"threads\":")?;
    json_text::array(out, source.threads().iter().enumerate(), |out, (at, thread)| {
        json_text::value(out, &thread_row(source, &weights, at, thread))
    })?;
    write_functions(out, &functions)?;
    out.write_all(b",\n\"no_python\":")?;
    json_text::value(out, &State::from(functions.no_python))?;
    write_lines(out, source, &weights)?;
    write_tree(out, source, &weights)?;
    out.write_all(b"}\n")?;
    Ok(())
}

fn filter(options: &ExportOptions) -> Filter {
    let mut states = vec![ThreadState::Running];
    if options.waiting_for_gil {
        states.push(ThreadState::WaitingForGil);
    }
    if options.idle {
        states.push(ThreadState::Idle);
    }
    Filter { states, ..Filter::default() }
}

/// [`Split`] as it is written.
#[derive(Clone, Copy, Default, Serialize)]
struct State {
    running: u64,
    waiting_for_gil: u64,
    idle: u64,
}

impl From<Split> for State {
    fn from(split: Split) -> Self {
        let Split { running, waiting_for_gil, idle } = split;
        Self { running, waiting_for_gil, idle }
    }
}

#[derive(Serialize)]
struct Trust {
    score: f64,
    dropped_in: Vec<DroppedIn>,
}

#[derive(Serialize)]
struct DroppedIn {
    function: Option<u32>,
    samples: u64,
}

impl Trust {
    fn of(source: &dyn Source, weights: &Weights) -> Self {
        let dropped = weights.dropped_in.iter();
        let dropped = dropped
            .map(|(function, samples)| DroppedIn { function: function.map(|it| it.0), samples: *samples });
        Self { score: source.stats().trust(), dropped_in: dropped.collect() }
    }
}

#[derive(Serialize)]
struct Base {
    weight: State,
    dropped: u64,
}

#[derive(Serialize)]
struct ProcessRow<'a> {
    pid: u32,
    parent: Option<u32>,
    command: &'a str,
    python: &'a str,
    build: crate::meta::BuildFlags,
    start_ns: u64,
}

fn process_row(process: &Process) -> ProcessRow<'_> {
    ProcessRow {
        pid: process.pid,
        parent: process.parent.map(|parent| parent.0),
        command: &process.command,
        python: &process.python,
        build: process.build,
        start_ns: process.start_ns,
    }
}

#[derive(Serialize)]
struct ThreadRow<'a> {
    process: u32,
    interpreter: i64,
    python_id: u64,
    native_id: u32,
    name: &'a str,
    is_main: bool,
    weight: State,
    dropped: u64,
}

fn thread_row<'a>(source: &'a dyn Source, weights: &Weights, at: usize, thread: &Thread) -> ThreadRow<'a> {
    let mut weight = Split::default();
    // The stacks are in the order of the threads.
    let begin = weights.stacks.partition_point(|stack| stack.thread.index() < at);
    let own = weights.stacks[begin..].iter().take_while(|stack| stack.thread.index() == at);
    own.for_each(|stack| weight.add(stack.weight));
    ThreadRow {
        process: thread.process.0,
        interpreter: thread.interpreter,
        python_id: thread.python_id,
        native_id: thread.native_id,
        name: source.tables().text(thread.name),
        is_main: thread.is_main,
        weight: weight.into(),
        dropped: weights.dropped.get(at).copied().unwrap_or(0),
    }
}

#[derive(Serialize)]
struct FunctionRow<'a> {
    id: u32,
    name: &'a str,
    file: &'a str,
    first_line: u32,
    kind: FunctionKind,
    #[serde(rename = "self")]
    own: State,
    total: State,
    #[serde(serialize_with = "share")]
    self_share: f64,
    #[serde(serialize_with = "share")]
    total_share: f64,
}

/// Six decimals, a tenth of a sample in a hundred thousand: more would be noise.
fn share<S: Serializer>(share: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((share * 1e6).round() / 1e6)
}

fn write_functions(out: &mut dyn Write, functions: &Functions) -> Result<(), ExportError> {
    out.write_all(b",\n\"functions\":")?;
    json_text::array(out, &functions.rows, |out, row| {
        out.write_all(b"\n")?;
        let row = FunctionRow {
            id: row.function.0,
            name: &row.name,
            file: &row.file,
            first_line: row.first_line,
            kind: row.kind,
            own: row.own.into(),
            total: row.total.into(),
            self_share: functions.base.share(row.own.sum()),
            total_share: functions.base.share(row.total.sum()),
        };
        json_text::value(out, &row)
    })?;
    Ok(())
}

#[derive(Serialize)]
struct LineRow<'a> {
    file: &'a str,
    line: Option<u32>,
    #[serde(rename = "self")]
    own: State,
    total: State,
}

fn write_lines(out: &mut dyn Write, source: &dyn Source, weights: &Weights) -> Result<(), ExportError> {
    out.write_all(b",\n\"lines\":")?;
    json_text::array(out, lines(weights, source.tables()), |out, row| {
        out.write_all(b"\n")?;
        let (own, total) = (row.own.into(), row.total.into());
        json_text::value(out, &LineRow { file: &row.file, line: row.line, own, total })
    })?;
    Ok(())
}

#[derive(Serialize)]
struct Node {
    function: u32,
    parent: Option<u32>,
    #[serde(rename = "self")]
    own: State,
    total: State,
}

/// A list of nodes and not a nested tree: readers of JSON limit the depth, Python programs do not.
fn write_tree(out: &mut dyn Write, source: &dyn Source, weights: &Weights) -> Result<(), ExportError> {
    let tree = CallTree::new(weights, source.tables(), Direction::Calls);
    out.write_all(b",\n\"call_tree\":")?;
    json_text::array(out, &tree.nodes, |out, node| {
        let (own, total) = (node.own.into(), node.total.into());
        json_text::value(out, &Node { function: node.function.0, parent: node.parent, own, total })
    })?;
    Ok(())
}
