//! Recordings that were cut short, changed, or met a full disk.

use std::io;

use proptest::prelude::*;

use super::*;
use crate::sample::Sample;
use crate::testing::Steady;

/// A small recording and where each of its chunks ends.
fn small() -> (Vec<u8>, Vec<usize>, Vec<Batch>) {
    let batches: Vec<Batch> = Steady::new(2, 3, 4).take(3).collect();
    let mut ends = Vec::new();
    for count in 0..=batches.len() {
        ends.push(write(&Meta::default(), &batches[..count], None).len());
    }
    let file = write(&Meta::default(), &batches, Some(&Stats { samples: 24, ..Stats::default() }));
    ends.push(file.len());
    (file, ends, batches)
}

fn count_samples(recording: &mut Recording<Cursor<&[u8]>>) -> usize {
    let mut count = 0;
    recording.for_each_sample(&mut |_: &Sample| count += 1).unwrap();
    count
}

#[test]
fn cut_at_every_byte() {
    let (file, ends, batches) = small();
    for length in 0..file.len() {
        let opened = open(&file[..length]);
        // Without its description a recording is nothing; before that it is not even a recording.
        if length < ends[0] {
            let error = opened.unwrap_err();
            assert_eq!(matches!(error, FileError::NotARecording { .. }), length < 12, "{length}: {error}");
            continue;
        }
        let mut recording = opened.unwrap();
        let whole = ends.iter().filter(|end| **end <= length).count() - 1;
        let samples: usize = batches[..whole].iter().map(|batch| batch.samples.len()).sum();
        assert_eq!(count_samples(&mut recording), samples, "{length}");
        assert_eq!(recording.stats().samples, samples as u64, "{length}");
        let damage = recording.damage().unwrap();
        assert_eq!(damage.offset, ends[whole] as u64, "{length}");
        assert_eq!(damage.bytes_lost, (length - ends[whole]) as u64, "{length}");
    }
    assert_eq!(open(&file).unwrap().damage(), None);
}

#[test]
fn a_stopped_recording_tells_what_it_holds() {
    let batches: Vec<Batch> = Steady::new(2, 3, 1000).take(2).collect();
    let file = write(&Meta { rate_wanted_mhz: 1_000_000, ..Meta::default() }, &batches, None);
    let recording = open(&file).unwrap();
    let stats = recording.stats();
    assert_eq!((stats.samples, stats.stacks_valid, stats.dropped), (4000, 4000, 0));
    assert_eq!((stats.threads, stats.processes, stats.python.as_str()), (2, 1, "3.14.2"));
    assert!((stats.rate_achieved_hz - 1000.0).abs() < 20.0, "{}", stats.rate_achieved_hz);
    assert!((stats.duration_s - 2.0).abs() < 0.04, "{}", stats.duration_s);
    insta::assert_snapshot!(recording.damage().unwrap(), @"the recording was not finished: its statistics are missing, the program that wrote it was stopped");
}

#[test]
fn a_changed_byte_ends_the_reading_there() {
    let (file, ends, batches) = small();
    for at in ends[0]..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 0x10;
        let mut recording = open(&changed).unwrap();
        let whole = ends.iter().filter(|end| **end <= at).count() - 1;
        let samples: usize = batches[..whole].iter().map(|batch| batch.samples.len()).sum();
        assert_eq!(count_samples(&mut recording), samples, "{at}");
        assert_eq!(recording.damage().unwrap().offset, ends[whole] as u64, "{at}");
    }
    let mut changed = file.clone();
    changed[ends[1] + 30] ^= 1;
    let damage = open(&changed).unwrap().damage().unwrap().to_string();
    assert!(damage.contains("damaged at byte") && damage.contains("checksum"), "{damage}");
}

#[test]
fn bytes_after_the_end_are_told() {
    let (mut file, ..) = small();
    file.extend(b"and then some more text");
    let recording = open(&file).unwrap();
    assert_eq!(recording.damage().unwrap().bytes_lost, 23);
    assert_eq!(recording.stats().samples, 24, "the statistics of the file stay");
}

proptest! {
    #[test]
    fn changes_below_the_checksum_are_noticed_or_harmless(
        changes in prop::collection::vec((0.0..1.0, 0..8_u32), 1..4),
    ) {
        let (mut file, ..) = small();
        for (position, bit) in changes {
            let at = 12 + ((file.len() - 12) as f64 * position) as usize;
            file[at] ^= 1 << bit;
        }
        reseal(&mut file);
        if let Ok(mut recording) = open(&file) {
            let (threads, stacks) = (recording.threads().len(), recording.tables().stacks.len());
            let result = recording.for_each_sample(&mut |sample| {
                assert!((sample.thread.0 as usize) < threads);
                assert!(sample.stack.is_none_or(|stack| (stack.0 as usize) < stacks));
            });
            let fine = matches!(result, Ok(()) | Err(FileError::Damaged { .. }));
            prop_assert!(fine, "{:?}", result);
        }
    }
}

/// A disk with room for some bytes.
struct Disk {
    bytes: Vec<u8>,
    room: usize,
}

impl io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(self.room - self.bytes.len());
        if fits == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_and_leaves_a_readable_file() {
    let (file, ends, batches) = small();
    for room in ends[0]..file.len() {
        let mut disk = Disk { bytes: Vec::new(), room };
        let mut writer = Writer::new(&mut disk, &Meta::default()).unwrap();
        let mut results: Vec<_> = batches.iter().map(|batch| writer.write_batch(batch)).collect();
        results.push(writer.finish(&Stats { samples: 24, ..Stats::default() }));
        let written = writer.bytes_written();
        let whole = ends.iter().filter(|end| **end <= room).count() - 1;
        assert!(
            matches!(&results[whole], Err(FileError::Io(error)) if error.kind() == io::ErrorKind::StorageFull)
        );
        assert!(results[whole].as_ref().unwrap_err().fix().contains("free some space"));
        assert!(results[whole + 1..].iter().all(|later| matches!(later, Err(FileError::Closed))));
        assert_eq!(written, ends[whole] as u64);
        let samples: usize = batches[..whole].iter().map(|batch| batch.samples.len()).sum();
        assert_eq!(count_samples(&mut open(&disk.bytes).unwrap()), samples);
    }
}
