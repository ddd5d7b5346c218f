//! One run of the program: what it took, how it ended, what it printed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use slowpath_sampler::session::StopFlag;

use crate::args::Clock;
use crate::failure::{Exit, Failure, reason};
use crate::program::Program;

/// How often it is looked whether the run was called off.
const LOOK: Duration = Duration::from_millis(100);
/// What a program said last is worth showing; all of it is not.
const LAST_WORDS_BYTES: u64 = 2_000;
/// Of a line that differs, so much is shown.
const LINE_BYTES: usize = 120;

/// A run that came to its end.
#[derive(Debug)]
pub(in crate::commands) struct Run {
    cpu_s: f64,
    wall_s: f64,
    /// As a shell would name it.
    pub(in crate::commands) code: i32,
    output: File,
    errors: File,
}

/// How a run went.
#[derive(Debug)]
pub(in crate::commands) enum Outcome {
    /// It came to its end.
    Ended(Run),
    /// It took longer than it may, and was ended.
    TooLong,
    /// Somebody called it off.
    Stopped,
}

/// Runs `command` to its end, with nothing on its standard input. What it prints goes into files without
/// names: a pipe would make its time depend on how fast we read.
pub(in crate::commands) fn run(
    command: &mut Command,
    limit: Duration,
    stop: &StopFlag,
) -> Result<Outcome, Failure> {
    let (output, errors) = (scratch_file()?, scratch_file()?);
    let stream = |file: &File| file.try_clone().map(Stdio::from).map_err(|error| no_scratch(&error));
    command.stdin(Stdio::null()).stdout(stream(&output)?).stderr(stream(&errors)?);
    let (cpu_before_s, begin) = (cpu_of_children_s(), Instant::now());
    let mut program = Program::spawn(command)?;
    let mut is_over = false;
    while !program.has_ended() {
        program.sleep(LOOK);
        is_over = begin.elapsed() > limit;
        if stop.is_stopped() || is_over {
            program.kill();
        }
    }
    let wall_s = begin.elapsed().as_secs_f64();
    let pid = program.id();
    let code = program.wait().map_err(|error| crate::commands::run::lost(pid, &error))?;
    Ok(if stop.is_stopped() {
        Outcome::Stopped
    } else if is_over {
        Outcome::TooLong
    } else {
        let cpu_s = cpu_of_children_s() - cpu_before_s;
        Outcome::Ended(Run { cpu_s, wall_s, code, output, errors })
    })
}

/// Processor time of all children that were waited for, and of theirs. Programs run one after the
/// other, so that the difference belongs to one.
fn cpu_of_children_s() -> f64 {
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    // It fails for wrong arguments alone.
    getrusage(UsageWho::RUSAGE_CHILDREN)
        .map_or(0.0, |usage| seconds(usage.user_time()) + seconds(usage.system_time()))
}

impl Run {
    /// What it took in seconds.
    pub(in crate::commands) fn seconds(&self, clock: Clock) -> f64 {
        match clock {
            Clock::Cpu => self.cpu_s,
            Clock::Wall => self.wall_s,
        }
    }

    /// How long it took by the clock on the wall.
    pub(in crate::commands) fn wall(&self) -> Duration {
        Duration::from_secs_f64(self.wall_s)
    }

    /// The last line that it wrote to standard error.
    pub(in crate::commands) fn last_words(&mut self) -> String {
        let read = || -> io::Result<String> {
            let length = self.errors.seek(SeekFrom::End(0))?;
            self.errors.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS_BYTES)))?;
            let mut bytes = Vec::new();
            (&self.errors).take(LAST_WORDS_BYTES).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim_end().lines().last().unwrap_or_default().to_owned())
        };
        let mut read = read;
        // What cannot be read back is not said.
        read().unwrap_or_default()
    }

    /// The first line in which the two outputs differ.
    pub(in crate::commands) fn difference(
        &mut self,
        other: &mut Self,
    ) -> Result<Option<Difference>, Failure> {
        difference(&mut self.output, &mut other.output).map_err(|error| {
            let why = reason(&error);
            Failure::new(
                Exit::Output,
                "cannot read the program's output back",
                why,
                "free some space in TMPDIR",
            )
        })
    }
}

/// Where two outputs part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) struct Difference {
    /// Line, from 1.
    pub(in crate::commands) line: u64,
    /// What one has there, cut.
    pub(in crate::commands) one: String,
    /// What the other has there, cut.
    pub(in crate::commands) other: String,
}

fn difference(one: &mut File, other: &mut File) -> io::Result<Option<Difference>> {
    one.rewind()?;
    other.rewind()?;
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut line, mut line_start, mut position) = (1, 0_u64, 0_u64);
    loop {
        let (a, b) = (fill(one, &mut left)?, fill(other, &mut right)?);
        let same = left[..a].iter().zip(&right[..b]).take_while(|(a, b)| a == b).count();
        for (at, _) in left[..same].iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            line += 1;
            line_start = position + at as u64 + 1;
        }
        if same < a || same < b {
            let (one, other) = (line_at(one, line_start)?, line_at(other, line_start)?);
            return Ok(Some(Difference { line, one, other }));
        }
        if a == 0 {
            return Ok(None);
        }
        position += a as u64;
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

fn line_at(file: &mut File, start: u64) -> io::Result<String> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = vec![0; LINE_BYTES];
    let filled = fill(file, &mut bytes)?;
    bytes.truncate(filled);
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}

fn scratch_file() -> Result<File, Failure> {
    tempfile::tempfile().map_err(|error| no_scratch(&error))
}

fn no_scratch(error: &io::Error) -> Failure {
    Failure::new(
        Exit::Output,
        "no place for the program's output",
        reason(error),
        "free some space, or set TMPDIR to a directory with more",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn shell(script: &str, limit: Duration) -> Outcome {
        run(Command::new("sh").args(["-c", script]), limit, &StopFlag::default()).expect("sh starts")
    }

    fn ended(script: &str) -> Run {
        match shell(script, Duration::from_secs(60)) {
            Outcome::Ended(run) => run,
            other => panic!("{other:?}"),
        }
    }

    fn file(text: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn a_run_is_measured_and_heard() {
        let mut run = ended("sleep 0.2; echo out; echo first >&2; echo last >&2; exit 3");
        assert_eq!((run.code, run.last_words().as_str()), (3, "last"));
        assert!(run.seconds(Clock::Wall) >= 0.2 && run.wall() >= Duration::from_millis(200));
        assert!(run.seconds(Clock::Cpu) < 0.2, "{run:?}");
        let busy = ended("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done");
        assert!(busy.seconds(Clock::Cpu) > 0.01, "{busy:?}");
    }

    #[test]
    fn a_run_that_does_not_end_is_ended() {
        assert!(matches!(shell("exec sleep 60", Duration::from_millis(150)), Outcome::TooLong));
        let stop = StopFlag::default();
        stop.stop();
        let outcome = run(Command::new("sleep").arg("60"), Duration::from_secs(60), &stop).unwrap();
        assert!(matches!(outcome, Outcome::Stopped));
    }

    #[test]
    fn outputs_are_compared_to_the_last_byte() {
        let long = "line\n".repeat(40_000);
        let pairs = [("", "", None), (&long, &long, None), ("a\nb\nc", "a\nx\nc", Some((2, "b", "x")))];
        for (one, other, wanted) in pairs {
            let found = difference(&mut file(one), &mut file(other)).unwrap();
            let found = found.as_ref().map(|it| (it.line, it.one.as_str(), it.other.as_str()));
            assert_eq!(found, wanted);
        }
        let found = difference(&mut file(&long), &mut file(&format!("{long}more"))).unwrap().unwrap();
        assert_eq!((found.line, found.other.as_str()), (40_001, "more"));
        let (mut one, mut same) = (ended("echo 1"), ended("printf '1\\n'"));
        assert_eq!(one.difference(&mut same).unwrap(), None);
    }
}
