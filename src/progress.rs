//! Progress on standard error while something takes long. Nothing is drawn unless it is a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use slowpath_profile::evidence::ProcessEvidence;
use slowpath_profile::file::FileError;
use slowpath_profile::{Meta, Process, Sample, Source, Stats, Tables, Thread};
use slowpath_sampler::session::Progress;

use crate::output::text::{counted, hertz, seconds};

const REFRESH: Duration = Duration::from_millis(200);

/// Shows how a recording goes until it is dropped.
#[derive(Debug)]
pub(crate) struct RecordingLine {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl RecordingLine {
    pub(crate) fn show(progress: &Progress) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (progress, seen) = (progress.clone(), Arc::clone(&over));
        let thread = thread::spawn(move || {
            let line = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                line.set_style(style);
            }
            let begin = Instant::now();
            while !seen.load(Ordering::Relaxed) {
                line.set_message(describe(&progress, begin.elapsed().as_secs_f64()));
                thread::park_timeout(REFRESH);
            }
            line.finish_and_clear();
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for RecordingLine {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It only draws; there is nothing to report if it failed.
            let _ = thread.join();
        }
    }
}

fn describe(progress: &Progress, elapsed_s: f64) -> String {
    let wanted = progress.samples() + progress.missed();
    let lost = progress.dropped() + progress.missed();
    let trust = if wanted == 0 { 100.0 } else { 100.0 - lost as f64 * 100.0 / wanted as f64 };
    let rate = progress.ticks() as f64 / elapsed_s.max(0.001);
    let samples = counted(progress.samples(), "sample");
    format!("{}, {samples}, {}, trust {trust:.1}%; Ctrl-C ends it", seconds(elapsed_s), hertz(rate))
}

/// A source that shows how far its samples have been read.
pub(crate) struct WithBar<'a> {
    source: &'a mut dyn Source,
    bar: ProgressBar,
}

impl<'a> WithBar<'a> {
    pub(crate) fn new(source: &'a mut dyn Source, what: String) -> Self {
        let bar = ProgressBar::new(source.stats().samples);
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent:>3}%") {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self { source, bar }
    }
}

impl Drop for WithBar<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Source for WithBar<'_> {
    fn meta(&self) -> &Meta {
        self.source.meta()
    }
    fn stats(&self) -> &Stats {
        self.source.stats()
    }
    fn tables(&self) -> &Tables {
        self.source.tables()
    }
    fn processes(&self) -> &[Process] {
        self.source.processes()
    }
    fn threads(&self) -> &[Thread] {
        self.source.threads()
    }
    fn evidence(&self) -> &[ProcessEvidence] {
        self.source.evidence()
    }
    fn for_each_sample(&mut self, each: &mut dyn FnMut(&Sample)) -> Result<(), FileError> {
        let (bar, mut count) = (&self.bar, 0_u64);
        bar.set_position(0);
        self.source.for_each_sample(&mut |sample| {
            count += 1;
            if count.is_multiple_of(1 << 17) {
                bar.set_position(count);
            }
            each(sample);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_hides_nothing_of_a_source() {
        let mut profile = slowpath_profile::testing::ProfileBuilder::new().build();
        profile.evidence.push(ProcessEvidence::default());
        let processes = profile.processes.len();
        let source = WithBar::new(&mut profile, "writing".into());
        assert_eq!((source.evidence().len(), source.processes().len()), (1, processes));
    }
}
