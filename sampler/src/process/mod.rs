//! A target process: its memory, its threads, its binaries.

pub mod error;
pub mod memory;
