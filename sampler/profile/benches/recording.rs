//! How fast recordings are written and read, in samples.

use std::hint::black_box;
use std::io::Cursor;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use slowpath_profile::file::{Recording, Writer};
use slowpath_profile::testing::Steady;
use slowpath_profile::{Batch, Meta, Source, Stats};

/// Programs by name: threads, distinct stacks, ticks per batch.
const PROGRAMS: [(&str, u32, u32, u32); 3] = [
    ("one thread at 1 kHz", 1, 20, 500),
    ("200 threads at 100 Hz", 200, 50, 50),
    ("one thread flat out", 1, 200, 50_000),
];

fn write(batches: &[Batch]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, &Meta::default()).expect("memory takes everything");
    for batch in batches {
        writer.write_batch(batch).expect("memory takes everything");
    }
    writer.finish(&Stats::default()).expect("memory takes everything");
    file
}

fn recording(criterion: &mut Criterion) {
    for (name, threads, stacks, ticks) in PROGRAMS {
        let batches: Vec<Batch> = Steady::new(threads, stacks, ticks).take(4).collect();
        let samples = batches.iter().map(|batch| batch.samples.len() as u64).sum();
        let file = write(&batches);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(samples));
        group.bench_function("write", |bench| bench.iter(|| write(black_box(&batches))));
        group.bench_function("open", |bench| {
            bench.iter(|| Recording::from_reader(Cursor::new(black_box(&file))).expect("a whole file"));
        });
        group.bench_function("read samples", |bench| {
            let open = || Recording::from_reader(Cursor::new(&file)).expect("a whole file");
            let read = |mut recording: Recording<Cursor<&Vec<u8>>>| {
                let mut cpu_ns = 0;
                recording.for_each_sample(&mut |sample| cpu_ns += sample.cpu_ns).expect("a whole file");
                cpu_ns
            };
            bench.iter_batched(open, read, BatchSize::SmallInput);
        });
        group.finish();
    }
}

criterion_group!(benches, recording);
criterion_main!(benches);
