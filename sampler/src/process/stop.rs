//! Stops threads for the moment of a read (`--blocking`) and lets them go, whatever happens.
//!
//! Each stop traces the named threads anew (`PTRACE_SEIZE`, `PTRACE_INTERRUPT`) and ends the tracing
//! with it (`PTRACE_DETACH`), so that between two stops the target is not traced at all: its signals
//! and its own stops are its own affair. No option is set, above all not `PTRACE_O_EXITKILL`: when
//! the tracing thread ends, even by SIGKILL, the kernel lets the target run on.
//!
//! What can happen meanwhile:
//! - a signal arrives: the thread is stopped by that, and gets the signal when it is let go;
//! - the process is stopped by SIGSTOP or the terminal: it stays stopped when it is let go;
//! - a thread ends: it is collected, for the kernel keeps the process until that is done;
//! - a thread calls `exec`: its id changes to that of the process, which is then looked after;
//! - a thread does not stop in time (it sleeps in the kernel beyond signals): it is left out, and
//!   let go as soon as it does stop.
//!
//! The kernel ties tracing to a thread, not to a process: a [`Stopper`] stays on the thread that
//! made it. A `waitpid` on a traced child elsewhere in the same process may be told of a stop: wait
//! for the end of such a child with [`super::children::wait_for_exit`] first.

use std::fs;
use std::io;
use std::marker::PhantomData;
use std::thread;
use std::time::{Duration, Instant};

use super::access::Status;
use super::linux::{Heard, detach, hear, interrupt, reap, seize, signal_of_stop};

/// How long a stop may take.
pub const MAX_WAIT: Duration = Duration::from_millis(50);
/// How often a thread that should stop is asked without a pause: one that runs on another processor
/// stops within some microseconds.
const EAGER_ROUNDS: u32 = 20;
/// How long to sleep between two later rounds: one that has to run on our processor needs it. Not
/// `yield`, which on a busy machine gives whole time slices away while threads stand still.
const NAP: Duration = Duration::from_micros(20);

/// What became of the threads that were to be stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopCounts {
    /// Stopped and let go.
    pub stopped: u64,
    /// Ended before they stopped.
    pub ended: u64,
    /// Not allowed, or traced by another.
    pub refused: u64,
    /// Did not stop in time.
    pub timed_out: u64,
}

/// Stops threads of one process.
#[derive(Debug)]
pub struct Stopper {
    pid: u32,
    counts: StopCounts,
    stopped: Vec<u32>,
    /// Threads that were asked to stop and have not yet.
    late: Vec<u32>,
    _bound_to_its_thread: PhantomData<*const ()>,
}

/// Threads that are stopped as long as this lives.
#[derive(Debug)]
pub struct Stopped<'a>(&'a mut Stopper);

impl Stopper {
    /// A stopper for process `pid`. Nothing is traced yet.
    pub fn new(pid: u32) -> Self {
        Self {
            pid,
            counts: StopCounts::default(),
            stopped: Vec::new(),
            late: Vec::new(),
            _bound_to_its_thread: PhantomData,
        }
    }

    /// What became of all threads so far.
    pub fn counts(&self) -> StopCounts {
        self.counts
    }

    /// Stops the threads `tids`, waiting at most `max_wait`. Those that cannot be stopped are left
    /// out and counted.
    pub fn stop(&mut self, tids: &[u32], max_wait: Duration) -> Stopped<'_> {
        self.settle();
        let mut waiting = Vec::with_capacity(tids.len());
        for &tid in tids {
            match begin(tid) {
                Ok(()) => waiting.push(tid),
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => self.counts.ended += 1,
                Err(_) => self.counts.refused += 1,
            }
        }
        self.wait_for(&mut waiting, max_wait);
        self.counts.timed_out += waiting.len() as u64;
        self.late.append(&mut waiting);
        Stopped(self)
    }

    /// Lets go threads that stopped too late. Called by every [`Stopper::stop`]; worth calling before
    /// a long pause if [`StopCounts::timed_out`] has grown.
    pub fn settle(&mut self) {
        let mut late = std::mem::take(&mut self.late);
        late.retain(|&tid| match signal_of_stop(id(tid)) {
            Ok(signal) => detach(id(tid), signal).is_err(),
            Err(_) => {
                self.collect_if_ended(tid);
                self.is_traced_by_us(tid)
            }
        });
        self.late = late;
    }

    /// Moves threads from `waiting` to `self.stopped` as they stop.
    fn wait_for(&mut self, waiting: &mut Vec<u32>, max_wait: Duration) {
        let begin = Instant::now();
        for round in 0_u32.. {
            waiting.retain(|&tid| !self.has_stopped_or_ended(tid));
            if waiting.is_empty() || begin.elapsed() >= max_wait {
                return;
            }
            if round >= EAGER_ROUNDS {
                thread::sleep(NAP);
            }
        }
    }

    fn has_stopped_or_ended(&mut self, tid: u32) -> bool {
        if signal_of_stop(id(tid)).is_ok() {
            self.stopped.push(tid);
            return true;
        }
        let ended = self.collect_if_ended(tid);
        self.counts.ended += u64::from(ended);
        ended
    }

    /// Collects a thread that has ended. `true`: nothing more is to be expected of `tid`.
    fn collect_if_ended(&mut self, tid: u32) -> bool {
        match hear(id(tid)) {
            Heard::Nothing => false,
            Heard::Ended => {
                // The end of a child of ours is for whoever started it to collect.
                if tid != self.pid || !is_our_child(self.pid) {
                    reap(id(tid));
                }
                true
            }
            Heard::Stranger => {
                // After an `exec` the thread goes on, traced, under the id of the process.
                if tid != self.pid && self.is_traced_by_us(self.pid) && !self.late.contains(&self.pid) {
                    self.late.push(self.pid);
                }
                true
            }
        }
    }

    fn is_traced_by_us(&self, tid: u32) -> bool {
        let status = Status::read(&format!("{}/task/{tid}", self.pid));
        let tracer = status.as_ref().and_then(|status| status.field("TracerPid")?.parse::<u32>().ok());
        // Not the process: the thread. A dead one counts: it waits to be collected.
        tracer == Some(rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned())
    }
}

impl Drop for Stopper {
    /// Gives late threads a last chance; after that the end of the tracing thread frees them.
    fn drop(&mut self) {
        let begin = Instant::now();
        while !self.late.is_empty() && begin.elapsed() < MAX_WAIT {
            self.settle();
            thread::sleep(NAP);
        }
    }
}

impl Stopped<'_> {
    /// The threads that are stopped.
    pub fn tids(&self) -> &[u32] {
        &self.0.stopped
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        for tid in std::mem::take(&mut self.0.stopped) {
            // A stop that a signal caused ends with that signal. An error: killed meanwhile.
            let signal = signal_of_stop(id(tid)).unwrap_or(0);
            match detach(id(tid), signal) {
                Ok(()) => self.0.counts.stopped += 1,
                Err(_) => self.0.late.push(tid),
            }
        }
    }
}

fn begin(tid: u32) -> io::Result<()> {
    seize(id(tid))?;
    interrupt(id(tid))
}

fn id(tid: u32) -> libc::pid_t {
    // Ids above `i32::MAX` do not exist; -1 makes the kernel say so.
    libc::pid_t::try_from(tid).unwrap_or(-1)
}

fn is_our_child(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.and_then(|parent| parent.trim().parse().ok()) == Some(std::process::id())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    /// The signal comes between the beginning of the tracing and the stop: rare, so forced.
    #[test]
    fn a_signal_that_stops_a_thread_is_handed_on() {
        let script = "trap 'echo caught' USR1; echo ready; for i in $(seq 500); do sleep 0.01; done";
        let mut shell = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(shell.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let mut stopper = Stopper::new(shell.id());
        seize(id(shell.id())).unwrap();
        kill_process(Pid::from_child(&shell), Signal::USR1).unwrap();
        let begin = Instant::now();
        loop {
            assert!(begin.elapsed() < Duration::from_secs(20));
            match signal_of_stop(id(shell.id())) {
                Ok(libc::SIGUSR1) => break,
                // The end of the shell's `sleep` is a signal too.
                Ok(other) => {
                    detach(id(shell.id()), other).unwrap();
                    seize(id(shell.id())).unwrap();
                }
                Err(_) => thread::sleep(NAP),
            }
        }
        stopper.stopped.push(shell.id());
        drop(Stopped(&mut stopper));
        assert_eq!(stopper.counts().stopped, 1);
        assert_eq!(lines.next().unwrap().unwrap(), "caught");
        shell.kill().unwrap();
        shell.wait().unwrap();
    }
}
