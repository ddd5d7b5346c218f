//! The live terminal view of slowpath: functions, source, instructions, advice, threads and a flame
//! graph of a program that runs.
//!
//! It draws [`slowpath_profile::view::live::Snapshot`]s and findings that a [`Feed`] hands over, and tells
//! the feed what is looked at.
//!
//! Invariants:
//! - it counts nothing: every number is from `slowpath_profile::view`;
//! - it knows no sampler and no advisor, and nothing waits for it: the feed keeps the newest for it;
//! - nothing of a target reaches the terminal unescaped, and everything is measured by display width;
//! - one table of keys ([`keys::TABLE`]) is handling, footer, help and documentation;
//! - however it ends (a key, a signal, a panic), the terminal is as it was.
#![forbid(unsafe_code)]

mod app;
mod batch;
mod feed;
mod filter;
mod flame;
pub mod keys;
mod layout;
mod panes;
mod picker;
mod screen;
mod selection;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;

pub use app::Pane;
pub use batch::{BatchOptions, batch};
pub use feed::{Feed, Update};
pub use picker::{Candidate, Picked, pick};
pub use screen::{Options, top};
pub use terminal::End;
pub use theme::{ColorLevel, Theme};
