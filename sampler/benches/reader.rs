//! What reading costs on top of the system call that no reader can do without: a bare
//! `process_vm_readv` of the same bytes.
//!
//! `cargo bench -p slowpath-sampler --bench reader` spawns `$PYTHON` (default `python3`) running
//! `fixtures/programs/steady.py`: one thread, about 23 frames.

use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use slowpath_sampler::session::Target;

fn steady() -> Child {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/programs/steady.py");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let mut child = Command::new(python).arg(program).arg("600").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap());
    while !line.contains("ready") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the target ended");
    }
    child
}

fn bench(criterion: &mut Criterion) {
    let mut child = steady();
    let target = Target::attach(child.id(), Duration::from_secs(5)).unwrap();
    let mut probe = target.probe().unwrap();
    let mut group = criterion.benchmark_group("steady thread");
    group.bench_function("bare vectored read", |bencher| bencher.iter(|| black_box(probe.bare_read())));
    group.bench_function("sample", |bencher| bencher.iter(|| black_box(probe.sample())));
    group.finish();
    child.kill().unwrap();
    child.wait().unwrap();
}

criterion_group!(benches, bench);
criterion_main!(benches);
