//! Where things are in an interpreter: one table per version, and how to find out which holds.

pub mod detect;
pub mod spec;
