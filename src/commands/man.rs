//! `slowpath man`: manual pages from the same source as `--help`.

use std::path::Path;

use clap::CommandFactory;

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::print;

pub(super) fn execute(directory: Option<&Path>) -> Result<u8, Failure> {
    match directory {
        None => print(&page()?)?,
        Some(directory) => std::fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
            .map_err(|error| Failure::output(directory, &error))?,
    }
    Ok(0)
}

fn page() -> Result<String, Failure> {
    let mut out = Vec::new();
    let rendered = clap_mangen::Man::new(Cli::command()).render(&mut out);
    rendered.map_err(|error| Failure::output(Path::new("-"), &error))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}
