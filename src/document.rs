//! What the page of the browser view is given: a profile, its findings and its sources.

use slowpath_advisor::output::{self, Paths, Report};
use slowpath_profile::file::FileError;
use slowpath_profile::finding::Findings;
use slowpath_profile::{Process, Source};
use slowpath_web::{Document, Options};

use crate::output::summary;
use crate::sources::{self, Sources};

/// The document of a profile that is over.
pub(crate) fn of(source: &mut dyn Source, sources: &Sources) -> Result<Document, FileError> {
    let findings = sources::advise(source, sources)?;
    let text = |file: &str| sources.source_text(file);
    let title = title(source.processes());
    Document::of(
        source,
        Options { title, warnings: Vec::new(), text: &text, findings: findings_json(&findings) },
    )
}

/// What was profiled, for the title of a window.
pub(crate) fn title(processes: &[Process]) -> String {
    summary::title(processes)
}

/// The object that `slowpath advise -f json` writes.
pub(crate) fn findings_json(findings: &Findings) -> serde_json::Value {
    let here = std::env::current_dir().unwrap_or_default();
    let paths = Paths::new(&here.to_string_lossy(), &sources::repository_of(&here).to_string_lossy());
    let mut json = Vec::new();
    let written = output::Format::Json.write(&Report { findings, decision: None, paths: &paths }, &mut json);
    // Writing into memory does not fail, and what was written is JSON.
    written.ok().and_then(|()| serde_json::from_slice(&json).ok()).unwrap_or_default()
}
