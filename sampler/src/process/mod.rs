//! A target process: its memory, its threads, its binaries.

pub mod access;
pub mod binary;
mod build_id;
pub mod children;
pub mod clock;
pub mod core_dump;
pub mod error;
pub mod find;
pub mod findings;
pub mod image;
pub mod legacy;
#[cfg(target_os = "linux")]
pub mod linux;
pub mod maps;
pub mod memory;
#[cfg(target_os = "linux")]
pub mod preload;
pub mod pthread;
pub mod recorded;
pub mod refusal;
#[cfg(target_os = "linux")]
pub mod source_file;
pub mod stop;
pub mod threads;
