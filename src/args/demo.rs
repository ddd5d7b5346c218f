//! Arguments of `demo`.

use std::path::PathBuf;

use clap::Args;

/// What `demo` is asked to do.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Directory for the two programs, the profile, the flame graph and the page
    #[arg(short, long, value_name = "DIR", default_value = "slowpath-demo")]
    pub(crate) output: PathBuf,
    /// Ask nothing, go through
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Build the bundled runtime first if it is not there (in a checkout, with cargo)
    #[arg(long)]
    pub(crate) build: bool,
}
