//! Writing a profile in the formats of other tools, one file per format.
//!
//! An exporter reads the samples once, as a stream, into either counts per distinct stack
//! (`counts`) or a compact log per thread (`timeline`), and writes from that. Memory is a small
//! multiple of the tables plus, where order matters, a few bytes per sample.
//!
//! Rules that hold for every format:
//! - no sample is lost: one without a consistent stack appears as `[dropped]`, one of a thread that
//!   runs no Python code as `[no Python]`, and a stack whose callers could not be read starts with
//!   `[truncated]`;
//! - what a thread was doing stays visible: a format that knows categories or labels uses them,
//!   the others get a leaf `[idle]` or `[waiting for GIL]` ([`ExportOptions::mark_states`]);
//! - names are foreign text: control, escape and direction characters are written as `\x1b` or
//!   `\u{202e}`, so that neither a parser nor a terminal acts on them;
//! - a sample stands for one nominal period, or at an unbounded rate for the time since the
//!   previous sample of its thread;
//! - the same profile gives the same bytes.

use std::io::{self, Write};
use std::path::Path;

use thiserror::Error;

use crate::file::FileError;
use crate::sample::{Sample, ThreadState};
use crate::source::Source;

mod austin;
mod chrome;
mod collapsed;
mod counts;
mod differential;
mod flamegraph;
mod frames;
mod gecko;
mod json;
mod json_text;
mod label;
mod pprof;
mod pstats;
mod speedscope;
mod timeline;

pub use differential::{write_differential, write_differential_collapsed};
pub use label::printable;

/// A format that a profile can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Flame graph as an SVG that a browser zooms and searches.
    Flamegraph,
    /// One line per stack: frames from the root, separated by `;`, and the number of samples.
    Collapsed,
    /// speedscope's JSON.
    Speedscope,
    /// The Firefox Profiler's JSON.
    Gecko,
    /// pprof's compressed protocol buffer.
    Pprof,
    /// Chrome's Trace Event JSON.
    Chrome,
    /// The statistics file of `cProfile`.
    Pstats,
    /// Austin's text.
    Austin,
    /// slowpath's own JSON: functions, lines, call tree, trust.
    Json,
}

impl Format {
    /// All formats, the most useful first.
    pub const ALL: &'static [Self] = &[
        Self::Flamegraph,
        Self::Collapsed,
        Self::Speedscope,
        Self::Gecko,
        Self::Pprof,
        Self::Chrome,
        Self::Pstats,
        Self::Austin,
        Self::Json,
    ];

    /// The name that `--format` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flamegraph => "flamegraph",
            Self::Collapsed => "collapsed",
            Self::Speedscope => "speedscope",
            Self::Gecko => "gecko",
            Self::Pprof => "pprof",
            Self::Chrome => "chrome",
            Self::Pstats => "pstats",
            Self::Austin => "austin",
            Self::Json => "json",
        }
    }

    /// What it is for, in a few words.
    pub fn description(self) -> &'static str {
        match self {
            Self::Flamegraph => "flame graph, an SVG for any browser",
            Self::Collapsed => "one line per stack, for inferno and flamegraph.pl",
            Self::Speedscope => "time line and flame graph for speedscope.app",
            Self::Gecko => "time line with CPU use for profiler.firefox.com",
            Self::Pprof => "compressed protocol buffer for `go tool pprof` and profile stores",
            Self::Chrome => "trace for ui.perfetto.dev and chrome://tracing",
            Self::Pstats => "statistics for `python -m pstats` and its viewers",
            Self::Austin => "text for Austin's tools",
            Self::Json => "functions, lines, call tree and trust, for scripts",
        }
    }

    /// File name endings that select the format; the first is the usual one.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Flamegraph => &[".svg"],
            Self::Collapsed => &[".collapsed", ".folded"],
            Self::Speedscope => &[".speedscope.json", ".speedscope"],
            Self::Gecko => &[".gecko.json", ".gecko"],
            Self::Pprof => &[".pb.gz", ".pprof"],
            Self::Chrome => &[".trace.json", ".trace"],
            Self::Pstats => &[".pstats", ".prof"],
            Self::Austin => &[".austin"],
            Self::Json => &[".json"],
        }
    }

    /// The format of this name.
    pub fn from_name(name: &str) -> Result<Self, UnknownFormat> {
        let known = Self::ALL.iter().find(|format| format.name().eq_ignore_ascii_case(name));
        known.copied().ok_or_else(|| UnknownFormat(printable(name).into_owned()))
    }

    /// The format that the file's name ends in, or `None`; the longest ending wins, so
    /// `a.speedscope.json` is not plain JSON.
    pub fn from_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        let endings = Self::ALL
            .iter()
            .flat_map(|format| format.extensions().iter().map(move |extension| (extension, format)));
        let matching = endings.filter(|(extension, _)| name.ends_with(**extension));
        matching.max_by_key(|(extension, _)| extension.len()).map(|(_, format)| *format)
    }

    /// Writes the profile in this format.
    pub fn write(
        self,
        source: &mut dyn Source,
        options: &ExportOptions,
        out: &mut dyn Write,
    ) -> Result<(), ExportError> {
        match self {
            Self::Flamegraph => flamegraph::write(source, options, out),
            Self::Collapsed => collapsed::write(source, options, out),
            Self::Speedscope => speedscope::write(source, options, out),
            Self::Gecko => gecko::write(source, options, out),
            Self::Pprof => pprof::write(source, options, out),
            Self::Chrome => chrome::write(source, options, out),
            Self::Pstats => pstats::write(source, options, out),
            Self::Austin => austin::write(source, options, out),
            Self::Json => json::write(source, options, out),
        }
    }
}

/// A format name that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown format `{0}`; known formats: {known}", known = known_names())]
pub struct UnknownFormat(pub String);

fn known_names() -> String {
    Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
}

/// What to write, the same for every format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOptions {
    /// Write samples of threads that sleep. On by default: in wall mode that is the point, and the
    /// other modes record none.
    pub idle: bool,
    /// Write samples of threads that wait for the GIL.
    pub waiting_for_gil: bool,
    /// Add a leaf frame `[idle]` or `[waiting for GIL]` where the format has no better place for
    /// the state.
    pub mark_states: bool,
    /// Tell apart the lines of a function, not only functions, where the format merges frames.
    pub lines: bool,
    /// Title of formats that show one.
    pub title: String,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            idle: true,
            waiting_for_gil: true,
            mark_states: true,
            lines: true,
            title: "slowpath".to_owned(),
        }
    }
}

impl ExportOptions {
    /// Whether the sample is to be written.
    fn wants(&self, sample: &Sample) -> bool {
        match sample.state {
            ThreadState::Running => true,
            ThreadState::WaitingForGil => self.waiting_for_gil,
            ThreadState::Idle => self.idle,
        }
    }
}

/// Why a profile could not be written.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The recording could not be read.
    #[error("cannot read the recording: {0}")]
    Source(#[from] FileError),
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// There is nothing to show: no sample was taken or the options exclude all of them.
    #[error("the profile has no samples to show")]
    Empty,
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
