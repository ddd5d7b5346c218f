//! How large a page of a long recording is.

#![forbid(unsafe_code)]

use slowpath_profile::SampleFlags;
use slowpath_profile::file::FileError;
use slowpath_profile::testing::{PERIOD_NS, ProfileBuilder};
use slowpath_profile::{Meta, Process, Profile, Sample, Source, StackId, Stats, Tables, Thread, ThreadId};
use slowpath_web::{Document, Opening, Options, write_html};

const SAMPLES: u64 = 1_000_000;
const THREADS: u64 = 4;
const MOST_BYTES: usize = 5_000_000;

/// A million samples of threads that hardly ever stay where they are, made when they are asked for.
struct Restless(Profile);

impl Restless {
    fn new() -> Self {
        let mut profile = ProfileBuilder::tree(THREADS, 2_000).build();
        profile.samples.clear();
        Self(profile)
    }
}

impl Source for Restless {
    fn meta(&self) -> &Meta {
        self.0.meta()
    }
    fn stats(&self) -> &Stats {
        self.0.stats()
    }
    fn tables(&self) -> &Tables {
        self.0.tables()
    }
    fn processes(&self) -> &[Process] {
        self.0.processes()
    }
    fn threads(&self) -> &[Thread] {
        self.0.threads()
    }
    fn for_each_sample(&mut self, each: &mut dyn FnMut(&Sample)) -> Result<(), FileError> {
        let stacks = self.0.tables.stacks.len() as u64;
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut current = [0_u64; THREADS as usize];
        for at in 0..SAMPLES {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let here = &mut current[(at % THREADS) as usize];
            // Two samples of three find another stack than the one before, mostly a near one.
            if !random.is_multiple_of(3) {
                let step = if random.is_multiple_of(50) { random >> 8 } else { random >> 8 & 15 };
                *here = (*here + step % stacks) % stacks;
            }
            each(&Sample {
                time_ns: at / THREADS * PERIOD_NS,
                thread: ThreadId((at % THREADS) as u32),
                stack: Some(StackId(*here as u32)),
                cpu_ns: 900_000 + random % 90_000,
                flags: SampleFlags::default(),
                ..Sample::default()
            });
        }
        Ok(())
    }
}

#[test]
fn a_million_samples_are_a_small_file() {
    let options =
        Options { title: String::new(), warnings: Vec::new(), text: &|_| None, findings: Default::default() };
    let document = Document::of(&mut Restless::new(), options).expect("nothing of it is unreadable");
    let mut html = Vec::new();
    write_html(&document, Opening::Findings, &mut html).expect("there is memory");
    assert!(html.len() <= MOST_BYTES, "{} bytes", html.len());
}
