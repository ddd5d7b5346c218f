//! What the kernel says of the threads of a process.
//!
//! Files below `/proc/PID/task/TID` stay open, because opening costs five times a read; they belong
//! to that very thread, so a number that the kernel gives to a new thread is never mistaken. A budget
//! bounds how many stay open; threads beyond it are read by opening each time.
//!
//! Cost of one read of an open file (2-core VM, four threads that fight for the GIL): `schedstat`
//! 0.7 us, `syscall` 1.8 us, `stat` 3.7 us.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Files left for everything else.
const RESERVED_FILES: u64 = 128;
/// Most files kept open for threads, whatever the limit of the process.
const MAX_FILES: u64 = 32_768;
/// A `stat` line has 52 numbers and a name of 15 bytes.
const LINE: usize = 1024;

/// How many files may stay open. Clones share the budget.
#[derive(Clone, Debug)]
pub struct FileBudget(Arc<AtomicUsize>);

impl FileBudget {
    /// A budget of `files`.
    pub fn new(files: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(files)))
    }

    /// What `RLIMIT_NOFILE` leaves after a reserve for everything else.
    pub fn from_limit() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let files = limit.unwrap_or(MAX_FILES).saturating_sub(RESERVED_FILES).min(MAX_FILES);
        Self::new(usize::try_from(files).unwrap_or(0))
    }

    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn give_back(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What `schedstat` tells of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// CPU time used, in nanoseconds (see [`OsThread::cpu_ns`]).
    pub run_ns: u64,
    /// How often it was put on a CPU.
    pub slices: u64,
}

/// What a thread waits for in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OsWait {
    /// On a CPU or ready to be: it waits for nothing.
    Running,
    /// Sleeps on the futex at `addr`: a lock or a condition variable. Inside CPython's
    /// `struct _gil_runtime_state` it is the GIL.
    Futex {
        /// Address of the futex in the target.
        addr: u64,
    },
    /// Sleeps in another system call.
    OtherSyscall,
    /// The thread has ended, or the kernel does not say.
    Unknown,
}

/// The line `stat` of a thread, as far as it is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OsStat {
    /// Field 3: `R` ready or running, `S` and `D` sleeping, `T` and `t` stopped, `Z` and `X` ended.
    pub state: u8,
    /// Field 39: the CPU it runs on or ran on last.
    pub cpu: u32,
    /// Field 22: when it began, in clock ticks since boot; with the id it names the thread for ever.
    pub start_ticks: u64,
}

/// A thread as the kernel sees it.
#[derive(Debug)]
pub struct OsThread {
    pid: u32,
    tid: u32,
    budget: FileBudget,
    schedstat: KeptFile,
    syscall: KeptFile,
    stat: KeptFile,
}

impl OsThread {
    /// Thread `tid` of process `pid`. Nothing is opened before it is needed.
    pub fn new(pid: u32, tid: u32, budget: &FileBudget) -> Self {
        let kept = KeptFile::default;
        Self { pid, tid, budget: budget.clone(), schedstat: kept(), syscall: kept(), stat: kept() }
    }

    /// The kernel's id of the thread.
    pub fn tid(&self) -> u32 {
        self.tid
    }

    /// CPU time it has used, in nanoseconds; `None` once it has ended.
    ///
    /// True run time, not sampled, but the kernel brings it up to date only when the thread is
    /// switched or at a clock tick (4 ms at 250 Hz): differences over shorter times come in lumps
    /// whose sum is right.
    pub fn cpu_ns(&self) -> Option<u64> {
        let mut line = [0; LINE];
        parse_schedstat(self.read(&self.schedstat, "schedstat", &mut line)?)
    }

    /// CPU time and how often it was given a CPU; `None` once it has ended. With neither moved, a
    /// thread that slept has not run.
    pub fn schedule(&self) -> Option<Schedule> {
        let mut line = [0; LINE];
        let line = self.read(&self.schedstat, "schedstat", &mut line)?;
        let slices = line.trim_ascii_end().rsplit(|&byte| byte == b' ').next().and_then(number)?;
        Some(Schedule { run_ns: parse_schedstat(line)?, slices })
    }

    /// What it waits for. Needs the same permission as reading memory.
    pub fn wait(&self) -> OsWait {
        let mut line = [0; LINE];
        self.read(&self.syscall, "syscall", &mut line).map_or(OsWait::Unknown, parse_syscall)
    }

    /// State and CPU; `None` once it has ended.
    pub fn stat(&self) -> Option<OsStat> {
        let mut line = [0; LINE];
        parse_stat(self.read(&self.stat, "stat", &mut line)?)
    }

    /// The kernel's name of the thread, at most 15 bytes; empty once it has ended.
    pub fn comm(&self) -> String {
        let bytes = std::fs::read(format!("/proc/{}/task/{}/comm", self.pid, self.tid)).unwrap_or_default();
        String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(&bytes)).into_owned()
    }

    fn read<'b>(&self, kept: &KeptFile, name: &str, line: &'b mut [u8; LINE]) -> Option<&'b [u8]> {
        let open = || File::open(format!("/proc/{}/task/{}/{name}", self.pid, self.tid)).ok();
        let len = match kept.get(&self.budget, open) {
            Some(file) => file.read_at(line, 0).ok()?,
            None => open()?.read_at(line, 0).ok()?,
        };
        line.get(..len)
    }
}

/// A file that is opened at its first use and closed with its thread.
#[derive(Debug, Default)]
struct KeptFile(OnceCell<Option<(File, Kept)>>);

impl KeptFile {
    /// The open file, or `None` when the budget was spent at first use or opening failed.
    fn get(&self, budget: &FileBudget, open: impl FnOnce() -> Option<File>) -> Option<&File> {
        let slot = self.0.get_or_init(|| {
            let kept = Kept::take(budget)?;
            Some((open()?, kept))
        });
        slot.as_ref().map(|(file, _)| file)
    }
}

/// One file out of a budget, given back on drop.
#[derive(Debug)]
struct Kept(FileBudget);

impl Kept {
    fn take(budget: &FileBudget) -> Option<Self> {
        budget.take().then(|| Self(budget.clone()))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// `run_ns wait_ns slices`.
fn parse_schedstat(line: &[u8]) -> Option<u64> {
    number(line.split(|&byte| byte == b' ').next()?)
}

/// `running`, or `number arg0 … arg5 sp pc`, or `-1 sp pc` for a sleep outside system calls.
fn parse_syscall(line: &[u8]) -> OsWait {
    if line.starts_with(b"running") {
        return OsWait::Running;
    }
    let mut fields = line.split(|&byte| byte == b' ');
    let call = fields.next().and_then(number);
    let first = fields.next().and_then(|arg| arg.strip_prefix(b"0x")).and_then(hex);
    match (call, first) {
        (Some(call), Some(addr)) if call == libc::SYS_futex as u64 => OsWait::Futex { addr },
        (Some(_), _) => OsWait::OtherSyscall,
        // A page fault that waits for its page.
        (None, _) if line.starts_with(b"-1 ") => OsWait::OtherSyscall,
        _ => OsWait::Unknown,
    }
}

/// `tid (name) state …`: the name may hold any byte, so fields are counted from the last `)`.
pub(crate) fn parse_stat(line: &[u8]) -> Option<OsStat> {
    let after_name = line.iter().rposition(|&byte| byte == b')')? + 2;
    let mut fields = line.get(after_name..)?.split(|&byte| byte == b' ' || byte == b'\n');
    let state = *fields.next()?.first()?;
    // Fields 22 and 39; the iterator stands before field 4.
    let start_ticks = number(fields.nth(22 - 4)?)?;
    let cpu = u32::try_from(number(fields.nth(39 - 23)?)?).ok()?;
    Some(OsStat { state, cpu, start_ticks })
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn hex(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// For a process in another PID namespace: from the thread ids that it sees itself to those seen from
/// here (`NSpid` of `/proc/PID/task/TID/status`). `None` when both are the same.
pub fn inner_thread_ids(pid: u32) -> Option<HashMap<u32, u32>> {
    let namespace = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/pid")).ok();
    let (ours, theirs) = (namespace("self")?, namespace(&pid.to_string())?);
    if ours == theirs {
        return None;
    }
    let inner = |tid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).ok()?;
        let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        ids.split_ascii_whitespace().last()?.parse().ok()
    };
    Some(thread_ids(pid).into_iter().filter_map(|tid| Some((inner(tid)?, tid))).collect())
}

/// Ids of the threads of process `pid`, ascending; empty once it has ended.
pub fn thread_ids(pid: u32) -> Vec<u32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut ids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    ids.sort_unstable();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_told_apart() {
        assert_eq!(parse_syscall(b"running\n"), OsWait::Running);
        let futex = format!("{} 0x7f1200c0 0x189 0x0 0x0 0x0 0xffffffff 0x7ffc 0x7f00\n", libc::SYS_futex);
        assert_eq!(parse_syscall(futex.as_bytes()), OsWait::Futex { addr: 0x7f12_00c0 });
        assert_eq!(parse_syscall(b"0 0x0 0x7f 0x1 0x0 0x0 0x0 0x7ffc 0x7f00\n"), OsWait::OtherSyscall);
        assert_eq!(parse_syscall(b"-1 0x7ffc 0x7f00\n"), OsWait::OtherSyscall);
        for nonsense in [&b""[..], b"\n", b"x", b"202", b"-1"] {
            assert!(matches!(parse_syscall(nonsense), OsWait::Unknown | OsWait::OtherSyscall));
        }
    }

    #[test]
    fn names_cannot_shift_the_fields_of_stat() {
        let numbers: Vec<String> = (4..=52).map(|field| field.to_string()).collect();
        let line = format!("7 (a) R 9 (\n) S {}\n", numbers.join(" "));
        assert_eq!(parse_stat(line.as_bytes()), Some(OsStat { state: b'S', cpu: 39, start_ticks: 22 }));
        assert_eq!(parse_stat(b"7 (a) R 1 2"), None);
        assert_eq!(parse_stat(b"7 (a)"), None);
    }

    #[test]
    fn our_own_thread_runs_and_uses_time() {
        let tid = rustix::thread::gettid().as_raw_nonzero().get() as u32;
        let thread = OsThread::new(std::process::id(), tid, &FileBudget::from_limit());
        assert_eq!(thread.stat().unwrap().state, b'R');
        let before = thread.cpu_ns().unwrap();
        let begin = std::time::Instant::now();
        while begin.elapsed().as_millis() < 50 {}
        assert!(thread.cpu_ns().unwrap() > before);
        assert!(thread_ids(std::process::id()).contains(&tid));
    }

    #[test]
    fn a_spent_budget_only_costs_time() {
        let budget = FileBudget::new(2);
        let tid = rustix::thread::gettid().as_raw_nonzero().get() as u32;
        let threads: Vec<_> = (0..3).map(|_| OsThread::new(std::process::id(), tid, &budget)).collect();
        for thread in &threads {
            assert!(thread.cpu_ns().is_some() && thread.cpu_ns().is_some());
        }
        assert!(!budget.take());
        drop(threads);
        assert!(budget.take() && budget.take() && !budget.take());
    }

    #[test]
    fn an_ended_thread_is_unknown() {
        let (tell, told) = std::sync::mpsc::channel();
        let handle = std::thread::spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_nonzero().get() as u32).unwrap();
            std::thread::park();
        });
        let thread = OsThread::new(std::process::id(), told.recv().unwrap(), &FileBudget::from_limit());
        assert!(thread.cpu_ns().is_some() && thread.stat().is_some());
        let _ = thread.wait();
        handle.thread().unpark();
        handle.join().unwrap();
        // The kernel forgets the thread a moment after it is joined.
        let forgotten = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            thread.cpu_ns().is_none()
        });
        assert!(forgotten);
        assert_eq!((thread.wait(), thread.stat()), (OsWait::Unknown, None));
    }
}
