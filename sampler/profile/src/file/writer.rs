//! Writes a recording chunk by chunk.

use std::io::{self, Write};

use super::chunk::{self, BATCH, EVIDENCE, META, STATS};
use super::error::FileError;
use super::increment::Increment;
use super::limits::{Exceeded, MAX_CHUNK_SAMPLES, MAX_PART, Totals};
use super::pack::Packer;
use super::samples::{SampleWriter, step_us};
use super::{FORMAT_VERSION, MAGIC};
use crate::batch::Batch;
use crate::evidence::ProcessEvidence;
use crate::ids::ProcessId;
use crate::meta::{Meta, Stats};
use crate::sample::Sample;

/// Evidence takes at most one part in so many of a recording while it is made: each chunk of it replaces
/// the one before, and only the last one counts.
const EVIDENCE_PART: u64 = 16;

/// Writes a recording. Every call ends with whole chunks handed to the operating system, so that
/// whoever kills the writer loses at most the batch that was not written yet.
///
/// Times and CPU times are rounded down to whole steps of at most 16 microseconds and a 64th of the
/// period; of CPU time the rest is carried to the thread's next sample, so sums stay exact to a step per
/// thread.
///
/// After an error the writer is closed: what follows a chunk that was written in part could not be
/// read. What was written before the error can.
pub struct Writer<W> {
    to: W,
    packer: Packer,
    samples: SampleWriter,
    totals: Totals,
    bytes_written: u64,
    evidence_bytes: u64,
    /// The latest evidence of each process that has not been written.
    waiting: Vec<ProcessEvidence>,
    /// How large the last chunk of evidence of a process was, written or not.
    evidence_sizes: Vec<(ProcessId, u64)>,
    closed: bool,
}

impl<W: Write> Writer<W> {
    /// Begins a recording.
    pub fn new(to: W, meta: &Meta) -> Result<Self, FileError> {
        let (packer, samples) = (Packer::new()?, SampleWriter::new(step_us(meta.period_ns()))?);
        let mut writer = Self {
            to,
            packer,
            samples,
            totals: Totals::default(),
            bytes_written: 0,
            evidence_bytes: 0,
            waiting: Vec::new(),
            evidence_sizes: Vec::new(),
            closed: false,
        };
        let mut begin = MAGIC.to_vec();
        begin.extend(FORMAT_VERSION.to_le_bytes());
        begin.extend(chunk::encode(META, &json(meta)?, &[], &mut writer.packer)?);
        writer.write(&begin)?;
        Ok(writer)
    }

    /// Writes a batch. An empty one writes nothing. Evidence waits while it would take too large a part
    /// of the recording, for later evidence or for the end.
    pub fn write_batch(&mut self, batch: &Batch) -> Result<(), FileError> {
        self.check_open()?;
        // Ids of later batches would dangle if a part of this one were missing.
        let written = self.write_pieces(batch).and_then(|()| self.write_evidence(&batch.evidence));
        self.closed = written.is_err();
        written
    }

    fn write_evidence(&mut self, evidence: &[ProcessEvidence]) -> Result<(), FileError> {
        for of_process in evidence {
            self.waiting.retain(|known| known.process != of_process.process);
            if !self.write_if_small(of_process)? {
                let at = self.waiting.partition_point(|known| known.process < of_process.process);
                self.waiting.insert(at, of_process.clone());
            }
        }
        Ok(())
    }

    /// Writes evidence if it stays a small part of the recording. It is encoded only if it was small
    /// enough the last time: most of it waits, and is replaced before it is ever written.
    fn write_if_small(&mut self, of_process: &ProcessEvidence) -> Result<bool, FileError> {
        let known = self.evidence_sizes.iter().position(|(process, _)| *process == of_process.process);
        let last = known.and_then(|at| self.evidence_sizes.get(at)).map_or(0, |(_, size)| *size);
        if !self.has_room_for(last) {
            return Ok(false);
        }
        let Some(chunk) = self.encode_evidence(of_process)? else { return Ok(true) };
        let size = chunk.len() as u64;
        match known.and_then(|at| self.evidence_sizes.get_mut(at)) {
            Some((_, last)) => *last = size,
            None => self.evidence_sizes.push((of_process.process, size)),
        }
        let has_room = self.has_room_for(size);
        if has_room {
            self.evidence_bytes += size;
            self.write(&chunk)?;
        }
        Ok(has_room)
    }

    fn has_room_for(&self, size: u64) -> bool {
        self.evidence_bytes + size <= self.bytes_written / EVIDENCE_PART
    }

    /// `None` for what is too large for a chunk: it is left out rather than the recording ended.
    fn encode_evidence(&mut self, of_process: &ProcessEvidence) -> Result<Option<Vec<u8>>, FileError> {
        let json = json(of_process)?;
        if json.len() as u64 > MAX_PART {
            return Ok(None);
        }
        Ok(Some(chunk::encode(EVIDENCE, &json, &[], &mut self.packer)?))
    }

    fn write_pieces(&mut self, batch: &Batch) -> Result<(), FileError> {
        let exceeded = |(what, _, limit): Exceeded| FileError::TooLarge { what, limit };
        let after = self.totals.after(batch).map_err(exceeded)?;
        let mut tables = Increment::of(batch);
        let mut samples = batch.samples.as_slice();
        while !(tables.is_empty() && samples.is_empty()) {
            let piece = tables.take_piece();
            // Samples may refer to every entry of the batch, so they wait for the last of them.
            let count = if tables.is_empty() { samples.len().min(MAX_CHUNK_SAMPLES) } else { 0 };
            let (now, later) = samples.split_at(count);
            self.write_piece(&piece, now)?;
            samples = later;
        }
        self.totals = after;
        Ok(())
    }

    /// Writes the last evidence and the statistics, which end the recording.
    pub fn finish(&mut self, stats: &Stats) -> Result<(), FileError> {
        self.check_open()?;
        self.closed = true;
        for of_process in std::mem::take(&mut self.waiting) {
            if let Some(chunk) = self.encode_evidence(&of_process)? {
                self.write(&chunk)?;
            }
        }
        let stats = json(&finite(stats))?;
        let chunk = chunk::encode(STATS, &stats, &[], &mut self.packer)?;
        self.write(&chunk)
    }

    /// Bytes handed on so far.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    fn check_open(&self) -> Result<(), FileError> {
        if self.closed { Err(FileError::Closed) } else { Ok(()) }
    }

    fn write_piece(&mut self, piece: &Increment<'_>, samples: &[Sample]) -> Result<(), FileError> {
        let head = if piece.is_empty() { Vec::new() } else { piece.encode(&self.totals) };
        self.totals.stacks += piece.stacks.len() as u64;
        let body = self.samples.encode(samples)?;
        let chunk = chunk::encode(BATCH, &head, &body, &mut self.packer)?;
        self.write(&chunk)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.to.write_all(bytes)?;
        self.to.flush()?;
        self.bytes_written += bytes.len() as u64;
        Ok(())
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, FileError> {
    serde_json::to_vec(value).map_err(|error| FileError::Io(io::Error::other(error)))
}

/// JSON has no infinities; a rate that could not be computed is stored as 0.
fn finite(stats: &Stats) -> Stats {
    let mut stats = stats.clone();
    let figures = [
        &mut stats.rate_wanted_hz,
        &mut stats.rate_achieved_hz,
        &mut stats.duration_s,
        &mut stats.profiler_cpu_s,
        &mut stats.reads_per_sample,
        &mut stats.sample_us.p50,
        &mut stats.sample_us.p99,
        &mut stats.sample_us.max,
    ];
    for figure in figures {
        if !figure.is_finite() {
            *figure = 0.0;
        }
    }
    stats
}
