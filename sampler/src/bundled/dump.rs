//! One look at all threads of the bundled runtime.

use std::time::Duration;

use slowpath_profile::{Quality, ThreadState};
use slowpath_runtime_layout::{Table, Thread};

use super::codes::{Codes, Opcodes};
use super::stack::{Attempt, Frame, Plan};
use super::{BundledFound, threads};
use crate::dump::{Dump, DumpOptions, FrameDump, InterpreterDump, ThreadDump};
use crate::process::error::AttachError;
use crate::process::memory::{Memory, MemoryError};
use crate::process::recorded::{RecordedMemory, RecordingMemory};
use crate::process::stop::{MAX_WAIT, Stopper};
use crate::process::threads::{FileBudget, OsThread, OsWait, inner_thread_ids, thread_ids};
use crate::read::image::Image;

/// Key of the address of the table in the note of recorded memory.
pub(crate) const NOTE: &str = "bundled";
/// Reads of one stack before it is given up. A dump is worth more patience than a sample.
const TRIES: u32 = 400;
/// The same where nothing moves: in recorded memory.
const RECORDED_TRIES: u32 = 16;
/// Between two reads.
const NAP: Duration = Duration::from_micros(20);

/// Everything of one process at one instant. Local variables are not read.
pub(crate) fn dump(found: &mut BundledFound, options: DumpOptions) -> Result<Dump, AttachError> {
    let pid = found.pid;
    let failed = |error| AttachError::from_memory(pid, error);
    let bytes = super::read_table(&found.memory, found.base).map_err(failed)?;
    if let Ok(table) = bytes {
        found.table = table;
    }
    let listed = threads(&found.memory, &found.table).map_err(failed)?;
    let (inner, files) = (inner_thread_ids(pid), FileBudget::from_limit());
    let native = |thread: &Thread| {
        let own = u32::try_from(thread.native_id).unwrap_or(0);
        inner.as_ref().map_or(own, |ids| ids.get(&own).copied().unwrap_or(0))
    };
    let natives: Vec<Option<OsThread>> = listed
        .iter()
        .map(|thread| Some(native(thread)).filter(|id| *id != 0).map(|id| OsThread::new(pid, id, &files)))
        .collect();
    let waits: Vec<OsWait> =
        natives.iter().map(|os| os.as_ref().map_or(OsWait::Unknown, OsThread::wait)).collect();
    let mut stopper = options.blocking.then(|| Stopper::new(pid));
    let stopped = stopper.as_mut().map(|stopper| stopper.stop(&thread_ids(pid), MAX_WAIT));
    let BundledFound { memory, table, opcodes, .. } = &*found;
    let mut reader =
        Reader { memory, table, opcodes, codes: Codes::default(), certain: options.blocking, tries: TRIES };
    let mut dumps: Vec<ThreadDump> = Vec::new();
    for ((thread, os), wait) in listed.iter().zip(&natives).zip(waits) {
        let mut dump = reader.thread(thread);
        if let Some(os) = os {
            (dump.native_id, dump.cpu_ns) = (os.tid(), os.cpu_ns());
            if dump.name.is_empty() {
                dump.name = os.comm();
            }
        }
        if wait == OsWait::Running {
            dump.state = ThreadState::Running;
        }
        dumps.push(dump);
    }
    drop(stopped);
    Ok(Dump {
        pid,
        command: found.command.clone(),
        python: found.version(),
        build: found.build(),
        interpreters: vec![interpreter(dumps)],
    })
}

/// Keeps the pages that a dump reads, so that [`replay`] can read them again without the process.
pub(crate) fn record(found: BundledFound) -> Result<RecordedMemory, MemoryError> {
    let memory = RecordingMemory::new(found.memory);
    // What it comes to is of no interest: what it reads is kept.
    let _ = replay(&memory, found.base);
    Ok(memory.finish(format!("{NOTE}: {:#x}\n", found.base)))
}

/// Reads recorded memory, with the table at `base`, as the live process was read.
pub(crate) fn replay(memory: &dyn Memory, base: u64) -> Option<InterpreterDump> {
    let table = super::read_table(memory, base).ok()?.ok()?;
    let opcodes = Opcodes::read(memory, &table)?;
    let listed = threads(memory, &table).ok()?;
    let (table, opcodes) = (&table, &opcodes);
    let mut reader =
        Reader { memory, table, opcodes, codes: Codes::default(), certain: false, tries: RECORDED_TRIES };
    Some(interpreter(listed.iter().map(|thread| reader.thread(thread)).collect()))
}

/// The one interpreter there is.
fn interpreter(mut threads: Vec<ThreadDump>) -> InterpreterDump {
    threads.sort_by_key(|thread| !thread.is_main);
    InterpreterDump { id: 0, gc_collecting: false, gil_locked: None, threads }
}

/// Reads threads out of any memory.
struct Reader<'a> {
    memory: &'a dyn Memory,
    table: &'a Table,
    opcodes: &'a Opcodes,
    codes: Codes,
    /// Nothing can move.
    certain: bool,
    tries: u32,
}

impl Reader<'_> {
    /// What memory tells of a thread.
    fn thread(&mut self, thread: &Thread) -> ThreadDump {
        let (frames, quality) = self.frames(thread);
        ThreadDump {
            native_id: 0,
            python_id: thread.python_id,
            name: thread.name.clone(),
            is_main: thread.is_main,
            state: ThreadState::Idle,
            holds_gil: false,
            cpu_ns: None,
            quality,
            frames: frames.iter().filter_map(|frame| self.frame(frame)).collect(),
        }
    }

    /// The frames of a thread, read until they can be believed.
    fn frames(&mut self, thread: &Thread) -> (Vec<Frame>, Quality) {
        let (mut plan, mut image, mut frames) = (Plan::new(thread.top), Image::default(), Vec::new());
        let mut broken = 0;
        // Nobody tells whether the thread runs: time must do.
        let pace = (self.tries / 5).max(1);
        for attempt in 0..self.tries {
            image.clear();
            plan.begin(u64::from(attempt / pace));
            plan.add_to(&mut image);
            if image.fill(self.memory).is_err() {
                break;
            }
            match plan.read(self.memory, self.table, &image, self.certain, &mut frames) {
                Attempt::Learned => {}
                Attempt::Broken => {
                    broken += 1;
                    if self.tries == TRIES {
                        // A thread that waits for our processor does not move while we look.
                        std::thread::sleep(NAP);
                    }
                }
                Attempt::Stack => {
                    if self.codes.confirm(self.memory, self.table, self.opcodes, &frames).is_ok() {
                        let quality = if broken == 0 { Quality::Clean } else { Quality::Retried };
                        return (frames, quality);
                    }
                }
            }
        }
        (Vec::new(), Quality::Dropped)
    }

    fn frame(&self, frame: &Frame) -> Option<FrameDump> {
        let code = self.codes.get(frame.code)?;
        let instruction = code.instruction(frame.lasti)?;
        let unit = code.units.0.checked_add(instruction.into())?;
        let opcode = self.memory.read_bytes(unit, 1).ok()?;
        Some(FrameDump {
            file: code.file.clone(),
            name: code.name.clone(),
            qualname: code.qualname.clone(),
            first_line: code.first_line,
            span: code.span(frame.lasti, instruction),
            instruction: Some(instruction),
            opcode: Some(self.opcodes.get(opcode[0]).name.clone()).filter(|name| !name.is_empty()),
            locals: None,
        })
    }
}
