//! What is shown of one function or thread.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::snapshot::{Moment, Query, StateMix};
use super::{Live, Tally};
use crate::evidence::{OpFamily, ProcessEvidence, Seen, Site, SpecState, Value};
use crate::ids::{FunctionId, Id, ThreadId};
use crate::source::Source;
use crate::tables::Tables;
use crate::view::{Base, Filter, Split, Weights, lines};

/// One line of a file that was on a stack, or whose instructions were looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceLine {
    /// Weight of the samples in which it was innermost.
    pub own: Split,
    /// Weight of the samples in which it was on the stack.
    pub total: Split,
    /// Share of the base that it has for itself.
    pub own_share: f64,
    /// Share of the base in which it is on the stack.
    pub total_share: f64,
    /// Its instructions by state.
    pub states: StateMix,
}

/// The lines of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceDetail {
    /// `co_filename`.
    pub file: String,
    /// By line number.
    pub lines: FxHashMap<u32, SourceLine>,
}

/// One instruction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InstructionRow {
    /// Byte offset, as `dis` prints it.
    pub offset: u32,
    /// Line of the source.
    pub line: Option<u32>,
    /// The opcode as it was seen most often; empty for one that nothing can be specialised about.
    pub opcode: String,
    /// What it names.
    pub name: String,
    /// Its state.
    pub state: SpecState,
    /// How often it was looked at.
    pub looks: u32,
    /// What its inline cache and its operands said.
    pub cache: String,
    /// What its adaptive counter said.
    pub counter: String,
    /// Samples of threads that ran it, as the innermost instruction.
    pub samples: u64,
    /// Their share of the base.
    pub share: f64,
}

/// One thread.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThreadRow {
    /// Its id in the profile.
    pub thread: ThreadId,
    /// Process id.
    pub pid: u32,
    /// The kernel's id; 0 if unknown.
    pub native_id: u32,
    /// Its name.
    pub name: String,
    /// It is the main thread of its process.
    pub is_main: bool,
    /// Samples by what it did.
    pub weight: Split,
    /// Shares of its own samples, running, waiting for the GIL and idle.
    pub shares: [f64; 3],
    /// Share of its samples in which it held the GIL.
    pub gil_share: f64,
    /// CPU time as a share of the time of one core.
    pub cpu_share: f64,
    /// Samples without a consistent stack.
    pub dropped: u64,
}

/// The lines of a file.
pub(super) fn source_detail(
    weights: &Weights,
    tables: &Tables,
    evidence: &[ProcessEvidence],
    file: String,
) -> SourceDetail {
    let mut detail = SourceDetail { file, ..SourceDetail::default() };
    for row in lines(weights, tables).into_iter().filter(|row| row.file == detail.file) {
        let Some(number) = row.line else { continue };
        let line = detail.lines.entry(number).or_default();
        line.own_share = weights.base.share(row.own.sum());
        line.total_share = weights.base.share(row.total.sum());
        (line.own, line.total) = (row.own, row.total);
    }
    for code in evidence.iter().flat_map(|evidence| &evidence.code) {
        let function = tables.functions.get(code.function);
        if function.is_none_or(|function| tables.text(function.file) != detail.file) {
            continue;
        }
        for site in &code.sites {
            if let Some(line) = site.span.line {
                detail.lines.entry(line).or_default().states.add(site);
            }
        }
    }
    detail
}

/// The line of a function that is on the most stacks, the first of equals.
pub(super) fn hottest_line(weights: &Weights, tables: &Tables, function: FunctionId) -> Option<u32> {
    let mut sums = FxHashMap::<u32, u64>::default();
    for (stack, weight) in weights.merged() {
        let mut frames = stack.into_iter().flat_map(|stack| tables.frames_of(stack));
        let of = |frame| tables.frames.get(frame).filter(|frame| frame.function == function);
        if let Some(line) = frames.find_map(of).and_then(|frame| frame.span.line) {
            *sums.entry(line).or_default() += weight.sum();
        }
    }
    sums.into_iter().max_by_key(|(line, sum)| (*sum, Reverse(*line))).map(|(line, _)| line)
}

/// The instructions of a function: those that were looked at, and those that ran.
pub(super) fn instructions(
    live: &Live,
    moment: &Moment,
    evidence: &[ProcessEvidence],
    query: &Query,
    (function, base): (FunctionId, Base),
) -> Vec<InstructionRow> {
    let mut rows = FxHashMap::<u32, InstructionRow>::default();
    for evidence in evidence {
        for code in evidence.code.iter().filter(|code| code.function == function) {
            for site in &code.sites {
                rows.insert(site.offset, instruction(site, evidence));
            }
        }
    }
    let threads = query.filter.threads_of(live);
    let tables = live.tables();
    moment.scope.for_each_running(|thread, stack, samples| {
        let leaf = tables.leaf(stack);
        let wanted = threads.get(thread.index()) == Some(&true);
        let Some(frame) = leaf.filter(|frame| wanted && frame.function == function) else { return };
        let Some(offset) = frame.instruction else { return };
        let row = rows.entry(offset).or_insert_with(|| InstructionRow {
            offset,
            line: frame.span.line,
            state: SpecState::NotSpecialisable,
            ..InstructionRow::default()
        });
        row.samples += samples;
    });
    let mut rows: Vec<InstructionRow> = rows.into_values().collect();
    rows.iter_mut().for_each(|row| row.share = base.share(row.samples));
    rows.sort_by_key(|row| row.offset);
    rows
}

fn instruction(site: &Site, evidence: &ProcessEvidence) -> InstructionRow {
    InstructionRow {
        offset: site.offset,
        line: site.span.line,
        opcode: site.form().to_owned(),
        name: site.name.clone(),
        state: site.state(),
        looks: site.looks,
        cache: site.cache(evidence),
        counter: site.counter_words(),
        ..InstructionRow::default()
    }
}

/// The threads that were seen.
pub(super) fn threads(live: &Live, tally: &Tally, filter: &Filter, span_ns: u64) -> Vec<ThreadRow> {
    // A view of some threads is still a list of all of them, and of whatever they do.
    let filter = Filter { processes: filter.processes.clone(), ..Filter::default() };
    let weights = tally.weights(live, &filter);
    let used = tally.by_thread(live.threads().len());
    let mut rows = Vec::<ThreadRow>::new();
    for entry in &weights.stacks {
        match rows.last_mut().filter(|row| row.thread == entry.thread) {
            Some(row) => row.weight.add(entry.weight),
            None => {
                rows.push(ThreadRow { thread: entry.thread, weight: entry.weight, ..ThreadRow::default() })
            }
        }
    }
    for row in &mut rows {
        let Some(thread) = live.threads().get(row.thread.index()) else { continue };
        row.pid = live.processes().get(thread.process.index()).map_or(0, |process| process.pid);
        row.native_id = thread.native_id;
        row.name = live.tables().text(thread.name).to_owned();
        row.is_main = thread.is_main;
        row.dropped = weights.dropped.get(row.thread.index()).copied().unwrap_or(0);
        let all = row.weight.sum().max(1) as f64;
        row.shares = [row.weight.running, row.weight.waiting_for_gil, row.weight.idle]
            .map(|weight| weight as f64 / all);
        let (cpu_ns, held) = used.get(row.thread.index()).copied().unwrap_or_default();
        row.gil_share = held as f64 / all;
        row.cpu_share = cpu_ns as f64 / span_ns.max(1) as f64;
    }
    rows
}

impl Site {
    /// `Cart, Order; 3 versions, changed 7 times`: what it met, and what its cache held.
    pub fn cache(&self, evidence: &ProcessEvidence) -> String {
        const SHOWN: usize = 3;
        let mut names = Vec::<String>::new();
        for operand in &self.operands {
            let name = match operand.value {
                Value::Instance(of) | Value::Class(of) => evidence.types(of).map(|it| it.name.clone()),
                Value::Function(of) => evidence.functions(of).map(|_| "function".to_owned()),
                Value::Module(of) => evidence.namespaces(of).map(|it| it.module.clone()),
            };
            let name = name.unwrap_or_default();
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        let more = names.len().saturating_sub(SHOWN);
        names.truncate(SHOWN);
        let mut parts = Vec::from_iter((!names.is_empty()).then(|| names.join(", ")));
        if more > 0 {
            parts.push(format!("{more} more"));
        }
        match self.versions.as_slice() {
            [] => {}
            [Seen { value, .. }] => parts.push(format!("version {value}")),
            several => parts.push(format!("{} versions", several.len())),
        }
        if self.version_changes > 0 {
            parts.push(format!("changed {} times", self.version_changes));
        }
        parts.join("; ")
    }

    /// `missed in 12 of 40 looks`, or `backoff 6 of 12`.
    pub fn counter_words(&self) -> String {
        let counter = &self.counter;
        match (counter.specialised, counter.backoff) {
            (0, 0) => String::new(),
            (0, backoff) => format!("backoff {backoff} of {}", counter.backoff_limit),
            (looks, _) if counter.disturbed > 0 => {
                format!("missed in {} of {looks} looks", counter.disturbed)
            }
            (looks, _) => format!("hit in {looks} looks"),
        }
    }

    /// The state that it is shown in: the one that it was seen in most often, or "deopted" if a
    /// specialised form was given up in at least one of eight looks.
    pub fn state(&self) -> SpecState {
        let states = &self.states;
        if states.deopted > 0 && states.deopted.saturating_mul(8) >= self.looks {
            return SpecState::Deopted;
        }
        let counts = [
            (states.unknown, SpecState::Unknown),
            (states.compiled, SpecState::Compiled),
            (states.not_specialisable, SpecState::NotSpecialisable),
            (states.warming, SpecState::Warming),
            (states.specialised, SpecState::Specialised),
            (states.deopted, SpecState::Deopted),
            (states.backed_off, SpecState::BackedOff),
        ];
        let most = counts.into_iter().filter(|(looks, _)| *looks > 0).max_by_key(|(looks, _)| *looks);
        match most {
            Some((_, state)) => state,
            None if self.family == OpFamily::Other => SpecState::NotSpecialisable,
            None => SpecState::Unknown,
        }
    }
}

impl SpecState {
    /// The states that views tell apart, in the order in which they are always shown.
    pub const SHOWN: [Self; 6] = [
        Self::Specialised,
        Self::Warming,
        Self::BackedOff,
        Self::Deopted,
        Self::NotSpecialisable,
        Self::Unknown,
    ];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Specialised => "specialised",
            Self::Warming => "warming",
            Self::BackedOff => "backed off",
            Self::Deopted => "deopted",
            Self::NotSpecialisable => "not specialisable",
            Self::Compiled => "compiled",
            Self::Unknown => "unknown",
        }
    }
}
