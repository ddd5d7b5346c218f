//! The tables of one thread: strings, functions, frames and stacks, each entry once.

use std::hash::Hash;
use std::io::{self, Write};

use rustc_hash::FxHashMap;

use crate::export::counts::{Place, Read};
use crate::export::frames::FrameSet;
use crate::export::json_text;
use crate::export::label::{Level, frame_text};
use crate::export::timeline::ThreadLog;
use crate::ids::FunctionId;
use crate::sample::ThreadState;
use crate::tables::{FunctionKind, Tables};

/// Name and colour of each category. The profiler wants one grey one and takes it as the default.
pub(super) const CATEGORIES: [(&str, &str); 7] = [
    ("Other", "grey"),
    ("Python", "yellow"),
    ("Native", "blue"),
    ("Waiting for GIL", "red"),
    ("Idle", "transparent"),
    ("Garbage collection", "purple"),
    ("Dropped", "darkgrey"),
];

const OTHER: u8 = 0;
const PYTHON: u8 = 1;
const NATIVE: u8 = 2;
const GIL: u8 = 3;
const IDLE: u8 = 4;
const GC: u8 = 5;
const DROPPED: u8 = 6;

/// Numbers values in the order in which they are first seen.
struct Numbering<T> {
    values: Vec<T>,
    index: FxHashMap<T, u32>,
}

impl<T: Copy + Eq + Hash> Numbering<T> {
    fn new() -> Self {
        Self { values: Vec::new(), index: FxHashMap::default() }
    }

    fn number(&mut self, value: T) -> u32 {
        *self.index.entry(value).or_insert_with(|| {
            self.values.push(value);
            self.values.len() as u32 - 1
        })
    }
}

/// What tells functions apart: one of the profile, or a pseudo level.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Func {
    Of(FunctionId),
    Pseudo(Level),
}

/// A frame: the function, the entry of the frame set, the category.
type FrameKey = (u32, u32, u8);

/// The tables of one thread.
pub(super) struct ThreadTables {
    functions: Numbering<Func>,
    /// A level to take each function's texts from.
    samples_of: Vec<Level>,
    frames: Numbering<FrameKey>,
    stacks: Numbering<(Option<u32>, u32)>,
    places: FxHashMap<Place, u32>,
}

impl ThreadTables {
    /// Collects what the samples of the thread use.
    pub(super) fn of(tables: &Tables, set: &FrameSet, log: &ThreadLog, mark_states: bool) -> Self {
        let mut this = Self {
            functions: Numbering::new(),
            samples_of: Vec::new(),
            frames: Numbering::new(),
            stacks: Numbering::new(),
            places: FxHashMap::default(),
        };
        let mut levels = Vec::new();
        for run in log.iter() {
            if !this.places.contains_key(&run.place) {
                run.place.levels(tables, mark_states, &mut levels);
                let stack = this.add_stack(tables, set, &run.place, &levels);
                this.places.insert(run.place, stack);
            }
        }
        this
    }

    /// The row of the stack table for a place that the thread was at.
    pub(super) fn stack_of(&self, place: &Place) -> u32 {
        self.places.get(place).copied().unwrap_or(0)
    }

    fn add_stack(&mut self, tables: &Tables, set: &FrameSet, place: &Place, levels: &[Level]) -> u32 {
        let mut stack = None;
        for (at, level) in levels.iter().enumerate() {
            let leaf = at + 1 == levels.len();
            let category = category(tables, *level, leaf.then_some(place));
            let function = self.add_function(tables, *level);
            let frame = self.frames.number((function, set.entry(*level), category));
            stack = Some(self.stacks.number((stack, frame)));
        }
        stack.unwrap_or(0)
    }

    fn add_function(&mut self, tables: &Tables, level: Level) -> u32 {
        let function = match level {
            Level::Frame(id) => {
                tables.frames.get(id).map_or(Func::Pseudo(Level::Truncated), |it| Func::Of(it.function))
            }
            level => Func::Pseudo(level),
        };
        let number = self.functions.number(function);
        if number as usize == self.samples_of.len() {
            self.samples_of.push(level);
        }
        number
    }

    /// Writes the tables as further members of the thread's object.
    pub(super) fn write(&self, out: &mut dyn Write, tables: &Tables, set: &FrameSet) -> io::Result<()> {
        let mut strings = Strings::default();
        self.write_stacks(out)?;
        self.write_frames(out, tables, set)?;
        self.write_functions(out, tables, &mut strings)?;
        out.write_all(br#","stringArray":"#)?;
        json_text::array(out, &strings.values, |out, text| json_text::value(out, text))
    }

    fn write_stacks(&self, out: &mut dyn Write) -> io::Result<()> {
        let stacks = &self.stacks.values;
        write!(out, r#","stackTable":{{"length":{},"prefix":"#, stacks.len())?;
        json_text::array(out, stacks, |out, (prefix, _)| json_text::value(out, prefix))?;
        out.write_all(br#","frame":"#)?;
        json_text::array(out, stacks, |out, (_, frame)| write!(out, "{frame}"))?;
        out.write_all(b"}")
    }

    fn write_frames(&self, out: &mut dyn Write, tables: &Tables, set: &FrameSet) -> io::Result<()> {
        let frames = &self.frames.values;
        let lines: Vec<u32> = set.texts(tables).map(|text| text.line).collect();
        let line = |entry: u32| lines.get(entry as usize).copied().filter(|line| *line > 0);
        write!(out, r#","frameTable":{{"length":{}"#, frames.len())?;
        constant(out, "address", "-1", frames.len())?;
        constant(out, "inlineDepth", "0", frames.len())?;
        out.write_all(br#","category":"#)?;
        json_text::array(out, frames, |out, (_, _, category)| write!(out, "{category}"))?;
        constant(out, "subcategory", "0", frames.len())?;
        out.write_all(br#","func":"#)?;
        json_text::array(out, frames, |out, (function, _, _)| write!(out, "{function}"))?;
        constant(out, "nativeSymbol", "null", frames.len())?;
        constant(out, "innerWindowID", "0", frames.len())?;
        out.write_all(br#","line":"#)?;
        json_text::array(out, frames, |out, (_, entry, _)| json_text::value(out, &line(*entry)))?;
        constant(out, "column", "null", frames.len())?;
        out.write_all(b"}")
    }

    fn write_functions(&self, out: &mut dyn Write, tables: &Tables, strings: &mut Strings) -> io::Result<()> {
        let count = self.samples_of.len();
        let texts: Vec<_> = self.samples_of.iter().map(|level| frame_text(tables, *level)).collect();
        write!(out, r#","funcTable":{{"length":{count},"name":"#)?;
        json_text::array(out, &texts, |out, text| write!(out, "{}", strings.number(&text.name)))?;
        constant(out, "isJS", "false", count)?;
        constant(out, "relevantForJS", "false", count)?;
        constant(out, "resource", "-1", count)?;
        out.write_all(br#","fileName":"#)?;
        json_text::array(out, &texts, |out, text| {
            let file = (!text.file.is_empty()).then(|| strings.number(&text.file));
            json_text::value(out, &file)
        })?;
        out.write_all(br#","lineNumber":"#)?;
        json_text::array(out, &texts, |out, text| {
            json_text::value(out, &(text.first_line > 0).then_some(text.first_line))
        })?;
        constant(out, "columnNumber", "null", count)?;
        out.write_all(b"}")
    }
}

/// A column of one value.
fn constant(out: &mut dyn Write, name: &str, value: &str, length: usize) -> io::Result<()> {
    write!(out, r#","{name}":"#)?;
    json_text::array(out, 0..length, |out, _| out.write_all(value.as_bytes()))
}

#[derive(Default)]
struct Strings {
    values: Vec<String>,
    index: FxHashMap<String, usize>,
}

impl Strings {
    fn number(&mut self, text: &str) -> usize {
        if let Some(&known) = self.index.get(text) {
            return known;
        }
        self.values.push(text.to_owned());
        self.index.insert(text.to_owned(), self.values.len() - 1);
        self.values.len() - 1
    }
}

/// The category of a level; `place` is given for the leaf, whose category is that of the sample.
fn category(tables: &Tables, level: Level, place: Option<&Place>) -> u8 {
    match place {
        Some(place) if place.read == Read::Dropped => DROPPED,
        Some(place) if place.state == ThreadState::Idle => IDLE,
        Some(place) if place.state == ThreadState::WaitingForGil => GIL,
        Some(place) if place.in_gc => GC,
        _ => own_category(tables, level),
    }
}

/// The category of a level by itself.
fn own_category(tables: &Tables, level: Level) -> u8 {
    let text = frame_text(tables, level);
    match (level, text.kind) {
        (Level::Dropped, _) => DROPPED,
        (Level::WaitingForGil, _) => GIL,
        (Level::Idle, _) => IDLE,
        (Level::Truncated | Level::NoPython, _) => OTHER,
        (Level::Frame(_), FunctionKind::Python) => PYTHON,
        (Level::Frame(_), FunctionKind::Native) => NATIVE,
        (Level::Frame(_), FunctionKind::Runtime) if text.name == "<GC>" => GC,
        (Level::Frame(_), FunctionKind::Runtime) => OTHER,
    }
}
