//! How large a recording is.

use super::*;
use crate::testing::Steady;

/// Bytes per sample of twenty batches, tables and frames of chunks included.
fn bytes_per_sample(program: Steady) -> f64 {
    let batches: Vec<Batch> = program.take(20).collect();
    let samples: usize = batches.iter().map(|batch| batch.samples.len()).sum();
    let meta = Meta { rate_wanted_mhz: 1_000_000, ..Meta::default() };
    let file = write(&meta, &batches, Some(&Stats::default()));
    file.len() as f64 / samples as f64
}

#[test]
fn a_steady_program_takes_few_bytes_per_sample() {
    for (threads, stacks, limit) in [(1, 2, 2.3), (1, 20, 2.3), (2, 20, 2.3), (20, 20, 0.5), (200, 20, 0.15)]
    {
        let bytes = bytes_per_sample(Steady::new(threads, stacks, 500 / threads.min(10)));
        assert!(bytes <= limit, "{threads} threads, {stacks} stacks: {bytes:.3} bytes per sample");
    }
}
