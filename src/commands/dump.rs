//! `slowpath dump PID`.

use slowpath_sampler::dump::DumpOptions;
use slowpath_sampler::session::Target;

use crate::args::{DumpArgs, Global};
use crate::failure::{Exit, Failure};
use crate::output::text::Style;
use crate::output::{dump, print};

pub(super) fn execute(args: &DumpArgs, global: Global) -> Result<u8, Failure> {
    let mut target = Target::attach(args.pid, super::PATIENCE)?;
    let dump = target.dump(DumpOptions { locals: args.locals, blocking: args.blocking })?;
    let text = if args.json {
        let text = serde_json::to_string_pretty(&dump).map_err(|error| {
            Failure::new(Exit::Output, "the dump is not valid JSON", error.to_string(), "leave out --json")
        })?;
        text + "\n"
    } else {
        dump::render(&dump, args.opcodes, Style::of_stdout(global))
    };
    print(&text)?;
    Ok(0)
}
