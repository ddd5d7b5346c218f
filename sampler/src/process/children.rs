//! The processes that a process starts.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::threads::{parse_stat, thread_ids};

/// Most processes that are followed at a time.
const MAX_PROCESSES: usize = 10_000;

/// A process for ever: ids are used again, start times are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessKey {
    /// Process id.
    pub pid: u32,
    /// When it began, in clock ticks since boot.
    pub start_ticks: u64,
}

impl ProcessKey {
    /// The process that has the id now; `None` if none has, or if it is a zombie.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)?;
        (!matches!(stat.state, b'Z' | b'X')).then_some(Self { pid, start_ticks: stat.start_ticks })
    }

    /// Whether the process is still there.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// Waits until process `pid` has ended, at most `patience`; it is not collected. Unlike `waitpid`
/// this is not fooled by the stops of [`super::stop`]. `true`: it has ended.
pub fn wait_for_exit(pid: u32, patience: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(process) = id.and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok()) else {
        return ProcessKey::of(pid).is_none();
    };
    let timeout = Timespec::try_from(patience).ok();
    let mut fds = [PollFd::new(&process, PollFlags::IN)];
    poll(&mut fds, timeout.as_ref()).is_ok_and(|ready| ready > 0)
}

/// A process and all that descend from it.
///
/// A child is seen at the first [`ProcessTree::poll`] after its start and followed from then on,
/// even when its parent ends; one whose parent has ended before that poll is not found.
#[derive(Debug)]
pub struct ProcessTree {
    /// Start time of each process by its id.
    known: BTreeMap<u32, u64>,
    /// Whether the kernel lists children (`CONFIG_PROC_CHILDREN`); if not, all processes are scanned.
    lists_children: bool,
}

/// What a poll found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeChange {
    /// Processes that are new, with the parent that was known.
    pub started: Vec<(ProcessKey, u32)>,
    /// Processes that have ended (or left their id to another).
    pub ended: Vec<ProcessKey>,
}

impl ProcessTree {
    /// The tree below `root`, not yet looked at: the first poll finds the children it has.
    pub fn new(root: u32) -> Self {
        let known = ProcessKey::of(root).map(|key| (key.pid, key.start_ticks)).into_iter().collect();
        let lists_children = fs::exists("/proc/thread-self/children").unwrap_or(false);
        Self { known, lists_children }
    }

    /// The processes known to be alive at the last poll.
    pub fn alive(&self) -> impl Iterator<Item = ProcessKey> {
        self.known.iter().map(|(&pid, &start_ticks)| ProcessKey { pid, start_ticks })
    }

    /// Looks what has changed: one small read per known thread (about 10 us each), so a few times a
    /// second is cheap.
    pub fn poll(&mut self) -> TreeChange {
        let mut change = TreeChange::default();
        let mut waiting: Vec<u32> = self.known.keys().copied().collect();
        let parents = if self.lists_children { Vec::new() } else { all_parents() };
        while let Some(parent) = waiting.pop() {
            for pid in self.children(parent, &parents) {
                if self.known.contains_key(&pid) || self.known.len() >= MAX_PROCESSES {
                    continue;
                }
                if let Some(key) = ProcessKey::of(pid) {
                    self.known.insert(pid, key.start_ticks);
                    change.started.push((key, parent));
                    waiting.push(pid);
                }
            }
        }
        change.ended = self.alive().filter(|key| !key.is_alive()).collect();
        for key in &change.ended {
            self.known.remove(&key.pid);
        }
        change
    }

    fn children(&self, parent: u32, parents: &[(u32, u32)]) -> Vec<u32> {
        if !self.lists_children {
            return parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid).collect();
        }
        let mut children = Vec::new();
        for tid in thread_ids(parent) {
            let list = fs::read_to_string(format!("/proc/{parent}/task/{tid}/children")).unwrap_or_default();
            children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        children
    }
}

/// Every process with its parent.
fn all_parents() -> Vec<(u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, parent_of(pid)?))).collect()
}

/// Field 4 of `stat`.
fn parent_of(pid: u32) -> Option<u32> {
    let line = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let after_name = line.get(line.iter().rposition(|&byte| byte == b')')?..)?;
    std::str::from_utf8(after_name.split(|&byte| byte == b' ').nth(2)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    use super::*;

    /// A shell that starts a grandchild when told to and ends when its input does.
    fn tree_is_followed(lists_children: bool) {
        let script = "echo ready; read line; sleep 60 & echo $!; read line; kill $!";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().expect("sh is installed");
        let mut output = BufReader::new(shell.stdout.take().unwrap()).lines();
        let mut input = shell.stdin.take().unwrap();
        assert_eq!(output.next().unwrap().unwrap(), "ready");

        let mut tree = ProcessTree { lists_children, ..ProcessTree::new(shell.id()) };
        assert_eq!(tree.poll(), TreeChange::default());
        input.write_all(b"go\n").unwrap();
        let pid: u32 = output.next().unwrap().unwrap().parse().unwrap();
        let key = ProcessKey::of(pid).unwrap();
        assert_eq!(tree.poll(), TreeChange { started: vec![(key, shell.id())], ended: vec![] });
        assert_eq!(tree.poll(), TreeChange::default());

        drop(input);
        shell.wait().unwrap();
        let ended = (0..400).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            let change = tree.poll();
            (tree.alive().count() == 0).then_some(change.ended)
        });
        assert!(ended.is_some_and(|ended| !ended.is_empty()));
    }

    #[test]
    fn children_are_followed_by_the_kernels_list() {
        tree_is_followed(true);
    }

    #[test]
    fn children_are_followed_by_scanning() {
        tree_is_followed(false);
    }

    #[test]
    fn the_end_of_a_process_is_waited_for() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep is installed");
        assert!(!wait_for_exit(child.id(), Duration::from_millis(5)));
        child.kill().unwrap();
        assert!(wait_for_exit(child.id(), Duration::from_secs(10)));
        child.wait().unwrap();
        assert!(wait_for_exit(child.id(), Duration::ZERO));
    }

    #[test]
    fn a_reused_id_is_another_process() {
        let key = ProcessKey::of(std::process::id()).unwrap();
        assert!(key.is_alive());
        assert!(!ProcessKey { start_ticks: key.start_ticks - 1, ..key }.is_alive());
        assert_eq!(ProcessKey::of(u32::MAX), None);
    }
}
