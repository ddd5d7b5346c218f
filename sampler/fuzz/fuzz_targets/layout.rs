//! Bytes of a published table of offsets: refused with a reason, or a layout that stays in bounds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slowpath_sampler::layout::spec::Version;
use slowpath_sampler::layout::{layout_for, published_len};

fuzz_target!(|data: &[u8]| {
    for minor in 13..=15 {
        let version = Version { major: 3, minor, micro: 1, level_serial: 0xf0 };
        let _ = layout_for(version, Default::default(), Some(data));
        // With the head right, so that the fields behind it are reached.
        let mut table = b"xdebugpy".to_vec();
        table.extend([0xf0, 1, minor, 3, 0, 0, 0, 0]);
        table.extend([data.first().copied().unwrap_or(0) & 1, 0, 0, 0, 0, 0, 0, 0]);
        table.extend(data);
        table.resize(published_len(version).unwrap(), 0);
        if let Ok(layout) = layout_for(version, Default::default(), Some(&table)) {
            assert!(layout.thread.size <= 64 << 10 && layout.frame.size <= 4 << 10);
        }
    }
});
