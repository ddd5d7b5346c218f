//! What people are shown of a profile. All arithmetic (self, total, shares, differences) is here, so
//! that terminal, browser, text and JSON agree to the last sample.
//!
//! One pass over the samples gives [`Weights`]: per thread and stack, split by what the thread did.
//! Every view follows from the weights and the tables. The unit is the function, not the frame:
//! several lines of one function are one row, and lines are a view of their own.
//!
//! Invariants:
//! - the self weights of all functions, the weight without Python code and the hidden weight add up
//!   to the base of all shares;
//! - a sample counts once in a function's total, however often the function is on the stack;
//! - dropped samples are never part of a share; they are counted and shown beside it;
//! - the same profile gives the same rows in the same order.

mod call_tree;
mod diff;
mod filter;
mod filtered;
mod functions;
mod lines;
pub mod live;
pub mod slots;
#[cfg(test)]
mod tests;
mod weights;

pub use call_tree::{CallNode, CallTree, Direction};
pub use diff::{Diff, FunctionDelta, StackDelta};
pub use filter::{Filter, glob_matches};
pub use filtered::Filtered;
pub use functions::{FunctionRow, Functions};
pub use lines::{LineRow, lines};
pub use weights::{Base, Metric, Split, StackWeight, Weights};
