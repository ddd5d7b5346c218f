//! What the facts on a process mean to its user: the lines of `slowpath doctor`.
//!
//! Pure: facts in, findings out.

use std::path::Path;

use serde::Serialize;

use super::access::{AccessFacts, CAP_SYS_PTRACE, Probe, PythonFacts, TargetFacts};
use super::error::SUPPORTED;
use super::refusal::judge;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Works, with a limit to know.
    Warn,
    /// Attaching will fail.
    Fail,
}

/// One line of the diagnosis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What is the case.
    pub what: String,
    /// Why that matters; empty where it is plain.
    pub why: String,
    /// What to type or do; empty where nothing needs to be done.
    pub fix: String,
}

impl Finding {
    fn ok(what: impl Into<String>) -> Self {
        Self { severity: Severity::Ok, what: what.into(), why: String::new(), fix: String::new() }
    }

    fn warn(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Warn, what: what.into(), why: why.into(), fix: fix.into() }
    }

    fn fail(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Fail, what: what.into(), why: why.into(), fix: fix.into() }
    }
}

/// What the facts mean, the most basic first.
pub fn evaluate(facts: &AccessFacts) -> Vec<Finding> {
    let Some(target) = &facts.target else { return vec![not_there(facts)] };
    let mut findings = vec![Finding::ok(format!("process {} is {}", facts.pid, target.program))];
    if let Some(dead_end) = dead_end(facts.pid, target) {
        findings.push(dead_end);
        return findings;
    }
    findings.push(reading(facts));
    findings.extend(tracer(target));
    if matches!(facts.probe, Probe::Readable) {
        findings.push(python(facts));
    }
    findings.extend(blocking(facts));
    findings.extend(namespaces(facts, target));
    findings
}

/// What the facts on slowpath itself mean for any process it may be pointed at.
pub fn machine(facts: &AccessFacts) -> Vec<Finding> {
    let uid = facts.ours.uids[1];
    let capable = facts.ours.effective & CAP_SYS_PTRACE != 0;
    let mut findings = vec![match (capable, uid) {
        (true, _) => {
            Finding::ok(format!("user {uid} with CAP_SYS_PTRACE: processes of all users may be read"))
        }
        (false, 0) => Finding::warn(
            "user 0 without CAP_SYS_PTRACE",
            "root of a container may read fewer processes than it sees",
            "docker run --cap-add SYS_PTRACE …, in Kubernetes securityContext.capabilities.add: [SYS_PTRACE]",
        ),
        (false, _) => Finding::ok(format!("user {uid}: processes of this user may be read")),
    }];
    findings.extend(facts.yama.and_then(|scope| yama(scope, capable)));
    findings.extend(facts.in_container.then(|| {
        let what = "slowpath runs in a container: it sees the processes of this container";
        Finding::ok(what)
    }));
    findings.extend(facts.hidepid.then(|| {
        Finding::warn(
            "/proc is mounted with hidepid",
            "processes of other users cannot be found",
            "run it as root: sudo slowpath …",
        )
    }));
    findings.extend(blocking(facts));
    findings
}

fn yama(scope: u32, capable: bool) -> Option<Finding> {
    let what = format!("kernel.yama.ptrace_scope is {scope}");
    match (scope, capable) {
        (0, _) => None,
        (1 | 2, true) => Some(Finding::ok(format!("{what}: no limit for root"))),
        (1, false) => Some(Finding::warn(
            what,
            "run can read what it starts, attach and dump need root",
            "sudo slowpath …, or until the next boot: sudo sysctl kernel.yama.ptrace_scope=0",
        )),
        (2, false) => Some(Finding::fail(what, "only root may read other processes", "sudo slowpath …")),
        _ => Some(Finding::fail(
            what,
            "nobody may read other processes, not even root",
            "set kernel.yama.ptrace_scope=1 in /etc/sysctl.d and reboot",
        )),
    }
}

fn not_there(facts: &AccessFacts) -> Finding {
    let what = format!("no process has the id {}", facts.pid);
    if facts.hidepid {
        return Finding::fail(
            what,
            "/proc is mounted with hidepid: processes of other users are hidden from you",
            format!("run it as root: sudo slowpath doctor {}", facts.pid),
        );
    }
    Finding::fail(
        what,
        "it has ended, or it is in another PID namespace (a container numbers its processes anew)",
        "list Python processes with: pgrep -af python",
    )
}

fn dead_end(pid: u32, target: &TargetFacts) -> Option<Finding> {
    if target.kernel_thread {
        return Some(Finding::fail("it is a thread of the kernel", "it runs no program", ""));
    }
    matches!(target.state, 'Z' | 'X').then(|| {
        Finding::fail(
            "it is a zombie",
            "it has ended and its parent has not collected its exit code",
            format!("see its parent with: ps -o ppid= -p {pid}"),
        )
    })
}

fn reading(facts: &AccessFacts) -> Finding {
    match facts.probe {
        Probe::Readable => Finding::ok("its memory can be read"),
        Probe::Gone => Finding::fail("it has no memory", "it is ending", "try again"),
        Probe::Denied | Probe::NotTried => {
            let refusal = judge(facts);
            Finding::fail("its memory may not be read", refusal.why(), refusal.fix(facts.pid))
        }
    }
}

fn tracer(target: &TargetFacts) -> Option<Finding> {
    let tracer = target.tracer.as_ref()?;
    Some(Finding::warn(
        format!("a tracer is active: {} (process {})", tracer.program, tracer.pid),
        "it slows the program down and distorts what is measured; --blocking cannot work beside it",
        format!("leave out --blocking, or end the tracer first: kill {}", tracer.pid),
    ))
}

fn python(facts: &AccessFacts) -> Finding {
    match &facts.python {
        PythonFacts::Found { version, binary, static_link, legacy } => {
            let place = if *static_link { "in the program itself" } else { "in a library" };
            let what = format!("it runs CPython {version}, {place} ({})", binary.display());
            match legacy {
                false => Finding::ok(what),
                true => Finding::warn(what, "this version is read as stacks only, through py-spy", ""),
            }
        }
        PythonFacts::Bundled { version, binary, refusal } => bundled(version, binary, refusal.as_deref()),
        PythonFacts::Unsupported { version } => Finding::fail(
            format!("it runs Python {version}"),
            format!("slowpath reads CPython {SUPPORTED}"),
            "update slowpath, or run the program on a listed version",
        ),
        PythonFacts::None => Finding::fail(
            "it is not a Python program",
            "neither the program nor a library it has loaded holds an interpreter",
            format!("if a child process runs Python, name that one: pgrep -aP {}", facts.pid),
        ),
        PythonFacts::Unknown => Finding::fail(
            "its interpreter could not be told",
            "it has only just started, or its memory makes no sense",
            "try again",
        ),
    }
}

/// The runtime that comes with slowpath, and what can be had of it.
fn bundled(version: &str, binary: &Path, refusal: Option<&str>) -> Finding {
    let what = format!("it runs the bundled runtime, {version} ({})", binary.display());
    match refusal {
        None => Finding {
            why:
                "its stacks, threads, lines and instructions are read, and SP901 to SP904 judge them; it has \
                  no GIL, its subinterpreters are not read, and --exact, --gc and dump --locals need CPython"
                    .into(),
            ..Finding::ok(what)
        },
        Some(refusal) => Finding::fail(
            what,
            format!("what it publishes of itself is not read: {refusal}"),
            "build both from one checkout: cargo build --release && cargo runtime",
        ),
    }
}

/// Pausing needs the same permission and one system call more.
fn blocking(facts: &AccessFacts) -> Option<Finding> {
    let filtered = facts.ours.seccomp == 2 && facts.probe == Probe::Readable;
    filtered.then(|| {
        Finding::warn(
            "slowpath runs under a seccomp filter",
            "reading works; --blocking also needs ptrace, which such filters often forbid",
            "",
        )
    })
}

fn namespaces(facts: &AccessFacts, target: &TargetFacts) -> Option<Finding> {
    let (ours, theirs) = (facts.ours.namespaces, target.credentials.namespaces);
    let differ = |ours: Option<u64>, theirs: Option<u64>| ours.zip(theirs).is_some_and(|(a, b)| a != b);
    let names = [
        (differ(ours.pid, theirs.pid), "PID"),
        (differ(ours.mnt, theirs.mnt), "mount"),
        (differ(ours.user, theirs.user), "user"),
    ];
    let names: Vec<&str> = names.iter().filter(|(differs, _)| *differs).map(|(_, name)| *name).collect();
    let capable = facts.ours.effective & CAP_SYS_PTRACE != 0;
    (!names.is_empty() && (capable || facts.probe == Probe::Readable)).then(|| {
        Finding::ok(format!(
            "it is in another {} namespace: its paths and ids are its own",
            names.join(" and ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::access::{Credentials, Namespaces, Tracer};

    fn user(id: u32) -> Credentials {
        let namespaces = Namespaces { pid: Some(1), user: Some(2), mnt: Some(3) };
        Credentials { uids: [id; 3], gids: [id; 3], namespaces, ..Credentials::default() }
    }

    /// User 1000 looks at their own running Python 3.14.
    fn plain() -> AccessFacts {
        AccessFacts {
            pid: 7,
            ours: user(1000),
            in_container: false,
            yama: Some(0),
            hidepid: false,
            target: Some(TargetFacts {
                program: "python3".into(),
                exe: Some("/usr/bin/python3.14".into()),
                state: 'S',
                kernel_thread: false,
                credentials: user(1000),
                owner: Some(1000),
                tracer: None,
            }),
            probe: Probe::Readable,
            python: PythonFacts::Found {
                version: "3.14.2".into(),
                binary: "/usr/bin/python3.14".into(),
                static_link: true,
                legacy: false,
            },
        }
    }

    fn refused(change: impl FnOnce(&mut AccessFacts)) -> AccessFacts {
        let mut facts = AccessFacts { probe: Probe::Denied, python: PythonFacts::Unknown, ..plain() };
        change(&mut facts);
        facts
    }

    fn target(facts: &mut AccessFacts) -> &mut TargetFacts {
        facts.target.as_mut().unwrap()
    }

    fn said(cases: &[(&str, AccessFacts)]) -> String {
        let mut text = String::new();
        for (name, facts) in cases {
            text += &format!("{name}\n");
            for finding in evaluate(facts) {
                text += &format!("  {:?}: {}\n", finding.severity, finding.what);
                for more in [finding.why, finding.fix].into_iter().filter(|more| !more.is_empty()) {
                    text += &format!("    {more}\n");
                }
            }
        }
        text
    }

    #[test]
    fn each_refusal_has_its_own_words() {
        let container_root = |facts: &mut AccessFacts| {
            facts.ours = user(0);
            facts.in_container = true;
        };
        let cases = [
            ("another user", refused(|facts| target(facts).credentials = user(33))),
            (
                "another user, in a container",
                refused(|facts| {
                    facts.in_container = true;
                    target(facts).credentials = user(33);
                }),
            ),
            (
                "root without the capability",
                refused(|facts| {
                    container_root(facts);
                    target(facts).credentials = user(33);
                }),
            ),
            ("yama 1", refused(|facts| facts.yama = Some(1))),
            (
                "yama 1, container root",
                refused(|facts| {
                    container_root(facts);
                    facts.yama = Some(1);
                    target(facts).credentials = user(0);
                    target(facts).owner = Some(0);
                }),
            ),
            ("yama 2", refused(|facts| facts.yama = Some(2))),
            (
                "yama 3, root",
                refused(|facts| {
                    facts.ours = Credentials { effective: CAP_SYS_PTRACE, ..user(0) };
                    facts.yama = Some(3);
                }),
            ),
            ("not dumpable", refused(|facts| target(facts).owner = Some(0))),
            ("another user namespace", refused(|facts| target(facts).credentials.namespaces.user = Some(9))),
            (
                "another user namespace, root",
                refused(|facts| {
                    facts.ours = Credentials { effective: CAP_SYS_PTRACE, ..user(0) };
                    target(facts).credentials.namespaces.user = Some(9);
                }),
            ),
            (
                "root of a namespace, looking out of it",
                refused(|facts| {
                    let effective = CAP_SYS_PTRACE;
                    facts.ours = Credentials { effective, nested_user_namespace: true, ..user(0) };
                    target(facts).credentials.namespaces.user = None;
                }),
            ),
            ("more capabilities", refused(|facts| target(facts).credentials.permitted = 1 << 10)),
            ("seccomp", refused(|facts| facts.ours.seccomp = 2)),
            ("nothing to be seen", refused(|_| {})),
            (
                "nothing to be seen, root",
                refused(|facts| {
                    facts.ours = Credentials { effective: CAP_SYS_PTRACE, ..user(0) };
                }),
            ),
        ];
        insta::assert_snapshot!(said(&cases));
    }

    #[test]
    fn each_state_has_its_own_words() {
        let with = |change: &dyn Fn(&mut AccessFacts)| {
            let mut facts = plain();
            change(&mut facts);
            facts
        };
        let found = |legacy| PythonFacts::Found {
            version: "2.7.18".into(),
            binary: "/usr/lib/libpython2.7.so.1.0".into(),
            static_link: false,
            legacy,
        };
        let bundled = |refusal: Option<&str>| PythonFacts::Bundled {
            version: "RustPython 0.6.0".into(),
            binary: "/usr/bin/slowpath-python".into(),
            refusal: refusal.map(str::to_owned),
        };
        let cases = [
            ("all well", plain()),
            ("no such process", with(&|facts| facts.target = None)),
            (
                "hidden",
                with(&|facts| {
                    facts.target = None;
                    facts.hidepid = true;
                }),
            ),
            ("zombie", with(&|facts| target(facts).state = 'Z')),
            ("kernel thread", with(&|facts| target(facts).kernel_thread = true)),
            ("ending", with(&|facts| facts.probe = Probe::Gone)),
            (
                "a debugger",
                with(&|facts| {
                    target(facts).tracer = Some(Tracer { pid: 4242, program: "gdb".into() });
                }),
            ),
            ("not Python", with(&|facts| facts.python = PythonFacts::None)),
            ("too new", with(&|facts| facts.python = PythonFacts::Unsupported { version: "3.99.0".into() })),
            ("too early", with(&|facts| facts.python = PythonFacts::Unknown)),
            ("bundled", with(&|facts| facts.python = bundled(None))),
            (
                "bundled, of another version",
                with(&|facts| facts.python = bundled(Some("its table has version 9"))),
            ),
            ("old", with(&|facts| facts.python = found(true))),
            ("filtered", with(&|facts| facts.ours.seccomp = 2)),
            (
                "container",
                with(&|facts| {
                    target(facts).credentials.namespaces =
                        Namespaces { pid: Some(8), user: Some(2), mnt: Some(9) };
                }),
            ),
        ];
        insta::assert_snapshot!(said(&cases));
    }
}
