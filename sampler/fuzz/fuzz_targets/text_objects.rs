//! Memory full of pointers into itself, read as text, containers, instances and modules.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slowpath_sampler::layout::versions;
use slowpath_sampler::process::memory::{Memory, MemoryError, Range};
use slowpath_sampler::read::{dict, objects, text, thread_names};

const START: u64 = 0x10_0000;

/// The input, mapped at `START`.
struct Image<'a>(&'a [u8]);

impl Memory for Image<'_> {
    fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        let mut filled = 0;
        for range in ranges {
            if !Range::new(START, self.0.len()).contains(range.addr, range.len) {
                break;
            }
            let from = (range.addr - START) as usize;
            buf[filled..filled + range.len].copy_from_slice(&self.0[from..from + range.len]);
            filled += range.len;
        }
        if filled == 0 { Err(MemoryError::Unmapped(ranges[0].addr)) } else { Ok(filled) }
    }
}

/// Words with a high byte become pointers into the image, so that chases get somewhere.
fn pointers(data: &[u8]) -> Vec<u8> {
    let words = data.chunks_exact(8).map(|chunk| {
        let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        if word >> 56 >= 0x80 { START + (word & 0x1ff) * 8 } else { word }
    });
    words.flat_map(u64::to_le_bytes).collect()
}

fuzz_target!(|data: &[u8]| {
    let [version, limit, rest @ ..] = data else { return };
    let bytes = pointers(rest);
    let image = Image(&bytes);
    let specs: Vec<_> = versions::all().collect();
    let layout = specs[usize::from(version >> 1) % specs.len()].headers(version & 1 == 1);
    let limit = usize::from(*limit);
    for addr in [START, START + 64, START + 256] {
        let rendered = objects::render(&image, layout, addr, limit);
        assert!(rendered.chars().count() <= limit + 1);
        assert!(dict::items(&image, layout, addr, 100).len() <= 100);
        assert!(text::read_bytes(&image, &layout.object, addr).len() <= text::MAX_BYTES);
        dict::instance_attribute(&image, layout, addr, "name");
        assert!(thread_names::thread_names(&image, layout, addr).len() <= 10_000);
    }
});
