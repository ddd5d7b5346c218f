//! Typed indices, so that a [`StackId`] cannot be used where a [`FrameId`] is meant.

use serde::{Deserialize, Serialize};

/// A dense index into one table.
pub trait Id: Copy + Eq + std::hash::Hash {
    /// The id of the entry at `index`. Tables are bounded far below `u32::MAX`, so this cannot wrap.
    fn from_index(index: usize) -> Self;
    /// The position of the entry in its table.
    fn index(self) -> usize;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl Id for $name {
            fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("tables are bounded below u32::MAX entries"))
            }
            fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// A string in [`crate::tables::Tables::strings`].
    StringId,
    /// A function: one code object's identity as people know it (file, qualname, first line).
    FunctionId,
    /// A position inside a function.
    FrameId,
    /// A node of the stack tree: a frame and everything that called it.
    StackId,
    /// A thread of a profiled process.
    ThreadId,
    /// A profiled process.
    ProcessId,
}
