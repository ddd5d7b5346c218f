//! What a document says beside samples: how it was recorded, who ran, in what state code is.

use serde::Serialize;
use slowpath_profile::evidence::{OpFamily, ProcessEvidence};
use slowpath_profile::text::{hertz, share_percent};
use slowpath_profile::{Mode, Process, Source, Stats, Tables, Thread};

use super::columns::File;

/// Below this share of the wanted rate something is wrong.
const FULL_RATE: f64 = 0.9;
/// Above this share of samples without a stack something is wrong.
const MANY_FAILED: f64 = 0.05;

/// How it was recorded, and how that went.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct MetaPart {
    pub(crate) mode: Mode,
    pub(crate) started_ms: u64,
    pub(crate) rate_wanted_hz: f64,
    pub(crate) rate_achieved_hz: f64,
    pub(crate) duration_s: f64,
    pub(crate) samples: u64,
    pub(crate) dropped: u64,
    pub(crate) retried: u64,
    pub(crate) missed: u64,
    pub(crate) gc: bool,
    pub(crate) blocking: bool,
    pub(crate) warnings: Vec<String>,
    pub(crate) limits: Vec<String>,
    /// Why there will be no more of a live document.
    pub(crate) ended: Option<String>,
}

impl MetaPart {
    pub(crate) fn of(source: &dyn Source, stats: &Stats, files: &[File]) -> Self {
        let meta = source.meta();
        let mut part = Self {
            mode: meta.mode,
            started_ms: meta.started_unix_ns / 1_000_000,
            rate_wanted_hz: meta.rate_wanted_mhz as f64 / 1000.0,
            rate_achieved_hz: stats.rate_achieved_hz,
            duration_s: stats.duration_s,
            samples: stats.samples,
            dropped: stats.dropped,
            retried: stats.retried,
            missed: stats.missed,
            gc: meta.gc_frames,
            blocking: meta.blocking,
            limits: limits(source, files),
            ..Self::default()
        };
        part.warn();
        part
    }

    /// Says what went less well than it should, with what to do about it.
    pub(crate) fn warn(&mut self) {
        let Self { rate_wanted_hz, rate_achieved_hz, dropped, samples, .. } = *self;
        if rate_wanted_hz > 0.0 && rate_achieved_hz > 0.0 && rate_achieved_hz < FULL_RATE * rate_wanted_hz {
            let (achieved, wanted) = (hertz(rate_achieved_hz), hertz(rate_wanted_hz));
            self.warnings
                .push(format!("{achieved} of {wanted} were reached: sample at a lower rate with -r"));
        }
        let failed = dropped as f64 / samples.max(1) as f64;
        if failed > MANY_FAILED {
            let share = share_percent(failed);
            self.warnings.push(format!(
                "{share} % of the samples have no consistent stack: --same-core or --blocking reads exactly"
            ));
        }
    }
}

/// What the numbers cannot say.
fn limits(source: &dyn Source, files: &[File]) -> Vec<String> {
    let mut limits = Vec::new();
    if source.evidence().is_empty() {
        limits.push("In what state code ran was not recorded: there are weights, but no reasons.".to_owned());
    }
    if source.evidence().iter().any(|evidence| evidence.truncated) {
        limits.push("Some evidence was left out because a bound was reached.".to_owned());
    }
    if source.processes().iter().any(|process| process.build.jit) {
        limits.push("The just-in-time compiler hides the state of code that it compiled.".to_owned());
    }
    if files.iter().any(|file| file.text.is_none() && !file.path.starts_with('<') && !file.library) {
        limits.push("Not every source file is shown: it could not be read, or may not be.".to_owned());
    }
    limits.push("States were looked at now and then; what happened in between was not seen.".to_owned());
    limits
}

/// A profiled process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ProcessPart {
    pid: u32,
    python: String,
    build: Vec<&'static str>,
    command: String,
}

impl ProcessPart {
    pub(crate) fn of(process: &Process) -> Self {
        let Process { pid, python, build, command, .. } = process;
        Self { pid: *pid, python: python.clone(), build: build.names(), command: command.clone() }
    }
}

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ThreadPart {
    process: u32,
    native_id: u32,
    name: String,
    main: bool,
}

impl ThreadPart {
    pub(crate) fn of(thread: &Thread, tables: &Tables) -> Self {
        Self {
            process: thread.process.0,
            native_id: thread.native_id,
            name: tables.text(thread.name).to_owned(),
            main: thread.is_main,
        }
    }
}

/// An instruction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Site {
    function: u32,
    offset: u32,
    line: i64,
    column: i64,
    end_line: i64,
    end_column: i64,
    opcode: String,
    family: OpFamily,
    name: String,
    state: &'static str,
    cache: String,
    counter: String,
    looks: u32,
}

/// The instructions that were looked at.
pub(crate) fn sites(source: &dyn Source) -> Vec<Site> {
    let known = |value: Option<u32>| value.map_or(-1, i64::from);
    let functions = source.tables().functions.len();
    let of = |evidence: &'_ ProcessEvidence| -> Vec<Site> {
        let code = evidence.code.iter().filter(|code| (code.function.0 as usize) < functions);
        let sites = code.flat_map(|code| code.sites.iter().map(|site| (code.function.0, site)));
        let site = |(function, site): (u32, &slowpath_profile::evidence::Site)| Site {
            function,
            offset: site.offset,
            line: known(site.span.line),
            column: known(site.span.column),
            end_line: known(site.span.end_line),
            end_column: known(site.span.end_column),
            opcode: site.form().to_owned(),
            family: site.family,
            name: site.name.clone(),
            state: site.state().word(),
            cache: site.cache(evidence),
            counter: site.counter_words(),
            looks: site.looks,
        };
        sites.map(site).collect()
    };
    source.evidence().iter().flat_map(of).collect()
}
