//! `slowpath top [PID | -- CMD]`: the live terminal view.

mod captured;
mod feed;
mod list;
mod model;

use std::env;
use std::io::{self, IsTerminal};

use signal_hook::low_level::emulate_default_handler;
use slowpath_sampler::session::Target;
use slowpath_tui::{BatchOptions, ColorLevel, End, Options, Picked, Theme};

use self::captured::Captured;
use self::feed::LiveFeed;
use super::run;
use crate::args::{ColorWhen, Global, TopArgs, ViewArgs};
use crate::failure::{Exit, Failure, reason};
use crate::output::text::Style;

pub(super) fn execute(args: TopArgs, global: Global) -> Result<u8, Failure> {
    let screen = Screen::of(&args.view, global);
    if !args.command.is_empty() {
        return program(&args, screen);
    }
    let pid = match args.pid {
        Some(pid) => pid,
        None => match screen.pick()? {
            Picked::Process(pid) => pid,
            Picked::Nothing => return Ok(0),
            Picked::Signal(signal) => return Ok(ended_by(signal)),
        },
    };
    let target = Target::attach(pid, super::PATIENCE)?;
    let end = show(target, &args, screen)?;
    Ok(match end {
        End::Quit => 0,
        End::Signal(signal) => ended_by(signal),
    })
}

/// Starts a program and watches it. It does not outlive the view.
fn program(args: &TopArgs, screen: Screen) -> Result<u8, Failure> {
    let mut captured = Captured::start(&args.command)?;
    let attached = run::attach(captured.program(), args.sampling.children);
    let shown = match attached {
        Ok(Some(target)) => show(target, args, screen),
        Ok(None) => Err(too_short()),
        Err(failure) => Err(failure),
    };
    let code = captured.end();
    match shown? {
        End::Quit => Ok(code),
        End::Signal(signal) => Ok(ended_by(signal)),
    }
}

fn show(target: Target, args: &TopArgs, screen: Screen) -> Result<End, Failure> {
    let options = super::sampling(&args.sampling, &target)?;
    let mut feed = LiveFeed::start(target, &options).map_err(|error| no_thread(&error))?;
    let end = match screen {
        Screen::Batch(options) => slowpath_tui::batch(&mut feed, options, &mut io::stdout()),
        Screen::Terminal(options) => slowpath_tui::top(&mut feed, &options),
    };
    feed.stop();
    end.map_err(|error| no_terminal(&error))
}

/// Ends as the signal would have ended us. If that fails, the exit code says so.
fn ended_by(signal: i32) -> u8 {
    let _ = emulate_default_handler(signal);
    u8::try_from(128 + signal).unwrap_or(1)
}

/// Where the view is shown.
#[derive(Clone, Copy)]
enum Screen {
    Terminal(Options),
    Batch(BatchOptions),
}

impl Screen {
    fn of(view: &ViewArgs, global: Global) -> Self {
        let is_dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        if view.batch || is_dumb || !io::stdout().is_terminal() {
            let width = Style::of_stdout(global).width;
            return Self::Batch(BatchOptions { window: view.window, width });
        }
        let theme = Theme { level: level(global.color), ascii: view.ascii };
        Self::Terminal(Options { theme, mouse: !view.no_mouse, window: view.window })
    }

    fn pick(self) -> Result<Picked, Failure> {
        let Self::Terminal(options) = self else { return Err(no_choice()) };
        let mut list = list::List::default();
        slowpath_tui::pick(options.theme, &mut || list.look()).map_err(|error| no_terminal(&error))
    }
}

/// How many colours the terminal has, as far as the environment tells.
fn level(when: ColorWhen) -> ColorLevel {
    let contains = |name, words: &[&str]| {
        env::var(name).is_ok_and(|value| words.iter().any(|word| value.contains(word)))
    };
    match when {
        ColorWhen::Never => ColorLevel::Never,
        ColorWhen::Ansi16 => ColorLevel::Ansi16,
        ColorWhen::Ansi256 => ColorLevel::Ansi256,
        ColorWhen::Rgb => ColorLevel::Rgb,
        // https://no-color.org: any value but the empty one.
        ColorWhen::Auto if env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) => {
            ColorLevel::Never
        }
        ColorWhen::Auto | ColorWhen::Always => {
            if contains("COLORTERM", &["truecolor", "24bit"]) {
                ColorLevel::Rgb
            } else if contains("TERM", &["256color", "kitty", "alacritty"]) {
                ColorLevel::Ansi256
            } else {
                ColorLevel::Ansi16
            }
        }
    }
}

fn too_short() -> Failure {
    Failure::new(
        Exit::Inconclusive,
        "there was nothing to watch",
        "the program ended before it could be read",
        "watch a program that runs for longer, or profile it with: slowpath run -- CMD",
    )
}

fn no_choice() -> Failure {
    Failure::usage(
        "no process to watch",
        "neither a process id nor a program was given, and there is no terminal to choose on",
        "slowpath top PID, or slowpath top -- python3 app.py",
    )
}

fn no_thread(error: &io::Error) -> Failure {
    let fix = "raise the limit of processes: ulimit -u";
    Failure::new(Exit::CannotAttach, "cannot start a thread to sample on", reason(error), fix)
}

fn no_terminal(error: &io::Error) -> Failure {
    let fix = "write text instead: slowpath top --batch";
    Failure::new(Exit::Output, "cannot draw on the terminal", reason(error), fix)
}
