//! Which process? A list of those that run Python.

use std::io;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use slowpath_profile::text::thousands;
use tui_input::{Input, InputRequest};

use crate::panes::{pieces, put, safe};
use crate::selection::Selection;
use crate::terminal::{self, Signals, Terminal};
use crate::theme::Theme;

/// How often the list is made anew.
const AGAIN: Duration = Duration::from_secs(2);

/// A process that may be watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Candidate {
    /// Process id.
    pub pid: u32,
    /// Whose it is.
    pub user: String,
    /// CPU time that it used lately, as a share of a core; `None` until there are two looks.
    pub cpu_share: Option<f64>,
    /// Version of Python.
    pub python: String,
    /// Command line.
    pub command: String,
}

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picked {
    /// This process.
    Process(u32),
    /// None.
    Nothing,
    /// None; this signal ended the choice.
    Signal(i32),
}

struct Picker {
    theme: Theme,
    all: Vec<Candidate>,
    input: Input,
    selection: Selection<u32>,
}

/// Lets the user choose. `list` is asked every two seconds.
pub fn pick(theme: Theme, list: &mut dyn FnMut() -> Vec<Candidate>) -> io::Result<Picked> {
    let signals = Signals::listen()?;
    let mut terminal = Terminal::open(false)?;
    let mut picker = Picker { theme, all: list(), input: Input::default(), selection: Selection::default() };
    let mut listed = Instant::now();
    loop {
        if let Some(signal) = signals.ending() {
            return Ok(Picked::Signal(signal));
        }
        if signals.take_stop() {
            terminal.suspend()?;
        }
        if signals.take_continued() {
            terminal.resume()?;
        }
        terminal.draw(|frame| picker.draw(frame.area(), frame.buffer_mut()))?;
        if !terminal::wait_for_input(AGAIN.saturating_sub(listed.elapsed()))? {
            return Ok(Picked::Signal(signal_hook::consts::SIGHUP));
        }
        while event::poll(Duration::ZERO)? {
            if let Some(picked) = picker.event(&event::read()?) {
                return Ok(picked);
            }
        }
        if listed.elapsed() >= AGAIN {
            picker.all = list();
            listed = Instant::now();
        }
    }
}

impl Picker {
    fn shown(&self) -> Vec<&Candidate> {
        let wanted = self.input.value().to_lowercase();
        let is_wanted = |it: &&Candidate| {
            let text = format!("{} {} {} {}", it.pid, it.user, it.python, it.command).to_lowercase();
            wanted.split_whitespace().all(|word| text.contains(word))
        };
        self.all.iter().filter(is_wanted).collect()
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer) {
        let theme = self.theme;
        let pids: Vec<u32> = self.shown().iter().map(|it| it.pid).collect();
        self.selection.follow(pids.into_iter());
        let shown: Vec<Candidate> = self.shown().into_iter().cloned().collect();
        let noun = if shown.len() == 1 { "process" } else { "processes" };
        let title = format!("slowpath top: which of {} Python {noun}?", thousands(shown.len() as u64));
        put(buf, area, 0, &title, theme.strong());
        put(buf, area, 1, &format!("filter: {}", safe(theme, self.input.value())), Style::new());
        let head = format!("{:>8} {:<10}{:>6} {:<10}command", "pid", "user", "cpu", "version");
        put(buf, area, 2, &head, theme.faint());
        let visible = self.selection.visible(usize::from(area.height.saturating_sub(4)), shown.len());
        for (line, at) in visible.enumerate() {
            let it = &shown[at];
            let cpu = it.cpu_share.map_or("?".into(), slowpath_profile::text::share_percent);
            let user = slowpath_profile::text::cut_end(&safe(theme, &it.user), 9);
            let (python, command) = (safe(theme, &it.python), safe(theme, &it.command));
            let text = format!("{:>8} {user:<10}{cpu:>6} {python:<10}{command}", it.pid);
            let style = if at == self.selection.at { theme.selected(true) } else { Style::new() };
            pieces(buf, area, line as u16 + 3, &[(text, style)]);
        }
        if shown.is_empty() {
            put(buf, area, 3, "none; Esc clears the filter, and quits", theme.faint());
        }
        let foot = Rect { y: area.bottom().saturating_sub(1), height: 1.min(area.height), ..area };
        put(buf, foot, 0, "type to filter  arrows move  Enter watches  Esc quits", theme.faint());
    }

    fn event(&mut self, event: &Event) -> Option<Picked> {
        let Event::Key(key) = event else { return None };
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let rows = self.shown().len();
        let by = match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Some(Picked::Nothing);
            }
            KeyCode::Esc if self.input.value().is_empty() => return Some(Picked::Nothing),
            KeyCode::Esc => {
                self.input = Input::default();
                return None;
            }
            KeyCode::Enter => {
                let chosen = self.shown().get(self.selection.at).map(|it| it.pid);
                return chosen.map(Picked::Process);
            }
            KeyCode::Down => 1,
            KeyCode::Up => -1,
            KeyCode::PageDown => 10,
            KeyCode::PageUp => -10,
            KeyCode::Backspace => {
                self.input.handle(InputRequest::DeletePrevChar);
                return None;
            }
            KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
                self.input.handle(InputRequest::InsertChar(c));
                return None;
            }
            _ => return None,
        };
        let at = self.selection.step(by, rows);
        let pid = self.shown().get(at).map(|it| it.pid);
        if let Some(pid) = pid {
            self.selection.set(at, pid);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyEvent;

    #[test]
    fn a_process_is_found_by_typing() {
        let candidate =
            |pid, command: &str| Candidate { pid, command: command.into(), ..Candidate::default() };
        let mut picker = Picker {
            theme: Theme::default(),
            all: vec![candidate(7, "python app.py"), candidate(42, "python \x1b[2Jworker.py")],
            input: Input::default(),
            selection: Selection::default(),
        };
        let press =
            |picker: &mut Picker, code| picker.event(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        "WORK".chars().for_each(|c| assert_eq!(press(&mut picker, KeyCode::Char(c)), None));
        let area = Rect::new(0, 0, 60, 8);
        let mut buf = Buffer::empty(area);
        picker.draw(area, &mut buf);
        insta::assert_snapshot!(crate::tests::text(&buf));
        assert_eq!(press(&mut picker, KeyCode::Enter), Some(Picked::Process(42)));
        assert_eq!(press(&mut picker, KeyCode::Esc), None);
        press(&mut picker, KeyCode::Down);
        assert_eq!(press(&mut picker, KeyCode::Up), None);
        assert_eq!(press(&mut picker, KeyCode::Enter), Some(Picked::Process(7)));
        assert_eq!(press(&mut picker, KeyCode::Esc), Some(Picked::Nothing));
    }
}
