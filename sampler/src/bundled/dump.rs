//! One look at all threads of the bundled runtime.

use std::time::Duration;

use slowpath_profile::{Quality, ThreadState};
use slowpath_runtime_layout::Thread;

use super::codes::Codes;
use super::stack::{Attempt, Frame, Plan};
use super::{BundledFound, threads};
use crate::dump::{Dump, DumpOptions, FrameDump, InterpreterDump, ThreadDump};
use crate::process::error::AttachError;
use crate::process::memory::Memory;
use crate::process::stop::{MAX_WAIT, Stopper};
use crate::process::threads::{FileBudget, OsThread, OsWait, inner_thread_ids, thread_ids};
use crate::read::image::Image;

/// Reads of one stack before it is given up. A dump is worth more patience than a sample.
const TRIES: u32 = 400;
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
    let mut codes = Codes::default();
    let mut threads: Vec<ThreadDump> = Vec::new();
    for ((thread, os), wait) in listed.iter().zip(&natives).zip(waits) {
        let (frames, quality) = frames(found, &mut codes, thread, options.blocking);
        threads.push(ThreadDump {
            native_id: os.as_ref().map_or(0, OsThread::tid),
            python_id: thread.python_id,
            name: match (thread.name.is_empty(), os) {
                (true, Some(os)) => os.comm(),
                _ => thread.name.clone(),
            },
            is_main: thread.is_main,
            state: if wait == OsWait::Running { ThreadState::Running } else { ThreadState::Idle },
            holds_gil: false,
            cpu_ns: os.as_ref().and_then(OsThread::cpu_ns),
            quality,
            frames: frames.iter().filter_map(|frame| frame_dump(found, &codes, frame)).collect(),
        });
    }
    drop(stopped);
    threads.sort_by_key(|thread| !thread.is_main);
    Ok(Dump {
        pid,
        command: found.command.clone(),
        python: found.version(),
        build: found.build(),
        interpreters: vec![InterpreterDump { id: 0, gc_collecting: false, gil_locked: None, threads }],
    })
}

/// The frames of a thread, read until they can be believed.
fn frames(found: &BundledFound, codes: &mut Codes, thread: &Thread, certain: bool) -> (Vec<Frame>, Quality) {
    let (mut plan, mut image, mut frames) = (Plan::new(thread.top), Image::default(), Vec::new());
    let mut broken = 0;
    for _ in 0..TRIES {
        image.clear();
        // Each read counts as a tick: there is nothing else to go by.
        plan.begin();
        plan.add_to(&mut image);
        if image.fill(&found.memory).is_err() {
            break;
        }
        match plan.read(&found.memory, &found.table, &image, certain, &mut frames) {
            Attempt::Learned => {}
            Attempt::Broken => {
                broken += 1;
                // A thread that waits for our processor does not move while we look.
                std::thread::sleep(NAP);
            }
            Attempt::Stack => {
                if codes.confirm(&found.memory, &found.table, &found.opcodes, &frames).is_ok() {
                    let quality = if broken == 0 { Quality::Clean } else { Quality::Retried };
                    return (frames, quality);
                }
            }
        }
    }
    (Vec::new(), Quality::Dropped)
}

fn frame_dump(found: &BundledFound, codes: &Codes, frame: &Frame) -> Option<FrameDump> {
    let code = codes.get(frame.code)?;
    let instruction = code.instruction(frame.lasti)?;
    let unit = code.units.0.checked_add(instruction.into())?;
    let opcode = found.memory.read_bytes(unit, 1).ok()?;
    Some(FrameDump {
        file: code.file.clone(),
        name: code.name.clone(),
        qualname: code.qualname.clone(),
        first_line: code.first_line,
        span: code.span(frame.lasti, instruction),
        instruction: Some(instruction),
        opcode: Some(found.opcodes.get(opcode[0]).name.clone()).filter(|name| !name.is_empty()),
        locals: None,
    })
}
