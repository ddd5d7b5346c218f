//! The text of `doctor`.

use std::fmt::Write as _;

use slowpath_sampler::process::access::PythonFacts;
use slowpath_sampler::process::findings::{Finding, Severity};

use super::summary::flags;
use super::text::{Style, columns, cut_end, escaped, wrap};
use crate::commands::doctor::{Diagnosis, Machine};

/// Columns before the text of a finding: `  warn  `.
const INDENT: usize = 8;

/// One process in detail.
pub(crate) fn process(diagnosis: &Diagnosis, style: Style) -> String {
    let mut out = String::new();
    if let Some(command) = &diagnosis.command {
        let head = format!("process {}: {}", diagnosis.pid, escaped(command));
        let _ = writeln!(out, "{}", style.strong(&cut_end(&head, style.width)));
    }
    findings(&mut out, &diagnosis.findings, style);
    if let Some(build) = diagnosis.build.map(flags).filter(|flags| !flags.is_empty()) {
        let build = build.trim_matches([' ', '(', ')']);
        let _ = writeln!(out, "  {}    its build: {build}", style.good("ok"));
    }
    let verdict = if diagnosis.can_attach {
        format!("{} slowpath attach {}", style.good("it can be profiled:"), diagnosis.pid)
    } else {
        style.bad("it cannot be profiled")
    };
    let _ = writeln!(out, "{verdict}");
    out
}

/// This machine and its Python processes.
pub(crate) fn machine(machine: &Machine, style: Style) -> String {
    let mut out = format!("slowpath {}\n", env!("CARGO_PKG_VERSION"));
    findings(&mut out, &machine.findings, style);
    if machine.processes.is_empty() {
        out += "\nno Python process can be seen\n";
        return out;
    }
    let versions: Vec<_> = machine.processes.iter().map(version).collect();
    let width = versions.iter().map(|version| columns(version)).max().unwrap_or(0).max(8);
    let head = format!("    PID  {:<width$}  can be profiled", "Python");
    let _ = writeln!(out, "\n{}", style.faint(&head));
    for (process, version) in machine.processes.iter().zip(&versions) {
        let _ = writeln!(out, "{}", row(process, &format!("{version:<width$}"), style));
    }
    out
}

fn version(process: &Diagnosis) -> String {
    match &process.facts.python {
        PythonFacts::Found { version, .. }
        | PythonFacts::Bundled { version, .. }
        | PythonFacts::Unsupported { version } => escaped(version).into_owned(),
        PythonFacts::None | PythonFacts::Unknown => "?".into(),
    }
}

fn row(process: &Diagnosis, version: &str, style: Style) -> String {
    let head = format!("{:>7}  {version}  ", process.pid);
    let program = process.facts.target.as_ref().map_or("", |target| &target.program);
    let command = escaped(process.command.as_deref().unwrap_or(program)).into_owned();
    let (verdict, colored, rest) = match first_failure(process) {
        None => ("yes", style.good("yes"), command),
        Some(failure) => ("no", style.bad("no"), format!("{command} ({})", escaped(&failure.what))),
    };
    let left = style.width.saturating_sub(columns(&head) + verdict.len() + 2);
    format!("{head}{colored}{:pad$}{}", "", cut_end(&rest, left), pad = 5 - verdict.len())
}

fn first_failure(process: &Diagnosis) -> Option<&Finding> {
    process.findings.iter().find(|finding| finding.severity == Severity::Fail)
}

fn findings(out: &mut String, findings: &[Finding], style: Style) {
    for finding in findings {
        let label = match finding.severity {
            Severity::Ok => style.good("ok") + "  ",
            Severity::Warn => style.warn("warn"),
            Severity::Fail => style.bad("fail"),
        };
        let width = style.width.saturating_sub(INDENT);
        let indented = |text: &str| wrap(text, width, 0).replace('\n', "\n        ");
        let _ = writeln!(out, "  {label}  {}", indented(&escaped(&finding.what)));
        for (name, text) in [("why", &finding.why), ("fix", &finding.fix)] {
            if !text.is_empty() {
                let line = indented(&format!("{name}: {}", escaped(text)));
                let _ = writeln!(out, "        {}", line.replacen(name, &style.faint(name), 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::BuildFlags;
    use slowpath_sampler::process::access::{AccessFacts, Credentials, Probe};

    const STYLE: Style = Style { color: false, width: 72 };

    fn diagnosis(pid: u32, version: &str, findings: Vec<Finding>) -> Diagnosis {
        let python = PythonFacts::Found {
            version: version.into(),
            binary: "/usr/bin/python3".into(),
            static_link: true,
            legacy: false,
        };
        let facts = AccessFacts {
            pid,
            ours: Credentials::default(),
            in_container: false,
            yama: Some(1),
            hidepid: false,
            target: None,
            probe: Probe::Readable,
            python,
        };
        let can_attach = findings.iter().all(|finding| finding.severity != Severity::Fail);
        let build = Some(BuildFlags { debug: true, jit: true, ..BuildFlags::default() });
        let command = Some("python3 app.py \x1b[2J".into());
        Diagnosis { pid, can_attach, command, build, findings, facts }
    }

    fn finding(severity: Severity, what: &str, why: &str, fix: &str) -> Finding {
        Finding { severity, what: what.into(), why: why.into(), fix: fix.into() }
    }

    fn refused() -> Finding {
        finding(
            Severity::Fail,
            "its memory may not be read",
            "kernel.yama.ptrace_scope is 1: a process may only be read by those that started it",
            "run it as root: sudo slowpath attach 4242",
        )
    }

    #[test]
    fn a_process_that_can_be_read() {
        let tracer =
            finding(Severity::Warn, "a tracer is active: gdb (process 7)", "it slows it down", "kill 7");
        let ok = finding(Severity::Ok, "its memory can be read", "", "");
        insta::assert_snapshot!(process(&diagnosis(4242, "3.14.2", vec![ok, tracer]), STYLE));
    }

    #[test]
    fn a_process_that_cannot_be_read() {
        let mut refused = diagnosis(4242, "3.14.2", vec![refused()]);
        (refused.command, refused.build) = (None, None);
        insta::assert_snapshot!(process(&refused, STYLE));
    }

    #[test]
    fn a_machine() {
        let findings = vec![finding(Severity::Ok, "user 1000: processes of this user may be read", "", "")];
        let processes = vec![diagnosis(9, "3.8.18", vec![]), diagnosis(4242, "3.14.2", vec![refused()])];
        insta::assert_snapshot!(machine(&Machine { findings, processes }, STYLE));
    }
}
