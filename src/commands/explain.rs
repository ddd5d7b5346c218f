//! `slowpath explain [CODE]`: the manual page of a rule, or all rules.

use slowpath_advisor::rules;

use crate::args::Global;
use crate::failure::Failure;
use crate::output::text::Style;
use crate::output::{advice, print};

pub(super) fn execute(code: Option<&str>, global: Global) -> Result<u8, Failure> {
    let style = Style::of_stdout(global);
    let Some(code) = code else {
        print(&advice::list(rules::all(), style))?;
        return Ok(0);
    };
    // A finding's id begins with the code of its rule.
    let wanted = code.split('-').next().unwrap_or(code);
    let Some(rule) = rules::find(wanted) else { return Err(unknown(code)) };
    print(&advice::page(rule, style))?;
    Ok(0)
}

fn unknown(code: &str) -> Failure {
    Failure::usage(
        format!("there is no rule {code}"),
        "codes are SP and three digits, as in SP301",
        "list all rules with: slowpath explain",
    )
}
