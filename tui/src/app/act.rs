//! What keys and the mouse do.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use slowpath_profile::view::live::Scope;
use tui_input::Input;

use super::{App, Column, Effect, Hidden, INTERVALS_MS, Overlay, Pane, WINDOWS};
use crate::feed::Feed;
use crate::filter::RowFilter;
use crate::flame::{self, Step};
use crate::keys::{self, Action};

impl App {
    /// Takes an event of the terminal.
    pub(crate) fn event(&mut self, event: &Event, feed: &mut dyn Feed) -> Effect {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(*key, feed),
            Event::Mouse(mouse) => {
                self.mouse(*mouse, feed);
                self.ask(feed);
                Effect::None
            }
            _ => Effect::None,
        }
    }

    fn key(&mut self, key: KeyEvent, feed: &mut dyn Feed) -> Effect {
        let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        if is_interrupt {
            return Effect::Quit;
        }
        self.message = None;
        match self.overlay {
            Overlay::Filter | Overlay::Write => {
                self.typed(key, feed);
                self.ask(feed);
                return Effect::None;
            }
            Overlay::AskReset => {
                if key.code == KeyCode::Char('y') {
                    feed.reset();
                    self.message = Some("counting anew".into());
                }
                self.overlay = Overlay::None;
                return Effect::None;
            }
            Overlay::None | Overlay::Help(_) | Overlay::Page(..) => {}
        }
        let Some(action) = keys::action(key) else {
            if self.focus == Pane::Flame {
                self.walk(key.code);
            }
            return Effect::None;
        };
        let effect = self.act(action, feed);
        self.ask(feed);
        effect
    }

    fn act(&mut self, action: Action, feed: &mut dyn Feed) -> Effect {
        if self.overlay != Overlay::None {
            return self.leaf(action);
        }
        match action {
            Action::Quit => return Effect::Quit,
            Action::Suspend => return Effect::Suspend,
            Action::Help => self.overlay = Overlay::Help(0),
            Action::Down => self.go(1),
            Action::Up => self.go(-1),
            Action::PageDown => self.go(self.page()),
            Action::PageUp => self.go(-self.page()),
            Action::First => self.go(isize::MIN),
            Action::Last => self.go(isize::MAX),
            Action::Enter => self.enter(feed),
            Action::Back => self.back(),
            Action::NextPane => self.next_pane(1),
            Action::PreviousPane => self.next_pane(Pane::ALL.len() - 1),
            Action::Show(pane) => self.show(pane),
            Action::NextColumn => self.sort(1),
            Action::PreviousColumn => self.sort(Column::ALL.len() - 1),
            Action::ReverseSort => {
                self.reversed = !self.reversed;
                self.arrange();
            }
            Action::Filter => {
                let text = if self.searches() { &self.search.text } else { &self.filter.text };
                self.input = Input::new(text.clone());
                self.overlay = Overlay::Filter;
            }
            Action::NextMatch => self.next_match(true),
            Action::PreviousMatch => self.next_match(false),
            Action::Jump => self.jump(),
            Action::Write => {
                self.input = Input::new("window.slowpath".into());
                self.overlay = Overlay::Write;
            }
            Action::Reset => self.overlay = Overlay::AskReset,
            action => self.set(action, feed),
        }
        Effect::None
    }

    /// Keys that change what is counted or how it is shown.
    fn set(&mut self, action: Action, feed: &mut dyn Feed) {
        match action {
            Action::Freeze => {
                self.frozen = !self.frozen;
                feed.freeze(self.frozen);
            }
            Action::Faster | Action::Slower => {
                let by = if action == Action::Faster { -1 } else { 1 };
                self.interval = self.interval.saturating_add_signed(by).min(INTERVALS_MS.len() - 1);
                feed.set_interval(self.interval());
                self.message = Some(format!("new numbers every {} ms", self.interval().as_millis()));
            }
            Action::AllThreads => self.thread = None,
            Action::NextThread => self.next_thread(true),
            Action::PreviousThread => self.next_thread(false),
            Action::NextProcess => self.next_process(),
            Action::Hide => {
                self.hidden = match self.hidden {
                    Hidden::Nothing => Hidden::Idle,
                    Hidden::Idle => Hidden::Library,
                    Hidden::Library => Hidden::Nothing,
                };
            }
            Action::Lines => self.query.by_line = !self.query.by_line,
            Action::Scope => {
                self.query.scope = match self.query.scope {
                    Scope::Window => Scope::SinceStart,
                    Scope::SinceStart => Scope::Window,
                };
            }
            Action::LongerWindow | Action::ShorterWindow => {
                let now = self.query.window.as_secs();
                let longer = WINDOWS.iter().find(|seconds| **seconds > now);
                let shorter = WINDOWS.iter().rev().find(|seconds| **seconds < now);
                let next = if action == Action::LongerWindow { longer } else { shorter };
                self.query.window = std::time::Duration::from_secs(next.copied().unwrap_or(now));
                self.query.scope = Scope::Window;
            }
            _ => {}
        }
        self.apply_filter();
    }

    /// Keys while a page or the help lies over everything.
    fn leaf(&mut self, action: Action) -> Effect {
        let (Overlay::Help(top) | Overlay::Page(_, top)) = &mut self.overlay else { return Effect::None };
        match action {
            Action::Down => *top += 1,
            Action::Up => *top = top.saturating_sub(1),
            Action::PageDown => *top += 10,
            Action::PageUp => *top = top.saturating_sub(10),
            Action::First => *top = 0,
            Action::Suspend => return Effect::Suspend,
            Action::Quit | Action::Back | Action::Enter | Action::Help => self.overlay = Overlay::None,
            _ => {}
        }
        Effect::None
    }

    fn page(&self) -> isize {
        let height = match self.focus {
            Pane::Functions => self.rows.height,
            Pane::Source => self.lines.height,
            Pane::Instructions => self.code.height,
            Pane::Advice => self.advice.height,
            Pane::Threads => self.threads.height,
            Pane::Flame => 5,
        };
        height as isize
    }

    pub(super) fn go(&mut self, by: isize) {
        if self.focus == Pane::Flame {
            let step = if by < 0 { Step::Parent } else { Step::Child };
            self.flame = flame::step(&self.snapshot.tree, &self.flame, step);
            return;
        }
        let rows = self.len(self.focus);
        let at = match self.focus {
            Pane::Functions => self.rows.step(by, rows),
            Pane::Source => self.lines.step(by, rows),
            Pane::Instructions => self.code.step(by, rows),
            Pane::Advice => self.advice.step(by, rows),
            Pane::Threads | Pane::Flame => self.threads.step(by, rows),
        };
        self.select(self.focus, at);
    }

    /// Arrows that mean something in the flame graph alone.
    fn walk(&mut self, code: KeyCode) {
        let step = match code {
            KeyCode::Left => Step::Previous,
            KeyCode::Right => Step::Next,
            _ => return,
        };
        self.flame = flame::step(&self.snapshot.tree, &self.flame, step);
    }

    /// Selects a row of a pane.
    pub(crate) fn select(&mut self, pane: Pane, at: usize) {
        match pane {
            Pane::Functions => {
                let Some(row) = self.shown.get(at).and_then(|row| self.snapshot.rows.get(*row)) else {
                    return;
                };
                self.rows.set(at, super::refresh::key(row));
                self.place = None;
                self.centered = None;
                self.center_source();
            }
            Pane::Source => {
                self.lines.set(at, at as u32 + 1);
                self.code.clear();
            }
            Pane::Instructions => {
                let offset = self.instructions().nth(at).map(|row| row.offset);
                if let Some(offset) = offset {
                    self.code.set(at, offset);
                }
            }
            Pane::Advice => {
                if let Some(finding) = self.findings.findings.get(at) {
                    self.advice.set(at, finding.id.clone());
                }
            }
            Pane::Threads => {
                if let Some(row) = self.snapshot.threads.get(at) {
                    self.threads.set(at, row.thread);
                }
            }
            Pane::Flame => self.flame = flame::path(&self.snapshot.tree, at as u32),
        }
    }

    pub(super) fn enter(&mut self, feed: &mut dyn Feed) {
        match self.focus {
            Pane::Functions => {
                self.place = None;
                self.center_source();
                self.drill(Pane::Source);
            }
            Pane::Source => self.drill(Pane::Instructions),
            Pane::Instructions => {}
            Pane::Advice => {
                let text = feed.explain(&self.findings, self.advice.at, usize::from(self.width));
                self.overlay = Overlay::Page(text.lines().map(str::to_owned).collect(), 0);
            }
            Pane::Threads => self.jump_to_thread(),
            Pane::Flame => self.zoom = self.flame.clone(),
        }
    }

    fn back(&mut self) {
        if self.focus == Pane::Flame && !self.zoom.is_empty() {
            self.zoom.pop();
            return;
        }
        if let Some(pane) = self.path.pop() {
            self.focus = pane;
        } else if !self.filter.is_empty() {
            self.filter = RowFilter::default();
            self.arrange();
        } else {
            self.focus = Pane::Functions;
        }
        if self.focus == Pane::Functions {
            self.place = None;
            self.center_source();
        }
    }

    fn drill(&mut self, pane: Pane) {
        self.path.push(self.focus);
        self.path.truncate(8);
        self.focus = pane;
    }

    fn show(&mut self, pane: Pane) {
        // The same key again leads back.
        if self.focus == pane && pane == Pane::Flame {
            self.focus = Pane::Functions;
        } else {
            self.focus = pane;
        }
        self.path.clear();
    }

    fn next_pane(&mut self, by: usize) {
        let at = Pane::ALL.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        self.focus = Pane::ALL[(at + by) % Pane::ALL.len()];
        self.path.clear();
    }

    fn sort(&mut self, by: usize) {
        let at = Column::ALL.iter().position(|column| *column == self.column).unwrap_or(0);
        self.column = Column::ALL[(at + by) % Column::ALL.len()];
        self.reversed = false;
        self.arrange();
    }

    fn jump(&mut self) {
        let place = match self.focus {
            Pane::Advice => self.findings.findings.get(self.advice.at).and_then(|finding| {
                let hurt = finding.hurts.first().map(|hurt| &hurt.place);
                let place = hurt.or(finding.causes.first().map(|cause| &cause.place))?;
                Some((place.file.clone(), place.line))
            }),
            Pane::Flame => self.flame.last().and_then(|function| {
                let (_, file) = self.snapshot.names.get(function)?;
                let row = self.snapshot.rows.iter().find(|row| row.function == Some(*function));
                Some((file.clone(), row.and_then(|row| row.line)))
            }),
            Pane::Threads => return self.jump_to_thread(),
            Pane::Functions | Pane::Source | Pane::Instructions => None,
        };
        if let Some(place) = place.filter(|(file, _)| !file.is_empty()) {
            self.place = Some(place);
            self.center_source();
            self.drill(Pane::Source);
        }
    }

    /// The functions of the selected thread.
    fn jump_to_thread(&mut self) {
        self.thread = self.snapshot.threads.get(self.threads.at).map(|row| row.thread);
        self.apply_filter();
        self.drill(Pane::Functions);
    }

    fn next_thread(&mut self, forward: bool) {
        let known: Vec<_> = self.snapshot.threads.iter().map(|row| row.thread).collect();
        let at = self.thread.and_then(|thread| known.iter().position(|known| *known == thread));
        let last = known.len().saturating_sub(1);
        let next = match (at, forward) {
            (None, true) => 0,
            (None, false) => last,
            (Some(at), true) if at == last => 0,
            (Some(at), true) => at + 1,
            (Some(at), false) => at.checked_sub(1).unwrap_or(last),
        };
        self.thread = known.get(next).copied();
    }

    fn next_process(&mut self) {
        let pids: Vec<u32> = self.snapshot.processes.iter().map(|process| process.pid).collect();
        let at = self.process.and_then(|pid| pids.iter().position(|known| *known == pid));
        self.process = match at {
            None => pids.first().copied().filter(|_| pids.len() > 1),
            Some(at) => pids.get(at + 1).copied(),
        };
        self.thread = None;
    }
}
