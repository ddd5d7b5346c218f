//! The sample part of a batch chunk: one column per field.
//!
//! Times are whole steps of some microseconds: a sample stands for a whole period, so its lowest bits are
//! noise, and noise is what a recording of a steady program consists of. A column is named by a number,
//! so that a later version may add columns that this one skips.

use std::io;

use rustc_hash::FxHashMap;

use super::bytes::{Bytes, put_varint, unzigzag, zigzag};
use super::columns::{ColumnReader, ColumnWriter};
use super::error::Malformed;
use super::limits::{MAX_CHUNK_SAMPLES, Totals};
use crate::ids::{StackId, ThreadId};
use crate::sample::{Quality, Sample, SampleFlags, ThreadState};

/// Steps since the previous sample, less the least such distance in the chunk.
const TIME: u8 = 1;
/// Thread id as difference to the previous sample's.
const THREAD: u8 = 2;
/// Stack id plus one; 0 for none.
const STACK: u8 = 3;
/// State in bits 0-1, quality in bits 2-3, flags in bits 4-11.
const KIND: u8 = 4;
/// CPU time in steps.
const CPU: u8 = 5;
/// CPU time less the time since the thread's previous sample in this chunk, in steps: small where a thread runs all the time and the kernel counts exactly. Takes the place of [`CPU`] where
/// it is shorter.
const CPU_LESS_TIME: u8 = 6;

/// Longest step, in microseconds.
const MAX_STEP_US: u64 = 16;
/// A step is at most one part in so many of the period.
const STEPS: u64 = 64;

/// The step for a recording with this period: a power of two of microseconds.
pub(super) fn step_us(period_ns: Option<u64>) -> u64 {
    let most = (period_ns.unwrap_or(0) / 1000 / STEPS).clamp(1, MAX_STEP_US);
    1 << most.ilog2()
}

/// Encodes sample parts.
pub(super) struct SampleWriter {
    step_us: u64,
    columns: ColumnWriter,
    values: Vec<u64>,
    cpu: Vec<u64>,
    /// Nanoseconds of CPU time that each thread used beyond what was written, so that rounding never
    /// adds up.
    carry_ns: FxHashMap<ThreadId, u64>,
}

impl SampleWriter {
    pub(super) fn new(step_us: u64) -> io::Result<Self> {
        let columns = ColumnWriter::new()?;
        Ok(Self { step_us, columns, values: Vec::new(), cpu: Vec::new(), carry_ns: FxHashMap::default() })
    }

    /// The sample part of at most [`MAX_CHUNK_SAMPLES`] samples; empty for none.
    pub(super) fn encode(&mut self, samples: &[Sample]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        if samples.is_empty() {
            return Ok(out);
        }
        put_varint(&mut out, samples.len() as u64);
        put_varint(&mut out, self.step_us);
        self.encode_times(samples, &mut out)?;
        let mut previous = 0;
        self.column(THREAD, samples, &mut out, |sample| {
            let thread = i64::from(sample.thread.0);
            zigzag(thread - std::mem::replace(&mut previous, thread))
        })?;
        self.column(STACK, samples, &mut out, |sample| {
            sample.stack.map_or(0, |stack| u64::from(stack.0) + 1)
        })?;
        self.column(KIND, samples, &mut out, kind_of)?;
        self.encode_cpu(samples, &mut out)?;
        Ok(out)
    }

    fn column(
        &mut self,
        name: u8,
        samples: &[Sample],
        out: &mut Vec<u8>,
        value: impl FnMut(&Sample) -> u64,
    ) -> io::Result<()> {
        self.values.clear();
        self.values.extend(samples.iter().map(value));
        put_column(name, &self.columns.encode(&self.values)?, out);
        Ok(())
    }

    /// The first sample has no distance; it is given the least one, and the origin moves back by it.
    fn encode_times(&mut self, samples: &[Sample], out: &mut Vec<u8>) -> io::Result<()> {
        let step = Step::of(self.step_us);
        let distance = |pair: &[Sample]| step.time(&pair[1]) - step.time(&pair[0]);
        let least = samples.windows(2).map(distance).min().unwrap_or(0);
        let mut previous = step.time(&samples[0]) - least;
        put_varint(out, zigzag(previous));
        put_varint(out, zigzag(least));
        self.column(TIME, samples, out, |sample| {
            let time = step.time(sample);
            (time - std::mem::replace(&mut previous, time) - least) as u64
        })
    }

    fn encode_cpu(&mut self, samples: &[Sample], out: &mut Vec<u8>) -> io::Result<()> {
        let step = Step::of(self.step_us);
        self.cpu.clear();
        for sample in samples {
            let carry_ns = self.carry_ns.entry(sample.thread).or_default();
            let cpu_ns = sample.cpu_ns.saturating_add(*carry_ns);
            *carry_ns = cpu_ns % step.ns;
            self.cpu.push(cpu_ns / step.ns);
        }
        let plain = self.columns.encode(&self.cpu)?;
        let mut elapsed = Elapsed::default();
        self.values.clear();
        self.values.extend(samples.iter().zip(&self.cpu).map(|(sample, &cpu)| {
            let elapsed = elapsed.of(sample.thread, step.time(sample));
            zigzag((cpu as i64).wrapping_sub(elapsed))
        }));
        let less_time = self.columns.encode(&self.values)?;
        if less_time.len() < plain.len() {
            put_column(CPU_LESS_TIME, &less_time, out);
        } else {
            put_column(CPU, &plain, out);
        }
        Ok(())
    }
}

fn put_column(name: u8, column: &[u8], out: &mut Vec<u8>) {
    out.push(name);
    put_varint(out, column.len() as u64);
    out.extend_from_slice(column);
}

/// What times are counted in.
#[derive(Clone, Copy)]
struct Step {
    ns: u64,
}

impl Step {
    fn of(us: u64) -> Self {
        Self { ns: us * 1000 }
    }

    /// At most `u64::MAX / 1000`, so differences of two cannot overflow.
    fn time(self, sample: &Sample) -> i64 {
        (sample.time_ns / self.ns) as i64
    }
}

fn kind_of(sample: &Sample) -> u64 {
    let state = match sample.state {
        ThreadState::Running => 0,
        ThreadState::WaitingForGil => 1,
        ThreadState::Idle => 2,
    };
    let quality = match sample.quality {
        Quality::Clean => 0,
        Quality::Retried => 1,
        Quality::Truncated => 2,
        Quality::Dropped => 3,
    };
    state | quality << 2 | u64::from(sample.flags.0) << 4
}

/// Time since the previous sample of the same thread.
#[derive(Default)]
struct Elapsed(FxHashMap<ThreadId, i64>);

impl Elapsed {
    /// 0 for the first sample of a thread.
    fn of(&mut self, thread: ThreadId, time: i64) -> i64 {
        self.0.insert(thread, time).map_or(0, |previous| time.wrapping_sub(previous))
    }
}

/// Decodes sample parts.
pub(super) struct SampleReader {
    has_step: bool,
    columns: ColumnReader,
    values: Vec<u64>,
    samples: Vec<Sample>,
}

impl SampleReader {
    /// For recordings of this format version: the first one counts in microseconds.
    pub(super) fn new(format_version: u16) -> io::Result<Self> {
        let has_step = format_version >= 2;
        Ok(Self { has_step, columns: ColumnReader::new()?, values: Vec::new(), samples: Vec::new() })
    }

    /// The samples of a part, all of them checked against the tables of the whole recording.
    pub(super) fn decode(&mut self, part: &[u8], totals: &Totals) -> Result<&[Sample], Malformed> {
        let mut bytes = Bytes(part);
        let count = bytes.varint("sample count")?;
        if count > MAX_CHUNK_SAMPLES as u64 {
            return Err(Malformed::new("sample count", count));
        }
        self.samples.clear();
        self.samples.resize(count as usize, Sample::default());
        let step_us = if self.has_step { bytes.varint("step")? } else { 1 };
        if !(1..=MAX_STEP_US).contains(&step_us) {
            return Err(Malformed::new("step", step_us));
        }
        let mut time = Origin {
            step: Step::of(step_us),
            previous: unzigzag(bytes.varint("first time")?),
            least: unzigzag(bytes.varint("least distance")?),
        };
        let mut seen = 0_u8;
        while !bytes.is_empty() {
            let name = bytes.u8("column name")?;
            let length = bytes.varint("column length")?;
            let column = Bytes(bytes.take(length, "column")?);
            if (TIME..=CPU_LESS_TIME).contains(&name) {
                self.columns.decode(column, count as usize, &mut self.values)?;
                self.set_column(name, &mut time, totals)?;
                seen |= 1 << name;
            }
        }
        for (name, thing) in [(TIME, "times"), (THREAD, "threads"), (STACK, "stacks"), (KIND, "kinds")] {
            if seen & 1 << name == 0 {
                return Err(Malformed::new("samples without", thing));
            }
        }
        Ok(&self.samples)
    }

    fn set_column(&mut self, name: u8, time: &mut Origin, totals: &Totals) -> Result<(), Malformed> {
        let samples = self.samples.iter_mut().zip(&self.values);
        match name {
            TIME => samples.for_each(|(sample, &value)| sample.time_ns = time.advance_ns(value)),
            THREAD => {
                let mut thread = 0_i64;
                for (sample, &value) in samples {
                    thread = thread.wrapping_add(unzigzag(value));
                    sample.thread = ThreadId(known(thread as u64, totals.threads, "sample thread")?);
                }
            }
            STACK => {
                for (sample, &value) in samples.filter(|(_, value)| **value > 0) {
                    sample.stack = Some(StackId(known(value - 1, totals.stacks, "sample stack")?));
                }
            }
            KIND => {
                for (sample, &value) in samples {
                    set_kind(sample, value)?;
                }
            }
            CPU => samples.for_each(|(sample, &value)| sample.cpu_ns = value.saturating_mul(time.step.ns)),
            _ => {
                let mut elapsed = Elapsed::default();
                for (sample, &value) in samples {
                    let elapsed = elapsed.of(sample.thread, time.step.time(sample));
                    let cpu = unzigzag(value).wrapping_add(elapsed) as u64;
                    sample.cpu_ns = cpu.saturating_mul(time.step.ns);
                }
            }
        }
        Ok(())
    }
}

fn known(id: u64, length: u64, thing: &str) -> Result<u32, Malformed> {
    match u32::try_from(id) {
        Ok(id) if u64::from(id) < length => Ok(id),
        _ => Err(Malformed(format!("{thing} {id}, but there are {length}"))),
    }
}

fn set_kind(sample: &mut Sample, value: u64) -> Result<(), Malformed> {
    let state = ThreadState::ALL.get((value & 3) as usize);
    match (state, u8::try_from(value >> 4)) {
        (Some(&state), Ok(flags)) => {
            sample.state = state;
            sample.quality = Quality::ALL[(value >> 2 & 3) as usize];
            sample.flags = SampleFlags(flags);
            Ok(())
        }
        _ => Err(Malformed::new("sample kind", value)),
    }
}

/// Where the times of a chunk count from.
struct Origin {
    step: Step,
    previous: i64,
    least: i64,
}

impl Origin {
    fn advance_ns(&mut self, distance: u64) -> u64 {
        let distance = (distance as i64).wrapping_add(self.least);
        self.previous = self.previous.wrapping_add(distance);
        (self.previous.max(0) as u64).saturating_mul(self.step.ns)
    }
}
