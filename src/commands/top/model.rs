//! Counts what was sampled, and judges it, in a thread of its own: neither sampling nor drawing waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slowpath_profile::Profile;
use slowpath_profile::view::live::{Live, Moment, Query, Scope};
use slowpath_sampler::session::Progress;
use slowpath_tui::Update;

use crate::commands::live::{Pace, counts};
use crate::sources::Sources;

/// Until there are samples, they are looked for so often.
const FIRST_LOOK: Duration = Duration::from_millis(100);

/// What the view wants.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) query: Query,
    pub(super) interval: Duration,
    pub(super) frozen: bool,
    pub(super) stop: bool,
    is_new: bool,
}

/// What all threads know.
pub(super) struct Shared {
    live: Mutex<Live>,
    wanted: Mutex<Wanted>,
    wake: Condvar,
    news: Mutex<Update>,
    progress: Progress,
    /// The window as it was when the view was frozen.
    pub(super) held: Mutex<Option<Arc<Profile>>>,
}

impl Shared {
    pub(super) fn new(live: Live, progress: Progress) -> Self {
        let wanted = Wanted {
            query: Query::default(),
            interval: Duration::from_secs(1),
            frozen: false,
            stop: false,
            is_new: true,
        };
        Self {
            live: Mutex::new(live),
            wanted: Mutex::new(wanted),
            wake: Condvar::new(),
            news: Mutex::default(),
            progress,
            held: Mutex::default(),
        }
    }

    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is wanted and has it done at once.
    pub(super) fn ask(&self, change: impl FnOnce(&mut Wanted)) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut wanted);
        wanted.is_new = true;
        self.wake.notify_all();
    }

    pub(super) fn window(&self) -> Duration {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).query.window
    }

    pub(super) fn take_news(&self) -> Update {
        let mut news = self.news();
        let Update { snapshot, findings, .. } = &mut *news;
        let (snapshot, findings) = (snapshot.take(), findings.take());
        Update { snapshot, findings, ..news.clone() }
    }

    /// The session is over.
    pub(super) fn end(&self, why: String) {
        self.news().ended = Some(why);
        self.ask(|_| {});
    }

    fn news(&self) -> MutexGuard<'_, Update> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is wanted, or for `limit`: the query, whether to stand still, whether to stop.
    fn wait(&self, limit: Option<Duration>) -> (Query, bool, bool) {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = limit.unwrap_or(wanted.interval);
        let waited = self.wake.wait_timeout_while(wanted, limit, |wanted| !wanted.is_new);
        let (mut wanted, _) = waited.unwrap_or_else(PoisonError::into_inner);
        wanted.is_new = false;
        (wanted.query.clone(), wanted.frozen, wanted.stop)
    }
}

/// Counts until it is told to stop.
pub(super) fn run(shared: &Shared, judges: bool, sources: &Sources) {
    let mut held: Option<[Moment; 2]> = None;
    let (mut pace, mut is_final) = (Pace::new(), false);
    let mut limit = Some(FIRST_LOOK);
    loop {
        let (query, frozen, stop) = shared.wait(limit);
        if stop {
            return;
        }
        let has_samples = count(shared, &query, frozen, &mut held);
        limit = (!has_samples).then_some(FIRST_LOOK);
        let has_ended = shared.news().ended.is_some();
        let is_due = if has_ended { !is_final } else { pace.is_due() };
        if judges && !frozen && has_samples && is_due {
            pace.judge(|| judge(shared, sources));
            is_final = has_ended;
        }
        if has_ended {
            // Nothing comes any more; what the view asks for wakes us.
            limit = Some(Duration::from_secs(3600));
        }
    }
}

/// Makes a new snapshot, of now or of when the view was frozen; whether there was anything.
fn count(shared: &Shared, query: &Query, frozen: bool, held: &mut Option<[Moment; 2]>) -> bool {
    let mut live = shared.live();
    live.publish(counts(&shared.progress));
    if !frozen {
        *held = None;
        *shared.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    } else if held.is_none() {
        *held = Some([Scope::Window, Scope::SinceStart].map(|scope| live.held_moment(scope, query.window)));
        let recording = Arc::new(live.recording(query.window));
        *shared.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(recording);
    }
    let snapshot = match held {
        Some([window, _]) if query.scope == Scope::Window => live.snapshot(window, query),
        Some([_, all]) => live.snapshot(all, query),
        None => live.snapshot(&live.moment(query.scope, query.window), query),
    };
    drop(live);
    let has_samples = snapshot.health.samples > 0;
    let mut news = shared.news();
    news.skipped += u64::from(news.snapshot.is_some());
    news.snapshot = Some(Arc::new(snapshot));
    has_samples
}

/// Judges the samples that are kept.
fn judge(shared: &Shared, sources: &Sources) {
    // Nothing of a profile in memory can be unreadable.
    if let Ok(findings) = crate::sources::advise(&mut *shared.live(), sources) {
        shared.news().findings = Some(Arc::new(findings));
    }
}
