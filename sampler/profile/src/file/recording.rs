//! Reads a recording: tables into memory, samples as a stream.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::chunk::{self, BATCH, EVIDENCE, HEADER_BYTES, Header, META, STATS};
use super::error::{Damage, FileError, Malformed};
use super::limits::{Exceeded, Totals};
use super::pack::Unpacker;
use super::samples::SampleReader;
use super::{FORMAT_VERSION, MAGIC, increment};
use crate::batch;
use crate::evidence::ProcessEvidence;
use crate::meta::{Meta, Process, Stats, Thread};
use crate::sample::{Quality, Sample};
use crate::source::{Profile, Source};
use crate::tables::Tables;

/// Processes that have evidence, in one recording.
const MAX_EVIDENCE: usize = 4096;

/// Bytes before the first chunk.
pub(super) const START_BYTES: usize = MAGIC.len() + 2;

/// An open recording. Its tables are in memory, its samples are read as they are asked for.
///
/// A recording that was cut short or changed opens with everything before the first chunk that is
/// not whole; [`damage`](Self::damage) tells what is missing.
#[derive(Debug)]
pub struct Recording<R = BufReader<File>> {
    from: R,
    /// Of its format.
    version: u16,
    /// Everything but the samples.
    profile: Profile,
    totals: Totals,
    bodies: Vec<Body>,
    damage: Option<Damage>,
    bytes: u64,
}

/// Where the samples of a chunk are.
#[derive(Clone, Copy, Debug)]
struct Body {
    offset: u64,
    bytes: u32,
}

impl Recording {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::from_reader(BufReader::with_capacity(1 << 18, File::open(path)?))
    }
}

impl<R: Read + Seek> Recording<R> {
    /// Reads all tables from a recording that begins at position 0.
    pub fn from_reader(mut from: R) -> Result<Self, FileError> {
        let bytes = from.seek(SeekFrom::End(0))?;
        from.seek(SeekFrom::Start(0))?;
        let version = check_start(&mut from)?;
        let mut pass = TablePass {
            at: START_BYTES as u64,
            bytes,
            unpacker: Unpacker::new()?,
            content: Vec::new(),
            profile: Profile::default(),
            totals: Totals::default(),
            bodies: Vec::new(),
            has_meta: false,
            has_stats: false,
        };
        let stopped = pass.run(&mut from)?;
        if !pass.has_meta {
            let stopped = stopped.unwrap_or_else(|| Malformed("it ends before its description".into()));
            return Err(stopped.at(pass.at));
        }
        let has_stats = pass.has_stats;
        let damage = pass.damage(stopped);
        let TablePass { profile, totals, bodies, .. } = pass;
        let mut recording = Self { from, version, profile, totals, bodies, damage, bytes };
        if !has_stats {
            recording.count_samples()?;
        }
        Ok(recording)
    }

    /// What cannot be read of it, if anything.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Size of the file in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Replaces the statistics that are missing by those that follow from the samples.
    fn count_samples(&mut self) -> Result<(), FileError> {
        let mut count = Count::default();
        match self.stream(&mut |sample| count.add(sample)) {
            Ok(()) => {}
            Err((body, FileError::Damaged { offset, what })) => {
                self.bodies.truncate(body);
                self.damage = Some(Damage { offset, bytes_lost: self.bytes - offset, what });
            }
            Err((_, error)) => return Err(error),
        }
        self.profile.stats = count.stats(&self.profile);
        Ok(())
    }

    /// Calls `each` for every sample; an error comes with the position of its body in the list.
    fn stream(&mut self, each: &mut dyn FnMut(&Sample)) -> Result<(), (usize, FileError)> {
        let mut reader = SampleReader::new(self.version).map_err(|error| (0, error.into()))?;
        let mut content = Vec::new();
        let mut at = self.from.seek(SeekFrom::Start(0)).map_err(|error| (0, error.into()))?;
        for (index, body) in self.bodies.iter().enumerate() {
            // A relative seek lets a buffered reader keep what it has.
            let skip = (body.offset - at) as i64;
            content.resize(body.bytes as usize, 0);
            let read = self.from.seek_relative(skip).and_then(|()| self.from.read_exact(&mut content));
            read.map_err(|error| (index, error.into()))?;
            at = body.offset + u64::from(body.bytes);
            let samples = reader.decode(&content, &self.totals);
            samples.map_err(|error| (index, error.at(body.offset)))?.iter().for_each(&mut *each);
        }
        Ok(())
    }
}

impl<R: Read + Seek> Source for Recording<R> {
    fn meta(&self) -> &Meta {
        &self.profile.meta
    }
    fn stats(&self) -> &Stats {
        &self.profile.stats
    }
    fn tables(&self) -> &Tables {
        &self.profile.tables
    }
    fn processes(&self) -> &[Process] {
        &self.profile.processes
    }
    fn threads(&self) -> &[Thread] {
        &self.profile.threads
    }
    fn evidence(&self) -> &[ProcessEvidence] {
        &self.profile.evidence
    }
    fn for_each_sample(&mut self, each: &mut dyn FnMut(&Sample)) -> Result<(), FileError> {
        self.stream(each).map_err(|(_, error)| error)
    }
}

/// Checks the first bytes and the format version.
fn check_start(from: &mut impl Read) -> Result<u16, FileError> {
    let mut start = Vec::new();
    from.take(START_BYTES as u64).read_to_end(&mut start)?;
    let version = start.strip_prefix(MAGIC.as_slice()).and_then(|rest| rest.first_chunk::<2>());
    match version.map(|version| u16::from_le_bytes(*version)) {
        None => Err(FileError::NotARecording { begins: start.escape_ascii().to_string() }),
        Some(found) if found > FORMAT_VERSION => Err(FileError::NewerFormat { found }),
        Some(0) => Err(Malformed::new("format version", 0).at(MAGIC.len() as u64)),
        Some(version) => Ok(version),
    }
}

/// The one pass over a file that builds the tables and finds the samples.
struct TablePass {
    /// Where the chunk in hand begins.
    at: u64,
    bytes: u64,
    unpacker: Unpacker,
    content: Vec<u8>,
    profile: Profile,
    totals: Totals,
    bodies: Vec<Body>,
    has_meta: bool,
    has_stats: bool,
}

impl TablePass {
    /// Reads chunks until the end of the file or the first that is not whole.
    fn run(&mut self, from: &mut impl Read) -> Result<Option<Malformed>, FileError> {
        while self.at < self.bytes {
            let header = match self.read_chunk(from)? {
                Ok(header) => header,
                Err(malformed) => return Ok(Some(malformed)),
            };
            if let Err(malformed) = self.apply(&header) {
                return Ok(Some(malformed));
            }
            self.at += HEADER_BYTES as u64 + header.content_bytes();
        }
        Ok(None)
    }

    /// Reads a chunk into `content`; the bytes left in the file bound what is allocated.
    fn read_chunk(&mut self, from: &mut impl Read) -> Result<Result<Header, Malformed>, FileError> {
        let left = self.bytes - self.at;
        let mut fixed = [0; HEADER_BYTES];
        if left < HEADER_BYTES as u64 {
            return Ok(Err(Malformed("the last chunk is incomplete".into())));
        }
        from.read_exact(&mut fixed)?;
        let header = match Header::decode(&fixed) {
            Ok(header) => header,
            Err(malformed) => return Ok(Err(malformed)),
        };
        if header.content_bytes() > left - HEADER_BYTES as u64 {
            return Ok(Err(Malformed("the last chunk is incomplete".into())));
        }
        self.content.resize(header.content_bytes() as usize, 0);
        from.read_exact(&mut self.content)?;
        Ok(header.verify(&self.content).map(|()| header))
    }

    fn apply(&mut self, header: &Header) -> Result<(), Malformed> {
        if !self.has_meta && header.kind != META {
            return Err(Malformed::new("chunk before the description: kind", header.kind));
        }
        let head = &self.content[..header.head_bytes as usize];
        match header.kind {
            META if !self.has_meta => {
                self.profile.meta = json(&chunk::decode_head(head, &mut self.unpacker)?, "description")?;
                self.has_meta = true;
            }
            BATCH if !self.has_stats => self.apply_batch(header)?,
            STATS if !self.has_stats => {
                self.profile.stats = json(&chunk::decode_head(head, &mut self.unpacker)?, "statistics")?;
                self.has_stats = true;
            }
            EVIDENCE if !self.has_stats => {
                let evidence: ProcessEvidence =
                    json(&chunk::decode_head(head, &mut self.unpacker)?, "evidence")?;
                if self.profile.evidence.len() >= MAX_EVIDENCE {
                    return Err(Malformed::new("processes with evidence:", MAX_EVIDENCE + 1));
                }
                batch::replace(&mut self.profile.evidence, evidence);
            }
            META | BATCH | STATS | EVIDENCE => {
                return Err(Malformed::new("chunk out of order: kind", header.kind));
            }
            // Of a later version, which may add kinds that can be ignored.
            _ => {}
        }
        Ok(())
    }

    fn apply_batch(&mut self, header: &Header) -> Result<(), Malformed> {
        let head = &self.content[..header.head_bytes as usize];
        let head = chunk::decode_head(head, &mut self.unpacker)?;
        if !head.is_empty() {
            let batch = increment::decode(&head, &self.totals)?;
            let exceeded = |(what, value, _): Exceeded| Malformed::new(what, value);
            self.totals = self.totals.after(&batch).map_err(exceeded)?;
            self.profile.apply(batch);
        }
        if header.body_bytes > 0 {
            let offset = self.at + HEADER_BYTES as u64 + u64::from(header.head_bytes);
            self.bodies.push(Body { offset, bytes: header.body_bytes });
        }
        Ok(())
    }

    fn damage(&self, stopped: Option<Malformed>) -> Option<Damage> {
        let what = match stopped {
            Some(Malformed(what)) => what,
            None if self.has_stats => return None,
            None => "its statistics are missing, the program that wrote it was stopped".into(),
        };
        Some(Damage { offset: self.at, bytes_lost: self.bytes - self.at, what })
    }
}

fn json<T: serde::de::DeserializeOwned>(block: &[u8], thing: &str) -> Result<T, Malformed> {
    serde_json::from_slice(block).map_err(|error| Malformed(format!("{thing}: {error}")))
}

/// What can be said of a recording without its statistics.
#[derive(Default)]
struct Count {
    samples: u64,
    dropped: u64,
    retried: u64,
    ticks: u64,
    first_ns: u64,
    last_ns: u64,
}

impl Count {
    fn add(&mut self, sample: &Sample) {
        if self.samples == 0 {
            self.first_ns = sample.time_ns;
        }
        self.ticks += u64::from(self.samples == 0 || sample.time_ns != self.last_ns);
        self.samples += 1;
        self.dropped += u64::from(sample.quality == Quality::Dropped);
        self.retried += u64::from(sample.quality == Quality::Retried);
        self.last_ns = sample.time_ns;
    }

    fn stats(&self, profile: &Profile) -> Stats {
        let span_s = self.last_ns.saturating_sub(self.first_ns) as f64 / 1e9;
        let python = profile.processes.first().map(|process| process.python.clone());
        Stats {
            samples: self.samples,
            stacks_valid: self.samples - self.dropped,
            retried: self.retried,
            dropped: self.dropped,
            rate_wanted_hz: profile.meta.rate_wanted_mhz as f64 / 1000.0,
            rate_achieved_hz: if span_s > 0.0 { (self.ticks - 1) as f64 / span_s } else { 0.0 },
            duration_s: self.last_ns as f64 / 1e9,
            threads: profile.threads.len() as u32,
            processes: profile.processes.len() as u32,
            python: python.unwrap_or_default(),
            ..Stats::default()
        }
    }
}
