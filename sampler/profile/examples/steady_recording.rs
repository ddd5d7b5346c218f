//! Writes a recording of a steady program, reads it back and adds it up, and tells time and memory:
//!
//! ```text
//! cargo run --release -p slowpath-profile --example steady_recording -- FILE [SAMPLES] [THREADS] [STACKS]
//! ```
#![expect(clippy::print_stdout, reason = "an example reports on standard output")]

use std::error::Error;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Instant;

use slowpath_profile::file::{Recording, Writer};
use slowpath_profile::testing::Steady;
use slowpath_profile::view::{Filter, Functions, Weights};
use slowpath_profile::{Meta, Source, Stats};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path =
        PathBuf::from(arguments.next().ok_or("usage: steady_recording FILE [SAMPLES] [THREADS] [STACKS]")?);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (samples, threads, stacks) = (number(10_000_000)?, number(1)? as u32, number(20)? as u32);

    let begin = Instant::now();
    let mut writer =
        Writer::new(File::create(&path)?, &Meta { rate_wanted_mhz: 1_000_000, ..Meta::default() })?;
    let mut written = 0;
    for batch in Steady::new(threads, stacks, 500) {
        written += batch.samples.len() as u64;
        writer.write_batch(&batch)?;
        if written >= samples {
            break;
        }
    }
    writer.finish(&Stats { samples: written, stacks_valid: written, ..Stats::default() })?;
    let bytes = writer.bytes_written();
    report("write", begin);
    println!("{written} samples, {bytes} bytes, {:.3} bytes per sample", bytes as f64 / written as f64);

    let begin = Instant::now();
    let mut recording = Recording::open(&path)?;
    report("open", begin);

    let begin = Instant::now();
    let mut count = 0;
    recording.for_each_sample(&mut |_| count += 1)?;
    report("read samples", begin);
    println!("{count} samples read, damage: {:?}", recording.damage());

    let begin = Instant::now();
    let weights = Weights::collect(&mut recording, &Filter::default())?;
    let functions = Functions::new(&weights, recording.tables());
    report("hottest functions", begin);
    println!("{} functions of {}", functions.rows.len(), functions.base);
    Ok(())
}

/// Prints the time since `begin` and the most memory that the process ever had resident (Linux).
fn report(what: &str, begin: Instant) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
    println!("{what}: {:.3} s, peak memory {peak}", begin.elapsed().as_secs_f64());
}
