//! Batches of a program that does the same all the time: the measure of a recording's size and speed.

use crate::batch::{Batch, Mark};
use crate::ids::{ProcessId, StackId, ThreadId};
use crate::meta::{Process, Thread};
use crate::sample::{Quality, Sample, SampleFlags, ThreadState};
use crate::tables::{Frame, Function, FunctionKind, Span, Tables};

/// Nanoseconds between two updates of a thread's CPU time by the kernel (250 Hz).
const KERNEL_TICK_NS: u64 = 4_000_000;

/// A steady program: an endless iterator over its batches, the same at every run.
#[derive(Clone, Debug)]
pub struct Steady {
    /// Threads, all sampled at every tick; the first runs, the others wait.
    pub threads: u32,
    /// Distinct stacks between which the running thread alternates at random.
    pub stacks: u32,
    /// Ticks per batch.
    pub ticks: u32,
    noise: u64,
    time_ns: u64,
    kernel_ns: u64,
    begun: bool,
}

impl Steady {
    /// A program with this many threads and distinct stacks, in batches of `ticks` at 1 kHz.
    pub fn new(threads: u32, stacks: u32, ticks: u32) -> Self {
        Self { threads, stacks, ticks, noise: 1, time_ns: 0, kernel_ns: 0, begun: false }
    }

    /// A number below `bound` (xorshift64*).
    fn random(&mut self, bound: u64) -> u64 {
        self.noise ^= self.noise >> 12;
        self.noise ^= self.noise << 25;
        self.noise ^= self.noise >> 27;
        ((self.noise.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) * bound) >> 32
    }

    /// CPU time that the kernel shows to have been used since the previous tick: it counts at its own
    /// ticks, a few microseconds early or late.
    fn cpu_ns(&mut self) -> u64 {
        let mut cpu_ns = 0;
        while self.kernel_ns + KERNEL_TICK_NS <= self.time_ns {
            self.kernel_ns += KERNEL_TICK_NS;
            cpu_ns += KERNEL_TICK_NS - 10_000 + self.random(20_000);
        }
        cpu_ns
    }

    fn tick(&mut self, samples: &mut Vec<Sample>) {
        // 1 kHz, jittered by a quarter of the period to either side.
        self.time_ns += 750_000 + self.random(500_000);
        let cpu_ns = self.cpu_ns();
        for thread in 0..self.threads {
            let runs = thread == 0;
            // The leaves follow three common callers; a waiting thread keeps its stack.
            let leaf = if runs { self.random(self.stacks.into()) as u32 } else { thread % self.stacks };
            samples.push(Sample {
                time_ns: self.time_ns,
                thread: ThreadId(thread),
                stack: Some(StackId(3 + leaf)),
                cpu_ns: if runs { cpu_ns } else { 0 },
                state: if runs { ThreadState::Running } else { ThreadState::Idle },
                flags: if runs { SampleFlags::HOLDS_GIL } else { SampleFlags::default() },
                quality: if runs && self.random(100) == 0 { Quality::Retried } else { Quality::Clean },
            });
        }
    }

    fn tables(&self, batch: &mut Batch) {
        let mut tables = Tables::default();
        let file = tables.strings.intern_str("/srv/app/steady.py");
        let mut parent = None;
        for node in 0..self.stacks + 3 {
            let name = tables.strings.intern_str(&format!("function_{node}"));
            let function =
                Function { name, qualname: name, file, first_line: node, kind: FunctionKind::Python };
            let function = tables.functions.intern(function);
            let span = Span::of_line(node + 1);
            let frame = tables.frames.intern(Frame { function, instruction: Some(2 * node), span });
            let id = tables.intern_stack(parent, frame);
            parent = if node < 3 { id } else { parent };
        }
        tables.take_new(&mut Mark::default(), batch);
        batch.processes.push(Process { pid: 4242, python: "3.14.2".into(), ..Process::default() });
        batch.threads.extend((0..self.threads).map(|thread| Thread {
            process: ProcessId(0),
            native_id: 4242 + thread,
            is_main: thread == 0,
            ..Thread::default()
        }));
    }
}

impl Iterator for Steady {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        if !std::mem::replace(&mut self.begun, true) {
            self.tables(&mut batch);
        }
        for _ in 0..self.ticks {
            self.tick(&mut batch.samples);
        }
        Some(batch)
    }
}
