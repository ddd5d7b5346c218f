//! Reads Python interpreters from outside: finds them, decodes their memory, takes samples.
//!
//! ```text
//! process --Memory--> layout (version table) --> read (frames, code, text) --> snapshot --> recorder --> Profile
//!  live | core | recorded pages
//! ```
//!
//! Invariants:
//! - [`process`] alone makes system calls, and only there is `unsafe` allowed;
//! - [`layout`] alone knows version numbers; everything after it sees offsets and formats;
//! - `read` is pure over [`process::memory::Memory`] and a [`layout::spec::Layout`]: no clock, no
//!   system calls; every pointer chase is bounded and ends in a partial result, not in a panic;
//! - nothing pauses the target and nothing is written to it, unless asked by name ([`remote_exec`]).

mod bundled;
pub mod dump;
pub mod durations;
mod heads;
mod identify;
pub mod layout;
mod legacy_sampler;
pub mod options;
pub mod probe;
pub mod process;
mod process_sampler;
pub mod read;
pub mod recorder;
pub mod remote_exec;
mod resolve;
mod same_core;
mod sampled_process;
mod sampling_loop;
pub mod schedule;
pub mod session;
pub mod snapshot;
mod state;
mod thread_track;
