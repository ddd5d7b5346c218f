//! Prints the evidence of a recording as JSON, one process a line: `evidence RECORDING`.
use std::io::{self, Write};
use std::path::Path;

use slowpath_profile::Source;
use slowpath_profile::file::Recording;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: evidence RECORDING")?;
    let recording = Recording::open(Path::new(&path))?;
    for evidence in recording.evidence() {
        writeln!(io::stdout(), "{}", serde_json::to_string(evidence)?)?;
    }
    Ok(())
}
