//! Names that a program gave its threads: `threading._active`, which maps identifiers to
//! `threading.Thread` objects.

use crate::layout::spec::Layout;
use crate::process::memory::Memory;
use crate::read::dict::{get_str, instance_attribute, items, read_word};
use crate::read::ints::{MAX_DIGITS, int_value};
use crate::read::text;

/// Threads that are named.
const MAX_THREADS: usize = 10_000;
/// Characters of a name.
const MAX_NAME: usize = 256;

/// `threading.get_ident()` and `Thread.name` of the threads of the interpreter at `interpreter`; empty
/// if the program has not imported `threading`.
pub fn thread_names(memory: &dyn Memory, layout: &Layout, interpreter: u64) -> Vec<(u64, String)> {
    let Some(active) = active(memory, layout, interpreter) else { return Vec::new() };
    let named = items(memory, layout, active, MAX_THREADS).into_iter().filter_map(|(ident, thread)| {
        let name = instance_attribute(memory, layout, thread, "_name")?;
        Some((
            u64::try_from(int_value(memory, layout, ident, MAX_DIGITS)?).ok()?,
            text::string_up_to(memory, &layout.object, name, MAX_NAME)?,
        ))
    });
    named.collect()
}

/// Address of the dict `threading._active`.
fn active(memory: &dyn Memory, layout: &Layout, interpreter: u64) -> Option<u64> {
    let modules = read_word(memory, interpreter, layout.interpreter.modules)?;
    let threading = get_str(memory, layout, modules, "threading")?;
    instance_attribute(memory, layout, threading, "_active")
}
