//! Takes a [`Dump`]: the same reading as a sample, then everything that is worth saying once.

use std::collections::HashMap;

use slowpath_profile::{BuildFlags, Quality, Tables, ThreadState};

use crate::dump::{Dump, DumpOptions, FrameDump, InterpreterDump, Local, ThreadDump};
use crate::heads::{Head, HeadPlan};
use crate::identify;
use crate::layout::spec::{Layout, Version};
use crate::layout::{layout_for, published_len};
use crate::process::error::AttachError;
use crate::process::memory::{Memory, MemoryError};
use crate::process::recorded::{RecordedMemory, RecordingMemory, noted};
use crate::process::stop::{MAX_WAIT, Stopper};
use crate::process::threads::{FileBudget, OsThread, OsWait, thread_ids};
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
    let mut live = Live { pid: found.pid, waits: HashMap::new(), files: FileBudget::from_limit() };
    let mut stopper = options.blocking.then(|| Stopper::new(found.pid));
    let stopped = stopper.as_mut().map(|stopper| {
        let tids = thread_ids(found.pid);
        // A stopped thread tells nothing about what it was doing.
        live.waits = tids.iter().map(|&tid| (tid, live.thread(tid).wait())).collect();
        stopper.stop(&tids, MAX_WAIT)
    });
    let read = interpreters_of(&found.memory, &found.layout, found.runtime, Some(&live), options);
    drop(stopped);
    Ok(Dump {
        pid: found.pid,
        command: found.command.clone(),
        python: found.layout.version.to_string(),
        build: found.build,
        interpreters: read.map_err(|error| AttachError::from_memory(found.pid, error))?,
    })
}

/// What the kernel says of a live process.
#[derive(Debug)]
pub struct Live {
    pid: u32,
    /// What threads waited for before they were stopped, if they were.
    waits: HashMap<u32, OsWait>,
    files: FileBudget,
}

impl Live {
    fn thread(&self, tid: u32) -> OsThread {
        OsThread::new(self.pid, tid, &self.files)
    }

    fn wait(&self, tid: u32) -> OsWait {
        self.waits.get(&tid).copied().unwrap_or_else(|| self.thread(tid).wait())
    }
}

/// All interpreters and threads of the runtime at `runtime`, out of any memory: live, a core dump,
/// recorded pages. Without a live process a thread runs if it holds the GIL.
pub fn interpreters_of(
    memory: &dyn Memory,
    layout: &Layout,
    runtime: u64,
    live: Option<&Live>,
    options: DumpOptions,
) -> Result<Vec<InterpreterDump>, MemoryError> {
    let mut list = interpreters(memory, layout, runtime)?;
    // The runtime lists the newest interpreter first; people expect the main one there.
    list.reverse();
    let (codes, tables) = (CodeCache::default(), Tables::default());
    let mut taker = Taker { memory, layout, live, options, codes, tables };
    Ok(list.iter().map(|interpreter| taker.interpreter(runtime, interpreter)).collect())
}

/// Keeps the pages that a dump reads, so that [`replay`] can read them again without the process.
/// Meant for a process that is stopped or asleep.
pub(crate) fn record(found: CurrentFound, options: DumpOptions) -> Result<RecordedMemory, MemoryError> {
    let memory = RecordingMemory::new(found.memory);
    if let Some(len) = published_len(found.layout.version) {
        memory.read_bytes(found.runtime, len)?;
    }
    interpreters_of(&memory, &found.layout, found.runtime, None, options)?;
    let version = found.layout.version;
    let hex = u32::from_be_bytes([version.major, version.minor, version.micro, version.level_serial]);
    let build = serde_json::to_string(&found.layout.build).unwrap_or_default();
    Ok(memory.finish(format!("version: {hex:#010x}\nruntime: {:#x}\nbuild: {build}\n", found.runtime)))
}

/// Reads recorded memory as the live process was read. `None` if its note does not say what it is.
pub fn replay(recorded: &RecordedMemory, options: DumpOptions) -> Option<Vec<InterpreterDump>> {
    replay_through(recorded, recorded.note(), options)
}

/// As [`replay`], with the note of a recording and the memory to read.
pub fn replay_through(memory: &dyn Memory, note: &str, options: DumpOptions) -> Option<Vec<InterpreterDump>> {
    if let Some(base) = noted_addr(note, crate::bundled::NOTE) {
        return crate::bundled::replay(memory, base).map(|interpreter| vec![interpreter]);
    }
    let (layout, runtime) = noted_layout(memory, note)?;
    interpreters_of(memory, &layout, runtime, None, options).ok()
}

fn noted_addr(note: &str, key: &str) -> Option<u64> {
    u64::from_str_radix(noted(note, key)?.strip_prefix("0x")?, 16).ok()
}

/// The layout and the address of `_PyRuntime` that the note of recorded memory tells of.
pub fn noted_layout(memory: &dyn Memory, note: &str) -> Option<(Layout, u64)> {
    let number = |key| noted_addr(note, key);
    let (version, runtime) = (Version::from_hex(number("version")?)?, number("runtime")?);
    let build: BuildFlags = serde_json::from_str(noted(note, "build")?).ok()?;
    let published = published_len(version).map(|len| memory.read_bytes(runtime, len));
    let layout = layout_for(version, build, published.transpose().ok()?.as_deref()).ok()?;
    Some((layout, runtime))
}

struct Taker<'a> {
    memory: &'a dyn Memory,
    layout: &'a Layout,
    live: Option<&'a Live>,
    options: DumpOptions,
    codes: CodeCache,
    tables: Tables,
}

impl Taker<'_> {
    fn interpreter(&mut self, runtime: u64, interpreter: &Interpreter) -> InterpreterDump {
        let head = self.head(runtime, interpreter);
        let names = identify::given_names(self.memory, self.layout, std::iter::once(interpreter.addr));
        let natives = match self.live {
            Some(live) => identify::native_ids(self.memory, self.layout, live.pid, &interpreter.threads),
            None => interpreter.threads.iter().map(|thread| thread.native_id as u32).collect(),
        };
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
        let live = self.live.filter(|_| native_id != 0);
        let os = live.map(|live| live.thread(native_id));
        let is_main = live.is_some_and(|live| live.pid == native_id);
        let holds_gil = head.holder == thread.addr;
        let state = match live.map_or(OsWait::Unknown, |live| live.wait(native_id)) {
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
            match plan.read(self.memory, self.layout, &image, self.options.blocking, &mut frames) {
                Attempt::Gone => break,
                Attempt::Learned => {}
                Attempt::Broken => broken += 1,
                attempt => {
                    let mut resolver = Resolver {
                        memory: self.memory,
                        layout: self.layout,
                        codes: &mut self.codes,
                        tables: &mut self.tables,
                        certain: self.options.blocking || broken >= TRIES / 2,
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
