//! pprof: the protocol buffer of `profile.proto`, compressed with gzip.
//!
//! The messages below are that public definition's, with its field numbers, without the fields that a
//! Python profile has no use for. Each sample carries three values, its thread and process as labels, and
//! what the thread was doing as the label `state`, by which `pprof -tagfocus` and `-tagignore` filter.
//! The file is written in parts, because concatenated messages are one message.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use rustc_hash::FxHashMap;

use super::counts::{Place, Weight, count};
use super::frames::FrameSet;
use super::label::{process_label, thread_name};
use super::{ExportError, ExportOptions};
use crate::ids::Id;
use crate::meta::Mode;
use crate::sample::ThreadState;
use crate::source::Source;

/// `perftools.profiles.Profile`.
#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, repeated, tag = "13")]
    comment: Vec<i64>,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

/// `ValueType`: indices into the string table.
#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    r#type: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

/// `Sample`: locations from the leaf to the root.
#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

/// `Label`: either a string or a number.
#[derive(Clone, Copy, PartialEq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    str: i64,
    #[prost(int64, tag = "3")]
    num: i64,
}

/// `Location`.
#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

/// `Line`.
#[derive(Clone, Copy, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

/// `Function`.
#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
    #[prost(int64, tag = "5")]
    start_line: i64,
}

/// Writes the profile for pprof.
pub(super) fn write(
    source: &mut dyn Source,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let counts = count(source, options)?;
    let mut writer = Writer {
        source,
        strings: Strings::default(),
        out: GzEncoder::new(out, Compression::fast()),
        bytes: Vec::new(),
    };
    writer.header()?;
    let frames = FrameSet::by_line(writer.source.tables());
    writer.locations(&frames)?;
    let mut levels = Vec::new();
    for (place, weight) in counts {
        place.levels(writer.source.tables(), false, &mut levels);
        let location_id = levels.iter().rev().map(|level| u64::from(frames.entry(*level)) + 1).collect();
        writer.sample(&place, &weight, location_id)?;
    }
    writer.finish()
}

struct Writer<'a, W: Write> {
    source: &'a dyn Source,
    strings: Strings,
    out: GzEncoder<W>,
    bytes: Vec<u8>,
}

impl<W: Write> Writer<'_, W> {
    fn part(&mut self, part: &Profile) -> io::Result<()> {
        self.bytes.clear();
        // A vector grows, so there is always room.
        let _ = part.encode(&mut self.bytes);
        self.out.write_all(&self.bytes)
    }

    fn header(&mut self) -> io::Result<()> {
        let (meta, stats) = (self.source.meta().clone(), self.source.stats().clone());
        let samples = self.value_type("samples", "count");
        let wall = self.value_type("wall", "nanoseconds");
        let cpu = self.value_type("cpu", "nanoseconds");
        let shown = if meta.mode == Mode::Wall { wall } else { cpu };
        let comment = self.strings.number(&format!("slowpath {}", meta.slowpath));
        let trust = self.strings.number(&format!("trust {:.4}", stats.trust()));
        self.part(&Profile {
            sample_type: vec![samples, wall, cpu],
            time_nanos: meta.started_unix_ns as i64,
            duration_nanos: (stats.duration_s * 1e9) as i64,
            period_type: Some(shown),
            period: meta.period_ns().unwrap_or(0) as i64,
            comment: vec![comment, trust],
            default_sample_type: shown.r#type,
            ..Profile::default()
        })
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> ValueType {
        ValueType { r#type: self.strings.number(kind), unit: self.strings.number(unit) }
    }

    /// Locations are functions with a line; functions are told apart by name, file and first line.
    fn locations(&mut self, frames: &FrameSet) -> io::Result<()> {
        let tables = self.source.tables();
        let mut functions: FxHashMap<(i64, i64, u32), u64> = FxHashMap::default();
        for (at, text) in frames.texts(tables).enumerate() {
            let (name, filename) = (self.strings.number(&text.name), self.strings.number(&text.file));
            let next = functions.len() as u64 + 1;
            let id = *functions.entry((name, filename, text.first_line)).or_insert(next);
            let mut part = Profile::default();
            if id == next {
                let start_line = text.first_line.into();
                part.function.push(Function { id, name, system_name: name, filename, start_line });
            }
            let line = vec![Line { function_id: id, line: text.line.into() }];
            part.location.push(Location { id: at as u64 + 1, line });
            self.part(&part)?;
        }
        Ok(())
    }

    fn sample(&mut self, place: &Place, weight: &Weight, location_id: Vec<u64>) -> io::Result<()> {
        let value =
            [weight.samples, weight.wall_ns, weight.cpu_ns].map(|value| value.min(i64::MAX as u64) as i64);
        let label = self.labels(place);
        self.part(&Profile {
            sample: vec![Sample { location_id, value: value.to_vec(), label }],
            ..Profile::default()
        })
    }

    fn labels(&mut self, place: &Place) -> Vec<Label> {
        let state = match place.state {
            ThreadState::Running => "running",
            ThreadState::WaitingForGil => "waiting for GIL",
            ThreadState::Idle => "idle",
        };
        let mut labels = vec![self.text_label("state", state)];
        if place.in_gc {
            labels.push(self.text_label("gc", "collecting"));
        }
        let source = self.source;
        let Some(thread) = source.threads().get(place.thread.index()) else { return labels };
        labels.push(self.text_label("thread", &thread_name(source.tables(), thread)));
        labels.push(self.number_label("thread_id", thread.native_id.into()));
        labels.push(self.text_label("process", &process_label(source.processes(), thread.process)));
        if let Some(process) = source.processes().get(thread.process.index()) {
            labels.push(self.number_label("pid", process.pid.into()));
        }
        labels
    }

    fn text_label(&mut self, key: &str, text: &str) -> Label {
        Label { key: self.strings.number(key), str: self.strings.number(text), num: 0 }
    }

    fn number_label(&mut self, key: &str, num: i64) -> Label {
        Label { key: self.strings.number(key), str: 0, num }
    }

    fn finish(mut self) -> Result<(), ExportError> {
        let string_table = std::mem::take(&mut self.strings.values);
        self.part(&Profile { string_table, ..Profile::default() })?;
        self.out.finish()?.flush()?;
        Ok(())
    }
}

/// The string table; its first entry must be empty.
struct Strings {
    values: Vec<String>,
    index: FxHashMap<String, i64>,
}

impl Default for Strings {
    fn default() -> Self {
        Self { values: vec![String::new()], index: FxHashMap::from_iter([(String::new(), 0)]) }
    }
}

impl Strings {
    fn number(&mut self, text: &str) -> i64 {
        if let Some(&known) = self.index.get(text) {
            return known;
        }
        let number = self.values.len() as i64;
        self.values.push(text.to_owned());
        self.index.insert(text.to_owned(), number);
        number
    }
}

/// Number of samples in a written profile, after checking what readers rely on.
#[cfg(test)]
pub(super) fn samples_of(packed: &[u8]) -> i64 {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed), &mut bytes).unwrap();
    let profile = Profile::decode(&*bytes).unwrap();
    assert_eq!(profile.string_table[0], "");
    let (strings, locations) = (profile.string_table.len() as i64, profile.location.len() as u64);
    assert!(profile.function.iter().all(|it| it.name < strings && it.filename < strings));
    assert!(profile.sample.iter().flat_map(|it| &it.location_id).all(|id| (1..=locations).contains(id)));
    assert!(profile.sample.iter().flat_map(|it| &it.label).all(|it| it.key < strings && it.str < strings));
    profile.sample.iter().map(|sample| sample.value[0]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::tests::known;

    #[test]
    fn what_is_written_reads_back() {
        let mut packed = Vec::new();
        write(&mut known(), &ExportOptions::default(), &mut packed).unwrap();
        assert_eq!(samples_of(&packed), 21);
    }
}
