//! Plain text instead of a screen: one block for each interval, for pipes, logs and screen readers.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use slowpath_profile::ThreadState;
use slowpath_profile::export::printable;
use slowpath_profile::finding::Findings;
use slowpath_profile::tables::short_path;
use slowpath_profile::text::{counted, cut_middle, hertz, share_percent, thousands};
use slowpath_profile::view::live::{Query, Snapshot};

use crate::feed::{Feed, Update};
use crate::terminal::{End, Signals};

/// Functions in a block.
const FUNCTIONS: usize = 15;
/// Findings in a block.
const FINDINGS: usize = 5;
/// How often is looked whether something has happened.
const LOOK: Duration = Duration::from_millis(50);

/// What is written.
#[derive(Clone, Copy, Debug)]
pub struct BatchOptions {
    /// Length of the window, and the time between two blocks.
    pub window: Duration,
    /// Columns.
    pub width: usize,
}

/// Writes a block for each interval until the target or its reader ends.
pub fn batch(feed: &mut dyn Feed, options: BatchOptions, out: &mut dyn Write) -> io::Result<End> {
    let signals = Signals::listen()?;
    let mut query = Query { window: options.window, ..Query::default() };
    query.filter.states = vec![ThreadState::Running, ThreadState::WaitingForGil];
    feed.ask(&query);
    feed.set_interval(options.window.min(Duration::from_millis(500)));
    let mut newest: Option<Arc<Snapshot>> = None;
    let mut findings = Arc::new(Findings::default());
    let mut due = Instant::now() + options.window;
    let mut has_ended = None;
    loop {
        if let Some(signal) = signals.ending() {
            return Ok(End::Signal(signal));
        }
        let Update { snapshot, findings: found, ended, .. } = feed.update();
        newest = snapshot.or(newest);
        findings = found.unwrap_or(findings);
        has_ended = has_ended.or(ended);
        if has_ended.is_some() || Instant::now() >= due {
            due += options.window;
            let text = newest.as_ref().map(|it| block(it, &findings, options.width)).unwrap_or_default();
            let end = has_ended.as_ref().map_or(String::new(), |ended| format!("{}\n", printable(ended)));
            match out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes())) {
                // Who reads decides how much of it.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(End::Quit),
                other => other.and_then(|()| out.flush())?,
            }
            if has_ended.is_some() {
                return Ok(End::Quit);
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// One block.
pub(crate) fn block(snapshot: &Snapshot, findings: &Findings, width: usize) -> String {
    let mut out = String::new();
    let health = &snapshot.health;
    for process in &snapshot.processes {
        let name = process.interpreter_name();
        let (name, command) = (printable(&name), printable(&process.command));
        let _ = writeln!(out, "pid {}: {command}, {name}", process.pid);
    }
    let _ = writeln!(
        out,
        "{:.0} s: {} of {} wanted, {} in the last {:.1} s, {} without a stack ({}%), {} missed",
        health.elapsed_s,
        hertz(health.achieved_hz),
        hertz(health.wanted_hz),
        counted(health.samples, "sample"),
        snapshot.span_s,
        thousands(snapshot.base.dropped),
        share_percent(health.failed_share),
        thousands(health.missed),
    );
    let _ = writeln!(out, "  self  total  function (% of {})", counted(snapshot.base.weight.sum(), "sample"));
    for row in snapshot.rows.iter().take(FUNCTIONS) {
        let line = row.line.map_or(String::new(), |line| format!(":{line}"));
        let place = format!("{}{line}", printable(short_path(&row.file)));
        let state = row.states.worst().map_or("", |state| state.word());
        let (own, total) = (share_percent(row.own_share), share_percent(row.total_share));
        let name = printable(&row.name);
        let place = cut_middle(&place, width.saturating_sub(40).max(20));
        let _ = writeln!(out, "{own:>6} {total:>6}  {name}  {place}  {state}");
    }
    for finding in findings.findings.iter().take(FINDINGS) {
        let (low, high) = (share_percent(finding.saving.low), share_percent(finding.saving.high));
        let place = finding.hurts.first().map(|hurt| &hurt.place);
        let place = place.map_or(String::new(), |it| format!("{}:{}", it.file, it.line.unwrap_or(0)));
        let (title, place) = (printable(&finding.title).into_owned(), printable(&place).into_owned());
        let _ = writeln!(out, "advice: saves {low}-{high}%  {}  {title}  {place}", finding.id);
    }
    out.push('\n');
    out
}
