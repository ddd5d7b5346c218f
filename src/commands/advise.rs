//! `slowpath advise FILE|PID|-- CMD`: findings first.

use std::path::Path;

use super::record::Show;
use super::{attach, run};
use crate::args::{AdviseArgs, AttachArgs, Global, RunArgs};
use crate::failure::Failure;
use crate::output::text::Style;
use crate::output::{advice, print};
use crate::recording::{open_telling, unreadable};

pub(super) fn execute(args: AdviseArgs, global: Global) -> Result<u8, Failure> {
    let AdviseArgs { target, sampling, output, all, command } = args;
    let show = Show::Findings { all };
    match target {
        None => run::profile_with(&RunArgs { sampling, output, command }, global, show),
        Some(target) => match target.parse::<u32>() {
            Ok(pid) if pid > 0 && !Path::new(&target).exists() => {
                attach::profile_with(&AttachArgs { pid, sampling, output }, global, show)
            }
            _ => judge_file(Path::new(&target), all, global),
        },
    }
}

fn judge_file(path: &Path, all: bool, global: Global) -> Result<u8, Failure> {
    let mut source = open_telling(path, Style::of_stderr(global))?;
    let findings = crate::sources::advise(&mut source).map_err(|error| unreadable(Some(path), &error))?;
    let text = advice::render(&findings, Style::of_stdout(global), all);
    print(text.trim_start_matches('\n'))?;
    Ok(0)
}
