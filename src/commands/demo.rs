//! `slowpath demo`: what slowpath does, shown on a small program and the bundled runtime.

use std::fs;
use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use slowpath_advisor::verify::{Block, Side, Trial, Verdict, order};
use slowpath_profile::view::Filter;
use slowpath_sampler::options::SampleOptions;
use slowpath_sampler::session::StopFlag;

use super::attach::no_signals;
use super::record::{Recorded, Show, describe, first, record, write_all};
use super::run;
use super::verify::runs::{self, Outcome, Run};
use crate::args::{Clock, DemoArgs, Global, OutputArgs};
use crate::failure::{Exit, Failure};
use crate::output::text::{Style, counted, escaped, seconds, wrap};
use crate::output::verify::interval;
use crate::output::{advice, print};
use crate::outputs::Outputs;
use crate::program::Program;
use crate::signals::stop_on_signal;
use crate::sources;

/// The program, and the same with its four mistakes mended.
const SLOW: (&str, &str) = ("shop.py", include_str!("../../fixtures/programs/demo/shop.py"));
const FIXED: (&str, &str) = ("shop_fixed.py", include_str!("../../fixtures/programs/demo/shop_fixed.py"));

/// Orders that are worked through while it is profiled, and when it is measured.
const PROFILED: &str = "250000";
const MEASURED: &str = "40000";
/// Six runs each: [`slowpath_advisor::verify::LEAST_BLOCKS`].
const BLOCKS: usize = 5;
/// A run may take so long: it takes about a second.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at whether a signal came, while an answer is awaited.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// What a shell says of a program that was interrupted.
const INTERRUPTED: u8 = 130;

pub(super) fn execute(args: &DemoArgs, global: Global) -> Result<u8, Failure> {
    let runtime = match args.build {
        true => crate::runtime::find_or_build(global.quiet)?,
        false => crate::runtime::find()?,
    };
    fs::create_dir_all(&args.output).map_err(|error| Failure::output(&args.output, &error))?;
    let stop = StopFlag::default();
    stop_on_signal(&stop).map_err(|error| no_signals(&error))?;
    let is_asking = !args.yes && io::stdin().is_terminal() && io::stdout().is_terminal();
    let tour = Tour { runtime, args, stop, style: Style::of_stdout(global), is_asking };
    match tour.all() {
        // Whatever was cut short by the signal is not a failure.
        _ if tour.stop.is_stopped() => {
            print("\nended early\n")?;
            Ok(INTERRUPTED)
        }
        result => result.map(|()| 0),
    }
}

struct Tour<'a> {
    runtime: PathBuf,
    args: &'a DemoArgs,
    stop: StopFlag,
    style: Style,
    is_asking: bool,
}

impl Tour<'_> {
    fn all(&self) -> Result<(), Failure> {
        for (name, text) in [SLOW, FIXED] {
            let path = self.args.output.join(name);
            fs::write(&path, text).map_err(|error| Failure::output(&path, &error))?;
        }
        self.heading(1, "The program")?;
        self.say(&format!(
            "{} works through the orders of a shop. It runs on the bundled runtime, a Python that comes \
             with slowpath; no other Python is needed. It has four mistakes that look harmless.",
            self.path(SLOW.0)
        ))?;
        self.pause("Enter profiles it")?;
        self.heading(2, "The profile")?;
        let findings = self.profile()?;
        self.live()?;
        self.heading(4, "The same without the mistakes")?;
        self.say(&format!(
            "{} is the program with what the findings say. Both print the same.",
            self.path(FIXED.0)
        ))?;
        self.changes()?;
        self.pause("Enter measures both")?;
        let trial = self.measure()?;
        if self.stop.is_stopped() {
            return Ok(());
        }
        self.told(&trial)?;
        self.heading(5, "What to type next")?;
        self.next(findings)
    }

    /// Profiles the program, shows where its time goes, and says why.
    fn profile(&self) -> Result<usize, Failure> {
        let files = ["profile.slowpath", "flame.svg", "report.html"].map(|name| self.args.output.join(name));
        let output = OutputArgs { output: files.into(), ..OutputArgs::default() };
        let mut outputs = Outputs::open(&output)?;
        let mut program = Program::spawn(&mut self.command(SLOW.0, PROFILED))?;
        let target = run::attach(&program, false)?.ok_or_else(ended)?;
        let recorded = record(target, &SampleOptions::default(), &mut outputs, &self.stop, false);
        program.ask_to_end();
        // How it ended says nothing of the profile.
        let _ = program.wait();
        let Recorded { mut source, sources, kept, .. } = recorded?;
        if self.stop.is_stopped() {
            return Ok(0);
        }
        let unread = |error| crate::recording::unreadable(None, &error);
        let show = Show::Summary { advice: false };
        let text =
            show.render(&mut source, &Filter::default(), &sources, self.style, false).map_err(unread)?;
        print(&text)?;
        let (mut written, mut failures) = (Vec::from_iter(kept), Vec::new());
        write_all(&mut outputs, &mut source, &sources, &mut written, &mut failures);
        print(&describe(&written, false, self.style))?;
        first(failures, self.style)?;
        self.pause("Enter says why it is slow")?;
        self.heading(3, "The findings")?;
        self.say(
            "Told by what was read of the runtime while it ran: facts of this runtime, not of CPython.",
        )?;
        let findings = sources::advise(&mut source, &sources).map_err(unread)?;
        print(&advice::render(&findings, self.style, false))?;
        Ok(findings.findings.len())
    }

    /// Offers the live view.
    fn live(&self) -> Result<(), Failure> {
        if !self.is_asking || self.stop.is_stopped() {
            return Ok(());
        }
        print("\nwatch it live? y and Enter shows slowpath top, q ends that; Enter alone goes on: ")?;
        if self.answer().starts_with('y') {
            let mut top = Command::new(std::env::current_exe().unwrap_or_else(|_| "slowpath".into()));
            top.arg("top").arg("--").arg(&self.runtime).arg(self.args.output.join(SLOW.0)).arg("2000000");
            // It has the terminal; what it says is on it.
            let _ = top.status();
        }
        Ok(())
    }

    /// What differs between the two programs, line by line.
    fn changes(&self) -> Result<(), Failure> {
        let mut out = String::new();
        for line in SLOW.1.lines().filter(|line| !FIXED.1.lines().any(|other| other == *line)) {
            out += &format!("  {}\n", self.style.bad(&cut(&format!("-{line}"), self.style.width)));
        }
        for line in FIXED.1.lines().filter(|line| !SLOW.1.lines().any(|other| other == *line)) {
            out += &format!("  {}\n", self.style.good(&cut(&format!("+{line}"), self.style.width)));
        }
        print(&out)
    }

    /// Runs both in turn.
    fn measure(&self) -> Result<Trial, Failure> {
        let (mut trial, mut reference) = (Trial::default(), None);
        for number in 0..BLOCKS {
            let mut block = Block::default();
            for side in order(number) {
                let name = if side == Side::After { FIXED.0 } else { SLOW.0 };
                match runs::run(&mut self.command(name, MEASURED), LIMIT, &self.stop)? {
                    Outcome::Ended(run) => {
                        block.add(side, run.seconds(Clock::Cpu));
                        same_output(&mut reference, run, name)?;
                    }
                    Outcome::Stopped => return Ok(trial),
                    Outcome::TooLong => return Err(too_long()),
                }
            }
            trial.add(block);
        }
        Ok(trial)
    }

    fn told(&self, trial: &Trial) -> Result<(), Failure> {
        let (before, after) = (trial.seconds(Side::Before), trial.seconds(Side::After));
        let pairs = trial.blocks().len() * 2;
        let result = format!("saves {} of the processor time", interval(trial.saving()));
        let result = match trial.verdict() {
            Verdict::CannotTell(why) => self.style.warn(&format!("cannot tell: {why}")),
            _ => self.style.good(&result),
        };
        print(&format!("\n{result}\n"))?;
        self.say(&format!(
            "{pairs} pairs of runs in turn, {} before, {} after, {:.1} times as fast; the same program \
             measured against itself: {}. On this runtime: CPython is another one.",
            seconds(before),
            seconds(after),
            before / after.max(1e-9),
            interval(trial.control())
        ))
    }

    fn next(&self, findings: usize) -> Result<(), Failure> {
        let directory = escaped(&self.args.output.display().to_string()).into_owned();
        let found = counted(findings as u64, "finding");
        let mut out = format!("{found} in {}; all is in {directory}\n\n", self.path(SLOW.0));
        let rows = [
            (format!("open {directory}/report.html"), "the same as a page, in a browser"),
            (format!("slowpath serve {directory}/profile.slowpath"), "the browser view"),
            ("slowpath explain SP901".into(), "the page of a finding"),
            ("slowpath top -- slowpath python app.py".into(), "your program, live, on this runtime"),
            ("slowpath run -- python3 app.py".into(), "your program on your Python"),
            ("slowpath attach PID".into(), "one that runs already"),
        ];
        for (command, what) in rows {
            let text = match self.style.width >= 80 {
                true => format!("  {:46} {}\n", command, self.style.faint(what)),
                false => format!("  {command}\n      {}\n", self.style.faint(what)),
            };
            out += &text;
        }
        print(&out)
    }

    fn command(&self, name: &str, orders: &str) -> Command {
        let mut command = Command::new(&self.runtime);
        command.arg(self.args.output.join(name)).arg(orders);
        command
    }

    fn path(&self, name: &str) -> String {
        escaped(&self.args.output.join(name).display().to_string()).into_owned()
    }

    fn heading(&self, number: u32, text: &str) -> Result<(), Failure> {
        if self.stop.is_stopped() {
            return Err(interrupted());
        }
        print(&format!("\n{}\n\n", self.style.strong(&format!("{number}/5 {text}"))))
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        print(&format!("{}\n", wrap(text, self.style.width, 0)))
    }

    fn pause(&self, what: &str) -> Result<(), Failure> {
        if self.is_asking && !self.stop.is_stopped() {
            print(&format!("\n{} ", self.style.faint(&format!("[{what}]"))))?;
            self.answer();
        }
        if self.stop.is_stopped() { Err(interrupted()) } else { Ok(()) }
    }

    /// A line of the terminal. Nothing, if there is none to come, or a signal comes first.
    fn answer(&self) -> String {
        let mut line = String::new();
        // A read goes on after a signal, so what is waited for is that there is something to read.
        while !self.stop.is_stopped() {
            let stdin = io::stdin();
            let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
            match poll(&mut ready, Some(&WAIT)) {
                Ok(0) | Err(Errno::INTR) => {}
                _ => {
                    let _ = stdin.lock().read_line(&mut line);
                    break;
                }
            }
        }
        line
    }
}

/// The beginning of a line that is longer than the terminal is wide.
fn cut(line: &str, width: usize) -> String {
    line.chars().take(width.saturating_sub(3)).collect()
}

/// Both programs must print the same, or their times cannot be compared.
fn same_output(reference: &mut Option<Run>, mut run: Run, name: &str) -> Result<(), Failure> {
    let failed = || {
        Failure::new(
            Exit::Inconclusive,
            format!("{name} did not run as it should"),
            "it failed, or printed something else than before",
            format!("see what it says: slowpath python {}", Path::new(name).display()),
        )
    };
    if run.code != 0 {
        return Err(failed());
    }
    let Some(reference) = reference else {
        *reference = Some(run);
        return Ok(());
    };
    if reference.difference(&mut run)?.is_some() { Err(failed()) } else { Ok(()) }
}

fn interrupted() -> Failure {
    Failure::new(Exit::Inconclusive, "the demo was interrupted", "a signal came", "slowpath demo")
}

fn ended() -> Failure {
    Failure::new(
        Exit::Inconclusive,
        "the program ended before it could be profiled",
        "the bundled runtime does not run here",
        "see what it says: slowpath python -c 1",
    )
}

fn too_long() -> Failure {
    Failure::new(
        Exit::Inconclusive,
        "a run did not end in time",
        "each takes about a second on a machine that is not busy",
        "try again when it is less busy: slowpath demo",
    )
}
