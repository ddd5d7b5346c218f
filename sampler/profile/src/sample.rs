//! One sample: what one thread was doing at one instant.

use serde::{Deserialize, Serialize};

use crate::ids::{StackId, ThreadId};

/// What the thread was doing. The three weights stay apart in every view: a thread that waits for
/// the GIL is neither running nor idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThreadState {
    /// On a CPU or ready to be.
    #[default]
    Running,
    /// Wants the GIL and does not have it.
    WaitingForGil,
    /// Sleeps in the kernel: input, a lock, `time.sleep`.
    Idle,
}

impl ThreadState {
    /// All states in the order of their encoding.
    pub const ALL: [Self; 3] = [Self::Running, Self::WaitingForGil, Self::Idle];
}

/// Facts about a sample that are independent of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SampleFlags(pub u8);

impl SampleFlags {
    /// The thread held the GIL.
    pub const HOLDS_GIL: Self = Self(1);
    /// A garbage collection was in progress in the thread's interpreter, run by this thread.
    pub const IN_GC: Self = Self(2);

    /// These flags and `other`.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How far the stack of a sample can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Passed every check at the first read.
    #[default]
    Clean,
    /// Passed every check after at least one broken read.
    Retried,
    /// The frames nearest to the leaf are right, the rest could not be read or exceeded a bound.
    Truncated,
    /// No consistent stack could be read: the sample counts as time, its stack is `None`.
    Dropped,
}

impl Quality {
    /// All qualities in the order of their encoding.
    pub const ALL: [Self; 4] = [Self::Clean, Self::Retried, Self::Truncated, Self::Dropped];
}

/// What one thread was doing at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Nanoseconds since the recording began.
    pub time_ns: u64,
    /// Whose sample it is.
    pub thread: ThreadId,
    /// Its Python stack; `None` when it runs no Python code or when the read was dropped.
    pub stack: Option<StackId>,
    /// CPU time the thread used since its previous sample, in nanoseconds.
    pub cpu_ns: u64,
    /// What it was doing.
    pub state: ThreadState,
    /// Holds the GIL, runs the garbage collector.
    pub flags: SampleFlags,
    /// How far to trust the stack.
    pub quality: Quality,
}
