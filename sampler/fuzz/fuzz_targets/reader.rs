//! A recorded image of a real interpreter with bytes changed at random, read as a whole: threads,
//! frames, code, names, locals. The input says which version and which words change to what.

#![no_main]

use std::cell::RefCell;
use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use slowpath_sampler::dump::DumpOptions;
use slowpath_sampler::process::memory::{Memory, MemoryError, Range};
use slowpath_sampler::process::recorded::RecordedMemory;
use slowpath_sampler::snapshot::replay_through;

/// Directories of `fixtures/memory`.
const NAMES: [&str; 9] = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15", "bundled"];

fn images() -> &'static [RecordedMemory] {
    static IMAGES: OnceLock<Vec<RecordedMemory>> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/memory");
        let open = |name: &&str| std::fs::File::open(folder.join(name).join("still.slowpath-mem"));
        NAMES.iter().map(|name| RecordedMemory::read_from(open(name).unwrap()).unwrap()).collect()
    })
}

/// Every read is answered from the image; the n-th read has some of its words changed.
struct Torn<'a> {
    image: &'a RecordedMemory,
    changes: RefCell<std::slice::ChunksExact<'a, u8>>,
    reads: RefCell<u32>,
}

impl Memory for Torn<'_> {
    fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        let filled = self.image.read_vectored(ranges, buf)?;
        *self.reads.borrow_mut() += 1;
        // One change in sixteen reads on average, so that reading gets far.
        if let Some(change) = self.changes.borrow_mut().next()
            && change[0] & 15 == 0
            && filled >= 8
        {
            let at = usize::from(u16::from_le_bytes([change[1], change[2]])) % (filled / 8) * 8;
            buf[at..at + 8].copy_from_slice(&change[3..11]);
        }
        Ok(filled)
    }
}

fuzz_target!(|data: &[u8]| {
    let [which, rest @ ..] = data else { return };
    let image = &images()[usize::from(*which) % NAMES.len()];
    let changes = RefCell::new(rest.chunks_exact(11));
    let torn = Torn { image, changes, reads: RefCell::new(0) };
    let options = DumpOptions { locals: Some(80), blocking: false };
    replay_through(&torn, image.note(), options);
    assert!(*torn.reads.borrow() < 2_000_000, "reading does not end");
});
