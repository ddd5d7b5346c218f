//! Takes a [`Dump`]: the same reading as a sample, then everything that is worth saying once.

use std::collections::HashMap;

use slowpath_profile::{Quality, Tables, ThreadState};

use crate::dump::{Dump, DumpOptions, FrameDump, InterpreterDump, Local, ThreadDump};
use crate::heads::{Head, HeadPlan};
use crate::identify;
use crate::layout::spec::Layout;
use crate::process::error::AttachError;
use crate::process::memory::Memory;
use crate::process::threads::{FileBudget, OsThread, OsWait};
use crate::process_sampler::CurrentFound;
use crate::read::code_cache::CodeCache;
use crate::read::image::Image;
use crate::read::locals;
use crate::read::plan::{Attempt, Plan};
use crate::read::stack::RawFrame;
use crate::read::threads::{Interpreter, ThreadRef, interpreters};
use crate::resolve::{LastStack, Resolver};

/// Reads of one stack before it is given up. A dump is worth more patience than a sample.
const TRIES: u32 = 200;

/// Everything of one process at one instant.
pub(crate) fn take(found: &CurrentFound, options: DumpOptions) -> Result<Dump, AttachError> {
    let read = interpreters(&found.memory, &found.layout, found.runtime);
    let mut list = read.map_err(|error| AttachError::from_memory(found.pid, error))?;
    // The runtime lists the newest interpreter first; people expect the main one there.
    list.reverse();
    let mut taker = Taker {
        memory: &found.memory,
        layout: &found.layout,
        pid: found.pid,
        options,
        codes: CodeCache::default(),
        tables: Tables::default(),
        files: FileBudget::from_limit(),
    };
    Ok(Dump {
        pid: found.pid,
        command: found.command.clone(),
        python: found.layout.version.to_string(),
        build: found.build,
        interpreters: list.iter().map(|interpreter| taker.interpreter(found.runtime, interpreter)).collect(),
    })
}

struct Taker<'a> {
    memory: &'a dyn Memory,
    layout: &'a Layout,
    pid: u32,
    options: DumpOptions,
    codes: CodeCache,
    tables: Tables,
    files: FileBudget,
}

impl Taker<'_> {
    fn interpreter(&mut self, runtime: u64, interpreter: &Interpreter) -> InterpreterDump {
        let head = self.head(runtime, interpreter);
        let names = identify::given_names(self.memory, self.layout, std::iter::once(interpreter.addr));
        let natives = identify::native_ids(self.memory, self.layout, self.pid, &interpreter.threads);
        let gil = interpreter.gil..interpreter.gil.saturating_add(self.layout.interpreter.gil.size as u64);
        let threads = interpreter.threads.iter().zip(natives).rev();
        InterpreterDump {
            id: interpreter.id,
            gc_collecting: head.collecting,
            gil_locked: head.has_gil.then_some(head.holder != 0),
            threads: threads
                .map(|(thread, native)| self.thread(thread, native, &head, &gil, &names))
                .collect(),
        }
    }

    fn head(&self, runtime: u64, interpreter: &Interpreter) -> Head {
        let mut plan = HeadPlan::new(self.layout, runtime, interpreter);
        let mut image = Image::default();
        plan.add_to(&mut image);
        match image.fill(self.memory) {
            Ok(()) => plan.decode(&image).unwrap_or_default(),
            Err(_) => Head::default(),
        }
    }

    fn thread(
        &mut self,
        thread: &ThreadRef,
        native_id: u32,
        head: &Head,
        gil: &std::ops::Range<u64>,
        names: &HashMap<u64, String>,
    ) -> ThreadDump {
        let os = identify::os_thread(self.pid, native_id, &self.files);
        let is_main = native_id == self.pid;
        let holds_gil = head.holder == thread.addr;
        let state = match os.as_ref().map_or(OsWait::Unknown, OsThread::wait) {
            OsWait::Running => ThreadState::Running,
            OsWait::Futex { addr } if gil.contains(&addr) => ThreadState::WaitingForGil,
            OsWait::Unknown if holds_gil => ThreadState::Running,
            _ => ThreadState::Idle,
        };
        let (raw, quality) = self.frames(thread);
        ThreadDump {
            native_id,
            python_id: thread.thread_id,
            name: identify::name(names, thread, is_main, os.as_ref()).text,
            is_main,
            state,
            holds_gil,
            cpu_ns: os.as_ref().and_then(OsThread::cpu_ns),
            quality,
            frames: raw.iter().filter_map(|frame| self.frame(frame)).collect(),
        }
    }

    /// The frames of a thread, read until they can be believed.
    fn frames(&mut self, thread: &ThreadRef) -> (Vec<RawFrame>, Quality) {
        let (mut plan, mut image, mut frames) = (Plan::new(*thread), Image::default(), Vec::new());
        let mut broken = 0;
        for _ in 0..TRIES {
            image.clear();
            plan.add_to(self.layout, &mut image);
            if image.fill(self.memory).is_err() {
                break;
            }
            match plan.read(self.memory, self.layout, &image, &mut frames) {
                Attempt::Gone => break,
                Attempt::Learned => {}
                Attempt::Broken => broken += 1,
                attempt => {
                    let mut resolver = Resolver {
                        memory: self.memory,
                        layout: self.layout,
                        codes: &mut self.codes,
                        tables: &mut self.tables,
                    };
                    if resolver.resolve(&frames, &mut LastStack::default()).is_ok() {
                        let quality = match (attempt, broken) {
                            (Attempt::Truncated, _) => Quality::Truncated,
                            (_, 0) => Quality::Clean,
                            _ => Quality::Retried,
                        };
                        return (frames, quality);
                    }
                    broken += 1;
                }
            }
        }
        (Vec::new(), Quality::Dropped)
    }

    fn frame(&mut self, frame: &RawFrame) -> Option<FrameDump> {
        let code = &self.codes.peek(frame.code)?.code;
        if code.is_internal {
            return None;
        }
        let instruction = code.offset_of(frame.instruction);
        let locals = self.options.locals.map(|limit| {
            let read = locals::read(self.memory, self.layout, frame, limit);
            read.into_iter().map(|(name, argument, value)| Local { name, argument, value }).collect()
        });
        Some(FrameDump {
            file: code.file.clone(),
            name: code.name.clone(),
            qualname: code.qualname.clone(),
            first_line: code.first_line,
            span: instruction.map(|offset| code.span(offset)).unwrap_or_default(),
            instruction,
            opcode: code.opcode(self.memory, self.layout, frame.instruction).map(String::from),
            locals,
        })
    }
}
