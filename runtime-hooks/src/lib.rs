//! The exact hooks: watchers inside of a CPython process (3.12 to 3.15) that say who writes to modules,
//! classes and functions, and how often.
//!
//! Built as a shared object that a target loads, because somebody asked for it by name (`--exact`):
//! `load` has the two ways in. Every symbol of the C API is looked up in the running process (`python`);
//! no header and no `libpython` is needed to build it. `install` adds the watchers and finds what to watch,
//! `watch` is what the interpreter calls, `writer` finds out who wrote, `record` and `tables` count it into the
//! shared file of `slowpath_events` that `file` makes; `collections` is told of garbage collections.
//!
//! # What a callback does and does not
//!
//! - It returns 0, sets no exception and touches none that is pending.
//! - It makes no Python object, runs no Python code, and changes no reference count for longer than it runs
//!   (`install` makes one function, for `gc.callbacks`). `PyEval_GetFrame` would make a frame object: frames are read where they are, at offsets that
//!   `_Py_DebugOffsets` publishes (3.13+) or that are fixed for 3.12, and a frame is believed only if what it
//!   runs is of the type `code`.
//! - It takes no lock and waits for nothing. Only the main interpreter is watched, so its GIL is held by whoever
//!   is here: counters are plain loads and stores. A full table is counted, not waited for.
//! - It does not panic: every access is bounded.
//!
//! # What it does not see
//!
//! A store of the very same object (`x = x`) is no event in CPython. Subinterpreters are not watched. Classes
//! that are bound to no module and to no other class are not found.

mod cache;
mod collections;
mod file;
mod install;
mod load;
mod python;
mod record;
mod tables;
mod watch;
mod writer;

pub use load::PyInit_slowpath_hooks;
