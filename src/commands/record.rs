//! What `run` and `attach` share: sample a target into a recording, then say what came out.

use std::path::Path;

use slowpath_profile::file::{self, FileError};
use slowpath_profile::view::Filter;
use slowpath_profile::{Source, Stats};
use slowpath_sampler::options::SampleOptions;
use slowpath_sampler::session::{End, Progress, StopFlag, Target};

use crate::args::Global;
use crate::exact;
use crate::failure::Failure;
use crate::format::Format;
use crate::output::text::{Style, bytes, escaped, wrap};
use crate::output::{advice, summary, tell};
use crate::outputs::{Outputs, Written, write};
use crate::progress::RecordingLine;
use crate::recording::{Recording, ends_early};
use crate::sources::{self, Sources};

/// What people are shown of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// What was measured and the hottest functions; then, unless it was declined, the findings.
    Summary { advice: bool },
    /// The findings alone; with `all`, those below the floors too.
    Findings { all: bool },
}

impl Show {
    /// The text.
    pub(super) fn render(
        self,
        source: &mut dyn Source,
        filter: &Filter,
        sources: &Sources,
        style: Style,
        verbose: bool,
    ) -> Result<String, FileError> {
        let (mut text, findings, all) = match self {
            Self::Summary { advice } => (summary::render(source, filter, style, verbose)?, advice, false),
            Self::Findings { all } => (String::new(), true, all),
        };
        // What nobody looked at is not judged: an old recording is shown as it always was.
        if findings && (self != (Self::Summary { advice: true }) || !source.evidence().is_empty()) {
            text += &advice::render(&sources::advise(source, sources)?, style, all);
        }
        Ok(text)
    }
}

/// A recording that is over.
pub(super) struct Recorded {
    pub(super) source: file::Recording,
    pub(super) stats: Stats,
    /// The output that holds the recording itself.
    pub(super) kept: Option<Written>,
    warnings: Vec<String>,
    /// Where the texts of its source are.
    pub(super) sources: Sources,
    /// Why it is not all there.
    pub(super) failure: Option<Failure>,
}

impl Recorded {
    /// What went less well than it should.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The recording, if it is all there.
    pub(super) fn into_source(self) -> Result<file::Recording, Failure> {
        self.failure.map_or(Ok(self.source), Err)
    }
}

/// Samples until the target ends, the duration is over or `stop` is set.
pub(super) fn record(
    target: Target,
    options: &SampleOptions,
    outputs: &mut Outputs,
    stop: &StopFlag,
    show_progress: bool,
) -> Result<Recorded, Failure> {
    let recording = Recording::create(outputs, &target.meta(options))?;
    let path = recording.path().map(ToOwned::to_owned);
    let sources = Sources::of_process(target.pid());
    let progress = Progress::default();
    let line = show_progress.then(|| RecordingLine::show(&progress));
    let outcome = target.sample(options, recording.sink(), stop, &progress);
    drop(line);
    let failure = match outcome.end {
        End::Sink(error) => Some(ends_early(path.as_deref(), &error)),
        End::TargetExited | End::Duration | End::Stopped => None,
    };
    let mut stats = outcome.stats;
    let source = recording.finish(&mut stats)?;
    let format = Format::Recording.name();
    let mut warnings = outcome.warnings;
    warnings.extend(exact::warnings(&source));
    let kept = path.map(|path| Written { path, format, bytes: source.bytes() });
    Ok(Recorded { source, stats, kept, warnings, sources, failure })
}

/// Writes the outputs and prints the summary. The first failure is returned after everything that
/// could be done was done.
pub(super) fn conclude(
    recorded: Recorded,
    mut outputs: Outputs,
    global: Global,
    show: Show,
) -> Result<(), Failure> {
    let Recorded { mut source, mut stats, kept, warnings, sources, failure } = recorded;
    let style = Style::of_stderr(global);
    let (mut written, mut failures) = (Vec::from_iter(kept), Vec::from_iter(failure));
    write_all(&mut outputs, &mut source, &sources, &mut written, &mut failures);
    stats.bytes_written = written.iter().map(|one| one.bytes).sum();
    failures.extend(outputs.write_stats(&stats).err());
    let (mut has_text, has_forms) = (false, outputs.forms.is_some());
    if let (Some(forms), Show::Findings { all }) = (outputs.forms.take(), show) {
        has_text = forms.have_text_on_terminal();
        let judged = sources::advise(&mut source, &sources);
        let findings = judged.map_err(|error| crate::recording::unreadable(None, &error));
        failures.extend(findings.and_then(|it| super::advise::write(&it, forms, all, global)).err());
    }
    if !global.quiet {
        for warning in &warnings {
            tell(&format!("{} {}\n", style.warn("slowpath:"), escaped(warning)));
        }
        if !has_text {
            match show.render(&mut source, &outputs.filter, &sources, style, global.verbose) {
                Ok(text) => tell(&text),
                Err(error) => failures.push(crate::recording::unreadable(None, &error)),
            }
        }
        tell(&describe(&written, outputs.files.is_empty() && !has_forms, style));
    }
    first(failures, style)
}

/// Writes every output that does not hold the recording already.
pub(super) fn write_all(
    outputs: &mut Outputs,
    source: &mut dyn Source,
    sources: &Sources,
    written: &mut Vec<Written>,
    failures: &mut Vec<Failure>,
) {
    let sources = sources.if_wanted(outputs.with_source);
    for (output, format) in &mut outputs.files {
        if written.iter().any(|one| one.path == output.path) {
            continue;
        }
        match write(output, *format, source, &outputs.filter, &sources) {
            Ok(one) => written.push(one),
            Err(failure) => failures.push(failure),
        }
    }
}

/// Prints all failures but the first, which is the caller's to return.
pub(super) fn first(failures: Vec<Failure>, style: Style) -> Result<(), Failure> {
    let mut failures = failures.into_iter();
    let first = failures.next();
    for failure in failures {
        tell(&failure.render(style));
    }
    first.map_or(Ok(()), Err)
}

/// `wrote flame.svg (flamegraph, 84.1 kB)`, or how to have something written.
pub(super) fn describe(written: &[Written], nothing_asked: bool, style: Style) -> String {
    if nothing_asked {
        let hint = "nothing was written; keep it with -o flame.svg or -o profile.slowpath";
        return format!("{}\n", style.faint(&wrap(hint, style.width, 2)));
    }
    let line = |one: &Written| {
        let path = one.path.display().to_string();
        format!("wrote {} ({}, {})\n", style.strong(&escaped(&path)), one.format, bytes(one.bytes))
    };
    let files = written.iter().filter(|one| one.path != Path::new("-"));
    files.map(line).collect()
}
