//! Local variables of a frame, rendered without running any code of the target.

use crate::layout::spec::Layout;
use crate::process::memory::{Bytes, Memory};
use crate::read::objects::render;
use crate::read::stack::RawFrame;
use crate::read::text;
use crate::read::tuples::tuple_items;

/// Upper bound of variables of one frame.
const MAX_LOCALS: usize = 1_000;

/// Name, whether it is an argument, and a rendering of at most `limit` characters, for each local
/// that has a value.
pub fn read(
    memory: &dyn Memory,
    layout: &Layout,
    frame: &RawFrame,
    limit: usize,
) -> Vec<(String, bool, String)> {
    let Ok(header) = memory.read_bytes(frame.code, layout.code.size) else { return Vec::new() };
    let arguments = header.u32_at(layout.code.argcount).unwrap_or(0) as usize;
    let names = header.u64_at(layout.code.localsplusnames);
    let names = names.and_then(|tuple| tuple_items(memory, layout, tuple, MAX_LOCALS));
    let names = names.unwrap_or_default();
    let first = frame.addr.wrapping_add(layout.frame.localsplus as u64);
    let Ok(values) = memory.read_bytes(first, names.len() * 8) else { return Vec::new() };
    let mut locals = Vec::new();
    for (position, name) in names.iter().enumerate() {
        // The low bits are a tag from 3.14; 0 is an unbound variable.
        let value = values.u64_at(position * 8).unwrap_or(0) & !7;
        if value != 0 {
            let name = text::read_str(memory, &layout.object, *name);
            locals.push((name, position < arguments, render(memory, layout, value, limit)));
        }
    }
    locals
}
