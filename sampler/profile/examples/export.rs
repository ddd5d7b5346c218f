//! Times every export format on a synthetic profile and reports the memory each one took.
//!
//! `export DIR [SAMPLES]` writes one file per format to DIR, then prints seconds, CPU time, output
//! size and peak resident memory. Samples are made on the fly, so that memory is the exporter's own; each
//! format runs in a process of its own, because a peak cannot be taken back.
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, error, io};

use slowpath_profile::export::{ExportOptions, Format};
use slowpath_profile::file::FileError;
use slowpath_profile::testing::{PERIOD_NS, ProfileBuilder};
use slowpath_profile::{
    Meta, Process, Profile, Sample, SampleFlags, Source, StackId, Stats, Tables, Thread, ThreadId,
    ThreadState,
};

/// A profile whose samples are computed when asked for.
struct Synthetic {
    tables: Profile,
    samples: u64,
}

impl Synthetic {
    /// 20 threads over a tree of stacks 4 to 20 frames deep, in the order of a walk through the tree, so
    /// that neighbours share most of their callers.
    fn new(samples: u64) -> Self {
        let mut tables = ProfileBuilder::tree(20, 2_000).build();
        tables.stats.samples = samples;
        tables.stats.stacks_valid = samples;
        tables.samples.clear();
        Self { tables, samples }
    }
}

impl Source for Synthetic {
    fn meta(&self) -> &Meta {
        self.tables.meta()
    }
    fn stats(&self) -> &Stats {
        self.tables.stats()
    }
    fn tables(&self) -> &Tables {
        self.tables.tables()
    }
    fn processes(&self) -> &[Process] {
        self.tables.processes()
    }
    fn threads(&self) -> &[Thread] {
        self.tables.threads()
    }
    fn for_each_sample(&mut self, each: &mut dyn FnMut(&Sample)) -> Result<(), FileError> {
        let stacks = self.tables.tables.stacks.len() as u64;
        let threads = self.tables.threads.len() as u64;
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut current = vec![0_u32; threads as usize];
        for at in 0..self.samples {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let thread = at % threads;
            // Two samples of three find another stack than the one before, mostly a near one.
            if !random.is_multiple_of(3) {
                let step = if random.is_multiple_of(50) { random >> 8 } else { random >> 8 & 15 };
                let next = (u64::from(current[thread as usize]) + step) % stacks;
                current[thread as usize] = next as u32;
            }
            let state = ThreadState::ALL[usize::from(thread > 15) * 2];
            each(&Sample {
                time_ns: at / threads * PERIOD_NS + thread * 20_000 + (random >> 20) % 9_000,
                thread: ThreadId(thread as u32),
                stack: Some(StackId(current[thread as usize])),
                cpu_ns: if state == ThreadState::Running { 900_000 + random % 90_000 } else { 0 },
                state,
                flags: SampleFlags::default(),
                ..Sample::default()
            });
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let directory = PathBuf::from(arguments.first().ok_or("usage: export DIR [SAMPLES]")?);
    let samples: u64 = arguments.get(1).map_or(Ok(10_000_000), |text| text.parse())?;
    if let Some(name) = arguments.get(2) {
        return one(&directory, samples, Format::from_name(name)?);
    }
    fs::create_dir_all(&directory)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{samples} samples\nformat       seconds  CPU s      MB out   peak MB")?;
    for format in Format::ALL {
        let arguments =
            [directory.as_os_str(), samples.to_string().as_ref(), format.name().as_ref()].map(Into::into);
        let arguments: [std::ffi::OsString; 3] = arguments;
        if !Command::new(env::current_exe()?).args(arguments).status()?.success() {
            return Err(format!("{} failed", format.name()).into());
        }
    }
    Ok(())
}

fn one(directory: &Path, samples: u64, format: Format) -> Result<(), Box<dyn error::Error>> {
    let mut source = Synthetic::new(samples);
    let path = directory.join(format!("out{}", format.extensions()[0]));
    let begin = Instant::now();
    let mut out = BufWriter::new(File::create(&path)?);
    format.write(&mut source, &ExportOptions::default(), &mut out)?;
    out.flush()?;
    let seconds = begin.elapsed().as_secs_f64();
    let size = fs::metadata(&path)?.len() as f64 / 1e6;
    let (name, cpu_s) = (format.name(), cpu_seconds());
    writeln!(io::stdout(), "{name:<12} {seconds:>7.2} {cpu_s:>6.2} {size:>11.1} {:>9.1}", peak_mb())?;
    Ok(())
}

/// CPU time of this process, where the system tells it: a busy machine does not change it.
fn cpu_seconds() -> f64 {
    let schedstat = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let ns = schedstat.split(' ').next().and_then(|text| text.parse::<f64>().ok());
    ns.map_or(f64::NAN, |ns| ns / 1e9)
}

/// Peak resident memory, where the system tells it.
fn peak_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes / 1024.0)
}
