//! `slowpath advise FILE|PID|-- CMD`: findings first.

use std::env;
use std::path::{Path, PathBuf};

use slowpath_advisor::output::{Paths, Report};
use slowpath_profile::finding::Findings;

use super::record::Show;
use super::{attach, run};
use crate::args::{AdviseArgs, AttachArgs, FormArgs, Global, OutputArgs, RunArgs};
use crate::failure::Failure;
use crate::format::Format;
use crate::forms::Forms;
use crate::output::text::{Style, escaped};
use crate::output::{advice, print, tell};
use crate::outputs::Outputs;
use crate::recording::{open_telling, unreadable};
use crate::sources::{self, Sources};

pub(super) fn execute(args: AdviseArgs, global: Global) -> Result<u8, Failure> {
    let AdviseArgs { target, sampling, forms, all, command } = args;
    let is_recording = |path: &PathBuf| Format::from_path(path) == Some(Format::Recording);
    let (recordings, files): (Vec<_>, Vec<_>) = forms.output.into_iter().partition(is_recording);
    let forms = Forms::open(&FormArgs { output: files, ..forms }, command.is_empty())?;
    let show = Show::Findings { all };
    let pid = target.as_ref().and_then(|target| match target.parse::<u32>() {
        Ok(pid) if pid > 0 && !Path::new(target).exists() => Some(pid),
        _ => None,
    });
    if let (Some(file), None) = (&target, pid) {
        return match recordings.first() {
            Some(path) => Err(not_copied(path)),
            None => judge_file(Path::new(file), forms, all, global),
        };
    }
    let mut outputs = Outputs::open(&OutputArgs { output: recordings, ..OutputArgs::default() })?;
    outputs.forms = Some(forms).filter(|forms| !forms.is_empty());
    let output = OutputArgs::default();
    match pid {
        Some(pid) => {
            attach::profile_with(&AttachArgs { pid, sampling, exact: false, output }, outputs, global, show)
        }
        None => {
            run::profile_with(&RunArgs { sampling, exact: false, output, command }, outputs, global, show)
        }
    }
}

fn judge_file(path: &Path, forms: Forms, all: bool, global: Global) -> Result<u8, Failure> {
    let mut source = open_telling(path, Style::of_stderr(global))?;
    let findings =
        sources::advise(&mut source, &Sources::Here).map_err(|error| unreadable(Some(path), &error))?;
    let (has_text, use_stdout) = (forms.have_text_on_terminal(), forms.use_stdout());
    write(&findings, forms, all, global)?;
    if !(has_text || use_stdout) {
        let text = advice::render(&findings, Style::of_stdout(global), all);
        print(text.trim_start_matches('\n'))?;
    }
    Ok(0)
}

/// Writes findings in every form that was asked for.
pub(super) fn write(findings: &Findings, forms: Forms, all: bool, global: Global) -> Result<(), Failure> {
    let here = env::current_dir().unwrap_or_default();
    let paths = Paths::new(&here.to_string_lossy(), &sources::repository_of(&here).to_string_lossy());
    let report = Report { findings, decision: None, paths: &paths };
    let written = forms.write(|form, out| match form.format() {
        Some(format) => format.write(&report, out),
        None => out.write_all(advice::render(findings, Style { color: false, width: 100 }, all).as_bytes()),
    })?;
    let files = written.iter().filter(|(path, _)| path != Path::new("-"));
    for (path, form) in files.filter(|_| !global.quiet) {
        tell(&format!("wrote {} ({})\n", escaped(&path.display().to_string()), form.name()));
    }
    Ok(())
}

fn not_copied(path: &Path) -> Failure {
    Failure::usage(
        format!("{} would be a copy of the recording", path.display()),
        "a recording that is judged is there already",
        "name a form of findings: -f json -o findings.json",
    )
}
