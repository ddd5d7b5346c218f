//! A session that samples, what it feeds a page with, and who judges and reads source meanwhile. Each has a
//! thread of its own: sampling waits for none of them.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use slowpath_profile::source_text::SourceText;
use slowpath_profile::view::live::{KEPT, Live};
use slowpath_profile::{Batch, Source};
use slowpath_sampler::options::SampleOptions;
use slowpath_sampler::session::{BatchSink, End, Outcome, Progress, StopFlag, Target};
use slowpath_web::{Content, Feed, Growing};

use crate::commands::live::{Pace, counts};
use crate::document;
use crate::outputs;
use crate::sources::{self, Sources};

/// Between two looks of whoever judges.
const LOOK: Duration = Duration::from_millis(200);
/// Most files whose text is looked for, and most bytes of all texts.
const MOST_FILES: usize = 2_000;
const MOST_TEXT_BYTES: usize = 4 << 20;

/// What all threads know.
struct Shared {
    live: Mutex<Live>,
    progress: Progress,
    stop: StopFlag,
    ended: Mutex<Option<String>>,
    /// Went less well than it should.
    warnings: Mutex<Vec<String>>,
    /// What was concluded since the page was last fed.
    findings: Mutex<Option<Value>>,
    texts: Mutex<Texts>,
    wanted: Condvar,
}

/// Files whose text is wanted, and texts that came.
#[derive(Default)]
struct Texts {
    wanted: VecDeque<(usize, String)>,
    found: Vec<(usize, SourceText)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sink(Arc<Shared>);

impl BatchSink for Sink {
    fn batch(&mut self, batch: Batch) -> io::Result<()> {
        lock(&self.0.live).apply(batch);
        Ok(())
    }
}

/// A running session.
pub(super) struct Session {
    shared: Arc<Shared>,
    sampling: JoinHandle<()>,
}

impl Session {
    /// Begins to sample.
    pub(super) fn start(
        target: Target,
        options: &SampleOptions,
        with_source: bool,
    ) -> io::Result<(Self, Content)> {
        let progress = Progress::default();
        let shared = Arc::new(Shared {
            live: Mutex::new(Live::new(target.meta(options))),
            progress: progress.clone(),
            stop: StopFlag::default(),
            ended: Mutex::default(),
            warnings: Mutex::default(),
            findings: Mutex::default(),
            texts: Mutex::default(),
            wanted: Condvar::new(),
        });
        let sources = Sources::of_process(target.pid()).if_wanted(with_source);
        let title = target.command().to_owned();
        let spawn =
            |name: &str, work: Box<dyn FnOnce() + Send>| thread::Builder::new().name(name.into()).spawn(work);
        let (judging, texts) = (Arc::clone(&shared), sources.clone());
        // These two may hang in a file that never answers; nobody waits for them.
        if options.advice {
            spawn("slowpath-judge", Box::new(move || judge(&judging, &texts)))?;
        }
        let reading = Arc::clone(&shared);
        spawn("slowpath-texts", Box::new(move || read(&reading, &sources)))?;
        let (session, options) = (Arc::clone(&shared), options.clone());
        let sampling = spawn(
            "slowpath-session",
            Box::new(move || {
                let sink = Box::new(Sink(Arc::clone(&session)));
                let outcome = target.sample(&options, sink, &session.stop, &progress);
                lock(&session.warnings).clone_from(&outcome.warnings);
                *lock(&session.ended) = Some(ended(&outcome));
            }),
        )?;
        let feed = LiveFeed { shared: Arc::clone(&shared), files: 0, is_final: false };
        Ok((Self { shared, sampling }, Content::Live(Box::new(Growing::new(title)), Box::new(feed))))
    }

    /// Whether nothing is sampled any more.
    pub(super) fn has_ended(&self) -> bool {
        lock(&self.shared.ended).is_some()
    }

    /// Ends the session.
    pub(super) fn stop(self) {
        self.shared.stop.stop();
        self.shared.wanted.notify_all();
        // A thread that panicked has said so.
        let _ = self.sampling.join();
    }
}

fn ended(outcome: &Outcome) -> String {
    match &outcome.end {
        End::TargetExited => "process ended".to_owned(),
        End::Duration => "--duration is over".to_owned(),
        End::Stopped => "stopped".to_owned(),
        End::Sink(error) => format!("sampling ended: {error}"),
    }
}

/// Judges what is kept every few seconds, and once more when it has ended.
fn judge(shared: &Shared, sources: &Sources) {
    let mut pace = Pace::new();
    loop {
        thread::sleep(LOOK);
        let is_final = lock(&shared.ended).is_some();
        if shared.stop.is_stopped() {
            return;
        }
        if !is_final && !pace.is_due() {
            continue;
        }
        pace.judge(|| {
            // A copy: whoever counts does not wait for whoever judges.
            let mut kept = lock(&shared.live).recording(KEPT);
            // Nothing of a profile in memory can be unreadable.
            if let Ok(findings) = sources::advise(&mut kept, sources) {
                *lock(&shared.findings) = Some(document::findings_json(&findings));
            }
        });
        if is_final {
            return;
        }
    }
}

/// Reads the texts that are wanted.
fn read(shared: &Shared, sources: &Sources) {
    let mut bytes = 0;
    loop {
        let texts = lock(&shared.texts);
        let waited = shared.wanted.wait_timeout_while(texts, LOOK, |texts| texts.wanted.is_empty());
        let next = waited.unwrap_or_else(PoisonError::into_inner).0.wanted.pop_front();
        if shared.stop.is_stopped() {
            return;
        }
        let Some((file, path)) = next else { continue };
        let Some(text) = sources.source_text(&path) else { continue };
        let size = text.bytes();
        if bytes + size <= MOST_TEXT_BYTES {
            bytes += size;
            lock(&shared.texts).found.push((file, text));
        }
    }
}

/// What the page is fed with.
struct LiveFeed {
    shared: Arc<Shared>,
    /// Files that were asked for.
    files: usize,
    /// The page knows that it is over.
    is_final: bool,
}

impl Feed for LiveFeed {
    fn update(&mut self, growing: &mut Growing) {
        let shared = &self.shared;
        let findings = lock(&shared.findings).take();
        let found = std::mem::take(&mut lock(&shared.texts).found);
        if self.is_final && findings.is_none() && found.is_empty() {
            return;
        }
        if let Some(findings) = findings {
            growing.set_findings(findings);
        }
        for (file, text) in found {
            growing.set_text(file, text);
        }
        let ended = lock(&shared.ended).clone();
        let warnings = lock(&shared.warnings).clone();
        {
            let mut live = lock(&shared.live);
            live.publish(counts(&shared.progress));
            growing.update(&live, &warnings, ended.as_deref());
        }
        self.is_final = ended.is_some();
        let mut texts = lock(&shared.texts);
        for path in growing.files(self.files).take(MOST_FILES.saturating_sub(self.files)) {
            texts.wanted.push_back((self.files, path.to_owned()));
            self.files += 1;
        }
        shared.wanted.notify_all();
    }

    fn reset(&mut self) {
        lock(&self.shared.live).reset();
        self.is_final = false;
    }

    fn save(&mut self) -> io::Result<Vec<u8>> {
        let mut kept = lock(&self.shared.live).recording(KEPT);
        let mut bytes = Vec::new();
        outputs::copy(&mut kept as &mut dyn Source, &mut bytes)
            .map_err(|error| io::Error::other(error.to_string()))?;
        Ok(bytes)
    }
}
