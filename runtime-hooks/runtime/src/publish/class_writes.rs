//! Writes to classes while the program runs: who, where, how often, and which cached versions died of it.
//!
//! `type.__setattr__` is replaced, by a function that notes the write and does what the old one did. What
//! the program sees of that: `type.__setattr__` and `type.__delattr__` are methods, not slot wrappers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use rustpython_vm::builtins::{PyStr, PyStrRef, PyType};
use rustpython_vm::frame::current_thread_iframe;
use rustpython_vm::function::{ItemDoc, PyMethodFlags, PySetterValue};
use rustpython_vm::{Py, PyObject, PyObjectRef, PyResult, VirtualMachine};
use slowpath_runtime_layout::{CLASS_WRITE_WORDS, ClassWrite, DEAD_VERSIONS, MAX_CLASS_WRITES};

use super::field;

/// What a type does when an attribute of one of its instances is written or deleted.
type SetattroFunc = fn(&PyObject, &Py<PyStr>, PySetterValue, &VirtualMachine) -> PyResult<()>;

type Entry = [AtomicU64; CLASS_WRITE_WORDS];

pub(super) static WRITES: Writes =
    Writes([const { [const { AtomicU64::new(0) }; CLASS_WRITE_WORDS] }; MAX_CLASS_WRITES]);
static DEAD: [AtomicU64; DEAD_VERSIONS] = [const { AtomicU64::new(0) }; DEAD_VERSIONS];

/// Versions of subclasses that one write is said to kill.
const MAX_DEAD: usize = 64;

/// Entries of places that write.
pub(super) struct Writes([Entry; MAX_CLASS_WRITES]);

impl Writes {
    pub(super) fn addr(&self) -> u64 {
        (&raw const self.0).addr() as u64
    }
}

pub(super) fn dead_versions() -> u64 {
    (&raw const DEAD).addr() as u64
}

/// Which entry a place has: class, attribute, code object, instruction.
static PLACES: Mutex<Option<HashMap<[usize; 4], usize>>> = Mutex::new(None);
/// What `type` did before.
static BEFORE: OnceLock<SetattroFunc> = OnceLock::new();

/// Has every write to a class noted from now on.
pub(super) fn follow(vm: &VirtualMachine) {
    let ty = vm.ctx.types.type_type;
    let Some(before) = ty.slots.setattro.load() else { return };
    if BEFORE.set(before).is_err() {
        return;
    }
    ty.slots.setattro.store(Some(set_attribute));
    // A metaclass that calls `super().__setattr__` gets these: the old ones refuse to work where the slot
    // is not their own.
    let set = vm.ctx.new_method_def(
        "__setattr__",
        |class: PyObjectRef, name: PyStrRef, value: PyObjectRef, vm: &VirtualMachine| {
            set_attribute(&class, &name, PySetterValue::Assign(value), vm)
        },
        PyMethodFlags::METHOD,
        ItemDoc::NONE,
    );
    let delete = vm.ctx.new_method_def(
        "__delattr__",
        |class: PyObjectRef, name: PyStrRef, vm: &VirtualMachine| {
            set_attribute(&class, &name, PySetterValue::Delete, vm)
        },
        PyMethodFlags::METHOD,
        ItemDoc::NONE,
    );
    for (name, method) in [("__setattr__", set), ("__delattr__", delete)] {
        ty.set_attr(vm.ctx.intern_str(name), method.build_method(ty, vm).into());
    }
}

/// Does what `type` does, and notes it.
fn set_attribute(
    class: &PyObject,
    name: &Py<PyStr>,
    value: PySetterValue,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let dead = class.downcast_ref::<PyType>().map(live_versions).unwrap_or_default();
    let result = match BEFORE.get() {
        Some(before) => before(class, name, value, vm),
        None => Ok(()),
    };
    // What was cached nowhere is nobody's loss.
    if result.is_ok() && !dead.is_empty() && note(class, name, &dead).is_none() {
        field(|table| &mut table.class_writes_missed).fetch_add(1, Ordering::Relaxed);
    }
    result
}

/// Versions of a class and of those below it.
fn live_versions(class: &Py<PyType>) -> Vec<u32> {
    let version = class.tp_version_tag.load(Ordering::Acquire);
    if version == 0 {
        // Nobody has cached it, so nobody has cached what is below it.
        return Vec::new();
    }
    let mut versions = vec![version];
    for weak in class.subclasses.read().iter() {
        if versions.len() >= MAX_DEAD {
            break;
        }
        if let Some(below) = weak.upgrade()
            && let Some(below) = below.downcast_ref::<PyType>()
        {
            versions.extend(live_versions(below));
        }
    }
    versions
}

/// Enters a write; `None` if there is no room, or somebody is entering one, for nobody waits here.
#[expect(unsafe_code, reason = "looks at the frame that writes")]
fn note(class: &PyObject, name: &Py<PyStr>, dead: &[u32]) -> Option<()> {
    let frame = current_thread_iframe();
    // SAFETY: the frame that this thread executes waits for this call.
    let frame = unsafe { frame.as_ref() }?;
    let (code, lasti) = (frame.code(), frame.get_lasti() as usize);
    let mut places = PLACES.try_lock().ok()?;
    let places = places.get_or_insert_default();
    let place = [(&raw const *class).addr(), (&raw const *name).addr(), (&raw const *code).addr(), lasti];
    let known = places.get(&place).copied();
    let at = known.unwrap_or(places.len());
    let entry = WRITES.0.get(at)?;
    if known.is_none() {
        let line = code.locations.get(lasti.saturating_sub(1)).map_or(0, |(start, _)| start.line.get());
        let write = ClassWrite {
            count: 0,
            line: u32::try_from(line).unwrap_or(0),
            class: class.downcast_ref::<PyType>()?.name().to_string(),
            attribute: name.to_string_lossy().into_owned(),
            function: code.qualname.as_str().to_owned(),
            file: code.source_path().as_str().to_owned(),
        };
        for (word, value) in entry.iter().zip(write.words()) {
            word.store(value, Ordering::Relaxed);
        }
        places.insert(place, at);
        field(|table| &mut table.class_writes_used).store(at as u64 + 1, Ordering::Release);
    }
    entry[0].fetch_add(1, Ordering::Relaxed);
    let put = field(|table| &mut table.dead_versions_put);
    for version in dead {
        let number = put.load(Ordering::Relaxed);
        let word = u64::from(*version) | (at as u64) << 32;
        DEAD[slowpath_runtime_layout::place_of_dead(number)].store(word, Ordering::Relaxed);
        put.store(number + 1, Ordering::Release);
    }
    Some(())
}
