//! Why the kernel refuses to let one process read another, and what helps.
//!
//! Follows the order in which the kernel decides (`__ptrace_may_access`, then the security modules):
//! identity, dumpability, capabilities and user namespace, yama; a system call filter comes before
//! all of them and is told by what is left. Which sentence helps depends on who asks: a plain user
//! can use sudo, root in a container needs a capability, root of the machine meets neither.

use serde::Serialize;

use super::access::{AccessFacts, CAP_SYS_PTRACE, Probe, TargetFacts};

/// Why reading is refused, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Why.
    pub cause: Cause,
    /// To whom.
    pub caller: Caller,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// Not root.
    User {
        /// In a container, where `sudo` rarely helps.
        in_container: bool,
    },
    /// Root without `CAP_SYS_PTRACE`: root of a container.
    BoundRoot,
    /// Root with `CAP_SYS_PTRACE`.
    Root,
}

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The process belongs to another user (or group).
    OtherUser {
        /// Its user id.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// The process may not be dumped: set-user-id, unreadable binary, or by its own wish.
    NotDumpable,
    /// The process is in another user namespace.
    UserNamespace,
    /// The process has capabilities that we do not have.
    MoreCapabilities,
    /// `kernel.yama.ptrace_scope`.
    Yama {
        /// 1: own descendants only, 2: root only, 3: nobody.
        scope: u32,
    },
    /// A system call filter of our own.
    Seccomp,
    /// None of these: another security module (AppArmor, SELinux).
    Other,
}

impl Refusal {
    /// Asks the system about process `pid`.
    pub fn of(pid: u32) -> Self {
        judge(&AccessFacts::gather_quickly(pid))
    }

    /// Why, one sentence.
    pub fn why(self) -> String {
        match self.cause {
            Cause::OtherUser { theirs, ours } => {
                format!("it belongs to user {theirs}, you are user {ours}")
            }
            Cause::NotDumpable => "it has made itself unreadable (a set-user-id program, or \
                prctl(PR_SET_DUMPABLE, 0))"
                .into(),
            Cause::UserNamespace => {
                "it is in another user namespace (a rootless container or a sandbox)".into()
            }
            Cause::MoreCapabilities => "it has capabilities that you do not have".into(),
            Cause::Yama { scope: 1 } => "kernel.yama.ptrace_scope is 1: a process may only be read by \
                those that started it"
                .into(),
            Cause::Yama { scope: 2 } => {
                "kernel.yama.ptrace_scope is 2: only root may read other processes".into()
            }
            Cause::Yama { scope } => {
                format!("kernel.yama.ptrace_scope is {scope}: nobody may read other processes, not even root")
            }
            Cause::Seccomp => "a seccomp filter blocks process_vm_readv for slowpath".into(),
            Cause::Other => {
                "a security module of the kernel forbids it (AppArmor, SELinux or another)".into()
            }
        }
    }

    /// What to type next.
    pub fn fix(self, pid: u32) -> String {
        match (self.cause, self.caller) {
            (Cause::Yama { scope }, _) if scope > 2 => "it cannot be lowered while the machine runs: set \
                kernel.yama.ptrace_scope=1 in /etc/sysctl.d and reboot"
                .into(),
            (Cause::Seccomp, _) => {
                "allow process_vm_readv: docker run --security-opt seccomp=unconfined …".into()
            }
            (Cause::Other, _) => "look for a denial in: journalctl -k --grep 'apparmor|avc'".into(),
            (Cause::UserNamespace, _) => format!(
                "run slowpath in the same container, or as root of the machine: sudo slowpath attach {pid}"
            ),
            (_, Caller::User { in_container: true }) => {
                "run it as root of the container (docker exec -u root …), and give the container the \
                capability: docker run --cap-add SYS_PTRACE …, in Kubernetes \
                securityContext.capabilities.add: [SYS_PTRACE]"
                    .into()
            }
            (_, Caller::BoundRoot) => {
                "give the container the capability: docker run --cap-add SYS_PTRACE …, in Kubernetes \
                securityContext.capabilities.add: [SYS_PTRACE]"
                    .into()
            }
            (Cause::Yama { scope: 1 }, Caller::User { .. }) => format!(
                "run it as root (sudo slowpath attach {pid}), start the program with slowpath run, or allow \
                it until the next boot: sudo sysctl kernel.yama.ptrace_scope=0"
            ),
            (_, Caller::User { .. }) => format!("run it as root: sudo slowpath attach {pid}"),
            (_, Caller::Root) => format!("see all facts with: slowpath doctor {pid}"),
        }
    }
}

/// What stands in the way, given that something does.
pub fn judge(facts: &AccessFacts) -> Refusal {
    let ours = &facts.ours;
    let caller = match (ours.uids[1], ours.effective & CAP_SYS_PTRACE != 0) {
        (_, true) => Caller::Root,
        (0, false) => Caller::BoundRoot,
        (_, false) => Caller::User { in_container: facts.in_container },
    };
    let cause = facts.target.as_ref().and_then(|target| cause(facts, target));
    Refusal { cause: cause.unwrap_or_else(|| fallback(facts)), caller }
}

fn cause(facts: &AccessFacts, target: &TargetFacts) -> Option<Cause> {
    let (ours, theirs) = (&facts.ours, &target.credentials);
    let same_namespace = match (ours.namespaces.user, theirs.namespaces.user) {
        (Some(ours), Some(theirs)) => ours == theirs,
        // Hidden, as it is from those who may not read the process.
        _ => !(ours.nested_user_namespace && ours.effective & CAP_SYS_PTRACE != 0),
    };
    // The capability counts in our own namespace and those below it; from inside, all else is above.
    let capable = ours.effective & CAP_SYS_PTRACE != 0;
    if let Some(scope) = facts.yama.filter(|&scope| scope > 2) {
        return Some(Cause::Yama { scope });
    }
    if capable {
        return (!same_namespace).then_some(Cause::UserNamespace);
    }
    let (uid, gid) = (ours.uids[0], ours.gids[0]);
    if theirs.uids.iter().any(|&id| id != uid) || theirs.gids.iter().any(|&id| id != gid) {
        return Some(Cause::OtherUser { theirs: theirs.uids[1], ours: uid });
    }
    if target.owner.is_some_and(|owner| owner != theirs.uids[1]) {
        return Some(Cause::NotDumpable);
    }
    if !same_namespace {
        return Some(Cause::UserNamespace);
    }
    if theirs.permitted & !ours.permitted != 0 {
        return Some(Cause::MoreCapabilities);
    }
    facts.yama.filter(|&scope| scope > 0).map(|scope| Cause::Yama { scope })
}

fn fallback(facts: &AccessFacts) -> Cause {
    if facts.ours.seccomp == 2 && facts.probe == Probe::Denied { Cause::Seccomp } else { Cause::Other }
}
