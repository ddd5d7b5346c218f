//! From resolved samples to batches: interns what samples refer to and hands the increments on.
//!
//! The recorder lives on the sampling thread. The sink runs on a thread of its own behind a bounded
//! queue; when the queue is full the recorder keeps collecting up to a bound and then drops samples,
//! counted. Sampling never waits.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use slowpath_profile::evidence::ProcessEvidence;
use slowpath_profile::{
    Batch, FunctionId, Mark, Process, ProcessId, Quality, Sample, Tables, Thread, ThreadId,
};

use crate::session::BatchSink;

/// A batch is handed on when it is this old, so that a kill loses at most so much (plus the queue).
const BATCH_AGE: Duration = Duration::from_millis(500);
/// A batch is handed on when it has so many samples.
const BATCH_SAMPLES: usize = 16_384;
/// Batches in flight between sampling and sink.
const QUEUE: usize = 16;
/// Samples kept while the sink is behind; more are dropped and counted.
const MAX_PENDING: usize = 1_000_000;

/// Collects samples and hands them on.
#[derive(Debug)]
pub struct Recorder {
    /// The tables that samples refer to.
    pub tables: Tables,
    mark: Mark,
    batch: Batch,
    threads: u32,
    processes: u32,
    queue: Option<SyncSender<Batch>>,
    writer: Option<JoinHandle<io::Result<()>>>,
    last_sent_ns: u64,
    /// Samples that were lost because the sink was behind.
    pub lost: u64,
}

impl Recorder {
    /// Starts the thread that feeds `sink`.
    pub fn new(sink: Box<dyn BatchSink>) -> Self {
        let (queue, batches) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("slowpath-sink".into())
            .spawn(move || drain(&batches, sink))
            .ok();
        Self {
            tables: Tables::default(),
            mark: Mark::default(),
            batch: Batch::default(),
            threads: 0,
            processes: 0,
            queue: Some(queue),
            writer,
            last_sent_ns: 0,
            lost: 0,
        }
    }

    /// Adds a process.
    pub fn process(&mut self, process: Process) -> ProcessId {
        self.batch.processes.push(process);
        self.processes += 1;
        ProcessId(self.processes - 1)
    }

    /// Adds a thread.
    pub fn thread(&mut self, thread: Thread) -> ThreadId {
        self.batch.threads.push(thread);
        self.threads += 1;
        ThreadId(self.threads - 1)
    }

    /// Replaces the entry of a thread whose name became known.
    pub fn rename(&mut self, id: ThreadId, thread: Thread) {
        self.batch.renamed.push((id.0, thread));
    }

    /// Number of threads so far.
    pub fn threads(&self) -> u32 {
        self.threads
    }

    /// Number of processes so far.
    pub fn processes(&self) -> u32 {
        self.processes
    }

    /// Adds a sample.
    pub fn sample(&mut self, sample: Sample) {
        if self.batch.samples.len() >= MAX_PENDING {
            self.lost += 1;
        } else {
            self.batch.samples.push(sample);
        }
    }

    /// Adds what is known of a process, in place of what was known before.
    pub fn evidence(&mut self, evidence: ProcessEvidence) {
        match self.batch.evidence.iter_mut().find(|known| known.process == evidence.process) {
            Some(known) => *known = evidence,
            None => self.batch.evidence.push(evidence),
        }
    }

    /// How many samples have not been handed on.
    pub fn pending(&self) -> usize {
        self.batch.samples.len()
    }

    /// Withdraws the stacks of pending samples from position `since` on that name one of `functions`, because those code
    /// objects were not what they seemed to be. Returns how many samples that were.
    pub fn withdraw_functions(&mut self, functions: &[FunctionId], since: usize) -> u64 {
        let mut withdrawn = 0;
        for sample in self.batch.samples.iter_mut().skip(since) {
            let Some(stack) = sample.stack else { continue };
            let names = |frame| {
                self.tables.frames.get(frame).is_some_and(|frame| functions.contains(&frame.function))
            };
            if self.tables.frames_of(stack).any(names) {
                sample.stack = None;
                sample.quality = Quality::Dropped;
                withdrawn += 1;
            }
        }
        withdrawn
    }

    /// Whether the batch is old or large enough to be handed on.
    pub fn is_due(&self, now_ns: u64) -> bool {
        self.batch.samples.len() >= BATCH_SAMPLES
            || now_ns.saturating_sub(self.last_sent_ns) >= BATCH_AGE.as_nanos() as u64
    }

    /// Hands the batch on if the queue has room. `Err` when the sink has failed.
    pub fn flush(&mut self, now_ns: u64) -> Result<(), SinkFailed> {
        self.tables.take_new(&mut self.mark, &mut self.batch);
        self.last_sent_ns = now_ns;
        let Some(queue) = self.queue.as_ref().filter(|_| !self.batch.is_empty()) else { return Ok(()) };
        match queue.try_send(std::mem::take(&mut self.batch)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(batch)) => {
                self.batch = batch;
                Ok(())
            }
            Err(TrySendError::Disconnected(_)) => Err(SinkFailed),
        }
    }

    /// Hands on what is left and waits for the sink. An error is the sink's own.
    pub fn finish(mut self) -> io::Result<()> {
        self.tables.take_new(&mut self.mark, &mut self.batch);
        if let Some(queue) = self.queue.take()
            && !self.batch.is_empty()
        {
            // Sampling is over, so waiting for room is fine; a failed sink tells below.
            let _ = queue.send(self.batch);
        }
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the thread that takes the samples panicked")),
            None => Err(io::Error::other("no thread could be started to take the samples")),
        }
    }
}

/// The sink returned an error; [`Recorder::finish`] has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkFailed;

fn drain(batches: &Receiver<Batch>, mut sink: Box<dyn BatchSink>) -> io::Result<()> {
    batches.iter().try_for_each(|batch| sink.batch(batch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    struct Slow(mpsc::Receiver<()>, mpsc::Sender<usize>);

    impl BatchSink for Slow {
        fn batch(&mut self, batch: Batch) -> io::Result<()> {
            let _ = self.0.recv();
            self.1.send(batch.samples.len()).map_err(io::Error::other)
        }
    }

    #[test]
    fn a_slow_sink_never_stops_the_recorder() {
        let (release, gate) = mpsc::channel();
        let (report, sizes) = mpsc::channel();
        let mut recorder = Recorder::new(Box::new(Slow(gate, report)));
        for tick in 0..100 {
            recorder.sample(Sample::default());
            recorder.flush(tick).unwrap();
        }
        drop(release);
        recorder.finish().unwrap();
        assert_eq!(sizes.iter().sum::<usize>(), 100);
    }

    struct Broken;

    impl BatchSink for Broken {
        fn batch(&mut self, _: Batch) -> io::Result<()> {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }
    }

    #[test]
    fn the_error_of_the_sink_is_kept() {
        let mut recorder = Recorder::new(Box::new(Broken));
        recorder.sample(Sample::default());
        recorder.flush(0).unwrap();
        assert_eq!(recorder.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
