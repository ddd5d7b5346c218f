//! `slowpath diff BEFORE AFTER`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use slowpath_profile::Source;
use slowpath_profile::export::{
    ExportError, ExportOptions, write_differential, write_differential_collapsed,
};
use slowpath_profile::file::{FileError, Recording};
use slowpath_profile::finding::Findings;
use slowpath_profile::view::{Diff, Filter, Filtered, Weights};
use slowpath_web::Opening;

use crate::args::{DiffArgs, Global};
use crate::document;
use crate::failure::Failure;
use crate::format::DiffFormat;
use crate::output::findings_diff::Row;
use crate::output::text::{Style, escaped};
use crate::output::{diff, findings_diff, tell};
use crate::outputs::{Output, written};
use crate::recording::open_telling;
use crate::sources::Sources;

pub(super) fn execute(args: &DiffArgs, global: Global) -> Result<u8, Failure> {
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from("-"));
    let format = match args.format.or_else(|| DiffFormat::from_path(&path)) {
        Some(format) => format,
        None if args.output.is_none() => DiffFormat::Text,
        None => return Err(unknown(&path)),
    };
    let style = Style::of_stderr(global);
    let mut before = open_telling(&args.before, style)?;
    let mut after = open_telling(&args.after, style)?;
    let filter = args.paths.filter();
    let mut output = Output::open(&path)?;
    let result = output.write(|out| write(format, (&mut before, &mut after), &filter, global, out));
    if let Some(bytes) = written(&path, result)?.filter(|_| args.output.is_some() && !global.quiet) {
        let name = path.display().to_string();
        tell(&format!("wrote {} ({})\n", style.strong(&escaped(&name)), crate::output::text::bytes(bytes)));
    }
    Ok(0)
}

fn write(
    format: DiffFormat,
    (before, after): (&mut Recording, &mut Recording),
    filter: &Filter,
    global: Global,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    match format {
        DiffFormat::Flamegraph | DiffFormat::Collapsed => {
            let (mut before, mut after) = (Filtered::new(before, filter), Filtered::new(after, filter));
            let options = ExportOptions { title: "slowpath diff".into(), ..ExportOptions::default() };
            let write = match format {
                DiffFormat::Collapsed => write_differential_collapsed,
                _ => write_differential,
            };
            write(&mut before, &mut after, &options, out)
        }
        DiffFormat::Text => {
            let style = Style::of_stdout(global);
            let mut text = diff::render(&compare(before, after, filter)?, style);
            if let Some((before, after)) = findings(before, after)? {
                text += &findings_diff::render(&slowpath_advisor::compare::compare(&before, &after), style);
            }
            Ok(out.write_all(text.as_bytes())?)
        }
        DiffFormat::Json => {
            let both = both(before, after, filter)?;
            serde_json::to_writer_pretty(&mut *out, &both).map_err(io::Error::from)?;
            Ok(writeln!(out)?)
        }
        DiffFormat::Html => {
            let mut diff = both(before, after, filter)?;
            // The page has the functions in a table; stacks would only make it larger.
            let titles = [&*before, &*after].map(|side| document::title(side.processes()));
            if let Some(members) = diff.as_object_mut() {
                members.remove("stacks");
                members.insert("titles".into(), titles.to_vec().into());
            }
            let page = document::of(&mut Filtered::new(after, filter), &Sources::Here)?.with_diff(diff);
            slowpath_web::write_html(&page, Opening::default(), out).map_err(ExportError::Output)
        }
    }
}

/// All that is known of the difference.
fn both(
    before: &mut Recording,
    after: &mut Recording,
    filter: &Filter,
) -> Result<serde_json::Value, ExportError> {
    let diff = compare(before, after, filter)?;
    let judged = findings(before, after)?;
    let changes = judged.as_ref().map(|(before, after)| {
        slowpath_advisor::compare::compare(before, after).iter().map(Row::of).collect()
    });
    let both = Both { diff: &diff, findings: changes };
    Ok(serde_json::to_value(&both).map_err(io::Error::from)?)
}

/// The comparison as JSON.
#[derive(Serialize)]
struct Both<'a> {
    #[serde(flatten)]
    diff: &'a Diff,
    /// Left out where one of the recordings holds nothing to judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<Row<'a>>>,
}

/// What the advisor says of both; `None` if the state of hot code was not recorded in one of them.
fn findings(
    before: &mut Recording,
    after: &mut Recording,
) -> Result<Option<(Findings, Findings)>, FileError> {
    if before.evidence().is_empty() || after.evidence().is_empty() {
        return Ok(None);
    }
    Ok(Some((slowpath_advisor::advise(before)?, slowpath_advisor::advise(after)?)))
}

fn compare(before: &mut Recording, after: &mut Recording, filter: &Filter) -> Result<Diff, FileError> {
    let (one, other) = (Weights::collect(before, filter)?, Weights::collect(after, filter)?);
    Ok(Diff::new((&one, before.tables()), (&other, after.tables())))
}

fn unknown(path: &Path) -> Failure {
    Failure::usage(
        format!("the format of {} is not known", path.display()),
        "no format of a comparison has this extension",
        "add -f with one of: text, flamegraph, collapsed, json, html",
    )
}
