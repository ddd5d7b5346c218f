//! What the view is fed with: a session that samples, and a model that counts, each in its own thread.

use std::fs;
use std::io;
use std::ops::Add;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use slowpath_advisor::rules;
use slowpath_profile::Batch;
use slowpath_profile::finding::Findings;
use slowpath_profile::text::{bytes, counted};
use slowpath_profile::view::Filter;
use slowpath_profile::view::live::{Live, Query};
use slowpath_sampler::options::SampleOptions;
use slowpath_sampler::session::{BatchSink, End, Outcome, Progress, StopFlag, Target};
use slowpath_tui::{Feed, Update};

use super::model::{self, Shared};
use crate::failure::Failure;
use crate::format::Format;
use crate::output::advice;
use crate::output::text::Style;
use crate::outputs::{Output, write_silently};
use crate::sources::Sources;

/// Most columns of a page: longer lines are hard to read.
const PAGE_WIDTH: usize = 100;

/// A running session and what is known of it.
pub(super) struct LiveFeed {
    shared: Arc<Shared>,
    sources: Sources,
    stop: StopFlag,
    threads: Vec<JoinHandle<()>>,
}

struct Sink(Arc<Shared>);

impl BatchSink for Sink {
    fn batch(&mut self, batch: Batch) -> io::Result<()> {
        self.0.live().apply(batch);
        Ok(())
    }
}

impl LiveFeed {
    /// Begins to sample.
    pub(super) fn start(target: Target, options: &SampleOptions) -> io::Result<Self> {
        let (stop, progress) = (StopFlag::default(), Progress::default());
        let shared = Arc::new(Shared::new(Live::new(target.meta(options)), progress.clone()));
        let (advises, sources) = (options.advice, Sources::of_process(target.pid()));
        let (session, flag, options) = (Arc::clone(&shared), stop.clone(), options.clone());
        let sampling = thread::Builder::new().name("slowpath-session".into()).spawn(move || {
            let outcome = target.sample(&options, Box::new(Sink(Arc::clone(&session))), &flag, &progress);
            session.end(ended(&outcome));
        })?;
        let (counted, texts) = (Arc::clone(&shared), sources.clone());
        let model = thread::Builder::new().name("slowpath-model".into());
        let counting = model.spawn(move || model::run(&counted, advises, &texts))?;
        Ok(Self { shared, sources, stop, threads: vec![sampling, counting] })
    }

    /// Ends the session.
    pub(super) fn stop(self) {
        self.stop.stop();
        self.shared.ask(|wanted| wanted.stop = true);
        for thread in self.threads {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Memory of a process that is in use, from its `/proc/PID/status`.
fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

fn ended(outcome: &Outcome) -> String {
    let end = match &outcome.end {
        End::TargetExited => "process ended: these are its last numbers".to_owned(),
        End::Duration => "--duration is over: these are the last numbers".to_owned(),
        End::Stopped => "stopped".to_owned(),
        End::Sink(error) => format!("sampling ended: {error}; start slowpath top again"),
    };
    std::iter::once(end).chain(outcome.warnings.iter().cloned()).collect::<Vec<_>>().join("; ")
}

impl Feed for LiveFeed {
    fn ask(&mut self, query: &Query) {
        self.shared.ask(|wanted| wanted.query = query.clone());
    }

    fn freeze(&mut self, frozen: bool) {
        self.shared.ask(|wanted| wanted.frozen = frozen);
    }

    fn set_interval(&mut self, interval: Duration) {
        self.shared.ask(|wanted| wanted.interval = interval);
    }

    fn update(&mut self) -> Update {
        let mut update = self.shared.take_news();
        if let Some(snapshot) = &update.snapshot {
            update.memory =
                snapshot.processes.iter().filter_map(|process| resident_bytes(process.pid)).reduce(Add::add);
        }
        update
    }

    fn source(&mut self, file: &str) -> Option<Vec<String>> {
        self.sources.lines(file)
    }

    fn explain(&self, findings: &Findings, at: usize, width: usize) -> String {
        let Some(finding) = findings.findings.get(at) else { return String::new() };
        let style = Style { color: false, width: width.min(PAGE_WIDTH) };
        let mut text = advice::finding(finding, findings.samples, style);
        if let Some(rule) = rules::find(&finding.rule) {
            text += "\n";
            text += &advice::page(rule, style);
        }
        text
    }

    fn reset(&mut self) {
        self.shared.live().reset();
        self.shared.ask(|_| {});
    }

    fn write(&mut self, path: &str) -> Result<String, String> {
        let held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let window = self.shared.window();
        let mut profile = match held {
            Some(profile) => Arc::unwrap_or_clone(profile),
            None => self.shared.live().recording(window),
        };
        let (path, sources) = (Path::new(path), self.sources.clone());
        let Some(format) = Format::from_path(path) else {
            return Err(format!("no format has this extension; one of {}", Format::names()));
        };
        let samples = counted(profile.samples.len() as u64, "sample");
        let seconds = profile.stats.duration_s;
        let written = Output::open(path).and_then(|mut output| {
            write_silently(&mut output, format, &mut profile, &Filter::default(), &sources)
        });
        let told = |it: Failure| format!("{}: {}; {}", it.what, it.why, it.fix);
        let written = written.map_err(told)?;
        let (path, size) = (written.path.display(), bytes(written.bytes));
        Ok(format!("wrote {path} ({}, {size}): {samples} of {seconds:.1} s", written.format))
    }
}
