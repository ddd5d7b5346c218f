//! What hooks inside of the process saw: read from the file that they write.
//!
//! The file belongs to the target and is read as hostile input (`slowpath_events`). Its name tells which
//! process made it and when; that it is the one we look at, the address of `_PyRuntime` in it tells: after
//! `exec`, there may be a file of a program that is gone.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;
use rustix::time::{ClockId, clock_gettime};
use slowpath_events::layout::{GENERATIONS, kind, object, status};
use slowpath_events::{Code, Collection, Event, Problem, Reader, Slot};
use slowpath_profile::evidence::{
    ExactFacts, GcPause, GcTotal, HookState, Import, ProcessEvidence, Write, WriteKind, WrittenKind,
};
use slowpath_profile::{FunctionId, Tables};

use super::{Collector, Look};

/// Most writes and imports in the evidence.
const MAX_WRITES: usize = 2_000;
const MAX_IMPORTS: usize = 4_000;
/// Most collections in the evidence; of more, the longest.
const MAX_PAUSES: usize = 4_000;
/// Threads that are named of one write.
const MAX_THREADS: usize = 8;
/// Files of the directory that are looked at.
const MAX_FILES: usize = 4_096;
/// Code of the import system itself: what it writes is part of an import.
const IMPORT_SYSTEM: &str = "<frozen importlib";

/// Reads what the hooks of one process write.
#[derive(Debug)]
pub(super) struct Exact {
    directory: PathBuf,
    reader: Option<Reader<File>>,
    problem: Option<Problem>,
    /// What `CLOCK_MONOTONIC` showed when the recording began.
    begun_ns: u64,
    seen: FxHashMap<u32, Seen>,
    imports: Vec<Import>,
    pauses: Vec<GcPause>,
    truncated: bool,
}

/// Single writes of a slot, as far as they were kept.
#[derive(Debug, Default)]
struct Seen {
    first_ns: u64,
    last_ns: u64,
    threads: Vec<u32>,
    callers: Vec<(u32, u32)>,
}

impl Exact {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            reader: None,
            problem: None,
            begun_ns: 0,
            seen: FxHashMap::default(),
            imports: Vec::new(),
            pauses: Vec::new(),
            truncated: false,
        }
    }

    /// Finds the newest file of the process.
    fn find(&mut self, pid: u32, runtime: u64) {
        let prefix = format!("{pid}-");
        let made = |name: &str| name.strip_prefix(&prefix).and_then(|made| made.parse::<u64>().ok());
        let files = fs::read_dir(&self.directory).into_iter().flatten().flatten().take(MAX_FILES);
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        let Some(newest) = names.filter(|name| made(name).is_some()).max_by_key(|name| made(name)) else {
            return;
        };
        let Some(file) = open(&self.directory.join(newest)) else { return };
        match Reader::new(file) {
            Ok(reader) => {
                let header = reader.header();
                if header.runtime == runtime || header.status > status::ACTIVE {
                    self.reader = Some(reader);
                }
            }
            Err(problem) => self.problem = Some(problem),
        }
    }

    fn take_events(&mut self) {
        let Some(reader) = &mut self.reader else { return };
        for pause in reader.collections() {
            note_pause(&mut self.pauses, pause, self.begun_ns, MAX_PAUSES);
        }
        for event in reader.events() {
            let time_ns = event.time_ns.saturating_sub(self.begun_ns);
            match event.slot {
                Some(slot) => {
                    let seen = self.seen.entry(slot).or_default();
                    if event.number == 1 || seen.first_ns == 0 {
                        seen.first_ns = time_ns;
                        seen.callers = event.frames.get(1..).unwrap_or_default().to_vec();
                    }
                    seen.last_ns = time_ns;
                    if seen.threads.len() < MAX_THREADS && !seen.threads.contains(&event.thread) {
                        seen.threads.push(event.thread);
                    }
                }
                None => self.truncated |= !note_import(&mut self.imports, event, time_ns),
            }
        }
    }

    fn state(&self) -> HookState {
        match (&self.reader, self.problem) {
            (None, Some(Problem::OtherVersion(_))) => HookState::Unreadable,
            (None, _) => HookState::NotLoaded,
            (Some(reader), _) => match reader.header().status {
                status::STARTING | status::ACTIVE => HookState::Watching,
                status::TOO_OLD => HookState::TooOld,
                status::TOO_NEW => HookState::TooNew,
                status::FREE_THREADED => HookState::FreeThreaded,
                status::STOPPED => HookState::Stopped,
                _ => HookState::UnknownLayout,
            },
        }
    }

    fn writes(&mut self, tables: &mut Tables) -> Vec<Write> {
        let Some(reader) = &self.reader else { return Vec::new() };
        let mut functions = Functions { known: FxHashMap::default(), reader, tables };
        let mut writes = FxHashMap::<Key, Write>::default();
        for (number, slot) in (0u32..).zip(reader.slots()) {
            if slot.count == 0 {
                // Of the process that this one was forked from.
                continue;
            }
            let Some((function, by_system)) = functions.of(slot.code) else { continue };
            let Some(mut write) = describe(reader, &slot, function) else { continue };
            write.at_import |= by_system;
            if let Some(seen) = self.seen.get(&number) {
                let callers = seen
                    .callers
                    .iter()
                    .filter_map(|(code, line)| functions.of(*code).map(|(function, _)| (function, *line)));
                write.callers = callers.collect();
                (write.first_ns, write.last_ns) = (seen.first_ns, seen.last_ns);
                write.threads.clone_from(&seen.threads);
            }
            // A function that was made again has a slot for each of its code objects.
            let of = (write.kind, write.to, write.owner(), write.key.clone(), function, write.offset);
            match writes.get_mut(&of) {
                Some(known) => add(known, &write),
                None => drop(writes.insert(of, write)),
            }
        }
        let mut writes: Vec<Write> = writes.into_values().collect();
        writes.sort_by(|a, b| {
            let order =
                |it: &Write| (it.at_import, std::cmp::Reverse(it.times), it.function, it.offset, it.kind);
            order(a).cmp(&order(b)).then_with(|| (&a.name, &a.key).cmp(&(&b.name, &b.key)))
        });
        self.truncated |= writes.len() > MAX_WRITES;
        writes.truncate(MAX_WRITES);
        writes
    }
}

type Key = (WriteKind, WrittenKind, String, String, FunctionId, u32);

/// Functions of code objects, each looked up once.
struct Functions<'a> {
    known: FxHashMap<u32, Option<(FunctionId, bool)>>,
    reader: &'a Reader<File>,
    tables: &'a mut Tables,
}

impl Functions<'_> {
    /// The function, and whether it belongs to the import system.
    fn of(&mut self, number: u32) -> Option<(FunctionId, bool)> {
        let Self { known, reader, tables } = self;
        *known.entry(number).or_insert_with(|| {
            let code = reader.code(number)?;
            Some((intern(&code, tables), code.file.starts_with(IMPORT_SYSTEM)))
        })
    }
}

impl Collector for Exact {
    fn look(&mut self, look: &mut Look<'_>) {
        if self.reader.is_none() {
            self.begun_ns = monotonic_ns().saturating_sub(look.now_ns);
            self.find(look.pid, look.runtime);
        }
        self.take_events();
    }

    fn write(&mut self, evidence: &mut ProcessEvidence, tables: &mut Tables) {
        self.take_events();
        let writes = self.writes(tables);
        let header = self.reader.as_ref().map(Reader::header).unwrap_or_default();
        evidence.exact = Some(ExactFacts {
            state: self.state(),
            writes,
            uncounted: header.uncounted,
            unwatched: header.unwatched,
            native: header.native,
            lost_events: self.reader.as_ref().map_or(0, Reader::lost),
            imports: self.imports.clone(),
            collections: longest(&self.pauses, MAX_PAUSES),
            collected: totals(header.collected, header.collecting_ns),
            truncated: self.truncated || header.text_full,
        });
    }
}

/// Opens a file that somebody else made: no link, no pipe, no wait.
fn open(path: &Path) -> Option<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    file.metadata().is_ok_and(|facts| facts.is_file()).then_some(file)
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Enters a function as one that was sampled is entered.
fn intern(code: &Code, tables: &mut Tables) -> FunctionId {
    tables.python_function(&code.name, &code.qualname, &code.file, code.first_line)
}

/// A slot in the words of the profile; `None` if it makes no sense.
fn describe(reader: &Reader<File>, slot: &Slot, function: FunctionId) -> Option<Write> {
    let object = reader.object(slot.object)?;
    let to = match object.kind {
        object::MODULE => WrittenKind::Module,
        object::BUILTINS => WrittenKind::Builtins,
        object::CLASS | object::CLASS_DICT => WrittenKind::Class,
        object::FUNCTION => WrittenKind::Function,
        _ => return None,
    };
    let kind = match slot.kind {
        kind::ADDED => WriteKind::Inserted,
        kind::MODIFIED => WriteKind::Rebound,
        kind::DELETED => WriteKind::Deleted,
        kind::CLONED => WriteKind::Filled,
        kind::CLEARED => WriteKind::Cleared,
        kind::VERSION => WriteKind::VersionLost,
        kind::CODE => WriteKind::CodeReplaced,
        kind::DEFAULTS => WriteKind::DefaultsReplaced,
        kind::KWDEFAULTS => WriteKind::KwDefaultsReplaced,
        _ => return None,
    };
    Some(Write {
        to,
        kind,
        function,
        name: object.name,
        module: object.module,
        key: slot.key.clone(),
        offset: slot.offset,
        line: Some(slot.line).filter(|line| *line > 0),
        times: slot.count,
        at_import: slot.at_import,
        ..Write::default()
    })
}

fn add(known: &mut Write, write: &Write) {
    known.times = known.times.saturating_add(write.times);
    known.at_import &= write.at_import;
    known.last_ns = known.last_ns.max(write.last_ns);
    if write.first_ns > 0 && (known.first_ns == 0 || write.first_ns < known.first_ns) {
        known.first_ns = write.first_ns;
        known.callers.clone_from(&write.callers);
    }
    for thread in &write.threads {
        if known.threads.len() < MAX_THREADS && !known.threads.contains(thread) {
            known.threads.push(*thread);
        }
    }
}

/// Keeps the beginning or the end of an import; `false` if there is no room.
fn note_import(imports: &mut Vec<Import>, event: Event, time_ns: u64) -> bool {
    if event.number != 1 {
        let started = imports.iter_mut().rev().find(|it| it.module == event.name && it.duration_ns.is_none());
        if let Some(import) = started {
            import.duration_ns = Some(time_ns.saturating_sub(import.start_ns));
        }
        return true;
    }
    let has_room = imports.len() < MAX_IMPORTS;
    if has_room {
        imports.push(Import {
            module: event.name,
            start_ns: time_ns,
            duration_ns: None,
            thread: event.thread,
        });
    }
    has_room
}

/// Keeps a collection; of twice as many as are kept, the longest half stays.
fn note_pause(pauses: &mut Vec<GcPause>, pause: Collection, begun_ns: u64, most: usize) {
    if pauses.len() >= 2 * most {
        *pauses = longest(pauses, most);
    }
    pauses.push(GcPause {
        generation: pause.generation,
        start_ns: pause.start_ns.saturating_sub(begun_ns),
        duration_ns: pause.duration_ns,
        freed: pause.freed,
        uncollectable: pause.uncollectable,
        thread: pause.thread,
    });
}

/// The longest of them, in the order of their beginning.
fn longest(pauses: &[GcPause], most: usize) -> Vec<GcPause> {
    let mut kept = pauses.to_vec();
    if kept.len() > most {
        kept.sort_by_key(|pause| std::cmp::Reverse(pause.duration_ns));
        kept.truncate(most);
    }
    kept.sort_by_key(|pause| pause.start_ns);
    kept
}

/// All collections by generation; nothing if there was none.
fn totals(times: [u64; GENERATIONS], took: [u64; GENERATIONS]) -> Vec<GcTotal> {
    let total = |(times, duration_ns)| GcTotal { times, duration_ns };
    match times.iter().all(|times| *times == 0) {
        true => Vec::new(),
        false => times.into_iter().zip(took).map(total).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(name: &str, number: u64) -> Event {
        Event { name: name.into(), number, ..Event::default() }
    }

    #[test]
    fn imports_end_when_the_module_is_put_back() {
        let mut imports = Vec::new();
        for (at, (name, number)) in
            [("shop", 1), ("json", 1), ("json", 2), ("shop", 2), ("sys", 2)].iter().enumerate()
        {
            assert!(note_import(&mut imports, import(name, *number), 100 * at as u64));
        }
        let seen: Vec<_> = imports.iter().map(|it| (&*it.module, it.start_ns, it.duration_ns)).collect();
        assert_eq!(seen, [("shop", 0, Some(300)), ("json", 100, Some(100))]);
    }

    #[test]
    fn a_function_that_is_made_again_has_one_count() {
        let mut known = Write { times: 3, first_ns: 50, last_ns: 60, at_import: true, ..Write::default() };
        let later = Write { times: 4, first_ns: 70, last_ns: 90, threads: vec![7], ..Write::default() };
        add(&mut known, &later);
        assert_eq!((known.times, known.first_ns, known.last_ns, known.at_import), (7, 50, 90, false));
        assert_eq!(known.threads, [7]);
    }

    #[test]
    fn of_very_many_collections_the_longest_are_kept() {
        let mut pauses = Vec::new();
        for at in 0..100u64 {
            // Every tenth is long.
            let duration_ns = if at % 10 == 0 { 1_000 + at } else { at };
            let pause = Collection { start_ns: 50 + at, duration_ns, ..Collection::default() };
            note_pause(&mut pauses, pause, 50, 8);
        }
        let kept: Vec<u64> = longest(&pauses, 8).iter().map(|pause| pause.start_ns).collect();
        assert_eq!(kept, [20, 30, 40, 50, 60, 70, 80, 90]);
        assert_eq!(totals([0; 3], [0; 3]), []);
        assert_eq!(totals([3, 0, 1], [30, 0, 9])[2], GcTotal { times: 1, duration_ns: 9 });
    }

    #[test]
    fn only_plain_files_are_opened() {
        let directory = std::env::temp_dir().join(format!("slowpath-exact-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (plain, link) = (directory.join("1-1"), directory.join("1-2"));
        fs::write(&plain, "x").unwrap();
        std::os::unix::fs::symlink(&plain, &link).unwrap();
        let opened = [&plain, &link, &directory].map(|path| open(path).is_some());
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(opened, [true, false, false]);
    }
}
