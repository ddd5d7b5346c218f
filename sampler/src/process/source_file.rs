//! Source files as the target itself could read them.
//!
//! The name of a file comes from the target, and may be anything: `/etc/shadow` told to a profiler that
//! runs as root must lead nowhere. So a file is opened with the eyes of the target (its root directory,
//! its user, groups and capabilities, no way out by links), only if it is a regular file, and only if
//! its name ends like Python source, both as it was told and as it is when all links are resolved.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, capabilities, set_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::access::{Credentials, Status, credentials};
use super::children::ProcessKey;

/// Most groups that a process can be in (`NGROUPS_MAX`).
const MAX_GROUPS: usize = 65_536;

/// Whether a file name ends like Python source.
pub fn is_source_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extension == "py" || extension == "pyw")
}

/// Reads source files of one process. What it was allowed to holds on when it has ended.
#[derive(Debug)]
pub struct SourceReader {
    process: ProcessKey,
    root: OwnedFd,
    /// Its working directory, as its own root has it.
    directory: PathBuf,
    rights: Rights,
}

/// What decides whether a file may be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rights {
    user: u32,
    group: u32,
    groups: Vec<u32>,
    capabilities: u64,
}

impl Rights {
    fn of(pid: &str, own_user_namespace: Option<u64>) -> Option<Self> {
        let Credentials { uids, gids, effective, namespaces, .. } = credentials(pid)?;
        let status = Status::read(pid)?;
        let groups = status.field("Groups").unwrap_or_default().split_ascii_whitespace().take(MAX_GROUPS);
        let mut groups: Vec<u32> = groups.map(str::parse).collect::<Result<_, _>>().ok()?;
        groups.sort_unstable();
        // In a namespace of its own a process has rights over its own files only.
        let is_ours = namespaces.user.is_some() && namespaces.user == own_user_namespace;
        let capabilities = if is_ours { effective } else { 0 };
        Some(Self { user: uids[1], group: gids[1], groups, capabilities })
    }

    /// Gives the calling thread these rights. The real and the saved user stay, so that the target may not
    /// send signals to us meanwhile.
    fn take(&self) -> io::Result<()> {
        let namespace = credentials("self").and_then(|own| own.namespaces.user);
        let own = Self::of("thread-self", namespace).ok_or(io::ErrorKind::PermissionDenied)?;
        if (own.user, own.group, &own.groups) != (self.user, self.group, &self.groups) {
            let groups: Vec<Gid> = self.groups.iter().map(|group| Gid::from_raw(*group)).collect();
            set_thread_groups(&groups)?;
            set_thread_res_gid(None, Gid::from_raw(self.group), None)?;
            set_thread_res_uid(None, Uid::from_raw(self.user), None)?;
        }
        let mut sets = capabilities(None)?;
        sets.effective = sets.effective.intersection(CapabilitySet::from_bits_retain(self.capabilities));
        Ok(set_capabilities(None, sets)?)
    }
}

impl SourceReader {
    /// Looks at the process as it is now; `None` if it is gone or may not be looked at.
    pub fn open(pid: u32) -> Option<Self> {
        let process = ProcessKey::of(pid)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, format!("/proc/{pid}/root"), flags, Mode::empty()).ok()?;
        // Both links are told from our own root.
        let link = |name: &str| std::fs::read_link(format!("/proc/{pid}/{name}")).ok();
        let directory = link("cwd").and_then(|cwd| Some(cwd.strip_prefix(link("root")?).ok()?.to_owned()));
        let rights = Rights::of(&pid.to_string(), own_user_namespace())?;
        // Of another process with the same id nothing must be taken over.
        let directory = Path::new("/").join(directory.unwrap_or_default());
        process.is_alive().then_some(Self { process, root, directory, rights })
    }

    /// The bytes of a file that the process could open, if it is Python source of at most `most` bytes.
    pub fn read(&self, file: &str, most: usize) -> Option<Vec<u8>> {
        let path = self.directory.join(file);
        if file.is_empty() || file.contains('\0') || !is_source_name(&path) {
            return None;
        }
        let rights = self.rights_now();
        let opened = thread::scope(|scope| {
            let thread = thread::Builder::new().name("slowpath-source".into());
            let opening = thread.spawn_scoped(scope, || {
                // The rights of a thread end with it.
                rights.take().ok()?;
                open_regular(&self.root, &path, most)
            });
            opening.ok()?.join().ok().flatten()
        })?;
        // What the links lead to has the last word.
        let resolved = std::fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd())).ok()?;
        if !is_source_name(&resolved) {
            return None;
        }
        let mut bytes = Vec::new();
        File::from(opened).take(most as u64 + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() <= most).then_some(bytes)
    }

    /// A process can give rights up. One that has ended keeps those that it had.
    fn rights_now(&self) -> Rights {
        let now = Rights::of(&self.process.pid.to_string(), own_user_namespace());
        now.filter(|_| self.process.is_alive()).unwrap_or_else(|| self.rights.clone())
    }
}

fn own_user_namespace() -> Option<u64> {
    credentials("self")?.namespaces.user
}

/// Opens a file below `root` if it is a regular one. It is looked at before it is opened: to open a device or
/// a pipe can have effects.
fn open_regular(root: &OwnedFd, path: &Path, most: usize) -> Option<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let open = |flags| openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve).ok();
    let is_wanted = |file: &OwnedFd| {
        fstat(file).is_ok_and(|stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                && usize::try_from(stat.st_size).is_ok_and(|size| size <= most)
        })
    };
    open(OFlags::PATH).filter(is_wanted)?;
    open(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).filter(is_wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const MOST: usize = 1 << 16;

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("slowpath-source-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("the directory for temporary files is writable");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
            Self(path)
        }

        fn file(&self, name: &str, mode: u32) -> String {
            let path = self.0.join(name);
            fs::write(&path, "x = 1\n").expect("it is writable");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
            path.display().to_string()
        }

        fn link(&self, name: &str, to: &str) -> String {
            let path = self.0.join(name);
            symlink(to, &path).expect("it is writable");
            path.display().to_string()
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn own() -> SourceReader {
        SourceReader::open(std::process::id()).expect("we may look at ourselves")
    }

    #[test]
    fn source_is_read() {
        let directory = Directory::new("read");
        let plain = directory.file("plain.py", 0o644);
        let reader = own();
        assert_eq!(reader.read(&plain, MOST).as_deref(), Some(&b"x = 1\n"[..]));
        let link = directory.link("link.py", &plain);
        assert!(reader.read(&link, MOST).is_some(), "a link to source is source");
        assert_eq!(reader.read(&plain, 3), None, "too long");
        let here = std::env::current_dir().expect("tests run somewhere");
        let up = "../".repeat(here.components().count());
        assert!(reader.read(&format!("{up}{plain}"), MOST).is_some(), "a relative name is of its directory");
    }

    #[test]
    fn what_is_no_source_is_not() {
        let directory = Directory::new("other");
        let text = directory.file("text.txt", 0o644);
        let fifo = directory.0.join("fifo.py");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o644), 0)
            .expect("it is writable");
        fs::create_dir(directory.0.join("package.py")).expect("it is writable");
        let reader = own();
        for name in [
            "/etc/shadow".to_owned(),
            "/etc/passwd".to_owned(),
            directory.link("shadow.py", "/etc/shadow"),
            directory.link("passwd.py", "/etc/passwd"),
            directory.link("text.py", &text),
            directory.link("magic.py", "/proc/self/exe"),
            directory.link("device.py", "/dev/zero"),
            directory.link("loop.py", "loop.py"),
            fifo.display().to_string(),
            directory.0.join("package.py").display().to_string(),
            directory.0.join("gone.py").display().to_string(),
            format!("{text}\0.py"),
            "<string>.py".to_owned(),
            ".py".to_owned(),
            String::new(),
        ] {
            assert_eq!(reader.read(&name, MOST), None, "{name}");
        }
    }

    /// Needs a user that may become another one; of others the system says no anyway.
    #[test]
    fn what_the_target_may_not_open_is_not_read() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let directory = Directory::new("rights");
        let (secret, open) = (directory.file("secret.py", 0o600), directory.file("open.py", 0o644));
        let linked = directory.link("linked.py", &secret);
        let (uid, gid) = (65_534, 65_534);
        let mut command = std::process::Command::new("sleep");
        let mut child = std::os::unix::process::CommandExt::gid(
            std::os::unix::process::CommandExt::uid(command.arg("100"), uid),
            gid,
        )
        .spawn()
        .expect("there is sleep");
        let reader = SourceReader::open(child.id()).expect("we may look at it");
        let read = [&open, &secret, &linked].map(|name| reader.read(name, MOST).is_some());
        child.kill().and_then(|()| child.wait()).expect("it is ours");
        let afterwards = [&open, &secret].map(|name| reader.read(name, MOST).is_some());
        assert_eq!(read, [true, false, false]);
        assert_eq!(afterwards, [true, false], "what it may holds on when it has ended");
        assert!(own().read(&secret, MOST).is_some(), "we ourselves may, and did not lose that");
    }
}
