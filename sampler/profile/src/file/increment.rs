//! The table part of a batch chunk: what is new in the tables, as one block of variable-length
//! integers and text, in the order of the tables and by column within each.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::bytes::{Bytes, put_optional, put_varint, unzigzag, zigzag};
use super::error::Malformed;
use super::limits::{CHUNK_TABLE_BYTES, MAX_STRING, Totals};
use crate::batch::Batch;
use crate::ids::{FrameId, FunctionId, StackId, StringId};
use crate::meta::{Process, Thread};
use crate::tables::{Frame, Function, FunctionKind, Span, StackNode};

/// New entries that are yet to be written.
#[derive(Clone, Copy, Default)]
pub(super) struct Increment<'a> {
    pub(super) strings: &'a [Box<str>],
    pub(super) functions: &'a [Function],
    pub(super) frames: &'a [Frame],
    pub(super) stacks: &'a [StackNode],
    pub(super) processes: &'a [Process],
    pub(super) threads: &'a [Thread],
    pub(super) renamed: &'a [(u32, Thread)],
}

/// Processes and threads are few and grow new fields, so they are stored as JSON.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct People<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    processes: Cow<'a, [Process]>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    threads: Cow<'a, [Thread]>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    renamed: Cow<'a, [(u32, Thread)]>,
}

impl<'a> Increment<'a> {
    pub(super) fn of(batch: &'a Batch) -> Self {
        Self {
            strings: &batch.strings,
            functions: &batch.functions,
            frames: &batch.frames,
            stacks: &batch.stacks,
            processes: &batch.processes,
            threads: &batch.threads,
            renamed: &batch.renamed,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        let Self { strings, functions, frames, stacks, processes, threads, renamed } = self;
        let tables = strings.is_empty() && functions.is_empty() && frames.is_empty() && stacks.is_empty();
        tables && processes.is_empty() && threads.is_empty() && renamed.is_empty()
    }

    /// Takes about [`CHUNK_TABLE_BYTES`] from the front: entries refer only to what is before them, so
    /// any cut in this order leaves a valid chunk.
    pub(super) fn take_piece(&mut self) -> Self {
        let budget = &mut CHUNK_TABLE_BYTES.clone();
        Self {
            strings: take(&mut self.strings, budget, |text| text.len().min(MAX_STRING) + 5),
            functions: take(&mut self.functions, budget, |_| 21),
            frames: take(&mut self.frames, budget, |_| 30),
            stacks: take(&mut self.stacks, budget, |_| 10),
            processes: take(&mut self.processes, budget, |process| 300 + 6 * process.command.len()),
            threads: take(&mut self.threads, budget, |_| 150),
            renamed: take(&mut self.renamed, budget, |_| 160),
        }
    }

    /// The block before compression; `before` is what the recording held before this piece.
    pub(super) fn encode(&self, before: &Totals) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.strings.len() as u64);
        for text in self.strings {
            let text = &text[..text.floor_char_boundary(MAX_STRING)];
            put_varint(&mut out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        self.encode_functions(&mut out);
        self.encode_frames(&mut out);
        self.encode_stacks(before, &mut out);
        if !(self.processes.is_empty() && self.threads.is_empty() && self.renamed.is_empty()) {
            let people = People {
                processes: self.processes.into(),
                threads: self.threads.into(),
                renamed: self.renamed.into(),
            };
            // Integers, strings and flags alone: this cannot fail.
            out.extend(serde_json::to_vec(&people).unwrap_or_default());
        }
        out
    }

    fn encode_functions(&self, out: &mut Vec<u8>) {
        put_varint(out, self.functions.len() as u64);
        for part in [|f: &Function| f.name, |f: &Function| f.qualname, |f: &Function| f.file] {
            self.functions.iter().for_each(|function| put_varint(out, part(function).0.into()));
        }
        self.functions.iter().for_each(|function| put_varint(out, function.first_line.into()));
        out.extend(self.functions.iter().map(|function| match function.kind {
            FunctionKind::Python => 0,
            FunctionKind::Native => 1,
            FunctionKind::Runtime => 2,
        }));
    }

    fn encode_frames(&self, out: &mut Vec<u8>) {
        put_varint(out, self.frames.len() as u64);
        self.frames.iter().for_each(|frame| put_varint(out, frame.function.0.into()));
        for part in FRAME_PARTS {
            self.frames.iter().for_each(|frame| put_optional(out, *part(&mut frame.clone())));
        }
    }

    fn encode_stacks(&self, before: &Totals, out: &mut Vec<u8>) {
        put_varint(out, self.stacks.len() as u64);
        // A parent is stored as its distance, so no file can hold a parent that is not older.
        for (id, node) in (before.stacks..).zip(self.stacks) {
            put_varint(out, node.parent.map_or(0, |parent| id.saturating_sub(parent.0.into())));
        }
        let mut previous = 0;
        for node in self.stacks {
            put_varint(out, zigzag(i64::from(node.frame.0) - previous));
            previous = node.frame.0.into();
        }
    }
}

/// The optional parts of a frame in the order of their columns.
const FRAME_PARTS: [fn(&mut Frame) -> &mut Option<u32>; 5] = [
    |frame| &mut frame.instruction,
    |frame| &mut frame.span.line,
    |frame| &mut frame.span.end_line,
    |frame| &mut frame.span.column,
    |frame| &mut frame.span.end_column,
];

/// Takes entries from the front until the budget is used up, and at least one if there is budget.
fn take<'a, T>(from: &mut &'a [T], budget: &mut usize, cost: impl Fn(&T) -> usize) -> &'a [T] {
    let mut count = 0;
    while *budget > 0 && count < from.len() {
        *budget = budget.saturating_sub(cost(&from[count]));
        count += 1;
    }
    let (taken, rest) = from.split_at(count);
    *from = rest;
    taken
}

/// Decodes a table part into a batch without samples, every reference checked against what the
/// recording held `before`.
pub(super) fn decode(block: &[u8], before: &Totals) -> Result<Batch, Malformed> {
    let mut bytes = Bytes(block);
    let mut batch = Batch { strings: decode_strings(&mut bytes)?, ..Batch::default() };
    let strings = before.strings + batch.strings.len() as u64;
    batch.functions = decode_functions(&mut bytes, strings)?;
    let functions = before.functions + batch.functions.len() as u64;
    batch.frames = decode_frames(&mut bytes, functions)?;
    let frames = before.frames + batch.frames.len() as u64;
    batch.stacks = decode_stacks(&mut bytes, before.stacks, frames)?;
    if !bytes.is_empty() {
        let people: People<'_> = serde_json::from_slice(bytes.0)
            .map_err(|error| Malformed(format!("process and thread list: {error}")))?;
        batch.processes = people.processes.into_owned();
        batch.threads = people.threads.into_owned();
        batch.renamed = people.renamed.into_owned();
        check_people(&batch, before, strings)?;
    }
    Ok(batch)
}

fn count(bytes: &mut Bytes<'_>, each: usize, thing: &str) -> Result<usize, Malformed> {
    let count = bytes.count(each, thing)?;
    if count > Totals::ENTRIES { Err(Malformed::new(thing, count)) } else { Ok(count) }
}

/// Reads an id and checks that its table has it.
fn id(bytes: &mut Bytes<'_>, length: u64, thing: &str) -> Result<u32, Malformed> {
    check(bytes.u32(thing)?, length, thing)
}

fn check(id: u32, length: u64, thing: &str) -> Result<u32, Malformed> {
    if u64::from(id) < length {
        return Ok(id);
    }
    Err(Malformed(format!("{thing} {id}, but there are {length}")))
}

fn decode_strings(bytes: &mut Bytes<'_>) -> Result<Vec<Box<str>>, Malformed> {
    let count = count(bytes, 1, "string count")?;
    let mut strings = Vec::with_capacity(count);
    for _ in 0..count {
        let length = bytes.varint("string length")?;
        let text = std::str::from_utf8(bytes.take(length, "string")?);
        strings.push(text.map_err(|error| Malformed::new("string:", error))?.into());
    }
    Ok(strings)
}

fn decode_functions(bytes: &mut Bytes<'_>, strings: u64) -> Result<Vec<Function>, Malformed> {
    let count = count(bytes, 5, "function count")?;
    let unset = Function {
        name: StringId(0),
        qualname: StringId(0),
        file: StringId(0),
        first_line: 0,
        kind: FunctionKind::Python,
    };
    let mut functions = vec![unset; count];
    for function in &mut functions {
        function.name = StringId(id(bytes, strings, "function name")?);
    }
    for function in &mut functions {
        function.qualname = StringId(id(bytes, strings, "function qualname")?);
    }
    for function in &mut functions {
        function.file = StringId(id(bytes, strings, "function file")?);
    }
    for function in &mut functions {
        function.first_line = bytes.u32("function line")?;
    }
    for function in &mut functions {
        function.kind = match bytes.u8("function kind")? {
            0 => FunctionKind::Python,
            1 => FunctionKind::Native,
            2 => FunctionKind::Runtime,
            kind => return Err(Malformed::new("function kind", kind)),
        };
    }
    Ok(functions)
}

fn decode_frames(bytes: &mut Bytes<'_>, functions: u64) -> Result<Vec<Frame>, Malformed> {
    let count = count(bytes, 1 + FRAME_PARTS.len(), "frame count")?;
    let unset = Frame { function: FunctionId(0), instruction: None, span: Span::default() };
    let mut frames = vec![unset; count];
    for frame in &mut frames {
        frame.function = FunctionId(id(bytes, functions, "frame function")?);
    }
    for part in FRAME_PARTS {
        for frame in &mut frames {
            *part(frame) = bytes.optional("frame position")?;
        }
    }
    Ok(frames)
}

fn decode_stacks(bytes: &mut Bytes<'_>, before: u64, frames: u64) -> Result<Vec<StackNode>, Malformed> {
    let count = count(bytes, 2, "stack count")?;
    let mut stacks = vec![StackNode { parent: None, frame: FrameId(0) }; count];
    for (own, node) in (before..).zip(&mut stacks) {
        let distance = bytes.varint("stack parent")?;
        if distance > own {
            return Err(Malformed(format!("stack {own} has a parent {distance} before it")));
        }
        node.parent = (distance > 0).then(|| StackId((own - distance) as u32));
    }
    let mut previous = 0_i64;
    for node in &mut stacks {
        previous = previous.wrapping_add(unzigzag(bytes.varint("stack frame")?));
        let frame = u32::try_from(previous).map_err(|_| Malformed::new("stack frame", previous))?;
        node.frame = FrameId(check(frame, frames, "stack frame")?);
    }
    Ok(stacks)
}

fn check_people(batch: &Batch, before: &Totals, strings: u64) -> Result<(), Malformed> {
    let processes = before.processes + batch.processes.len() as u64;
    let threads = before.threads + batch.threads.len() as u64;
    for parent in batch.processes.iter().filter_map(|process| process.parent) {
        check(parent.0, processes, "parent process")?;
    }
    for thread in batch.threads.iter().chain(batch.renamed.iter().map(|(_, thread)| thread)) {
        check(thread.process.0, processes, "process of a thread")?;
        check(thread.name.0, strings, "name of a thread")?;
    }
    for (index, _) in &batch.renamed {
        check(*index, threads, "renamed thread")?;
    }
    Ok(())
}
