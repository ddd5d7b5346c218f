//! What is written is what is read.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rustc_hash::FxHashMap;

use super::*;
use crate::evidence::{CodeEvidence, OpFamily, ProcessEvidence, Site};
use crate::ids::{FrameId, FunctionId, ProcessId, StackId, StringId, ThreadId};
use crate::meta::{Process, Thread};
use crate::sample::ThreadState::{Idle, Running};
use crate::sample::{Quality, Sample, SampleFlags, ThreadState};
use crate::tables::{Frame, Function, FunctionKind, Span, StackNode};
use crate::testing::ProfileBuilder;

#[test]
fn a_profile_survives() {
    let profile = ProfileBuilder::new()
        .thread("main")
        .sample(&["<module>", "serve", "shop.py:Cart.total:12"], Running, 30)
        .dropped(2)
        .thread("worker \u{1f40d}")
        .sample(&["run", "wait"], Idle, 10)
        .build();
    let file = write(&profile.meta, &[batch_of(&profile)], Some(&profile.stats));
    assert_same(&read(&file), &profile);
    assert_eq!(open(&file).unwrap().damage(), None);
}

#[test]
fn nothing_survives() {
    let file = write(&Meta::default(), &[Batch::default()], Some(&Stats::default()));
    assert_same(&read(&file), &Profile::default());
}

#[test]
fn the_last_evidence_of_a_process_survives() {
    let evidence = |process, looks| ProcessEvidence {
        process: ProcessId(process),
        looks,
        code: vec![CodeEvidence {
            sites: vec![Site { family: OpFamily::LoadAttr, name: "qty".into(), ..Site::default() }],
            ..CodeEvidence::default()
        }],
        ..ProcessEvidence::default()
    };
    let batch = |evidence| Batch { evidence, ..Batch::default() };
    let batches = [
        batch(vec![evidence(0, 1)]),
        batch(vec![evidence(1, 5)]),
        batch(vec![evidence(0, 2), evidence(0, 3)]),
    ];
    let file = write(&Meta::default(), &batches, Some(&Stats::default()));
    assert_eq!(read(&file).evidence, [evidence(0, 3), evidence(1, 5)]);
}

#[test]
fn evidence_takes_a_small_part_and_survives_a_kill() {
    let samples = ProfileBuilder::new().sample(&["f"], Running, 2_000).build();
    let evidence = |looks| Batch {
        evidence: vec![ProcessEvidence { looks, ..ProcessEvidence::default() }],
        ..Batch::default()
    };
    let alone: Vec<Batch> = (0..100).map(evidence).collect();
    let without = write(&Meta::default(), &[], None).len();
    assert_eq!(write(&Meta::default(), &alone, None).len(), without, "it waits for samples");
    let mut batches = vec![batch_of(&samples)];
    batches.extend((0..100).map(|round| {
        let noise = |at: u64| Sample {
            time_ns: (round * 1_000_003 + at * 7_919_003) % 1_000_000_007,
            ..samples.samples[0]
        };
        Batch { samples: (0..500).map(noise).collect(), ..evidence(round as u32) }
    }));
    let with = write(&Meta::default(), &batches, None);
    assert!(
        open(&with).unwrap().evidence()[0].looks > 50,
        "a recording that was cut short has recent evidence"
    );
    batches.iter_mut().for_each(|batch| batch.evidence.clear());
    let without = write(&Meta::default(), &batches, None).len();
    assert!(with.len() <= without + without / 15, "{} bytes, {without} without", with.len());
}

/// Random references, which [`valid`] turns into references to what exists.
fn any_batch() -> impl Strategy<Value = Batch> {
    let tables = (
        vec(any::<String>().prop_map(String::into_boxed_str), 0..5),
        vec(any_function(), 0..5),
        vec(any_frame(), 0..5),
        vec((any::<Option<u32>>(), any::<u32>()), 0..8),
    );
    let people = (vec(any_process(), 0..2), vec(any_thread(), 0..3), vec((any::<u32>(), any_thread()), 0..2));
    (tables, people, vec(any_sample(), 0..40)).prop_map(|(tables, people, samples)| {
        let (strings, functions, frames, stacks) = tables;
        let (processes, threads, renamed) = people;
        let node = |(parent, frame): (Option<u32>, u32)| StackNode {
            parent: parent.map(StackId),
            frame: FrameId(frame),
        };
        let stacks = stacks.into_iter().map(node).collect();
        let evidence = Vec::new();
        Batch { strings, functions, frames, stacks, processes, threads, renamed, samples, evidence }
    })
}

fn any_function() -> impl Strategy<Value = Function> {
    let kind =
        prop_oneof![Just(FunctionKind::Python), Just(FunctionKind::Native), Just(FunctionKind::Runtime),];
    (any::<[u32; 4]>(), kind).prop_map(|([name, qualname, file, first_line], kind)| Function {
        name: StringId(name),
        qualname: StringId(qualname),
        file: StringId(file),
        first_line,
        kind,
    })
}

fn any_frame() -> impl Strategy<Value = Frame> {
    (any::<u32>(), any::<[Option<u32>; 5]>()).prop_map(|(function, parts)| {
        let [instruction, line, end_line, column, end_column] = parts;
        let span = Span { line, end_line, column, end_column };
        Frame { function: FunctionId(function), instruction, span }
    })
}

fn any_process() -> impl Strategy<Value = Process> {
    (any::<(u32, Option<u32>, String, String)>(), any::<(bool, u64)>()).prop_map(|(ids, (jit, start_ns))| {
        let (pid, parent, command, python) = ids;
        let mut process = Process { pid, command, python, start_ns, ..Process::default() };
        process.parent = parent.map(ProcessId);
        process.build.jit = jit;
        process
    })
}

fn any_thread() -> impl Strategy<Value = Thread> {
    any::<(u32, i64, u64, u32, u32, bool)>().prop_map(|fields| {
        let (process, interpreter, python_id, native_id, name, is_main) = fields;
        let (process, name) = (ProcessId(process), StringId(name));
        Thread { process, interpreter, python_id, native_id, name, is_main }
    })
}

fn any_sample() -> impl Strategy<Value = Sample> {
    let times = prop_oneof![0..5_000_000_u64, any::<u64>()];
    let cpu = prop_oneof![Just(0), 0..5_000_000_u64, any::<u64>()];
    (times, cpu, any::<(u32, Option<u32>, u8)>(), 0..3_usize, 0..4_usize).prop_map(
        |(time_ns, cpu_ns, (thread, stack, flags), state, quality)| Sample {
            time_ns,
            thread: ThreadId(thread),
            stack: stack.map(StackId),
            cpu_ns,
            state: ThreadState::ALL[state],
            flags: SampleFlags(flags),
            quality: Quality::ALL[quality],
        },
    )
}

/// Makes every reference of the batch one to an entry that exists after it.
fn valid(mut batch: Batch, before: &Profile) -> Batch {
    let tables = &before.tables;
    let strings = (tables.strings.len() + batch.strings.len()) as u32;
    let functions = (tables.functions.len() + batch.functions.len()) as u32;
    let frames = (tables.frames.len() + batch.frames.len()) as u32;
    let processes = (before.processes.len() + batch.processes.len()) as u32;
    let threads = (before.threads.len() + batch.threads.len()) as u32;
    batch.functions.truncate(if strings == 0 { 0 } else { batch.functions.len() });
    for function in &mut batch.functions {
        for text in [&mut function.name, &mut function.qualname, &mut function.file] {
            text.0 %= strings;
        }
    }
    let functions = if batch.functions.is_empty() { tables.functions.len() as u32 } else { functions };
    batch.frames.truncate(if functions == 0 { 0 } else { batch.frames.len() });
    batch.frames.iter_mut().for_each(|frame| frame.function.0 %= functions);
    let frames = if batch.frames.is_empty() { tables.frames.len() as u32 } else { frames };
    batch.stacks.truncate(if frames == 0 { 0 } else { batch.stacks.len() });
    for (own, node) in (tables.stacks.len() as u32..).zip(&mut batch.stacks) {
        node.parent = node.parent.filter(|_| own > 0).map(|parent| StackId(parent.0 % own));
        node.frame.0 %= frames;
    }
    for process in &mut batch.processes {
        process.parent = process.parent.map(|parent| ProcessId(parent.0 % processes));
    }
    let no_thread = processes == 0 || strings == 0;
    batch.threads.truncate(if no_thread { 0 } else { batch.threads.len() });
    let threads = if batch.threads.is_empty() { before.threads.len() as u32 } else { threads };
    batch.renamed.truncate(if no_thread || threads == 0 { 0 } else { batch.renamed.len() });
    for thread in batch.threads.iter_mut().chain(batch.renamed.iter_mut().map(|(_, thread)| thread)) {
        thread.process.0 %= processes;
        thread.name.0 %= strings;
    }
    batch.renamed.iter_mut().for_each(|(index, _)| *index %= threads);
    let stacks = (tables.stacks.len() + batch.stacks.len()) as u32;
    batch.samples.truncate(if threads == 0 { 0 } else { batch.samples.len() });
    for sample in &mut batch.samples {
        sample.thread.0 %= threads;
        sample.stack = sample.stack.filter(|_| stacks > 0).map(|stack| StackId(stack.0 % stacks));
    }
    batch
}

/// What a reader gives: whole steps, of CPU time with the rest carried on per thread.
fn rounded(samples: &[Sample], step_ns: u64) -> Vec<Sample> {
    let mut carry = FxHashMap::default();
    let round = |sample: &Sample| {
        let carry_ns = carry.entry(sample.thread).or_insert(0_u64);
        let cpu_ns = sample.cpu_ns.saturating_add(*carry_ns);
        *carry_ns = cpu_ns % step_ns;
        let whole = |time_ns: u64| time_ns / step_ns * step_ns;
        Sample { time_ns: whole(sample.time_ns), cpu_ns: whole(cpu_ns), ..*sample }
    };
    samples.iter().map(round).collect()
}

proptest! {
    #[test]
    fn random_batches_survive(
        batches in vec(any_batch(), 0..5),
        (rate_wanted_mhz, step_ns) in select(vec![(0, 1_000), (1_000_000, 8_000), (100_000, 16_000), (9_000_000, 1_000)]),
    ) {
        let mut expected = Profile::default();
        expected.meta.rate_wanted_mhz = rate_wanted_mhz;
        let mut written = Vec::new();
        for batch in batches {
            let batch = valid(batch, &expected);
            expected.apply(batch.clone());
            written.push(batch);
        }
        expected.samples = rounded(&expected.samples, step_ns);
        let file = write(&expected.meta, &written, Some(&expected.stats));
        assert_eq!(open(&file).unwrap().damage(), None);
        assert_same(&read(&file), &expected);
    }
}

#[test]
fn rounding_of_cpu_time_does_not_add_up() {
    let mut profile = ProfileBuilder::new().sample(&["f"], Running, 1000).build();
    profile.samples.iter_mut().for_each(|sample| sample.cpu_ns = 1_999);
    let file = write(&profile.meta, &[batch_of(&profile)], None);
    let sum: u64 = read(&file).samples.iter().map(|sample| sample.cpu_ns).sum();
    assert_eq!(sum, 1_992_000, "whole steps of 8 microseconds");
}

#[test]
fn the_first_version_is_read() {
    // `steady.py` for a fifth of a second, as the last slowpath that wrote this version saw it.
    let again = read(include_bytes!("version1.recording"));
    let last = again.samples.last().expect("samples");
    let cpu_ns: u64 = again.samples.iter().map(|sample| sample.cpu_ns).sum();
    assert_eq!((again.samples.len(), last.time_ns, cpu_ns), (59, 215_582_000, 54_360_000));
}

#[test]
fn a_large_batch_becomes_several_chunks() {
    let profile = ProfileBuilder::new().sample(&["f", "g"], Running, 200_000).build();
    let mut batch = batch_of(&profile);
    batch.strings.extend((0..40).map(|n| format!("{n}").repeat(450_000).into_boxed_str()));
    let file = write(&profile.meta, &[batch.clone()], Some(&profile.stats));
    let again = read(&file);
    assert_eq!(again.samples, profile.samples);
    assert_eq!(again.tables.strings.values(), batch.strings);
    assert_eq!(again.tables.stacks.values(), profile.tables.stacks.values());
    let chunks = file.windows(4).filter(|bytes| *bytes == b"\xf5chk").count();
    assert_eq!(chunks, 2 + 1 + 4, "description, statistics, one of strings, four with samples");
}

#[test]
fn a_string_without_end_is_cut() {
    let batch = Batch { strings: vec!["é".repeat(1 << 20).into()], ..Batch::default() };
    let again = read(&write(&Meta::default(), &[batch], None));
    assert_eq!(&*again.tables.strings.values()[0], "é".repeat(1 << 19));
}

#[test]
fn figures_that_are_not_numbers_are_stored_as_none() {
    let stats =
        Stats { rate_achieved_hz: f64::NAN, duration_s: f64::INFINITY, samples: 7, ..Stats::default() };
    let again = read(&write(&Meta::default(), &[], Some(&stats))).stats;
    assert_eq!((again.samples, again.rate_achieved_hz, again.duration_s), (7, 0.0, 0.0));
}
