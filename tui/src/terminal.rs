//! The terminal: taken over, and given back as it was, whatever happens.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::low_level;

/// What ended a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The user.
    Quit,
    /// This signal; whoever called should end by it, too.
    Signal(i32),
}

/// Drawing that takes longer means that the line to the terminal is slow.
const SLOW: Duration = Duration::from_millis(50);
/// The shortest time between two drawings.
const SHORTEST: Duration = Duration::from_millis(100);
/// After a slow drawing the line rests for so many times as long.
const REST: u32 = 4;
/// The longest time between two drawings.
const LONGEST: Duration = Duration::from_secs(5);

type Inner = ratatui::Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// A terminal that was taken over. Dropping it gives it back.
pub(crate) struct Terminal {
    inner: Inner,
    mouse: bool,
    /// When the next drawing may begin.
    next: Instant,
    /// Drawing takes long.
    pub(crate) is_slow: bool,
}

impl Terminal {
    /// Takes the terminal over.
    pub(crate) fn open(mouse: bool) -> io::Result<Self> {
        restore_on_panic();
        enter(mouse)?;
        let out = BufWriter::with_capacity(1 << 16, io::stdout());
        let inner = ratatui::Terminal::new(CrosstermBackend::new(out)).inspect_err(|_| leave())?;
        Ok(Self { inner, mouse, next: Instant::now(), is_slow: false })
    }

    /// How long the next drawing must wait.
    pub(crate) fn wait(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Draws what has changed, in one piece.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        let begun = Instant::now();
        queue!(self.inner.backend_mut(), BeginSynchronizedUpdate)?;
        self.inner.draw(draw)?;
        execute!(self.inner.backend_mut(), EndSynchronizedUpdate)?;
        let took = begun.elapsed();
        self.is_slow = took > SLOW;
        let rest = if self.is_slow { (took * REST).min(LONGEST) } else { SHORTEST };
        self.next = Instant::now() + rest;
        Ok(())
    }

    /// Gives the terminal back, stops until somebody continues us, and takes it over again.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        leave();
        low_level::emulate_default_handler(SIGTSTP)?;
        self.resume()
    }

    /// Takes the terminal over again and draws everything anew.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        enter(self.mouse)?;
        self.inner.clear()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        leave();
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    let entered = execute!(io::stdout(), EnterAlternateScreen, Hide);
    let entered =
        entered.and_then(|()| if mouse { execute!(io::stdout(), EnableMouseCapture) } else { Ok(()) });
    entered.inspect_err(|_| leave())
}

/// Each step is taken even if one before it failed: the terminal may be gone.
fn leave() {
    let mut out = io::stdout();
    let _ = execute!(out, EndSynchronizedUpdate);
    let _ = execute!(out, DisableMouseCapture);
    let _ = execute!(out, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
    let _ = out.flush();
}

/// The words of a panic must not be lost on the other screen. A panic of another thread leaves the view as
/// it is.
fn restore_on_panic() {
    let view = std::thread::current().id();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == view {
            leave();
        }
        before(info);
    }));
}

/// Waits until something was typed, for `limit` at most; `false` if the terminal is gone.
///
/// crossterm reads in circles once its terminal has hung up, so it must not be asked then.
pub(crate) fn wait_for_input(limit: Duration) -> io::Result<bool> {
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let wanted = if stdin.is_terminal() { PollFlags::IN } else { PollFlags::empty() };
    // Of a standard input that is a pipe nothing is of interest, not even its end.
    let mut fds = vec![PollFd::new(&stdout, PollFlags::empty())];
    fds.extend((!wanted.is_empty()).then(|| PollFd::new(&stdin, wanted)));
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    match rustix::event::poll(&mut fds, Some(&limit)) {
        // A signal: of a new size, or one that ends us.
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    Ok(!fds.iter().any(|fd| fd.revents().intersects(gone)))
}

/// Signals that have arrived.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    ending: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    continued: Arc<AtomicBool>,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        let signals = Self::default();
        for signal in [SIGTERM, SIGHUP, SIGINT] {
            let number = usize::try_from(signal).unwrap_or(0);
            signal_hook::flag::register_usize(signal, Arc::clone(&signals.ending), number)?;
        }
        signal_hook::flag::register(SIGTSTP, Arc::clone(&signals.stop))?;
        signal_hook::flag::register(SIGCONT, Arc::clone(&signals.continued))?;
        Ok(signals)
    }

    /// The signal that ends us.
    pub(crate) fn ending(&self) -> Option<i32> {
        i32::try_from(self.ending.load(Ordering::Relaxed)).ok().filter(|signal| *signal != 0)
    }

    /// Whether somebody else wants us to stop for a while.
    pub(crate) fn take_stop(&self) -> bool {
        self.stop.swap(false, Ordering::Relaxed)
    }

    /// Whether we were stopped and run again.
    pub(crate) fn take_continued(&self) -> bool {
        self.continued.swap(false, Ordering::Relaxed)
    }
}
