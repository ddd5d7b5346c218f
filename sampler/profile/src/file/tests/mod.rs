//! Tests of whole recordings.

use std::io::Cursor;

use super::*;
use crate::batch::Batch;
use crate::meta::{Meta, Stats};
use crate::source::{Profile, Source};

/// A recording as bytes.
fn write(meta: &Meta, batches: &[Batch], stats: Option<&Stats>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, meta).unwrap();
    batches.iter().for_each(|batch| writer.write_batch(batch).unwrap());
    if let Some(stats) = stats {
        writer.finish(stats).unwrap();
    }
    assert_eq!(writer.bytes_written(), file.len() as u64);
    file
}

fn open(file: &[u8]) -> Result<Recording<Cursor<&[u8]>>, FileError> {
    Recording::from_reader(Cursor::new(file))
}

/// Everything of a recording, samples included.
fn read(file: &[u8]) -> Profile {
    let mut recording = open(file).unwrap();
    let mut samples = Vec::new();
    recording.for_each_sample(&mut |sample| samples.push(*sample)).unwrap();
    Profile {
        meta: recording.meta().clone(),
        stats: recording.stats().clone(),
        tables: recording.tables().clone(),
        processes: recording.processes().to_vec(),
        threads: recording.threads().to_vec(),
        samples,
        evidence: recording.evidence().to_vec(),
    }
}

/// A profile as one batch.
fn batch_of(profile: &Profile) -> Batch {
    let mut batch = Batch {
        processes: profile.processes.clone(),
        threads: profile.threads.clone(),
        samples: profile.samples.clone(),
        evidence: profile.evidence.clone(),
        ..Batch::default()
    };
    profile.tables.take_new(&mut Default::default(), &mut batch);
    batch
}

fn assert_same(read: &Profile, expected: &Profile) {
    assert_eq!(read.meta, expected.meta);
    assert_eq!(read.stats, expected.stats);
    assert_eq!(read.tables.strings.values(), expected.tables.strings.values());
    assert_eq!(read.tables.functions.values(), expected.tables.functions.values());
    assert_eq!(read.tables.frames.values(), expected.tables.frames.values());
    assert_eq!(read.tables.stacks.values(), expected.tables.stacks.values());
    assert_eq!(read.processes, expected.processes);
    assert_eq!(read.threads, expected.threads);
    assert_eq!(read.samples, expected.samples);
    assert_eq!(read.evidence, expected.evidence);
}

mod damage;
mod hostile;
mod round_trip;
mod size;
