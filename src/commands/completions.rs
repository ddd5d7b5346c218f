//! `slowpath completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::print;

pub(super) fn execute(shell: Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "slowpath", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
