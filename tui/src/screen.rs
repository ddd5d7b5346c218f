//! The view as it runs: events in, drawings out.

use std::io;
use std::time::Duration;

use crossterm::event;

use crate::app::{App, Effect};
use crate::feed::Feed;
use crate::panes;
use crate::terminal::{self, End, Signals, Terminal};
use crate::theme::Theme;

/// How often the feed is looked at while nothing is typed.
const LOOK: Duration = Duration::from_millis(100);
/// Events that are taken before the next drawing.
const MANY: usize = 256;

/// How the view looks and behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Colours and signs.
    pub theme: Theme,
    /// Whether the mouse is ours; if not, it selects text as ever.
    pub mouse: bool,
    /// Length of the window.
    pub window: Duration,
}

/// Shows what `feed` has until the user has seen enough.
pub fn top(feed: &mut dyn Feed, options: &Options) -> io::Result<End> {
    let signals = Signals::listen()?;
    let mut terminal = Terminal::open(options.mouse)?;
    let mut app = App::new(options.theme, options.window);
    feed.set_interval(app.interval());
    feed.ask(&app.query);
    let mut is_dirty = true;
    loop {
        if let Some(signal) = signals.ending() {
            return Ok(End::Signal(signal));
        }
        if signals.take_stop() {
            terminal.suspend()?;
            // It is we who were continued.
            signals.take_continued();
            is_dirty = true;
        }
        if signals.take_continued() {
            terminal.resume()?;
            is_dirty = true;
        }
        is_dirty |= app.refresh(feed);
        if is_dirty && terminal.wait().is_zero() {
            app.is_slow = terminal.is_slow;
            terminal.draw(|frame| panes::draw(&mut app, frame.area(), frame.buffer_mut()))?;
            is_dirty = app.is_slow != terminal.is_slow;
        }
        let wait = if is_dirty { terminal.wait().min(LOOK) } else { LOOK };
        let mut taken = 0;
        if !terminal::wait_for_input(wait)? {
            return Ok(End::Signal(signal_hook::consts::SIGHUP));
        }
        while taken < MANY && event::poll(Duration::ZERO)? {
            match app.event(&event::read()?, feed) {
                Effect::None => {}
                Effect::Quit => return Ok(End::Quit),
                Effect::Suspend => {
                    terminal.suspend()?;
                    signals.take_continued();
                }
            }
            is_dirty = true;
            taken += 1;
        }
    }
}
