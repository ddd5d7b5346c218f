//! One thread over time: where its stack is expected, what it did last, what the kernel says of it.

use slowpath_profile::{Quality, StackId, Thread, ThreadId, ThreadState};

use crate::process::threads::{OsThread, OsWait};
use crate::read::plan::Plan;
use crate::read::threads::ThreadRef;
use crate::resolve::LastStack;

/// Flat out, the kernel's CPU time is asked at most so often: it moves with the scheduler's tick.
const CPU_INTERVAL_NS: u64 = 1_000_000;
/// A thread that holds the GIL and used no CPU for so long is asked whether it sleeps.
const STALL_NS: u64 = 10_000_000;

/// A thread that is being sampled.
#[derive(Debug)]
pub(crate) struct Track {
    /// Who it is in memory.
    pub(crate) thread: ThreadRef,
    /// Position of its interpreter in the process's list.
    pub(crate) interpreter: usize,
    /// What the recorder calls it.
    pub(crate) id: ThreadId,
    /// What the recorder knows of it.
    pub(crate) entry: Thread,
    /// Whether the thread filter lets it through.
    pub(crate) wanted: bool,
    /// Where its stack is expected.
    pub(crate) plan: Plan,
    /// Its last believed stack.
    pub(crate) last: LastStack,
    /// Its stack is read at this tick.
    pub(crate) awake: bool,
    /// It is stopped while it is read.
    pub(crate) stopped: bool,
    /// How often it will still be asked for its name.
    pub(crate) naming_left: u8,
    /// Found again in the last reading of the thread list.
    pub(crate) alive: bool,
    os: Option<OsThread>,
    cpu: CpuClock,
    /// The last observation, as long as the thread has not run since.
    asleep: Option<Asleep>,
    /// What it waited for just before it was stopped.
    before_stop: Option<OsWait>,
}

/// What holds for a sleeping thread until it runs again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asleep {
    /// Waiting for the GIL, or idle.
    pub(crate) state: ThreadState,
    /// Its stack.
    pub(crate) stack: Option<StackId>,
    /// Quality of that stack.
    pub(crate) quality: Quality,
}

#[derive(Clone, Copy, Debug, Default)]
struct CpuClock {
    asked_ns: u64,
    moved_ns: u64,
    run_ns: Option<u64>,
    slices: u64,
    /// CPU time that no sample has been given yet.
    pending_ns: u64,
}

impl Track {
    /// A thread that has just been found.
    pub(crate) fn new(
        thread: ThreadRef,
        interpreter: usize,
        id: ThreadId,
        entry: Thread,
        os: Option<OsThread>,
    ) -> Self {
        Self {
            thread,
            interpreter,
            id,
            entry,
            wanted: true,
            plan: Plan::new(thread),
            last: LastStack::default(),
            awake: false,
            stopped: false,
            naming_left: 0,
            alive: true,
            os,
            cpu: CpuClock::default(),
            asleep: None,
            before_stop: None,
        }
    }

    /// Notes what the thread waits for, because that cannot be seen while it is stopped.
    pub(crate) fn look_before_stop(&mut self) {
        self.before_stop = Some(self.os_wait());
    }

    /// The CPU that it runs on; `None` while it sleeps.
    pub(crate) fn running_on(&self) -> Option<u32> {
        let stat = self.os.as_ref().and_then(OsThread::stat)?;
        (stat.state == b'R').then_some(stat.cpu)
    }

    fn os_wait(&self) -> OsWait {
        self.os.as_ref().map_or(OsWait::Unknown, OsThread::wait)
    }

    /// Asks the kernel how much CPU time the thread has used, if that can have changed. Returns
    /// whether the thread may have run since the last call.
    pub(crate) fn update_cpu(&mut self, now_ns: u64) -> bool {
        if now_ns.saturating_sub(self.cpu.asked_ns) < CPU_INTERVAL_NS && self.cpu.run_ns.is_some() {
            // Too soon for news, except that a sleeper may have woken.
            if self.asleep.is_none() {
                return true;
            }
        }
        self.cpu.asked_ns = now_ns;
        let Some(now) = self.os.as_ref().and_then(OsThread::schedule) else {
            self.asleep = None;
            return true;
        };
        let before = self.cpu.run_ns.replace(now.run_ns);
        let ran = before != Some(now.run_ns) || self.cpu.slices != now.slices;
        self.cpu.slices = now.slices;
        if ran {
            self.cpu.pending_ns += before.map_or(0, |before| now.run_ns.saturating_sub(before));
            self.cpu.moved_ns = now_ns;
            self.asleep = None;
        }
        ran || self.asleep.is_none()
    }

    /// When it was last seen to have used CPU time.
    pub(crate) fn moved_ns(&self) -> u64 {
        self.cpu.moved_ns
    }

    /// What holds if the thread has not run since it was seen asleep.
    pub(crate) fn asleep(&self) -> Option<Asleep> {
        self.asleep
    }

    /// Notes that the thread sleeps: until the kernel says that it ran, its stack cannot change.
    pub(crate) fn falls_asleep(&mut self, asleep: Asleep) {
        self.asleep = Some(asleep);
    }

    /// CPU time since the last call, in nanoseconds.
    pub(crate) fn take_cpu_ns(&mut self) -> u64 {
        std::mem::take(&mut self.cpu.pending_ns)
    }

    /// What the thread is doing. `gil` is the range of the GIL's structure; a thread that sleeps on a
    /// futex in it waits for the GIL.
    pub(crate) fn state(
        &self,
        holds_gil: bool,
        wants_gil: bool,
        gil: std::ops::Range<u64>,
        now_ns: u64,
    ) -> ThreadState {
        // A thread with the GIL runs, unless it sleeps in code that forgot to release it.
        if holds_gil && now_ns.saturating_sub(self.cpu.moved_ns) < STALL_NS {
            return ThreadState::Running;
        }
        match self.before_stop.unwrap_or_else(|| self.os_wait()) {
            OsWait::Running => ThreadState::Running,
            OsWait::Futex { addr } if gil.contains(&addr) => ThreadState::WaitingForGil,
            _ if wants_gil => ThreadState::WaitingForGil,
            OsWait::Futex { .. } | OsWait::OtherSyscall => ThreadState::Idle,
            // The kernel does not tell: CPU time used lately is the next best evidence.
            OsWait::Unknown if now_ns.saturating_sub(self.cpu.moved_ns) < STALL_NS => ThreadState::Running,
            OsWait::Unknown => ThreadState::Idle,
        }
    }
}
