//! A target process: its memory, its threads, its binaries.

pub mod binary;
pub mod children;
pub mod clock;
pub mod error;
pub mod find;
#[cfg(target_os = "linux")]
pub mod linux;
pub mod maps;
pub mod memory;
pub mod threads;
