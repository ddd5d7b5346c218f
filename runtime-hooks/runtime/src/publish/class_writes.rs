//! Writes to classes while the program runs: who, where, how often, and which cached versions died of it.
//!
//! `type.__setattr__` is replaced, by a function that notes the write and does what the old one did. What
//! the program sees of that: `type.__setattr__` and `type.__delattr__` are methods, not slot wrappers.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use rustpython_vm::builtins::{PyCode, PyStr, PyStrRef, PyType};
use rustpython_vm::frame::current_thread_iframe;
use rustpython_vm::function::{ItemDoc, PyMethodFlags, PySetterValue};
use rustpython_vm::{Py, PyObject, PyObjectRef, PyRef, PyResult, VirtualMachine};
use slowpath_runtime_layout::{CLASS_WRITE_WORDS, ClassWrite, DEAD_VERSIONS, MAX_CLASS_WRITES};

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

/// What an entry is about. What it says of a class and an attribute is their names: addresses of classes and
/// of names that are made on the way are used again.
struct Place {
    /// Kept, so that its address is not used again: one code object for each entry at most.
    code: PyRef<PyCode>,
    lasti: u32,
    class: Box<str>,
    attribute: Box<[u8]>,
}

/// The places of the entries, in their order. Once there they stay, so they are read without waiting.
static PLACES: [OnceLock<Place>; MAX_CLASS_WRITES] = [const { OnceLock::new() }; MAX_CLASS_WRITES];
/// How many places there are.
static USED: AtomicUsize = AtomicUsize::new(0);
/// Who holds it enters a place.
static ENTERING: Mutex<()> = Mutex::new(());

thread_local! {
    /// The entry that this thread counted last: most programs write in few places.
    static LAST: Cell<usize> = const { Cell::new(0) };
}

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
    let mut dead = Versions::default();
    if let Some(class) = class.downcast_ref::<PyType>() {
        dead.add(class);
    }
    let result = match BEFORE.get() {
        Some(before) => before(class, name, value, vm),
        None => Ok(()),
    };
    // What was cached nowhere is nobody's loss.
    if result.is_ok() && !dead.all().is_empty() && note(class, name, dead.all()).is_none() {
        field!(class_writes_missed).fetch_add(1, Ordering::Relaxed);
    }
    result
}

/// Versions of a class and of those below it.
struct Versions {
    found: [u32; MAX_DEAD],
    used: usize,
}

impl Default for Versions {
    fn default() -> Self {
        Self { found: [0; MAX_DEAD], used: 0 }
    }
}

impl Versions {
    fn all(&self) -> &[u32] {
        &self.found[..self.used]
    }

    fn add(&mut self, class: &Py<PyType>) {
        let version = class.tp_version_tag.load(Ordering::Acquire);
        // Nobody has cached a class without a version, so nobody has cached what is below it.
        if version == 0 || self.used == MAX_DEAD {
            return;
        }
        self.found[self.used] = version;
        self.used += 1;
        for weak in class.subclasses.read().iter() {
            if let Some(below) = weak.upgrade()
                && let Some(below) = below.downcast_ref::<PyType>()
            {
                self.add(below);
            }
        }
    }
}

/// Counts a write, which is entered if it is the first from its place. `None` if there is no room, or somebody
/// is entering one, for nobody waits here.
#[expect(unsafe_code, reason = "looks at the frame that writes")]
fn note(class: &PyObject, name: &Py<PyStr>, dead: &[u32]) -> Option<()> {
    let frame = current_thread_iframe();
    // SAFETY: the frame that this thread executes waits for this call.
    let frame = unsafe { frame.as_ref() }?;
    let (code, lasti) = (frame.code(), frame.get_lasti());
    let class = class.downcast_ref::<PyType>()?.name();
    let at = match find(code, lasti, &class, name) {
        Some(at) => at,
        None => enter(code, lasti, &class, name)?,
    };
    WRITES.0[at][0].fetch_add(1, Ordering::Relaxed);
    for version in dead {
        let number = field!(dead_versions_put).fetch_add(1, Ordering::Relaxed);
        let word = u64::from(*version) | (at as u64) << 32;
        DEAD[slowpath_runtime_layout::place_of_dead(number)].store(word, Ordering::Release);
    }
    Some(())
}

/// The entry of a place, if it has one.
fn find(code: &Py<PyCode>, lasti: u32, class: &str, name: &Py<PyStr>) -> Option<usize> {
    let is_it = |at: usize| {
        PLACES.get(at).and_then(OnceLock::get).is_some_and(|place| {
            std::ptr::eq(&raw const *place.code, &raw const *code)
                && place.lasti == lasti
                && *place.class == *class
                && *place.attribute == *name.as_bytes()
        })
    };
    let last = LAST.get();
    if is_it(last) {
        return Some(last);
    }
    let at = (0..USED.load(Ordering::Acquire)).find(|at| is_it(*at))?;
    LAST.set(at);
    Some(at)
}

/// Gives a place an entry.
fn enter(code: &Py<PyCode>, lasti: u32, class: &str, name: &Py<PyStr>) -> Option<usize> {
    let _entering = ENTERING.try_lock().ok()?;
    // Another thread may have been here first.
    if let Some(at) = find(code, lasti, class, name) {
        return Some(at);
    }
    let at = USED.load(Ordering::Relaxed);
    let (entry, slot) = (WRITES.0.get(at)?, PLACES.get(at)?);
    let line =
        code.locations.get((lasti as usize).saturating_sub(1)).map_or(0, |(start, _)| start.line.get());
    let write = ClassWrite {
        count: 0,
        line: u32::try_from(line).unwrap_or(0),
        class: class.to_owned(),
        attribute: name.to_string_lossy().into_owned(),
        function: code.qualname.as_str().to_owned(),
        file: code.source_path().as_str().to_owned(),
    };
    for (word, value) in entry.iter().zip(write.words()) {
        word.store(value, Ordering::Relaxed);
    }
    let place =
        Place { code: code.to_owned(), lasti, class: class.into(), attribute: name.as_bytes().into() };
    slot.set(place).ok()?;
    USED.store(at + 1, Ordering::Release);
    LAST.set(at);
    field!(class_writes_used).store(at as u64 + 1, Ordering::Release);
    Some(at)
}
