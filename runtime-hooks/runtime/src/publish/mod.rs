//! Tells a reader outside where the threads are and how to read them.

/// The published word of a field.
macro_rules! field {
    ($name:ident) => {
        &crate::publish::TABLE[std::mem::offset_of!(slowpath_runtime_layout::Table, $name) / 8]
    };
}

mod calibrate;
mod class_writes;
mod memory;
mod opcodes;
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustpython_vm::{VirtualMachine, version};
use slowpath_runtime_layout::{COOKIE, READY, REFUSED, Table, VERSION, WORDS};

use memory::{Memory, OwnMemory};
use threads::THREADS;

/// Version of RustPython, as the table has it.
pub(crate) const RUSTPYTHON: u64 = 0x00_06_00;
/// `0` publishes nothing: for measuring what publishing costs.
const SWITCH: &str = "SLOWPATH_PUBLISH";

/// The published table. It is found by the name of its section, so it holds in a stripped binary too.
// SAFETY: a section of its own holds this one item, whose words may be written at run time.
#[expect(unsafe_code, reason = "a section of its own is how it is found")]
#[unsafe(link_section = ".slowpath.runtime")]
#[used]
static TABLE: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

/// Measures, publishes, and registers the calling thread and every one that begins from now on.
///
/// Whatever goes wrong: the program runs as it would, and the table says that there is nothing to read.
pub(crate) fn publish(vm: &VirtualMachine) {
    if std::env::var_os(SWITCH).is_some_and(|value| value == "0") {
        return;
    }
    let memory = OwnMemory::open().map(|memory| Arc::new(memory) as Arc<dyn Memory>);
    let (table, state) = describe(memory.and_then(|memory| calibrate::calibrate(vm, &memory)));
    for (word, value) in TABLE.iter().zip(table.words()) {
        word.store(value, Ordering::Relaxed);
    }
    if state == READY {
        threads::register_current(vm);
        threads::follow(vm);
        class_writes::follow(vm);
    }
    // Last: who sees it sees the rest.
    field!(state).store(state, Ordering::Release);
}

/// What is published with these measurements, and its state.
fn describe(measured: Option<Table>) -> (Table, u64) {
    let state = if measured.is_some() { READY } else { REFUSED };
    let table = Table {
        cookie: COOKIE,
        version: VERSION,
        words: WORDS as u64,
        pid: std::process::id().into(),
        python: language(),
        rustpython: RUSTPYTHON,
        threads: THREADS.addr(),
        opcodes: opcodes::publish(),
        class_writes: class_writes::WRITES.addr(),
        dead_versions: class_writes::dead_versions(),
        ..measured.unwrap_or_default()
    };
    (table, state)
}

/// `PY_VERSION_HEX` of the language that is implemented.
fn language() -> u64 {
    let number = |it: usize| it as u64 & 0xff;
    number(version::MAJOR) << 24 | number(version::MINOR) << 16 | number(version::MICRO) << 8 | 0xf0
}

#[cfg(test)]
mod tests {
    use slowpath_runtime_layout::Refusal;

    use super::*;

    #[test]
    fn without_measurements_there_is_nothing_to_read() {
        let (table, state) = describe(None);
        let words = Table { state, ..table }.words();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(Table::parse(&bytes), Err(Refusal::Refused));
    }
}
