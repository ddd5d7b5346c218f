//! Any bytes as a recording: as a whole file, and as chunks behind a valid beginning with checksums
//! that match, so that what is below the checksum is reached.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use slowpath_profile::file::{Recording, Writer, append_chunk, reseal};
use slowpath_profile::testing::Steady;
use slowpath_profile::{Meta, Source};

fuzz_target!(|data: &[u8]| {
    read(data);
    let mut sealed = data.to_vec();
    reseal(&mut sealed);
    read(&sealed);
    read(&after_a_beginning(data));
});

fn read(file: &[u8]) {
    let Ok(mut recording) = Recording::from_reader(Cursor::new(file)) else { return };
    let (threads, stacks) = (recording.threads().len(), recording.tables().stacks.len());
    let _ = recording.for_each_sample(&mut |sample| {
        assert!((sample.thread.0 as usize) < threads);
        assert!(sample.stack.is_none_or(|stack| (stack.0 as usize) < stacks));
    });
}

/// A valid recording, then chunks of a kind, a head and a body that the data choose.
fn after_a_beginning(mut data: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    if let Ok(mut writer) = Writer::new(&mut file, &Meta::default()) {
        let _ = Steady::new(2, 3, 4).next().map(|batch| writer.write_batch(&batch));
    }
    while let [kind, head, body, rest @ ..] = data {
        let (head, rest) = rest.split_at(rest.len().min(usize::from(*head)));
        let (body, rest) = rest.split_at(rest.len().min(usize::from(*body)));
        append_chunk(&mut file, kind % 5, head, body);
        data = rest;
    }
    file
}
