//! Compares our output with what samply's writer makes of the same profile.

use fxprof_processed_profile as samply;
use serde_json::Value;

use super::super::tests::known;
use super::super::{ExportOptions, Format};
use crate::source::Source;

fn ours() -> Value {
    let mut out = Vec::new();
    Format::Gecko.write(&mut known(), &ExportOptions::default(), &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// The same profile by samply's writer, sample by sample.
fn theirs() -> Value {
    let mut source = known();
    let start = samply::ReferenceTimestamp::from_millis_since_unix_epoch(0.0);
    let interval = samply::SamplingInterval::from_millis(1);
    let mut profile = samply::Profile::new("slowpath", start, interval);
    let python = profile.add_category("Python", samply::CategoryColor::Yellow);
    let at = |ns| samply::Timestamp::from_nanos_since_reference(ns);
    let processes: Vec<_> =
        source.processes.iter().map(|it| profile.add_process(&it.command, it.pid, at(it.start_ns))).collect();
    let threads: Vec<_> = source
        .threads
        .iter()
        .map(|it| profile.add_thread(processes[it.process.0 as usize], it.native_id, at(0), it.is_main))
        .collect();
    let tables = source.tables.clone();
    let (mut levels, mut names) = (Vec::new(), Vec::new());
    source
        .for_each_sample(&mut |sample| {
            let thread = threads[sample.thread.0 as usize];
            super::super::counts::Place::of(sample).levels(&tables, true, &mut levels);
            names.clear();
            names.extend(levels.iter().map(|it| {
                let name = profile.intern_string(&super::super::label::frame_text(&tables, *it).name);
                let frame = samply::Frame::Label(name);
                samply::FrameInfo { frame, category_pair: python.into(), flags: samply::FrameFlags::empty() }
            }));
            let stack = profile.intern_stack_frames(thread, names.drain(..));
            let cpu = samply::CpuDelta::from_nanos(sample.cpu_ns);
            profile.add_sample(thread, at(sample.time_ns), stack, cpu, 1);
        })
        .unwrap();
    serde_json::to_value(&profile).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Every member that samply's writer has, ours has too: nothing that a reader looks for is absent.
fn assert_members(ours: &Value, theirs: &Value, path: &str) {
    for key in keys(theirs) {
        assert!(ours.get(key).is_some(), "{path}.{key} is missing");
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn column<'a>(table: &'a Value, name: &str) -> &'a Vec<Value> {
    let column = table[name].as_array().unwrap_or_else(|| panic!("{name} is not a column"));
    assert_eq!(column.len() as u64, table["length"].as_u64().unwrap(), "{name}");
    column
}

/// Names from the root to the leaf.
fn stack_names(thread: &Value, stack: &Value) -> Vec<String> {
    let (prefixes, frames) =
        (column(&thread["stackTable"], "prefix"), column(&thread["stackTable"], "frame"));
    let (functions, names) = (column(&thread["frameTable"], "func"), column(&thread["funcTable"], "name"));
    let mut path = Vec::new();
    let mut next = stack.as_u64();
    while let Some(at) = next {
        let function = functions[frames[at as usize].as_u64().unwrap() as usize].as_u64().unwrap();
        let name = names[function as usize].as_u64().unwrap();
        path.push(thread["stringArray"][name as usize].as_str().unwrap().to_owned());
        next = prefixes[at as usize].as_u64();
    }
    path.reverse();
    path
}

/// `(stack, samples, CPU µs, time of the last sample in ms)` of consecutive equal samples.
fn timeline(thread: &Value) -> Vec<(Vec<String>, u64, u64, f64)> {
    let samples = &thread["samples"];
    let (stacks, times) = (column(samples, "stack"), column(samples, "timeDeltas"));
    let (weights, cpus) = (column(samples, "weight"), column(samples, "threadCPUDelta"));
    let mut runs: Vec<(Vec<String>, u64, u64, f64)> = Vec::new();
    let mut now_ms = 0.0;
    for at in 0..stacks.len() {
        now_ms += number(&times[at]);
        let stack = stack_names(thread, &stacks[at]);
        let (weight, cpu) = (weights[at].as_u64().unwrap(), cpus[at].as_u64().unwrap());
        match runs.last_mut().filter(|run| run.0 == stack) {
            Some(run) => *run = (stack, run.1 + weight, run.2 + cpu, now_ms),
            None => runs.push((stack, weight, cpu, now_ms)),
        }
    }
    runs
}

#[test]
fn the_structure_is_that_of_samplys_writer() {
    let (ours, theirs) = (ours(), theirs());
    assert_members(&ours, &theirs, "profile");
    assert_members(&ours["meta"], &theirs["meta"], "meta");
    for same in ["preprocessedProfileVersion", "sampleUnits", "interval", "version"] {
        assert_eq!(ours["meta"][same], theirs["meta"][same], "{same}");
    }
    let (our, their) = (&ours["threads"][0], &theirs["threads"][0]);
    assert_members(our, their, "thread");
    for table in
        ["frameTable", "funcTable", "stackTable", "samples", "markers", "nativeSymbols", "resourceTable"]
    {
        assert_eq!(keys(&our[table]), keys(&their[table]), "{table}");
    }
}

#[test]
fn the_samples_are_those_of_samplys_writer() {
    let (ours, theirs) = (ours(), theirs());
    let (our, their) = (ours["threads"].as_array().unwrap(), theirs["threads"].as_array().unwrap());
    assert_eq!(our.len(), their.len());
    for (our, their) in our.iter().zip(their) {
        assert_eq!(timeline(our), timeline(their));
        assert_eq!(our["tid"], their["tid"]);
        assert_eq!(our["pid"], their["pid"]);
        assert_eq!(our["isMainThread"], their["isMainThread"]);
    }
}

#[test]
fn the_leaf_has_the_category_of_the_state() {
    let ours = ours();
    let worker = &ours["threads"][1];
    let categories = column(&worker["frameTable"], "category");
    let samples = column(&worker["samples"], "stack");
    let frames = column(&worker["stackTable"], "frame");
    let leaf = |at: usize| {
        let frame = frames[samples[at].as_u64().unwrap() as usize].as_u64().unwrap();
        let category = categories[frame as usize].as_u64().unwrap();
        ours["meta"]["categories"][category as usize]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!([leaf(0), leaf(2), leaf(3)], ["Idle", "Dropped", "Python"]);
}
