//! Names that a program gave its threads: `threading._active`, which maps identifiers to
//! `threading.Thread` objects.

use crate::layout::spec::Layout;
use crate::process::memory::{Bytes, Memory};
use crate::read::dict::{get_str, instance_attribute, items, read_word};
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
            ident_value(memory, layout, ident)?,
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

/// The value of a positive int of up to 64 bits: three digits of 30 bits.
fn ident_value(memory: &dyn Memory, layout: &Layout, addr: u64) -> Option<u64> {
    let long = &layout.object.long;
    let word = read_word(memory, addr, long.size_or_tag)?;
    let digits = if long.tagged { word >> 3 } else { word };
    let digits = usize::try_from(digits).ok().filter(|digits| *digits <= 3)?;
    let bytes = memory.read_bytes(addr.checked_add(long.digits as u64)?, digits * 4).ok()?;
    let digits = bytes.chunks_exact(4).filter_map(|digit| digit.u32_at(0));
    let value =
        digits.enumerate().fold(0u128, |value, (index, digit)| value | u128::from(digit) << (30 * index));
    u64::try_from(value).ok()
}
