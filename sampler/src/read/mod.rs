//! Decodes an interpreter's memory: pure over [`crate::process::memory::Memory`] and
//! [`crate::layout::spec::Layout`]; no clock, no system calls, every chase bounded.

pub mod ahead;
pub mod bytecode;
pub mod caches;
pub mod callables;
pub mod code;
pub mod code_cache;
pub mod code_parts;
pub mod code_stores;
pub mod dict;
pub mod image;
pub mod instances;
pub mod ints;
pub mod keys;
pub mod line_table;
pub mod locals;
pub mod objects;
pub mod opcache;
pub mod operands;
pub mod plan;
pub mod reach;
pub mod runtime_facts;
pub mod sections;
pub mod stack;
mod stack_effect;
pub mod stores;
pub mod symbolic;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;
pub mod thread_names;
pub mod threads;
pub mod tuples;
pub(crate) mod type_flags;
pub mod types;
