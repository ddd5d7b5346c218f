//! Files that no writer makes.

use super::bytes::{put_varint, zigzag};
use super::pack::Packer;
use super::*;
use crate::ids::{FrameId, StackId, StringId, ThreadId};
use crate::meta::Thread;
use crate::sample::Sample;
use crate::tables::StackNode;
use crate::testing::Steady;

/// A recording that begins well and goes on with one chunk.
fn with_chunk(kind: u8, head: &[u8], body: &[u8]) -> Vec<u8> {
    let batch = Steady::new(1, 2, 4).next().unwrap();
    let mut file = write(&Meta::default(), &[batch], None);
    file.extend(chunk::encode(kind, head, body, &mut Packer::new().unwrap()).unwrap());
    file
}

/// What is said of a file that is opened and read.
fn complaint(file: &[u8]) -> String {
    let mut recording = match open(file) {
        Ok(recording) => recording,
        Err(error) => return error.to_string(),
    };
    match recording.for_each_sample(&mut |_| {}) {
        Ok(()) => recording.damage().map(|damage| damage.what.clone()).unwrap_or_default(),
        Err(error) => error.to_string(),
    }
}

fn batch_complaint(batch: &Batch) -> String {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, &Meta::default()).unwrap();
    writer.write_batch(&Steady::new(1, 2, 4).next().unwrap()).unwrap();
    writer.write_batch(batch).unwrap();
    writer.finish(&Stats::default()).unwrap();
    complaint(&file)
}

#[test]
fn what_is_not_a_recording() {
    insta::assert_snapshot!(complaint(b""), @"this is not a slowpath recording: it is empty");
    insta::assert_snapshot!(complaint(b"\x89PNG\r\n\x1a\n and so on"), @r#"this is not a slowpath recording: it begins with "\x89PNG\r\n\x1a\n and""#);
    insta::assert_snapshot!(complaint(b"\x89slowpath\n\x03\x00"), @"the recording has format version 3, this slowpath reads up to 2");
    insta::assert_snapshot!(complaint(b"\x89slowpath\n\x00\x00"), @"the recording is damaged at byte 10: format version 0");
    insta::assert_snapshot!(complaint(b"\x89slowpath\n\x01\x00"), @"the recording is damaged at byte 12: it ends before its description");
}

#[test]
fn every_error_says_why_and_what_to_do() {
    for file in [b"".as_slice(), b"\x89slowpath\n\x02\x00", b"\x89slowpath\n\x01\x00"] {
        let error = open(file).unwrap_err();
        for text in [error.what(), error.why(), error.fix()] {
            assert!(text.len() > 10 && !text.ends_with('.'), "{text}");
        }
    }
}

#[test]
fn unknown_chunks_are_skipped() {
    let mut file = with_chunk(77, b"of a later version", b"whatever");
    file.extend(
        chunk::encode(chunk::STATS, b"{\"samples\": 4, \"novel\": 1}", b"", &mut Packer::new().unwrap())
            .unwrap(),
    );
    assert_eq!(complaint(&file), "");
    assert_eq!(read(&file).samples.len(), 4);
}

#[test]
fn unknown_columns_are_skipped() {
    let plain = Steady::new(1, 2, 4).next().unwrap();
    let mut body = samples::SampleWriter::new(1).unwrap().encode(&plain.samples).unwrap();
    body.extend([200, 3, 1, 2, 3]);
    assert_eq!(read(&with_chunk(chunk::BATCH, b"", &body)).samples.len(), 8);
}

#[test]
fn ids_out_of_range_are_named() {
    let stack = |parent, frame| Batch {
        stacks: vec![StackNode { parent, frame: FrameId(frame) }],
        ..Batch::default()
    };
    let thread = Thread { name: StringId(900), ..Thread::default() };
    let sample = |thread, stack| Batch {
        samples: vec![Sample { thread: ThreadId(thread), stack, ..Sample::default() }],
        ..Batch::default()
    };
    insta::assert_snapshot!(batch_complaint(&stack(None, 70)), @"stack frame 70, but there are 5");
    insta::assert_snapshot!(batch_complaint(&Batch { threads: vec![thread.clone()], ..Batch::default() }), @"name of a thread 900, but there are 6");
    insta::assert_snapshot!(batch_complaint(&Batch { renamed: vec![(9, Thread::default())], ..Batch::default() }), @"renamed thread 9, but there are 1");
    insta::assert_snapshot!(batch_complaint(&sample(3, None)), @"the recording is damaged at byte 472: sample thread 3, but there are 1");
    insta::assert_snapshot!(batch_complaint(&sample(0, Some(StackId(u32::MAX)))), @"the recording is damaged at byte 472: sample stack 4294967295, but there are 5");
    assert_eq!(batch_complaint(&sample(0, Some(StackId(4)))), "");
    // Five stacks exist, so the next is 5 and has no parent 6 before it.
    insta::assert_snapshot!(complaint(&with_chunk(chunk::BATCH, &[0, 0, 0, 1, 6, 0], b"")), @"stack 5 has a parent 6 before it");
}

#[test]
fn sizes_are_checked_before_anything_is_allocated() {
    let mut many = Vec::new();
    put_varint(&mut many, u64::MAX);
    insta::assert_snapshot!(complaint(&with_chunk(chunk::BATCH, &many, b"")), @"string count 18446744073709551615 does not fit the 0 bytes left");
    insta::assert_snapshot!(complaint(&with_chunk(chunk::BATCH, b"", &many)), @"sample count 18446744073709551615");
    let mut long_text = vec![1];
    put_varint(&mut long_text, 1 << 40);
    insta::assert_snapshot!(complaint(&with_chunk(chunk::BATCH, &long_text, b"")), @"string needs 1099511627776 bytes, 0 are left");
    let mut bomb = with_chunk(99, b"", b"");
    bomb.truncate(bomb.len() - 17);
    let at = bomb.len();
    bomb.extend(chunk::encode(chunk::BATCH, &[0; 100], b"", &mut Packer::new().unwrap()).unwrap());
    // The head says that it decompresses to 16 GiB.
    bomb.splice(at + 17..at + 18, [0x80, 0x80, 0x80, 0x80, 0x40]);
    bomb[at + 5] += 4;
    reseal(&mut bomb);
    insta::assert_snapshot!(complaint(&bomb), @"head length 17179869184");
}

#[test]
fn samples_without_a_column_are_malformed() {
    let begin = |step| {
        let mut body = Vec::new();
        [3, step, zigzag(-5), zigzag(0)].into_iter().for_each(|value| put_varint(&mut body, value));
        complaint(&with_chunk(chunk::BATCH, b"", &body))
    };
    insta::assert_snapshot!(begin(1), @"samples without times");
    insta::assert_snapshot!(begin(0), @"step 0");
    insta::assert_snapshot!(begin(u64::MAX), @"step 18446744073709551615");
}

#[test]
fn chunks_have_an_order() {
    let stats = serde_json::to_vec(&Stats::default()).unwrap();
    let mut file = with_chunk(chunk::STATS, &stats, b"");
    let batch = write(&Meta::default(), &[Steady::new(1, 2, 4).next().unwrap()], None);
    file.extend(&batch[write(&Meta::default(), &[], None).len()..]);
    insta::assert_snapshot!(complaint(&file), @"chunk out of order: kind 2");
    insta::assert_snapshot!(complaint(&with_chunk(chunk::META, b"{}", b"")), @"chunk out of order: kind 1");
}

#[test]
fn a_profile_beyond_the_bounds_is_refused_and_the_file_stays_readable() {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, &Meta::default()).unwrap();
    let small = Steady::new(1, 2, 4).next().unwrap();
    writer.write_batch(&small).unwrap();
    let large = Batch { processes: vec![Default::default(); 1 << 16], ..small.clone() };
    let error = writer.write_batch(&large).unwrap_err();
    insta::assert_snapshot!(error, @"too many processes for a recording (at most 65536)");
    assert!(matches!(writer.write_batch(&small), Err(FileError::Closed)));
    assert_eq!(read(&file).samples, read(&write(&Meta::default(), &[small], None)).samples);
}
