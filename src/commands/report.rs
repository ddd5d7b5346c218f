//! `slowpath report FILE`: the summary of a recording, or the recording in another format.

use std::path::PathBuf;

use super::record::{Show, describe, first, write_all};
use crate::args::{Global, OutputArgs, ReportArgs};
use crate::failure::Failure;
use crate::output::text::Style;
use crate::output::{print, tell};
use crate::outputs::Outputs;
use crate::recording::{open_telling, unreadable};
use crate::sources::Sources;

pub(super) fn execute(args: ReportArgs, global: Global) -> Result<u8, Failure> {
    let style = Style::of_stderr(global);
    let mut source = open_telling(&args.file, style)?;
    let output = to_stdout_if_nowhere(args.output);
    if output.output.contains(&args.file) {
        return Err(Failure::usage(
            format!("{} would be overwritten while it is read", args.file.display()),
            "the output is the recording itself",
            "give -o another name",
        ));
    }
    let mut outputs = Outputs::open(&output)?;
    let (mut written, mut failures) = (Vec::new(), Vec::new());
    outputs.filter = args.part.narrow(outputs.filter)?;
    write_all(&mut outputs, &mut source, &Sources::Here, &mut written, &mut failures);
    failures.extend(outputs.write_stats(slowpath_profile::Source::stats(&source)).err());
    if outputs.files.is_empty() {
        let show = Show::Summary { advice: !args.no_advice };
        let (filter, sources, plain) = (&outputs.filter, &Sources::Here, Style::of_stdout(global));
        let text = show.render(&mut source, filter, sources, plain, global.verbose);
        print(&text.map_err(|error| unreadable(Some(&args.file), &error))?)?;
    } else if !global.quiet {
        tell(&describe(&written, false, style));
    }
    first(failures, style)?;
    Ok(0)
}

/// Here standard output is free: a format without a file goes there.
fn to_stdout_if_nowhere(mut output: OutputArgs) -> OutputArgs {
    if output.format.is_some() && output.output.is_empty() {
        output.output.push(PathBuf::from("-"));
    }
    output
}
