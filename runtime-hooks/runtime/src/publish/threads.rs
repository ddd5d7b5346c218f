//! The registry of threads: an entry for each, from before its first frame until after its last.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use rustpython_vm::common::wtf8::Wtf8;
use rustpython_vm::function::{FuncArgs, KwArgs};
use rustpython_vm::vm::thread::{CurrentFrameSlot, current_thread_slot};
use rustpython_vm::{AsObject, PyObjectRef, PyResult, VirtualMachine};
use slowpath_runtime_layout::{MAX_THREADS, THREAD_WORDS, Thread};

type Entry = [AtomicU64; THREAD_WORDS];

pub(super) static THREADS: Threads =
    Threads([const { [const { AtomicU64::new(0) }; THREAD_WORDS] }; MAX_THREADS]);

/// Entries of threads. The first word of one is its sequence number: 0 or odd while it is free.
pub(super) struct Threads([Entry; MAX_THREADS]);

/// A thread's place in the registry. What it points at lives as long as it does.
struct Registration {
    entry: Option<&'static Entry>,
    _slot: CurrentFrameSlot,
}

thread_local! {
    /// Of the calling thread; the main thread has it until the end of the process.
    static REGISTRATION: RefCell<Option<Registration>> = const { RefCell::new(None) };
}

impl Threads {
    pub(super) fn addr(&self) -> u64 {
        (&raw const self.0).addr() as u64
    }

    /// Takes a free entry; `None` if there is none.
    fn take(&'static self, thread: &Thread) -> Option<&'static Entry> {
        let claim = |entry: &&Entry| {
            let sequence = entry[0].load(Ordering::Relaxed);
            // An entry that is claimed is free still, but no other claim succeeds: it has the mark.
            let free = (sequence == 0 || sequence % 2 == 1) && entry[1].load(Ordering::Relaxed) == 0;
            free && entry[1].compare_exchange(0, u64::MAX, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        let at = self.0.iter().position(|entry| claim(&entry))?;
        let entry = &self.0[at];
        for (word, value) in entry[1..].iter().zip(thread.words()) {
            word.store(value, Ordering::Relaxed);
        }
        let sequence = entry[0].load(Ordering::Relaxed);
        entry[0].store((sequence | 1) + 1, Ordering::Release);
        field!(threads_used).fetch_max(at as u64 + 1, Ordering::Relaxed);
        Some(entry)
    }
}

impl Registration {
    fn new(vm: &VirtualMachine, name: String) -> Option<Self> {
        let slot = current_thread_slot()?;
        let native_id = rustix::thread::gettid().as_raw_nonzero().get() as u64;
        let is_main = native_id == u64::from(std::process::id());
        let thread = Thread {
            sequence: 0,
            top: (&raw const slot.top_iframe).addr() as u64,
            state: (&raw const slot.state).addr() as u64,
            native_id,
            python_id: ident(vm),
            is_main,
            name: if is_main { "MainThread".into() } else { name },
        };
        let entry = THREADS.take(&thread);
        if entry.is_none() {
            field!(thread_overflow).fetch_add(1, Ordering::Relaxed);
        }
        field!(threads_generation).fetch_add(1, Ordering::Release);
        Some(Self { entry, _slot: slot })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let Some(entry) = self.entry else { return };
        entry[0].fetch_add(1, Ordering::Release);
        entry[1].store(0, Ordering::Release);
        field!(threads_generation).fetch_add(1, Ordering::Release);
    }
}

/// `threading.get_ident()` of the calling thread.
fn ident(vm: &VirtualMachine) -> u64 {
    let told = vm.import("_thread", 0).and_then(|module| module.get_attr("get_ident", vm)?.call((), vm));
    told.and_then(|ident| ident.try_to_value(vm)).unwrap_or(0)
}

/// Enters the calling thread.
pub(super) fn register_current(vm: &VirtualMachine) {
    REGISTRATION.with(|registration| {
        // Not while the cell is borrowed: an entry that goes tells the table.
        let old = registration.borrow_mut().take();
        drop(old);
        *registration.borrow_mut() = Registration::new(vm, String::new());
    });
}

/// Has every thread that begins from now on enter itself, and a forked child start afresh.
pub(super) fn follow(vm: &VirtualMachine) {
    if let Ok(module) = vm.import("_thread", 0) {
        for name in ["start_joinable_thread", "start_new_thread", "start_new"] {
            let Ok(start) = module.get_attr(name, vm) else { continue };
            let wrapped = vm.new_function(name, move |args: FuncArgs, vm: &VirtualMachine| -> PyResult {
                start.call(with_registration(args, vm), vm)
            });
            let _ = module.as_object().set_attr(name, wrapped, vm);
        }
    }
    let after_fork = vm.new_function("slowpath_after_fork", |vm: &VirtualMachine| begin_child(vm));
    let posix = vm.import("posix", 0).and_then(|posix| posix.get_attr("register_at_fork", vm));
    if let Ok(register) = posix {
        let _ = register.call(
            FuncArgs::new(
                Vec::<PyObjectRef>::new(),
                [("after_in_child".to_owned(), after_fork.into())].into_iter().collect::<KwArgs>(),
            ),
            vm,
        );
    }
}

/// In a forked child only the calling thread goes on.
fn begin_child(vm: &VirtualMachine) {
    for entry in &THREADS.0 {
        let sequence = entry[0].load(Ordering::Relaxed);
        entry[0].store(sequence | 1, Ordering::Relaxed);
        entry[1].store(0, Ordering::Relaxed);
    }
    REGISTRATION.with(|registration| {
        if let Some(old) = registration.borrow_mut().as_mut() {
            old.entry = None;
        }
    });
    register_current(vm);
    field!(pid).store(std::process::id().into(), Ordering::Release);
}

/// The arguments of a thread start, whose function is called by one that enters the thread first.
fn with_registration(mut args: FuncArgs, vm: &VirtualMachine) -> FuncArgs {
    let wrap = |function: PyObjectRef| -> PyObjectRef {
        if !function.is_callable() {
            return function;
        }
        let run = vm.new_function("thread", move |args: FuncArgs, vm: &VirtualMachine| -> PyResult {
            let name = thread_name(&function, vm);
            let registered = Registration::new(vm, name);
            let result = function.call(args, vm);
            drop(registered);
            result
        });
        run.into()
    };
    if let Some(first) = args.args.first_mut() {
        *first = wrap(first.clone());
    } else if let Some(function) = args.kwargs.get_mut(Wtf8::new("function")) {
        *function = wrap(function.clone());
    }
    args
}

/// `threading.Thread._name`, if what the thread begins with is a method of one.
fn thread_name(function: &PyObjectRef, vm: &VirtualMachine) -> String {
    if !function.class().is(vm.ctx.types.bound_method_type) {
        return String::new();
    }
    let name = function.get_attr("__self__", vm).and_then(|thread| thread.get_attr("_name", vm));
    name.and_then(|name| name.try_to_value(vm)).unwrap_or_default()
}
