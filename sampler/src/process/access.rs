//! Everything that decides whether a process can be read: the facts behind `doctor` and behind the
//! sentence of a refusal. Gathering is here, judging in [`super::refusal`] and [`super::findings`].

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use slowpath_runtime_layout::{NAME, Refusal, Table, WORDS};

use super::error::AttachError;
use super::find::{Interpreter, find_bundled, find_interpreter};
use super::linux::LiveMemory;
use super::maps::mappings;
use super::memory::{Memory, MemoryError, Range};

/// The bit of `CAP_SYS_PTRACE` in a capability set.
pub const CAP_SYS_PTRACE: u64 = 1 << 19;

/// What is known of the question "can I read process PID".
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessFacts {
    /// Process id.
    pub pid: u32,
    /// Who asks.
    pub ours: Credentials,
    /// Whether slowpath itself runs in a container, as far as can be seen.
    pub in_container: bool,
    /// `/proc/sys/kernel/yama/ptrace_scope`; `None`: the kernel has no yama.
    pub yama: Option<u32>,
    /// Whether `/proc` hides the processes of other users (`hidepid`).
    pub hidepid: bool,
    /// The process; `None`: there is none, or it is hidden.
    pub target: Option<TargetFacts>,
    /// What became of an attempt to read eight bytes of it.
    pub probe: Probe,
    /// What interpreter is in it.
    pub python: PythonFacts,
}

/// Who a process is to the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Credentials {
    /// Real, effective and saved user id.
    pub uids: [u32; 3],
    /// Real, effective and saved group id.
    pub gids: [u32; 3],
    /// Effective capabilities (`CapEff`), one bit each.
    pub effective: u64,
    /// Permitted capabilities (`CapPrm`).
    pub permitted: u64,
    /// Seccomp mode: 0 off, 1 strict, 2 filter.
    pub seccomp: u32,
    /// Namespaces; `None` where they may not be seen.
    pub namespaces: Namespaces,
    /// Whether its user namespace is not the first one: capabilities count only inside it.
    pub nested_user_namespace: bool,
}

/// Inode numbers of namespaces: equal numbers, same namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Namespaces {
    /// Process ids.
    pub pid: Option<u64>,
    /// Users and capabilities.
    pub user: Option<u64>,
    /// Mounts.
    pub mnt: Option<u64>,
}

/// What is known of the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetFacts {
    /// The kernel's name of it.
    pub program: String,
    /// The path of its binary, where that may be seen.
    pub exe: Option<PathBuf>,
    /// State letter of `/proc/PID/status`.
    pub state: char,
    /// It is a thread of the kernel.
    pub kernel_thread: bool,
    /// Who it is.
    pub credentials: Credentials,
    /// User id of `/proc/PID`: the effective one of a process that may be dumped, 0 otherwise.
    pub owner: Option<u32>,
    /// The process that traces it.
    pub tracer: Option<Tracer>,
}

/// A process that traces another (a debugger, `strace`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tracer {
    /// Process id.
    pub pid: u32,
    /// The kernel's name of it.
    pub program: String,
}

/// What became of an attempt to read the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// It worked.
    Readable,
    /// The kernel refused.
    Denied,
    /// There is no memory to read.
    Gone,
    /// Not permitted to learn an address to try.
    NotTried,
}

/// What interpreter is in a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PythonFacts {
    /// One that is read.
    Found {
        /// Full version.
        version: String,
        /// Binary that holds it.
        binary: PathBuf,
        /// It is in the program itself, not in `libpython`.
        static_link: bool,
        /// Read through `py-spy`, stacks only.
        legacy: bool,
    },
    /// The one that comes with slowpath.
    Bundled {
        /// What it calls itself, with its version.
        version: String,
        /// The program.
        binary: PathBuf,
        /// Why what it publishes is not read; `None`: it is.
        refusal: Option<String>,
    },
    /// A version that is not known.
    Unsupported {
        /// Full version.
        version: String,
    },
    /// There is none.
    None,
    /// It has not been looked for or could not be read.
    Unknown,
}

impl AccessFacts {
    /// Gathers the facts on process `pid`. Reads the target's memory, never writes or pauses.
    pub fn gather(pid: u32) -> Self {
        let mut facts = Self::gather_quickly(pid);
        let memory = LiveMemory::open(pid);
        facts.python = match find_interpreter(pid, &memory) {
            Ok(found) => python_facts(found),
            Err(AttachError::Unsupported { version, .. }) => PythonFacts::Unsupported { version },
            Err(AttachError::NotPython { .. }) => bundled_facts(pid, &memory),
            Err(_) => PythonFacts::Unknown,
        };
        facts
    }

    /// The facts without looking for an interpreter.
    pub fn gather_quickly(pid: u32) -> Self {
        let target = target_facts(pid);
        Self {
            pid,
            ours: credentials("self").unwrap_or_default(),
            in_container: in_container(),
            yama: number_in("/proc/sys/kernel/yama/ptrace_scope"),
            hidepid: hidepid(),
            probe: if target.is_some() { probe(pid) } else { Probe::Gone },
            target,
            python: PythonFacts::Unknown,
        }
    }
}

fn python_facts(found: Interpreter) -> PythonFacts {
    PythonFacts::Found {
        version: found.version.to_string(),
        static_link: found.build.static_link,
        legacy: found.is_legacy(),
        binary: found.binary,
    }
}

/// What is in a process without CPython.
fn bundled_facts(pid: u32, memory: &dyn Memory) -> PythonFacts {
    let Some((base, _)) = find_bundled(pid, memory) else { return PythonFacts::None };
    let Ok(bytes) = memory.read_bytes(base, WORDS * 8) else { return PythonFacts::Unknown };
    let binary = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let (version, refusal) = match Table::parse(&bytes) {
        Ok(table) => (table.name(), None),
        Err(Refusal::NoTable | Refusal::Starting) => return PythonFacts::Unknown,
        Err(refusal) => (NAME.to_owned(), Some(refusal.to_string())),
    };
    PythonFacts::Bundled { version, binary, refusal }
}

fn target_facts(pid: u32) -> Option<TargetFacts> {
    let status = Status::read(&pid.to_string())?;
    let tracer = status.number("TracerPid").and_then(|id| u32::try_from(id).ok()).filter(|&id| id != 0);
    Some(TargetFacts {
        program: program_name(pid),
        exe: fs::read_link(format!("/proc/{pid}/exe")).ok(),
        state: status.field("State").and_then(|state| state.chars().next()).unwrap_or('?'),
        kernel_thread: status.is_kernel_thread(),
        credentials: credentials(&pid.to_string())?,
        owner: fs::metadata(format!("/proc/{pid}"))
            .ok()
            .map(|meta| std::os::unix::fs::MetadataExt::uid(&meta)),
        tracer: tracer.map(tracer_facts),
    })
}

/// `TracerPid` is the id of a thread.
fn tracer_facts(tid: u32) -> Tracer {
    let process = Status::read(&tid.to_string()).and_then(|status| status.number("Tgid"));
    let pid = process.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(tid);
    Tracer { pid, program: program_name(pid) }
}

/// The kernel's name of a process; empty if it is gone.
pub(crate) fn program_name(pid: u32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(name.strip_suffix(b"\n").unwrap_or(&name)).into_owned()
}

/// `/proc/PID/status` as text; names in it may be any bytes, the fields used here are ASCII.
pub(crate) struct Status(String);

impl Status {
    pub(crate) fn read(pid: &str) -> Option<Self> {
        let bytes = fs::read(format!("/proc/{pid}/status")).ok()?;
        Some(Self(String::from_utf8_lossy(&bytes).into_owned()))
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let value = |line: &'_ str| line.strip_prefix(name)?.strip_prefix(':').map(str::len);
        self.0.lines().find_map(|line| value(line).map(|len| line[line.len() - len..].trim()))
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.parse().ok()
    }

    fn capabilities(&self, name: &str) -> u64 {
        self.field(name).and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or(0)
    }

    fn ids(&self, name: &str) -> [u32; 3] {
        let mut ids = self.field(name).unwrap_or_default().split_ascii_whitespace();
        std::array::from_fn(|_| ids.next().and_then(|id| id.parse().ok()).unwrap_or(u32::MAX))
    }

    /// A thread of the kernel. Since Linux 6.8 it says so; before, only those have no memory while alive.
    pub(crate) fn is_kernel_thread(&self) -> bool {
        match self.number("Kthread") {
            Some(flag) => flag == 1,
            None => self.field("VmSize").is_none() && !self.is_dead(),
        }
    }

    /// A zombie, or dead altogether.
    pub(crate) fn is_dead(&self) -> bool {
        self.field("State").is_some_and(|state| state.starts_with(['Z', 'X']))
    }
}

pub(super) fn credentials(pid: &str) -> Option<Credentials> {
    let status = Status::read(pid)?;
    let namespace = |name: &str| {
        let link = fs::read_link(format!("/proc/{pid}/ns/{name}")).ok()?;
        link.to_str()?.strip_suffix(']')?.rsplit_once('[')?.1.parse().ok()
    };
    Some(Credentials {
        uids: status.ids("Uid"),
        gids: status.ids("Gid"),
        effective: status.capabilities("CapEff"),
        permitted: status.capabilities("CapPrm"),
        seccomp: status.number("Seccomp").and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0),
        namespaces: Namespaces { pid: namespace("pid"), user: namespace("user"), mnt: namespace("mnt") },
        nested_user_namespace: !maps_all_ids(pid),
    })
}

/// Whether the user ids of the namespace of `pid` are all ids of the machine, one to one: only the
/// first namespace is made so. Where that may not be seen, taken for it.
fn maps_all_ids(pid: &str) -> bool {
    let map = fs::read_to_string(format!("/proc/{pid}/uid_map")).unwrap_or_default();
    let mut fields = map.split_ascii_whitespace();
    map.is_empty()
        || [fields.next(), fields.next(), fields.next()] == [Some("0"), Some("0"), Some("4294967295")]
}

/// Reads eight bytes in the way in which samples are read.
fn probe(pid: u32) -> Probe {
    let Ok(maps) = mappings(pid) else { return Probe::NotTried };
    let Some(first) = maps.iter().find(|mapping| mapping.read && mapping.file.is_some()) else {
        return Probe::Gone;
    };
    // Two ranges: a single one would go through /proc/PID/mem, which seccomp filters do not see.
    let ranges = [Range::new(first.start, 4), Range::new(first.start + 4, 4)];
    match LiveMemory::open(pid).read_vectored(&ranges, &mut [0; 8]) {
        Ok(_) | Err(MemoryError::Unmapped(_)) => Probe::Readable,
        Err(MemoryError::Denied) => Probe::Denied,
        Err(MemoryError::Gone) => Probe::Gone,
    }
}

/// Files and variables that container engines leave.
fn in_container() -> bool {
    Path::new("/.dockerenv").exists()
        || Path::new("/run/.containerenv").exists()
        || std::env::var_os("container").is_some()
        || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

fn hidepid() -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let proc = mounts.lines().filter(|line| line.split(' ').nth(1) == Some("/proc"));
    let mut options = proc.filter_map(|line| line.split(' ').nth(3)).flat_map(|options| options.split(','));
    options.any(|option| option.starts_with("hidepid=") && !matches!(option, "hidepid=0" | "hidepid=off"))
}

fn number_in(path: &str) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_can_read_ourselves_and_are_not_python() {
        let facts = AccessFacts::gather(std::process::id());
        assert_eq!((facts.probe, &facts.python), (Probe::Readable, &PythonFacts::None));
        let target = facts.target.unwrap();
        assert_eq!(target.credentials.uids, facts.ours.uids);
        assert_eq!(target.credentials.namespaces, facts.ours.namespaces);
        assert!(facts.ours.namespaces.user.is_some() && !target.kernel_thread);
    }

    #[test]
    fn a_process_that_is_not_there_has_no_facts() {
        let facts = AccessFacts::gather(u32::MAX);
        assert_eq!((facts.target, facts.probe), (None, Probe::Gone));
    }

    #[test]
    fn status_fields_are_found_by_their_whole_name() {
        let status = Status("Name:\tUid: 7\nUid:\t1\t2\t3\t4\nCapEff:\t00ff\nState:\tZ (zombie)\n".into());
        assert_eq!(status.ids("Uid"), [1, 2, 3]);
        assert_eq!(status.capabilities("CapEff"), 0xff);
        assert!(status.is_dead());
        assert_eq!(status.field("Cap"), None);
        assert_eq!(status.ids("Gid"), [u32::MAX; 3]);
    }
}
