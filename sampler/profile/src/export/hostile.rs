//! Every exporter on arbitrary profiles with hostile names and ids: what it writes must parse, and
//! every sample must be in it.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::Value;

use super::{ExportError, ExportOptions, Format};
use crate::ids::{FrameId, FunctionId, ProcessId, StackId, StringId, ThreadId};
use crate::meta::{Process, Thread};
use crate::sample::{Quality, Sample, SampleFlags, ThreadState};
use crate::source::Profile;
use crate::tables::{Frame, Function, FunctionKind, Span, StackNode};

const PERIOD_NS: u64 = 1_000_000;

/// What breaks parsers, terminals and readers of numbers.
fn name() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "",
        " ",
        ";",
        "a;b",
        "f 12",
        "f 1.5 2",
        "# comment",
        "\n",
        "\r\n",
        "\0",
        "\t",
        "\x1b[2J",
        "\u{9b}31m",
        "</script><script>",
        "]]>",
        "<!--",
        "\"'\\",
        "\\udc80",
        "\u{202e}evil",
        "\u{2028}",
        "\u{feff}",
        "\u{fffe}",
        "\u{10ffff}",
        "数え",
        "\u{1f40d}",
        "a:b:c",
        "P1;T1",
        "{}",
        "%s",
        "[idle]",
        "--",
        "-",
        "<GC>",
        "`",
        "\u{85}",
    ]);
    let control = (0..0x20_u8).prop_map(|byte| format!("a{}b", char::from(byte)));
    let long = nasty.clone().prop_map(|part| format!("x{part}").repeat(4096 / (part.len() + 1)));
    prop_oneof![
        4 => nasty.prop_map(str::to_owned),
        2 => control,
        2 => any::<String>(),
        1 => long,
    ]
}

/// Mostly an id that exists, now and then one of a damaged recording.
fn id(count: u32) -> impl Strategy<Value = u32> {
    prop_oneof![20 => 0..count, 1 => any::<u32>()]
}

fn function() -> impl Strategy<Value = Function> {
    let kind =
        prop_oneof![Just(FunctionKind::Python), Just(FunctionKind::Native), Just(FunctionKind::Runtime)];
    (id(6), id(6), id(6), any::<u32>(), kind).prop_map(|(name, qualname, file, first_line, kind)| Function {
        name: StringId(name),
        qualname: StringId(qualname),
        file: StringId(file),
        first_line,
        kind,
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    (id(5), any::<Option<u32>>(), any::<Option<u32>>()).prop_map(|(function, instruction, line)| {
        let span = Span { line, ..Span::default() };
        Frame { function: FunctionId(function), instruction, span }
    })
}

fn sample() -> impl Strategy<Value = Sample> {
    let state = prop::sample::select(&ThreadState::ALL[..]);
    let quality = prop::sample::select(&Quality::ALL[..]);
    let stack = prop_oneof![1 => Just(None), 9 => id(8).prop_map(Some)];
    (0..100_u64, id(3), stack, any::<u32>(), state, 0..4_u8, quality).prop_map(
        |(time, thread, stack, cpu_ns, state, flags, quality)| Sample {
            time_ns: time * 700_000,
            thread: ThreadId(thread),
            stack: stack.map(StackId),
            cpu_ns: cpu_ns.into(),
            state,
            flags: SampleFlags(flags),
            quality,
        },
    )
}

fn thread() -> impl Strategy<Value = Thread> {
    (id(2), any::<u64>(), 0..3_u32, id(6), any::<bool>()).prop_map(
        |(process, python_id, native_id, name, is_main)| {
            let (process, name) = (ProcessId(process), StringId(name));
            Thread { process, interpreter: 0, python_id, native_id, name, is_main }
        },
    )
}

fn profile() -> impl Strategy<Value = Profile> {
    let tables = (
        prop::collection::vec(name(), 6),
        prop::collection::vec(function(), 5),
        prop::collection::vec(frame(), 6),
        prop::collection::vec((any::<Option<u32>>(), id(6)), 8),
    );
    let rest = (
        prop::collection::vec((name(), any::<u32>()), 2),
        prop::collection::vec(thread(), 3),
        prop::collection::vec(sample(), 1..40),
    );
    (tables, rest).prop_map(|((strings, functions, frames, stacks), (processes, threads, mut samples))| {
        samples.sort_by_key(|sample| sample.time_ns);
        let mut profile = Profile { threads, samples, ..Profile::default() };
        profile.meta.rate_wanted_mhz = 1_000_000_000_000 / PERIOD_NS;
        // Pushed and not interned: a damaged recording may repeat an entry.
        for text in strings {
            profile.tables.strings.push(text.into());
        }
        for function in functions {
            profile.tables.functions.push(function);
        }
        for frame in frames {
            profile.tables.frames.push(frame);
        }
        for (parent, frame) in stacks {
            let parent = parent.map(|parent| StackId(parent % 8));
            profile.tables.stacks.push(StackNode { parent, frame: FrameId(frame) });
        }
        let process = |(command, pid)| Process { command, pid, ..Process::default() };
        profile.processes = processes.into_iter().map(process).collect();
        profile
    })
}

fn export(format: Format, profile: &mut Profile) -> Vec<u8> {
    let mut out = Vec::new();
    match format.write(profile, &ExportOptions::default(), &mut out) {
        Ok(()) => out,
        Err(ExportError::Empty) => panic!("{} lost all samples", format.name()),
        Err(error) => panic!("{}: {error}", format.name()),
    }
}

fn json(format: Format, profile: &mut Profile) -> Value {
    serde_json::from_slice(&export(format, profile)).unwrap()
}

fn text(format: Format, profile: &mut Profile) -> String {
    let text = String::from_utf8(export(format, profile)).unwrap();
    let unsafe_character = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!text.contains(unsafe_character), "{} is not safe to show: {text:?}", format.name());
    text
}

fn sum(value: &Value) -> f64 {
    value.as_array().unwrap().iter().filter_map(Value::as_f64).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn collapsed_lines_are_read_by_inferno(mut profile in profile()) {
        let text = text(Format::Collapsed, &mut profile);
        let mut both = Vec::new();
        let options = inferno::differential::Options::default();
        inferno::differential::from_readers(options, text.as_bytes(), text.as_bytes(), &mut both).unwrap();
        let both = String::from_utf8(both).unwrap();
        let total: usize = both.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap()).sum();
        prop_assert_eq!(total, profile.samples.len());
        prop_assert_eq!(both.lines().count(), text.lines().count());
        let unique: HashSet<&str> = text.lines().collect();
        prop_assert_eq!(unique.len(), text.lines().count());
    }

    #[test]
    fn flame_graphs_are_well_formed(mut profile in profile()) {
        let svg = text(Format::Flamegraph, &mut profile);
        // inferno writes the document type that XML readers of untrusted text refuse by default.
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        let document = roxmltree::Document::parse_with_options(&svg, options).unwrap();
        let root = format!("all ({} samples, 100%)", profile.samples.len());
        let titles = document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "title")));
        prop_assert!(titles.filter_map(|title| title.text()).any(|text| text == root));
    }

    #[test]
    fn speedscope_weighs_every_sample(mut profile in profile()) {
        let read = json(Format::Speedscope, &mut profile);
        let frames = read["shared"]["frames"].as_array().unwrap().len() as u64;
        let mut total = 0.0;
        for thread in read["profiles"].as_array().unwrap() {
            total += sum(&thread["weights"]);
            let stacks = thread["samples"].as_array().unwrap().iter().flat_map(|stack| stack.as_array().unwrap());
            for frame in stacks {
                prop_assert!(frame.as_u64().unwrap() < frames);
            }
        }
        prop_assert_eq!(total, profile.samples.len() as f64 * 1000.0);
    }

    #[test]
    fn gecko_weighs_every_sample(mut profile in profile()) {
        let read = json(Format::Gecko, &mut profile);
        let mut total = 0.0;
        for thread in read["threads"].as_array().unwrap() {
            total += sum(&thread["samples"]["weight"]);
            let stacks = thread["stackTable"]["length"].as_u64().unwrap();
            for stack in thread["samples"]["stack"].as_array().unwrap() {
                prop_assert!(stack.as_u64().unwrap() < stacks);
            }
            let frames = thread["frameTable"]["length"].as_u64().unwrap();
            for frame in thread["stackTable"]["frame"].as_array().unwrap() {
                prop_assert!(frame.as_u64().unwrap() < frames);
            }
        }
        prop_assert_eq!(total, profile.samples.len() as f64);
    }

    #[test]
    fn chrome_slices_nest(mut profile in profile()) {
        let read = json(Format::Chrome, &mut profile);
        let mut open = std::collections::HashMap::<(u64, u64), (u64, i64)>::new();
        for event in read["traceEvents"].as_array().unwrap() {
            let Some(time) = event["ts"].as_u64() else { continue };
            let key = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
            let (now, depth) = open.entry(key).or_default();
            prop_assert!(time >= *now);
            *now = time;
            *depth += if event["ph"] == "B" { 1 } else { -1 };
            prop_assert!(*depth >= 0);
        }
        prop_assert!(open.values().all(|(_, depth)| *depth == 0));
    }

    #[test]
    fn austin_lines_split_as_its_reader_splits(mut profile in profile()) {
        let text = text(Format::Austin, &mut profile);
        let mut total = 0;
        for line in text.lines().filter(|line| !line.starts_with("# ")) {
            let (head, metric) = line.rsplit_once(' ').unwrap();
            total += metric.parse::<u64>().unwrap();
            let mut parts = head.split(';');
            prop_assert!(parts.next().unwrap().strip_prefix('P').unwrap().parse::<u32>().is_ok());
            prop_assert!(parts.next().unwrap().starts_with('T'));
            for frame in parts {
                let mut fields = frame.rsplitn(3, ':');
                prop_assert!(fields.next().unwrap().parse::<u32>().is_ok());
                prop_assert_eq!(fields.count(), 2);
            }
        }
        prop_assert_eq!(total, profile.samples.len() as u64 * 1000);
    }

    #[test]
    fn pprof_counts_every_sample(mut profile in profile()) {
        let samples = super::pprof::samples_of(&export(Format::Pprof, &mut profile));
        prop_assert_eq!(samples, profile.samples.len() as i64);
    }

    #[test]
    fn pstats_adds_up(mut profile in profile()) {
        let bytes = export(Format::Pstats, &mut profile);
        let mut rest = &bytes[..];
        let self_s = super::pstats::read_self_time(&mut rest);
        prop_assert!(rest.is_empty());
        prop_assert!((self_s - profile.samples.len() as f64 / 1000.0).abs() < 1e-9);
    }

    #[test]
    fn our_json_parses(mut profile in profile()) {
        let read = json(Format::Json, &mut profile);
        prop_assert_eq!(&read["format"], "slowpath-profile");
        let ids: HashSet<u64> = read["functions"].as_array().unwrap().iter().map(|it| it["id"].as_u64().unwrap()).collect();
        for node in read["call_tree"].as_array().unwrap() {
            prop_assert!(ids.contains(&node["function"].as_u64().unwrap()) || node["function"].as_u64().unwrap() >= 5);
        }
    }
}
