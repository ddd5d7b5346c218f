//! Runs both sides in turn until it is clear which is faster, or it is enough.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use slowpath_advisor::verify::{Block, Side, Trial, order};
use slowpath_sampler::session::StopFlag;

use super::runs::{Outcome, Run, run};
use super::sides::Sides;
use crate::args::{Global, VerifyArgs};
use crate::failure::{Exit, Failure};
use crate::output::text::seconds;
use crate::output::verify::interval;

/// A run may take so many times as long as the first one, and this much more: a change that never ends
/// is no gain.
const PATIENCE: u32 = 10;
const MORE_PATIENCE: Duration = Duration::from_secs(10);

/// Makes all runs. The first of each side warms up and is not counted.
pub(super) fn measure(
    args: &VerifyArgs,
    sides: &Sides,
    stop: &StopFlag,
    global: Global,
) -> Result<Trial, Failure> {
    let bar = if global.quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    let begin = Instant::now();
    let mut runner = Runner { args, sides, stop, first: None, limit: args.measuring.at_most + MORE_PATIENCE };
    let mut trial = Trial::default();
    bar.set_message("warming up; Ctrl-C ends it");
    let mut is_warm = true;
    // The control comes before the change: what differs from itself cannot be compared with anything.
    for side in [Side::Before, Side::Control, Side::After] {
        is_warm &= runner.once(side)?.is_some();
    }
    let most = args.measuring.pairs.div_ceil(2) as usize;
    for number in 0..most {
        if !is_warm || stop.is_stopped() || begin.elapsed() > args.measuring.at_most || !trial.wants_more() {
            break;
        }
        let mut block = Block::default();
        for side in order(number) {
            match runner.once(side)? {
                Some(seconds) => block.add(side, seconds),
                None => break,
            }
        }
        trial.add(block);
        bar.set_message(told(&trial, most, begin.elapsed()));
    }
    bar.finish_and_clear();
    Ok(trial)
}

fn told(trial: &Trial, most: usize, elapsed: Duration) -> String {
    format!(
        "{}: pair {} of at most {}, saves {}, control {}; Ctrl-C ends it",
        seconds(elapsed.as_secs_f64()),
        trial.blocks().len() * 2,
        most * 2,
        interval(trial.saving()),
        interval(trial.control()),
    )
}

struct Runner<'a> {
    args: &'a VerifyArgs,
    sides: &'a Sides,
    stop: &'a StopFlag,
    /// The very first run, with which outputs are compared.
    first: Option<Run>,
    limit: Duration,
}

impl Runner<'_> {
    /// Runs a side once and returns its time; `None` if it was called off.
    fn once(&mut self, side: Side) -> Result<Option<f64>, Failure> {
        let start = if side == Side::After { &self.sides.after } else { &self.sides.before };
        let mut run = match run(&mut start.command(), self.limit, self.stop)? {
            Outcome::Ended(run) => run,
            Outcome::Stopped => return Ok(None),
            Outcome::TooLong => return Err(too_long(side, self.limit)),
        };
        if run.code != 0 && !self.args.measuring.ignore_exit_code {
            return Err(failed(side, &mut run));
        }
        let seconds = run.seconds(self.args.measuring.clock);
        match &mut self.first {
            None => {
                self.limit = run.wall() * PATIENCE + MORE_PATIENCE;
                self.first = Some(run);
            }
            Some(first) if !self.args.measuring.ignore_output => {
                if let Some(difference) = first.difference(&mut run)? {
                    let lines = format!(
                        "line {} was \"{}\" and is \"{}\"",
                        difference.line, difference.one, difference.other
                    );
                    return Err(differs(side, lines));
                }
            }
            Some(_) => {}
        }
        Ok(Some(seconds))
    }
}

fn name(side: Side) -> &'static str {
    match side {
        Side::After => "the changed program",
        Side::Before | Side::Control => "the program",
    }
}

fn too_long(side: Side, limit: Duration) -> Failure {
    Failure::new(
        Exit::Inconclusive,
        format!("{} did not end within {}", name(side), seconds(limit.as_secs_f64())),
        "each run must come to its end, and be about as long as the others",
        "give it less to do, or more time with: --at-most TIME",
    )
}

fn failed(side: Side, run: &mut Run) -> Failure {
    let why = match run.last_words() {
        words if words.is_empty() => "it said nothing on standard error".into(),
        words => words,
    };
    Failure::new(
        Exit::Inconclusive,
        format!("{} ended with exit code {}", name(side), run.code),
        why,
        "make it end with 0, or measure it all the same with: --ignore-exit-code",
    )
}

fn differs(side: Side, lines: String) -> Failure {
    let what = match side {
        Side::After => "the change changes what the program prints",
        Side::Before | Side::Control => "the program prints something else each time",
    };
    let fix = "make both print the same, or do not compare with: --ignore-output";
    Failure::new(Exit::Inconclusive, what, lines, fix)
}
