//! One run of the program, or one file, up to its findings.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use slowpath_advisor::output::read_json;
use slowpath_profile::Source;
use slowpath_profile::finding::Findings;
use slowpath_sampler::options::SampleOptions;
use slowpath_sampler::session::StopFlag;

use crate::args::Global;
use crate::commands::record::record;
use crate::commands::run;
use crate::failure::{Exit, Failure, reason};
use crate::output::tell;
use crate::output::text::{Style, escaped};
use crate::outputs::Outputs;
use crate::program::Program;
use crate::recording::{open_telling, unreadable};
use crate::sources::Sources;

/// What was seen.
#[derive(Debug, Default)]
pub(in crate::commands) struct Watched {
    pub(in crate::commands) findings: Findings,
    /// Source files that ran, as the interpreter names them.
    pub(in crate::commands) files: BTreeSet<String>,
    /// How the program ended, as a shell would name it; 0 where there was none.
    pub(in crate::commands) exit_code: i32,
}

/// Watches the program to its end.
pub(in crate::commands) fn program(
    program: Program,
    options: &SampleOptions,
    global: Global,
) -> Result<Watched, Failure> {
    let result = profile(&program, options, global);
    let pid = program.id();
    let code = program.wait().map_err(|error| run::lost(pid, &error));
    Ok(Watched { exit_code: code?, ..result? })
}

fn profile(program: &Program, options: &SampleOptions, global: Global) -> Result<Watched, Failure> {
    let Some(target) = run::attach_forwarding(program, options.children)? else {
        return Ok(Watched::default());
    };
    let stop = StopFlag::default();
    let recorded = record(target, options, &mut Outputs::default(), &stop, global.verbose)?;
    if !global.quiet {
        let style = Style::of_stderr(global);
        for warning in recorded.warnings() {
            tell(&format!("{} {}\n", style.warn("slowpath:"), escaped(warning)));
        }
    }
    let sources = recorded.sources.clone();
    judge(&mut recorded.into_source()?, &sources, None)
}

/// Opens a recording, or findings that were written before.
pub(in crate::commands) fn file(path: &Path, global: Global) -> Result<Watched, Failure> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        return saved_findings(path);
    }
    judge(&mut open_telling(path, Style::of_stderr(global))?, &Sources::Here, Some(path))
}

fn judge(source: &mut dyn Source, sources: &Sources, path: Option<&Path>) -> Result<Watched, Failure> {
    let findings = crate::sources::advise(source, sources).map_err(|error| unreadable(path, &error))?;
    let tables = source.tables();
    let files = tables.functions.values().iter().map(|function| tables.text(function.file).to_owned());
    Ok(Watched { findings, files: files.collect(), exit_code: 0 })
}

fn saved_findings(path: &Path) -> Result<Watched, Failure> {
    let cannot_read = |exit, why: String, fix: &str| {
        Failure::new(exit, format!("cannot read {}", path.display()), why, fix)
    };
    let text = fs::read_to_string(path).map_err(|error| {
        let exit = match error.kind() {
            std::io::ErrorKind::PermissionDenied => Exit::Permission,
            _ => Exit::Usage,
        };
        cannot_read(exit, reason(&error), "check the path and its permissions")
    })?;
    let findings = read_json(&text).map_err(|error| {
        let fix = "write them with: slowpath check FILE.slowpath -f json -o FILE.json";
        cannot_read(Exit::Usage, error.to_string(), fix)
    })?;
    let causes = |it: &slowpath_profile::finding::Finding| {
        let causes = it.causes.iter().map(|cause| cause.place.file.clone());
        causes.chain(it.hurts.iter().map(|hurt| hurt.place.file.clone())).collect::<Vec<_>>()
    };
    let files = findings.findings.iter().chain(&findings.minor).flat_map(causes).collect();
    Ok(Watched { findings, files, exit_code: 0 })
}
