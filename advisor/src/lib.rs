//! The advisor of slowpath: says what is slow, which code caused it, what a fix would save, and how
//! well all of that is founded.
//!
//! It reads a profile and the evidence in it ([`slowpath_profile::evidence`]) and writes findings
//! ([`slowpath_profile::finding`]). It looks at nothing else: no process, no file, no clock, so that a
//! recording gives the same findings on every machine.
//!
//! Invariants:
//! - no samples, no finding: what is not hot is not reported;
//! - rules see facts, never opcode numbers, addresses or encodings; only the oracle and the cost
//!   tables differ by version;
//! - evidence sets the confidence of a finding and saving its rank; the two are never mixed;
//! - a rule that could not look says so: "cannot tell" is never shown as "nothing found";
//! - the same profile gives the same findings in the same order, byte for byte.
#![forbid(unsafe_code)]

pub mod output;
