//! The advisor of slowpath: says what is slow, which code caused it, what a fix would save, and how
//! well all of that is founded.
//!
//! It reads a profile and the evidence in it ([`slowpath_profile::evidence`]) and writes findings
//! ([`slowpath_profile::finding`]). It looks at nothing else: no process, no clock, and no file but
//! the [`source`] texts that its caller may hand over. They add how a cause is written; what is found, what
//! it costs and in which order does not depend on them.
//!
//! [`advise()`] weighs the samples ([`weight`]), asks the [`oracle`] about every hot instruction, lets
//! each of the [`rules`] look for its cause, prices what they found ([`costs`]) and ranks it. Whether a
//! change then saves what was said, [`verify`] tells from paired runs.
//!
//! Invariants:
//! - no samples, no finding: what is not hot is not reported;
//! - rules see facts, never opcode numbers, addresses or encodings; only the oracle and the cost
//!   tables differ by version;
//! - evidence sets the confidence of a finding and saving its rank; the two are never mixed;
//! - a rule that could not look says so: "cannot tell" is never shown as "nothing found";
//! - the same profile gives the same findings in the same order, byte for byte.
#![forbid(unsafe_code)]

mod advise;
pub mod baseline;
pub mod cause;
pub mod compare;
pub mod context;
pub mod costs;
pub mod fingerprint;
pub mod gate;
pub mod ignore;
mod merge;
pub mod oracle;
pub mod output;
pub mod rule;
pub mod rules;
mod saving;
pub mod source;
pub mod target;
#[doc(hidden)]
pub mod testing;
pub mod verify;
pub mod weight;

pub use advise::{advise, advise_with};
