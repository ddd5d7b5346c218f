//! The program that `run` and others start.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::failure::{Exit, Failure, reason};

/// A program that is asked to end gets so much time for it.
const GRACE: Duration = Duration::from_secs(2);

/// A started program. Its standard streams are ours, untouched.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    started: Instant,
    ended: Arc<AtomicBool>,
    wakeup: mpsc::Receiver<()>,
}

impl Program {
    /// Starts the program.
    pub(crate) fn start(command: &[OsString]) -> Result<Self, Failure> {
        let [name, arguments @ ..] = command else {
            return Err(no_name());
        };
        let mut command = Command::new(name);
        command.args(arguments);
        Self::spawn(&mut command)
    }

    /// Starts a program that has more to it than a name and arguments.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self, Failure> {
        let child = command.spawn().map_err(|error| cannot_start(command.get_program(), &error))?;
        let (sender, wakeup) = mpsc::channel();
        let ended = Arc::new(AtomicBool::new(false));
        watch(child.id(), Arc::clone(&ended), sender);
        Ok(Self { child, started: Instant::now(), ended, wakeup })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its process id as the system calls take it.
    pub(crate) fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Whether it has ended. It stays a zombie until [`Self::wait`], so its id cannot be reused.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Sleeps until the program ends, at most `limit`.
    pub(crate) fn sleep(&self, limit: Duration) {
        // Either outcome is an invitation to look again.
        let _ = self.wakeup.recv_timeout(limit);
    }

    /// Time since it was started.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends it at once, if it has not ended yet.
    pub(crate) fn kill(&mut self) {
        // It may have ended just now, and then there is nothing to do.
        let _ = self.child.kill();
    }

    /// Asks it to end, if it has not ended yet, and ends it if it does not in time; whether it still ran.
    pub(crate) fn ask_to_end(&mut self) -> bool {
        let was_running = !self.has_ended();
        if was_running {
            // It may end just now; then there is nobody to be told.
            let _ = self.pid().map(|pid| kill_process(pid, Signal::TERM));
            self.sleep(GRACE);
            self.kill();
        }
        was_running
    }

    /// Waits for its end and returns its exit code as a shell would name it.
    pub(crate) fn wait(mut self) -> io::Result<i32> {
        self.collect()
    }

    /// The same for who still needs it.
    pub(crate) fn collect(&mut self) -> io::Result<i32> {
        Ok(exit_code(self.child.wait()?))
    }
}

/// Nothing was said to be started.
pub(crate) fn no_name() -> Failure {
    Failure::usage("no program given", "nothing follows --", "slowpath run -- python3 app.py")
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

/// Sets `ended` when the process ends, without collecting it.
fn watch(id: u32, ended: Arc<AtomicBool>, wakeup: mpsc::Sender<()>) {
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return };
    thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        ended.store(true, Ordering::Release);
        // Nobody waits any more if the receiver is gone.
        let _ = wakeup.send(());
    });
}

fn cannot_start(name: &OsStr, error: &io::Error) -> Failure {
    let what = format!("cannot start {}", name.to_string_lossy());
    match error.kind() {
        io::ErrorKind::NotFound => Failure::new(
            Exit::CannotAttach,
            what,
            "there is no such program in PATH",
            "check the name: slowpath run -- python3 app.py",
        ),
        io::ErrorKind::PermissionDenied => Failure::new(
            Exit::Permission,
            what,
            "the file is not executable",
            "run it with its interpreter: slowpath run -- python3 FILE",
        ),
        _ => Failure::new(Exit::CannotAttach, what, reason(error), "try the command without slowpath first"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(command: &[&str]) -> Result<Program, Failure> {
        Program::start(&command.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(start(&["sh", "-c", "exit 7"]).unwrap().wait().unwrap(), 7);
        assert_eq!(start(&["sh", "-c", "kill -TERM $$"]).unwrap().wait().unwrap(), 143);
    }

    #[test]
    fn the_end_is_noticed_before_the_program_is_collected() {
        let program = start(&["sleep", "0.05"]).unwrap();
        assert!(!program.has_ended());
        program.sleep(Duration::from_secs(10));
        assert!(program.has_ended() && program.age() < Duration::from_secs(5));
        assert_eq!(program.wait().unwrap(), 0);
    }

    #[test]
    fn a_program_that_cannot_start_is_named() {
        let failure = start(&["no-such-program-here"]).unwrap_err();
        assert_eq!(
            (failure.exit, failure.what.as_str()),
            (Exit::CannotAttach, "cannot start no-such-program-here")
        );
        assert_eq!(
            start(&[concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]).unwrap_err().exit,
            Exit::Permission
        );
    }
}
