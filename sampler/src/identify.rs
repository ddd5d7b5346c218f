//! Who the threads of a process are for the kernel and for people.

use std::collections::HashMap;

use crate::layout::spec::Layout;
use crate::process::memory::Memory;
use crate::process::pthread;
use crate::process::threads::{FileBudget, OsThread, inner_thread_ids, thread_ids};
use crate::read::thread_names::thread_names;
use crate::read::threads::ThreadRef;

/// The kernel's id of each thread as seen from here; 0 where it cannot be known.
///
/// From 3.11 the interpreter keeps what `gettid()` said inside the target, which is another number
/// when the target lives in another PID namespace; before, the id is found through the C library.
pub(crate) fn native_ids(memory: &dyn Memory, layout: &Layout, pid: u32, threads: &[ThreadRef]) -> Vec<u32> {
    if layout.thread.native_thread_id.is_none() {
        let python_ids: Vec<u64> = threads.iter().map(|thread| thread.thread_id).collect();
        let ids = pthread::native_ids(memory, &python_ids, &thread_ids(pid));
        return ids.into_iter().map(|id| id.unwrap_or(0)).collect();
    }
    let inner: Option<HashMap<u32, u32>> = inner_thread_ids(pid);
    let outer = |id: u32| match &inner {
        Some(map) => map.get(&id).copied().unwrap_or(0),
        None => id,
    };
    threads.iter().map(|thread| u32::try_from(thread.native_id).map_or(0, outer)).collect()
}

/// What a thread is called, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The name.
    pub(crate) text: String,
    /// Whether the program itself gave it (`threading.Thread.name`): then it is final.
    pub(crate) is_given: bool,
}

/// Names of threads by `thread_id`, out of the `threading` modules of the interpreters.
pub(crate) fn given_names(
    memory: &dyn Memory,
    layout: &Layout,
    interpreters: impl Iterator<Item = u64>,
) -> HashMap<u64, String> {
    interpreters.flat_map(|interpreter| thread_names(memory, layout, interpreter)).collect()
}

/// The name of one thread: the program's, or what `threading` would call it, or the kernel's.
pub(crate) fn name(
    given: &HashMap<u64, String>,
    thread: &ThreadRef,
    is_main: bool,
    os: Option<&OsThread>,
) -> Name {
    match (given.get(&thread.thread_id), os) {
        (Some(name), _) => Name { text: name.clone(), is_given: true },
        // `threading` has not been imported, or not yet.
        (None, _) if is_main => Name { text: "MainThread".into(), is_given: false },
        (None, Some(os)) => Name { text: os.comm(), is_given: false },
        (None, None) => Name { text: String::new(), is_given: false },
    }
}

/// The kernel's view of a thread, if its id is known.
pub(crate) fn os_thread(pid: u32, native_id: u32, files: &FileBudget) -> Option<OsThread> {
    (native_id != 0).then(|| OsThread::new(pid, native_id, files))
}
