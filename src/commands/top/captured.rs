//! A program whose output must not fall into the view: its end is kept and shown afterwards.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, PipeReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::failure::Failure;
use crate::output::tell;
use crate::program::{Program, no_name};

/// So much of each stream is kept, the last of it.
const KEPT_BYTES: usize = 64 * 1024;

/// A started program.
pub(super) struct Captured {
    program: Program,
    out: Arc<Mutex<Tail>>,
    err: Arc<Mutex<Tail>>,
}

/// The end of a stream.
#[derive(Debug, Default)]
struct Tail {
    bytes: VecDeque<u8>,
    /// Bytes that stood before them.
    lost: u64,
}

impl Captured {
    /// Starts the program, with nothing to read.
    pub(super) fn start(words: &[OsString]) -> Result<Self, Failure> {
        let [name, arguments @ ..] = words else { return Err(no_name()) };
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::null());
        let pipe = || io::pipe().map_err(|error| super::no_thread(&error));
        let ((out, out_end), (err, err_end)) = (pipe()?, pipe()?);
        command.stdout(out_end).stderr(err_end);
        let program = Program::spawn(&mut command)?;
        Ok(Self { program, out: keep(out), err: keep(err) })
    }

    /// The program.
    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    /// Ends the program if it still runs, prints the end of what it wrote, and returns its exit code; 0 if it
    /// was we who ended it.
    pub(super) fn end(&mut self) -> u8 {
        let was_running = self.program.ask_to_end();
        let code = self.program.collect().ok().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        // A moment for what is still in the pipes.
        thread::sleep(Duration::from_millis(50));
        let (lost, bytes) = taken(&self.out);
        // Nobody may be there to read it.
        let _ = io::stdout().write_all(&bytes).and_then(|()| io::stdout().flush());
        let (lost_err, err) = taken(&self.err);
        let _ = io::stderr().write_all(&err);
        if lost + lost_err > 0 {
            tell(&format!(
                "slowpath: {} bytes that the program wrote before were not kept\n",
                lost + lost_err
            ));
        }
        if was_running { 0 } else { code }
    }
}

fn taken(tail: &Mutex<Tail>) -> (u64, Vec<u8>) {
    let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    (tail.lost, std::mem::take(&mut tail.bytes).into())
}

/// Reads a pipe to its end, in a thread that ends with it.
fn keep(mut pipe: PipeReader) -> Arc<Mutex<Tail>> {
    let tail = Arc::new(Mutex::new(Tail::default()));
    let kept = Arc::clone(&tail);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let mut tail = kept.lock().unwrap_or_else(PoisonError::into_inner);
            tail.bytes.extend(&buffer[..count]);
            let surplus = tail.bytes.len().saturating_sub(KEPT_BYTES);
            tail.bytes.drain(..surplus);
            tail.lost += surplus as u64;
        }
    });
    tail
}
