//! Measures where the fields are that RustPython keeps private, on live objects and through public
//! functions: a value that a function tells is looked for in the object's own bytes. A value that is
//! found twice, or not at all, measures nothing.

use std::mem::offset_of;
use std::sync::Arc;

use rustpython_vm::builtins::{PyCode, PyStr};
use rustpython_vm::bytecode::{CodeUnits, Instruction};
use rustpython_vm::compiler::Mode;
use rustpython_vm::frame::{InterpreterFrame, current_thread_iframe};
use rustpython_vm::{Py, PyRef, VirtualMachine};
use slowpath_runtime_layout::Table;

use super::memory::{Memory, only};

/// Functions that are called to have frames, and an instruction that adapts.
const SOURCE: &str = "\
def outer(probe):
    return middle(probe)
def middle(probe):
    return inner(probe)
def inner(probe):
    return probe()
len(())
";
/// A text whose number of characters is not its number of bytes.
const TEXT: &str = "slow\u{e9}\u{e9}path\u{20ac}";

/// A measured table; its first words are the caller's.
pub(super) fn calibrate(vm: &VirtualMachine, memory: &Arc<dyn Memory>) -> Option<Table> {
    let code = vm.compile(SOURCE, Mode::Exec, "<calibration>").ok()?;
    let mut table = Table::default();
    measure_code(vm, &**memory, &code, &mut table)?;
    measure_text(vm, &**memory, &mut table)?;
    measure_frame(vm, memory, code, &mut table)?;
    Some(table)
}

/// Where `field` is in the object at `base`.
fn place<T: ?Sized>(base: usize, field: &T) -> usize {
    (&raw const *field).addr() - base
}

/// Offsets of the address and of the length of a boxed slice that is kept at offset `at`.
fn boxed(memory: &dyn Memory, base: usize, at: usize, data: usize, len: usize) -> Option<(u64, u64)> {
    match memory.words(base + at, 16)?[..] {
        [first, second] if (first, second) == (data, len) => Some((at as u64, at as u64 + 8)),
        [first, second] if (first, second) == (len, data) => Some((at as u64 + 8, at as u64)),
        _ => None,
    }
}

fn measure_code(
    vm: &VirtualMachine,
    memory: &dyn Memory,
    code: &Py<PyCode>,
    table: &mut Table,
) -> Option<()> {
    let base = (&raw const *code).addr();
    let object = &code.code;
    table.code_size = size_of::<Py<PyCode>>() as u64;
    let (names, lines) = (&object.names, &object.linetable);
    let at = place(base, lines);
    (table.code_linetable, table.code_linetable_len) =
        boxed(memory, base, at, lines.as_ptr().addr(), lines.len())?;
    let at = place(base, names);
    (table.code_names, table.code_names_len) = boxed(memory, base, at, names.as_ptr().addr(), names.len())?;
    table.code_first_line = place(base, &object.first_line_number) as u64;
    let first = memory.read(base + place(base, &object.first_line_number)).map(u32::from_ne_bytes)?;
    // Little-endian: the low half of the number, if it has two.
    if first != object.first_line_number.map_or(0, |it| it.get() as u32) {
        return None;
    }
    table.code_flags = place(base, &object.flags) as u64;
    let flags = memory.read(base + place(base, &object.flags)).map(u32::from_ne_bytes)?;
    if flags != object.flags.bits() {
        return None;
    }
    for (field, offset) in
        [(&object.obj_name, &mut table.code_name), (&object.qualname, &mut table.code_qualname)]
    {
        *offset = place(base, field) as u64;
        if memory.word(base + place(base, field))? != (&raw const **field).addr() {
            return None;
        }
    }
    table.code_source_path = measure_path(vm, memory, code, base)?;
    measure_units(memory, &object.instructions, base, table)
}

/// The path of the source can be set; the word that follows is the field.
fn measure_path(vm: &VirtualMachine, memory: &dyn Memory, code: &Py<PyCode>, base: usize) -> Option<u64> {
    let before = code.source_path();
    let other = vm.ctx.intern_str("<calibration of a path>");
    code.set_source_path(other);
    let words = memory.words(base, size_of::<Py<PyCode>>());
    code.set_source_path(before);
    only(&words?, (&raw const *other).addr())
}

/// Code units, counters and caches are three boxed slices. The first is told; what lands in
/// which of the others is seen by writing.
#[expect(unsafe_code, reason = "writes tags into the caches of code that nothing executes")]
fn measure_units(memory: &dyn Memory, units: &CodeUnits, base: usize, table: &mut Table) -> Option<()> {
    let at = place(base, units);
    let size = size_of::<CodeUnits>();
    let words = memory.words(base + at, size)?;
    let first = only(&words, units.units_ptr().addr())?;
    table.code_units = at as u64 + first;
    let len = |offset: u64| words.get(offset as usize / 8).is_some_and(|word| *word == units.len());
    // A boxed slice is two words, in an order that is the compiler's.
    table.code_units_len = at as u64 + if first % 16 == 0 { first + 8 } else { first - 8 };
    if !size.is_multiple_of(16) || !len(table.code_units_len - at as u64) {
        return None;
    }
    let cache =
        (0..units.len()).find(|&index| index > 0 && matches!(units.read_op(index), Instruction::Cache))?;
    let seen = |width: usize| -> Option<Vec<Option<usize>>> {
        let look = |data: &usize| match width {
            2 => memory.read(data.wrapping_add(cache * 2)).map(|it| u16::from_ne_bytes(it).into()),
            _ => memory.word(data.wrapping_add(cache * 8)),
        };
        Some(memory.words(base + at, size)?.iter().map(look).collect())
    };
    let (counter, pointer) = (units.read_adaptive_counter(cache), units.read_cache_ptr(cache));
    // SAFETY: `cache` is an index of this code, which nothing executes yet: it was compiled to be measured.
    unsafe { units.write_adaptive_counter(cache, 0x5a0e) };
    let counters = seen(2);
    // SAFETY: as above.
    unsafe { units.write_adaptive_counter(cache, counter) };
    table.code_counters = at as u64 + only_some(&counters?, 0x5a0e)?;
    let tag = 0x510e_ba7e_5107_f00d;
    // SAFETY: as above; the value is never followed, because the instruction is not executed before the
    // value it had is back.
    unsafe { units.write_cache_ptr(cache, tag) };
    let pointers = seen(8);
    // SAFETY: as above.
    unsafe { units.write_cache_ptr(cache, pointer) };
    table.code_pointers = at as u64 + only_some(&pointers?, tag)?;
    Some(())
}

fn only_some(seen: &[Option<usize>], tag: usize) -> Option<u64> {
    only(&seen.iter().map(|word| word.unwrap_or(0)).collect::<Vec<_>>(), tag)
}

fn measure_text(vm: &VirtualMachine, memory: &dyn Memory, table: &mut Table) -> Option<()> {
    let text: PyRef<PyStr> = vm.ctx.new_str(TEXT);
    let base = (&raw const *text).addr();
    table.text_size = size_of::<Py<PyStr>>() as u64;
    let words = memory.words(base, size_of::<Py<PyStr>>())?;
    table.text_data = only(&words, text.as_bytes().as_ptr().addr())?;
    // Next to the address, on one side or the other; the number of characters is another one.
    let at = |offset: Option<u64>| offset.filter(|it| words.get(*it as usize / 8) == Some(&TEXT.len()));
    let (after, before) = (at(Some(table.text_data + 8)), at(table.text_data.checked_sub(8)));
    table.text_len = after.xor(before)?;
    Some(())
}

/// Runs the code, and has its functions call back, so that there are frames to look at.
fn measure_frame(
    vm: &VirtualMachine,
    memory: &Arc<dyn Memory>,
    code: PyRef<PyCode>,
    table: &mut Table,
) -> Option<()> {
    table.frame_size = size_of::<InterpreterFrame>() as u64;
    table.frame_lasti = offset_of!(InterpreterFrame, lasti) as u64;
    let scope = vm.new_scope_with_builtins();
    vm.run_code_obj(code, scope.clone()).ok()?;
    let outer = scope.globals.get_item("outer", vm).ok()?;
    let memory = memory.clone();
    let probe = vm.new_function("probe", move |_vm: &VirtualMachine| -> String {
        look_at_frames(&*memory).map_or_else(String::new, |(code, previous)| format!("{code} {previous}"))
    });
    let told = outer.call((probe,), vm).ok()?;
    let told = told.str(vm).ok()?;
    let (code, previous) = told.to_str()?.split_once(' ')?;
    (table.frame_code, table.frame_previous) = (code.parse().ok()?, previous.parse().ok()?);
    Some(())
}

/// Offsets of `code` and `previous` on which the two innermost of three frames agree, and which the
/// thread's published top confirms.
#[expect(unsafe_code, reason = "follows the frames of its own call")]
fn look_at_frames(memory: &dyn Memory) -> Option<(u64, u64)> {
    let inner = current_thread_iframe();
    let slot = rustpython_vm::vm::thread::current_thread_slot()?;
    let top = slot.top_iframe.load(std::sync::atomic::Ordering::Relaxed);
    if inner.is_null() || top != inner.addr() {
        return None;
    }
    // SAFETY: a frame that this thread executes, and its caller: both wait for this very call.
    let (inner, middle) = unsafe { (&*inner, (*inner).previous().as_ref()?) };
    let measured = [inner, middle].map(|frame| {
        let words = memory.words((&raw const *frame).addr(), size_of::<InterpreterFrame>())?;
        let code = only(&words, (&raw const *frame.code()).addr())?;
        let previous = only(&words, frame.previous().addr())?;
        Some((code, previous))
    });
    let [first, second] = measured;
    first.filter(|_| first == second)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustpython::{InterpreterBuilder, InterpreterBuilderExt};

    use super::super::memory::OwnMemory;
    use super::*;

    /// What is wrong with one answer.
    #[derive(Clone, Copy, Debug)]
    enum Flaw {
        /// It does not come.
        Refused,
        /// Every second word is as the one before it, which is there twice.
        Doubled,
        /// Every second word is as the one behind it.
        DoubledBefore,
        /// It says nothing.
        Empty,
    }

    /// This process, with a flaw in the answer of one number.
    struct Flawed {
        own: OwnMemory,
        flaw: Option<(usize, Flaw)>,
        asked: AtomicUsize,
    }

    impl Memory for Flawed {
        fn fill(&self, addr: usize, bytes: &mut [u8]) -> Option<()> {
            let number = self.asked.fetch_add(1, Ordering::Relaxed);
            self.own.fill(addr, bytes)?;
            match self.flaw.filter(|(at, _)| *at == number) {
                Some((_, Flaw::Refused)) => return None,
                Some((_, flaw @ (Flaw::Doubled | Flaw::DoubledBefore))) => {
                    for pair in bytes.chunks_exact_mut(16) {
                        let (first, second) = pair.split_at_mut(8);
                        match flaw {
                            Flaw::Doubled => second.copy_from_slice(first),
                            _ => first.copy_from_slice(second),
                        }
                    }
                }
                Some((_, Flaw::Empty)) => bytes.fill(0),
                None => {}
            }
            Some(())
        }
    }

    fn measured(vm: &VirtualMachine, flaw: Option<(usize, Flaw)>) -> (Option<Table>, usize) {
        let memory = Flawed { own: OwnMemory::open().unwrap(), flaw, asked: AtomicUsize::new(0) };
        let memory = Arc::new(memory);
        let shared: Arc<dyn Memory> = memory.clone();
        (calibrate(vm, &shared), memory.asked.load(Ordering::Relaxed))
    }

    #[test]
    fn what_is_measured_is_the_same_each_time_and_a_flaw_measures_nothing() {
        InterpreterBuilder::new().init_stdlib().interpreter().enter(|vm| {
            let (table, asked) = measured(vm, None);
            let table = table.unwrap();
            assert_eq!(measured(vm, None).0, Some(table));
            assert!(table.code_size > 0 && table.frame_size > 0 && asked > 15, "{asked}");
            let mut refused = 0;
            for number in 0..asked {
                for flaw in [Flaw::Refused, Flaw::Doubled, Flaw::DoubledBefore, Flaw::Empty] {
                    // What only rules a place out, and words that nobody looks at, may say what they like.
                    match measured(vm, Some((number, flaw))).0 {
                        None => refused += 1,
                        right => assert_eq!(right, Some(table), "{flaw:?} in answer {number}"),
                    }
                }
            }
            assert!(refused > asked, "{refused} of {}", asked * 4);
        });
    }
}
