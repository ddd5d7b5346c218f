//! A target process: its memory, its threads, its binaries.

pub mod memory;
