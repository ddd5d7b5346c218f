//! Reading a live process on Linux.
//!
//! Two ways, chosen per read: `pread` on a `/proc/PID/mem` that stays open (cheapest for one small
//! range: no pages are pinned) and `process_vm_readv` (cheapest for several ranges or many bytes).
//! Neither pauses the target and neither needs memory of ours: a range is passed to the kernel as it
//! is.

// One of the two homes of unsafe code in this crate: the system call has no safe wrapper.
#![expect(unsafe_code)]

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::mem::{align_of, offset_of, size_of};
use std::os::unix::fs::FileExt;

use super::memory::{Memory, MemoryError, Range};

/// `IOV_MAX`: the most ranges one call takes.
const RANGES_PER_CALL: usize = 1024;

/// Up to this many bytes one range is read faster through `/proc/PID/mem` (measured: 0.8 against
/// 1.3 us up to 4 KiB, 3.8 against 2.1 us at 16 KiB).
const SMALL: usize = 4096;

// A `Range` is a `struct iovec`: same fields, same places. 64-bit targets only.
const _: () = assert!(
    size_of::<Range>() == size_of::<libc::iovec>()
        && align_of::<Range>() == align_of::<libc::iovec>()
        && offset_of!(Range, addr) == offset_of!(libc::iovec, iov_base)
        && offset_of!(Range, len) == offset_of!(libc::iovec, iov_len)
);

/// The memory of a running process.
///
/// `/proc/PID/mem` stays bound to the memory map that it was opened with, so after an `exec` small
/// reads report [`MemoryError::Gone`]; vectored reads would see the new program. Callers that only
/// make vectored reads ask [`LiveMemory::replaced`] from time to time.
#[derive(Debug)]
pub struct LiveMemory {
    pid: libc::pid_t,
    mem: Option<File>,
    reads: Cell<u64>,
}

impl LiveMemory {
    /// The memory of process `pid`. Opening never fails: a process that may not be read says so at
    /// the first read.
    pub fn open(pid: u32) -> Self {
        let mem = File::open(format!("/proc/{pid}/mem")).ok();
        // A pid above `i32::MAX` does not exist; -1 makes the kernel say the same.
        Self { pid: libc::pid_t::try_from(pid).unwrap_or(-1), mem, reads: Cell::new(0) }
    }

    /// How many system calls have been made to read the target.
    pub fn reads(&self) -> u64 {
        self.reads.get()
    }

    /// Whether the program was replaced (`exec`) or has ended since the memory was opened. `false`
    /// where that cannot be known because `/proc/PID/mem` could not be opened.
    pub fn replaced(&self) -> bool {
        // Address 0 is never mapped: a live map answers EIO, a dead one "end of file".
        matches!(self.mem.as_ref().map(|mem| mem.read_at(&mut [0], 0)), Some(Ok(0)))
    }

    fn count_read(&self) {
        self.reads.set(self.reads.get() + 1);
    }

    /// One small range. `Ok` holds how many bytes were read, at least one.
    fn read_small(&self, mem: &File, addr: u64, buf: &mut [u8]) -> Result<usize, MemoryError> {
        self.count_read();
        match mem.read_at(buf, addr) {
            Ok(0) => Err(MemoryError::Gone),
            Ok(len) => Ok(len),
            Err(error) => Err(classify(&error, addr)),
        }
    }

    /// One system call for at most [`RANGES_PER_CALL`] ranges.
    fn read_call(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        self.count_read();
        let local = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
        // SAFETY: `local` is the one writable buffer that outlives the call and the kernel writes at
        // most its length; `ranges` has the layout of iovecs (asserted above), holds `ranges.len()`
        // of them, and its addresses are only used in the other process, where the kernel checks them.
        let read = unsafe {
            libc::process_vm_readv(
                self.pid,
                &local,
                1,
                ranges.as_ptr().cast(),
                ranges.len() as libc::c_ulong,
                0,
            )
        };
        usize::try_from(read).map_err(|_| {
            let first = ranges.iter().find(|range| range.len > 0).map_or(0, |range| range.addr);
            classify(&io::Error::last_os_error(), first)
        })
    }

    /// More ranges than one call takes.
    #[cold]
    fn read_many(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        let mut filled = 0_usize;
        for part in ranges.chunks(RANGES_PER_CALL) {
            let wanted: usize = part.iter().map(|range| range.len).sum();
            let end = buf.len().min(filled.saturating_add(wanted));
            let rest = &mut buf[filled..end];
            match self.read_call(part, rest) {
                Ok(read) => filled += read,
                // What was filled before is valid, except that a dead process has no state at all.
                Err(MemoryError::Unmapped(_)) if filled > 0 => return Ok(filled),
                Err(error) => return Err(error),
            }
            if filled < end {
                break;
            }
        }
        Ok(filled)
    }
}

impl Memory for LiveMemory {
    fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        debug_assert_eq!(buf.len(), ranges.iter().map(|range| range.len).sum::<usize>());
        if buf.is_empty() {
            return Ok(0);
        }
        match (ranges, &self.mem) {
            ([range], Some(mem)) if range.len <= SMALL => self.read_small(mem, range.addr, buf),
            _ if ranges.len() <= RANGES_PER_CALL => self.read_call(ranges, buf),
            _ => self.read_many(ranges, buf),
        }
    }
}

/// What an error of either way means.
fn classify(error: &io::Error, addr: u64) -> MemoryError {
    match error.raw_os_error() {
        Some(libc::ESRCH) => MemoryError::Gone,
        Some(libc::EPERM | libc::EACCES) => MemoryError::Denied,
        // EFAULT from the call, EIO from the file, EINVAL for addresses that no process can have.
        _ => MemoryError::Unmapped(addr),
    }
}

/// Begins to trace thread `tid` without stopping it and without options: when the tracing thread
/// ends, however it ends, the kernel lets the traced one run on.
pub(super) fn seize(tid: libc::pid_t) -> io::Result<()> {
    ptrace(libc::PTRACE_SEIZE, tid, 0)
}

/// Asks a traced thread to stop. It goes on until the kernel next looks.
pub(super) fn interrupt(tid: libc::pid_t) -> io::Result<()> {
    ptrace(libc::PTRACE_INTERRUPT, tid, 0)
}

/// Ends the tracing of a stopped thread and lets it run, with signal `signal` delivered unless 0.
pub(super) fn detach(tid: libc::pid_t, signal: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_DETACH, tid, signal as usize)
}

fn ptrace(request: libc::c_uint, tid: libc::pid_t, data: usize) -> io::Result<()> {
    // SAFETY: none of the requests above reads or writes memory of ours; `data` is a number to them.
    let result = unsafe { libc::ptrace(request, tid, 0_usize, data) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The signal to hand on to a traced thread that is stopped: 0 if it stopped because of
/// [`interrupt`] or a group stop. An error as long as it is not stopped.
pub(super) fn signal_of_stop(tid: libc::pid_t) -> io::Result<i32> {
    /// `PTRACE_EVENT_STOP`, as the high part of `si_code`.
    const EVENT_STOP: i32 = 128;
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: the kernel writes one `siginfo_t` to the place that has room for it.
    let result = unsafe { libc::ptrace(libc::PTRACE_GETSIGINFO, tid, 0_usize, info.as_mut_ptr()) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed at first, and every bit pattern is a valid `siginfo_t`.
    let info = unsafe { info.assume_init() };
    Ok(if info.si_code >> 8 == EVENT_STOP { 0 } else { info.si_signo })
}

/// What is to be heard of a traced thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing: it runs, or its stop has been reported.
    Nothing,
    /// It has ended; `reap` collects it.
    Ended,
    /// It is neither traced by us nor our child.
    Stranger,
}

/// Asks after a traced thread without collecting what there is.
pub(super) fn hear(tid: libc::pid_t) -> Heard {
    match wait(tid, libc::WNOWAIT) {
        Ok(Some(libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED)) => Heard::Ended,
        Ok(_) => Heard::Nothing,
        Err(_) => Heard::Stranger,
    }
}

/// Collects a traced thread that has ended.
pub(super) fn reap(tid: libc::pid_t) {
    let _ = wait(tid, 0);
}

fn wait(tid: libc::pid_t, more: i32) -> io::Result<Option<i32>> {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WEXITED | libc::WNOHANG | libc::__WALL | more;
    // SAFETY: the kernel writes one `siginfo_t` to the place that has room for it.
    let result = unsafe { libc::waitid(libc::P_PID, tid as libc::id_t, info.as_mut_ptr(), options) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed at first, and every bit pattern is a valid `siginfo_t`.
    let info = unsafe { info.assume_init() };
    Ok((info.si_signo != 0).then_some(info.si_code))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn own() -> LiveMemory {
        LiveMemory::open(std::process::id())
    }

    fn range_of(bytes: &[u8]) -> Range {
        Range::new(bytes.as_ptr() as u64, bytes.len())
    }

    /// Two pages of which the second is not mapped: the address of the hole.
    fn hole() -> u64 {
        let page = 4096;
        // SAFETY: a fresh private mapping of which the second page is given back at once; nobody
        // else knows the address.
        unsafe {
            let start = libc::mmap(
                std::ptr::null_mut(),
                2 * page,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(start, libc::MAP_FAILED);
            assert_eq!(libc::munmap(start.byte_add(page), page), 0);
            start as u64 + page as u64
        }
    }

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().expect("sleep is installed")
    }

    #[test]
    fn ranges_are_concatenated_in_order() {
        let (first, second) = (*b"slow", *b"path");
        let mut buf = [0; 8];
        let memory = own();
        assert_eq!(memory.read_vectored(&[range_of(&second), range_of(&first)], &mut buf), Ok(8));
        assert_eq!(&buf, b"pathslow");
        assert_eq!(memory.reads(), 1);
        memory.read(first.as_ptr() as u64, &mut buf[..4]).unwrap();
        assert_eq!(&buf[..4], b"slow");
        assert_eq!(memory.reads(), 2);
    }

    #[test]
    fn a_hole_ends_the_read_and_is_named() {
        let (memory, hole) = (own(), hole());
        let mut buf = [1; 64];
        let before = Range::new(hole - 16, 16);
        // Both ways, partly and wholly unmapped.
        assert_eq!(memory.read_vectored(&[before, Range::new(hole, 48)], &mut buf), Ok(16));
        assert_eq!(memory.read(hole - 16, &mut buf), Err(MemoryError::Unmapped(hole)));
        assert_eq!(memory.read(hole, &mut buf), Err(MemoryError::Unmapped(hole)));
        let both = [Range::new(hole, 32), before];
        assert_eq!(memory.read_vectored(&both, &mut buf[..48]), Err(MemoryError::Unmapped(hole)));
        let long = Range::new(hole - 16, 8192);
        assert_eq!(memory.read_vectored(&[long], &mut [0; 8192]), Ok(16));
    }

    #[test]
    fn impossible_addresses_are_unmapped() {
        let memory = own();
        for addr in [0, 1 << 63, u64::MAX - 4, 0xffff_8000_0000_0000] {
            assert_eq!(memory.read_u64(addr), Err(MemoryError::Unmapped(addr)), "{addr:#x}");
            let mut buf = [0; 16];
            let twice = [Range::new(addr, 8), Range::new(addr, 8)];
            assert_eq!(memory.read_vectored(&twice, &mut buf), Err(MemoryError::Unmapped(addr)), "{addr:#x}");
        }
    }

    #[test]
    fn more_ranges_than_one_call_takes_are_split() {
        let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let ranges: Vec<Range> = bytes.chunks(2).map(range_of).collect();
        let (memory, mut buf) = (own(), vec![0; bytes.len()]);
        assert_eq!(memory.read_vectored(&ranges, &mut buf), Ok(bytes.len()));
        assert_eq!(buf, bytes);
        assert_eq!(memory.reads(), 3);

        let mut holed = ranges.clone();
        holed[1024] = Range::new(hole(), 2);
        assert_eq!(memory.read_vectored(&holed, &mut buf), Ok(2048));
    }

    #[test]
    fn nothing_is_read_for_nothing() {
        let memory = own();
        assert_eq!(memory.read_vectored(&[], &mut []), Ok(0));
        assert_eq!(memory.read_vectored(&[Range::new(0, 0)], &mut []), Ok(0));
        assert_eq!(memory.reads(), 0);
    }

    #[test]
    fn a_dead_process_is_gone_in_both_ways() {
        let mut child = sleeper();
        let memory = LiveMemory::open(child.id());
        assert!(!memory.replaced());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(memory.replaced());
        assert_eq!(memory.read_u64(0x1000), Err(MemoryError::Gone));
        let two = [Range::new(0x1000, 8); 2];
        assert_eq!(memory.read_vectored(&two, &mut [0; 16]), Err(MemoryError::Gone));
        assert_eq!(LiveMemory::open(u32::MAX).read_u64(0), Err(MemoryError::Gone));
    }

    #[test]
    fn exec_is_noticed() {
        let script = "read line; exec sleep 60";
        let mut child =
            Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().expect("sh is installed");
        let memory = LiveMemory::open(child.id());
        assert!(!memory.replaced());
        drop(child.stdin.take());
        let noticed = (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            memory.replaced()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(noticed);
    }
}
