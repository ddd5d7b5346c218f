//! Runs the sampling thread where the thread that it reads runs (`--same-core`).
//!
//! A sampler that wakes up on the CPU of its target has the kernel take the target off that CPU first,
//! so the target stands still while it is read, without ptrace. Measured on a call-heavy program at
//! 1 kHz (two cores, `churn.py` and `fib.py` of the fixtures):
//!
//! | | own core | same core |
//! |---|---|---|
//! | broken reads per sample, 3.13 / 3.15 | 0.54 / 0.59 | 0 / 0 |
//! | CPU of slowpath, 3.13 / 3.15 | 7.5 % / 4.2 % | 2.2 % / 2.2 % |
//! | slowdown of the target, 3.13 / 3.15 | -0.1 % / 0.4 % | 3.9 % / 3.7 % |
//!
//! It is exact and cheap for slowpath, and the target pays for it. Not slowing the target down is the
//! first promise and broken reads are read again anyway, so this is an option and not the default.
//!
//! On the bundled runtime it is the default. Its frames are linked, not one block, so a stack takes longer to
//! copy than a call takes; what is read again until it stands is what stands for long. In the program of the demo
//! (`shop.py`) line 22 has less than 9 % of the samples when it is stopped for each and as many on the same core, but
//! 25 to 60 % of what could be read from another core.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where the target runs is asked so often: `stat` of a thread costs 4 us.
const INTERVAL_NS: u64 = 5_000_000;

/// Keeps the calling thread on the CPU of another, and lets it go at the end.
#[derive(Debug)]
pub(crate) struct SameCore {
    /// Where the thread may run otherwise.
    anywhere: CpuSet,
    on: Option<u32>,
    looked_ns: Option<u64>,
}

impl SameCore {
    /// `None` if the system does not say where this thread may run.
    pub(crate) fn new() -> Option<Self> {
        Some(Self { anywhere: sched_getaffinity(None).ok()?, on: None, looked_ns: None })
    }

    /// Moves to the CPU that `target` names, if it is time to ask; anywhere if it names none or one
    /// that this thread may not use.
    pub(crate) fn follow(&mut self, now_ns: u64, target: impl FnOnce() -> Option<u32>) {
        if self.looked_ns.is_some_and(|at| now_ns.saturating_sub(at) < INTERVAL_NS) {
            return;
        }
        self.looked_ns = Some(now_ns);
        let usable = |cpu: &u32| (*cpu as usize) < CpuSet::MAX_CPU && self.anywhere.is_set(*cpu as usize);
        let wanted = target().filter(usable);
        if wanted == self.on {
            return;
        }
        let mut cpus = self.anywhere;
        if let Some(cpu) = wanted {
            cpus.clear();
            cpus.set(cpu as usize);
        }
        if sched_setaffinity(None, &cpus).is_ok() {
            self.on = wanted;
        }
    }
}

impl Drop for SameCore {
    fn drop(&mut self) {
        // Refused only if the CPUs of this process have been taken away since.
        let _ = sched_setaffinity(None, &self.anywhere);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Vec<usize> {
        let cpus = sched_getaffinity(None).unwrap();
        (0..CpuSet::MAX_CPU).filter(|cpu| cpus.is_set(*cpu)).collect()
    }

    #[test]
    fn follows_and_lets_go() {
        let before = allowed();
        let cpu = *before.last().unwrap();
        let mut same = SameCore::new().unwrap();
        same.follow(0, || Some(cpu as u32));
        assert_eq!(allowed(), [cpu]);
        same.follow(1, || panic!("asked again too soon"));
        same.follow(INTERVAL_NS, || Some(u32::MAX));
        assert_eq!(allowed(), before, "a CPU that cannot be is nowhere to stay");
        same.follow(2 * INTERVAL_NS, || Some(cpu as u32));
        drop(same);
        assert_eq!(allowed(), before);
    }
}
