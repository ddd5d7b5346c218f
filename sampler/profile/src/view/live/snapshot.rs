//! Everything that a live view shows at one moment.

use std::time::Duration;

use rustc_hash::FxHashMap;

use super::detail::{
    InstructionRow, SourceDetail, ThreadRow, hottest_line, instructions, source_detail, threads,
};
use super::{Counts, Live, Tally, rate};
use crate::evidence::{ProcessEvidence, Site, SpecState, StateCounts};
use crate::ids::FunctionId;
use crate::meta::{Meta, Process};
use crate::sample::Quality;
use crate::source::Source;
use crate::tables::{Tables, is_library};
use crate::view::{Base, CallTree, Direction, Filter, Functions, Split, Weights, lines};

/// Which time a view is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The last seconds.
    #[default]
    Window,
    /// Everything since the start, or since counting began anew.
    SinceStart,
}

/// What a live view asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Which time.
    pub scope: Scope,
    /// Length of the window.
    pub window: Duration,
    /// Which samples and frames.
    pub filter: Filter,
    /// Rows are lines, not functions.
    pub by_line: bool,
    /// The function whose instructions are wanted, with its source.
    pub function: Option<FunctionId>,
    /// The file whose lines are wanted.
    pub file: Option<String>,
    /// Whether the call tree is wanted.
    pub tree: bool,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            scope: Scope::default(),
            window: Duration::from_secs(5),
            filter: Filter::default(),
            by_line: false,
            function: None,
            file: None,
            tree: false,
        }
    }
}

/// How many instructions are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateMix(pub StateCounts);

impl StateMix {
    /// Counts an instruction.
    pub fn add(&mut self, site: &Site) {
        self.0.add(site.state());
    }

    /// Instructions in a state; compiled code hides its state, so it counts as unknown.
    pub fn count(&self, state: SpecState) -> u32 {
        match state {
            SpecState::Specialised => self.0.specialised,
            SpecState::Warming => self.0.warming,
            SpecState::BackedOff => self.0.backed_off,
            SpecState::Deopted => self.0.deopted,
            SpecState::NotSpecialisable => self.0.not_specialisable,
            SpecState::Compiled | SpecState::Unknown => self.0.compiled + self.0.unknown,
        }
    }

    /// The states in their order, the worst of which is the fourth, with their counts.
    pub fn counts(&self) -> [(SpecState, u32); 6] {
        SpecState::SHOWN.map(|state| (state, self.count(state)))
    }

    /// The state that most needs to be looked at.
    pub fn worst(&self) -> Option<SpecState> {
        use SpecState::{BackedOff, Deopted, NotSpecialisable, Specialised, Unknown, Warming};
        let order = [Deopted, BackedOff, Warming, Unknown, NotSpecialisable, Specialised];
        order.into_iter().find(|state| self.count(*state) > 0)
    }
}

/// A function, or a line, and what is spent there.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The function; of a line, one that it belongs to.
    pub function: Option<FunctionId>,
    /// `co_qualname`; of a line, that of one function that it belongs to.
    pub name: String,
    /// `co_filename`.
    pub file: String,
    /// First line of the function, or the line.
    pub line: Option<u32>,
    /// Weight of the samples in which it was innermost.
    pub own: Split,
    /// Weight of the samples in which it was on the stack, each counted once.
    pub total: Split,
    /// Share of the base that it has for itself, from 0 to 1.
    pub own_share: f64,
    /// Share of the base in which it is on the stack.
    pub total_share: f64,
    /// By how much its own share in the last window is above that in the window before; `None` until
    /// there are two.
    pub trend: Option<f64>,
    /// Its instructions by state; all zero if it was never looked at.
    pub states: StateMix,
    /// It belongs to Python or to a package.
    pub is_library: bool,
}

/// How well sampling does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Health {
    /// Ticks per second that are wanted; 0 for as many as possible.
    pub wanted_hz: f64,
    /// Ticks per second that were served, of the scope.
    pub achieved_hz: f64,
    /// Samples, of the scope.
    pub samples: u64,
    /// Share of them without a consistent stack.
    pub failed_share: f64,
    /// Share of them that had to be read again because the first read was torn.
    pub torn_share: f64,
    /// Ticks that were missed, of the scope.
    pub missed: u64,
    /// Share of the samples that were taken while garbage was collected.
    pub gc_share: f64,
    /// CPU time of all threads as a share of one core's.
    pub cpu_share: f64,
    /// Length of the session in seconds.
    pub elapsed_s: f64,
}

/// Everything that a live view shows at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// How it is recorded.
    pub meta: Meta,
    /// The processes.
    pub processes: Vec<Process>,
    /// How well sampling does.
    pub health: Health,
    /// The time that the numbers are of, in seconds.
    pub span_s: f64,
    /// What shares are shares of.
    pub base: Base,
    /// Functions or lines, the largest own weight first.
    pub rows: Vec<Row>,
    /// Weight of samples that ran no Python code.
    pub no_python: Split,
    /// Weight of samples of which no frame is shown.
    pub hidden: Split,
    /// Lines of the file that was asked for.
    pub source: Option<SourceDetail>,
    /// The function whose instructions these are.
    pub function: Option<FunctionId>,
    /// The line of that function that is on the most stacks.
    pub hottest_line: Option<u32>,
    /// Instructions of the function that was asked for, in the order of their offsets.
    pub instructions: Vec<InstructionRow>,
    /// Threads that were seen in this time.
    pub threads: Vec<ThreadRow>,
    /// The tree of calls, if it was asked for.
    pub tree: CallTree,
    /// Names of the functions in the tree.
    pub names: FxHashMap<FunctionId, (String, String)>,
    /// Samples of threads that ran, per slot of half a second; the newest last.
    pub activity: Vec<u64>,
}

/// What is counted at one moment, for views that stand still while counting goes on.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    pub(super) scope: Tally,
    window: Tally,
    before: Tally,
    has_before: bool,
    span_ns: u64,
    pub(super) health: Health,
    activity: Vec<u64>,
    /// What was known of instructions, if that must stand still, too.
    evidence: Option<Vec<ProcessEvidence>>,
}

impl Live {
    /// What is counted now, with what is known now.
    pub fn held_moment(&self, scope: Scope, window: Duration) -> Moment {
        Moment { evidence: Some(self.profile.evidence.clone()), ..self.moment(scope, window) }
    }

    /// What is counted now.
    pub fn moment(&self, scope: Scope, window: Duration) -> Moment {
        let recent = self.window(window);
        let (first, last) = match scope {
            Scope::Window => self.counts_of(window),
            Scope::SinceStart => (self.begun, self.counts.back().copied().unwrap_or_default()),
        };
        let tally = match scope {
            Scope::Window => recent.clone(),
            Scope::SinceStart => self.since_start.clone(),
        };
        let span_ns = match scope {
            Scope::Window => self.span_ns(window),
            Scope::SinceStart => self.span_since_start_ns(),
        };
        Moment {
            health: self.health(&tally, (first, last), span_ns),
            scope: tally,
            window: recent,
            before: self.window_before(window),
            has_before: self.span_since_start_ns() > 2 * window.as_nanos() as u64,
            span_ns,
            activity: self.activity(),
            evidence: None,
        }
    }

    fn health(&self, tally: &Tally, (first, last): (Counts, Counts), span_ns: u64) -> Health {
        let samples = tally.samples();
        let share = |quality| tally.of_quality(quality) as f64 / samples.max(1) as f64;
        Health {
            wanted_hz: self.profile.meta.rate_wanted_mhz as f64 / 1000.0,
            achieved_hz: rate(first, last),
            samples,
            failed_share: share(Quality::Dropped),
            torn_share: share(Quality::Retried),
            missed: last.missed.saturating_sub(first.missed),
            gc_share: tally.in_gc() as f64 / samples.max(1) as f64,
            cpu_share: tally.cpu_ns() as f64 / span_ns.max(1) as f64,
            elapsed_s: self.now_ns() as f64 / 1e9,
        }
    }

    /// Everything that `query` asks for, of a moment.
    pub fn snapshot(&self, moment: &Moment, query: &Query) -> Snapshot {
        let tables = &self.profile.tables;
        let weights = moment.scope.weights(self, &query.filter);
        let functions = Functions::new(&weights, tables);
        let evidence = moment.evidence.as_ref().unwrap_or(&self.profile.evidence);
        let mixes = Mixes::of(evidence);
        let rows = if query.by_line {
            line_rows(&weights, tables, &mixes)
        } else {
            self.function_rows(&functions, moment, query, &mixes)
        };
        let file = query.file.clone().or_else(|| {
            let function = tables.functions.get(query.function?)?;
            Some(tables.text(function.file).to_owned())
        });
        let tree = match query.tree {
            true => CallTree::new(&weights, tables, Direction::Calls),
            false => CallTree::default(),
        };
        Snapshot {
            meta: self.profile.meta.clone(),
            processes: self.profile.processes.clone(),
            health: moment.health,
            span_s: moment.span_ns as f64 / 1e9,
            base: functions.base,
            rows,
            no_python: functions.no_python,
            hidden: functions.hidden,
            function: query.function,
            hottest_line: query.function.and_then(|function| hottest_line(&weights, tables, function)),
            source: file.map(|file| source_detail(&weights, tables, evidence, file)),
            instructions: query
                .function
                .map(|function| instructions(self, moment, evidence, query, (function, weights.base)))
                .unwrap_or_default(),
            threads: threads(self, &moment.scope, &query.filter, moment.span_ns),
            names: names(&tree, tables),
            tree,
            activity: moment.activity.clone(),
        }
    }

    fn function_rows(
        &self,
        functions: &Functions,
        moment: &Moment,
        query: &Query,
        mixes: &Mixes,
    ) -> Vec<Row> {
        let shares = |tally: &Tally| {
            let functions = Functions::new(&tally.weights(self, &query.filter), self.tables());
            let share = |own: Split| functions.base.share(own.sum());
            functions.rows.iter().map(|row| (row.function, share(row.own))).collect::<FxHashMap<_, _>>()
        };
        let trends = moment.has_before.then(|| (shares(&moment.window), shares(&moment.before)));
        let trend = |function| {
            let (now, before) = trends.as_ref()?;
            let of = |shares: &FxHashMap<_, f64>| shares.get(&function).copied().unwrap_or(0.0);
            Some(of(now) - of(before))
        };
        let row = |row: &crate::view::FunctionRow| Row {
            function: Some(row.function),
            name: row.name.clone(),
            file: row.file.clone(),
            line: Some(row.first_line).filter(|line| *line > 0),
            own: row.own,
            total: row.total,
            own_share: functions.base.share(row.own.sum()),
            total_share: functions.base.share(row.total.sum()),
            trend: trend(row.function),
            states: mixes.functions.get(&row.function).copied().unwrap_or_default(),
            is_library: is_library(&row.file),
        };
        functions.rows.iter().map(row).collect()
    }
}

#[derive(Default)]
struct Mixes {
    functions: FxHashMap<FunctionId, StateMix>,
    lines: FxHashMap<(FunctionId, u32), StateMix>,
}

impl Mixes {
    /// The states of all instructions that were looked at, by function and by line.
    fn of(evidence: &[ProcessEvidence]) -> Self {
        let mut mixes = Self::default();
        for code in evidence.iter().flat_map(|evidence| &evidence.code) {
            for site in &code.sites {
                mixes.functions.entry(code.function).or_default().add(site);
                if let Some(line) = site.span.line {
                    mixes.lines.entry((code.function, line)).or_default().add(site);
                }
            }
        }
        mixes
    }
}

fn line_rows(weights: &Weights, tables: &Tables, mixes: &Mixes) -> Vec<Row> {
    let mut owners = FxHashMap::<(&str, Option<u32>), FunctionId>::default();
    for frame in tables.frames.values() {
        if let Some(function) = tables.functions.get(frame.function) {
            owners.entry((tables.text(function.file), frame.span.line)).or_insert(frame.function);
        }
    }
    let base = weights.base;
    let row = |line: crate::view::LineRow| {
        let function = owners.get(&(line.file.as_str(), line.line)).copied();
        let known = function.and_then(|function| tables.functions.get(function));
        let mix = function.zip(line.line).and_then(|place| mixes.lines.get(&place));
        Row {
            function,
            name: known.map_or("?", |function| tables.text(function.qualname)).into(),
            own_share: base.share(line.own.sum()),
            total_share: base.share(line.total.sum()),
            is_library: is_library(&line.file),
            file: line.file,
            line: line.line,
            own: line.own,
            total: line.total,
            trend: None,
            states: mix.copied().unwrap_or_default(),
        }
    };
    lines(weights, tables).into_iter().map(row).collect()
}

fn names(tree: &CallTree, tables: &Tables) -> FxHashMap<FunctionId, (String, String)> {
    let name = |id: FunctionId| {
        let function = tables.functions.get(id);
        let text = |string| tables.text(string).to_owned();
        let names = function.map(|it| (text(it.qualname), text(it.file))).unwrap_or_default();
        (id, names)
    };
    tree.nodes.iter().map(|node| name(node.function)).collect()
}
