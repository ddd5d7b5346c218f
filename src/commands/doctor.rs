//! `slowpath doctor [PID]`: can I attach, and if not, why and what to type.

use std::time::Duration;

use serde::Serialize;
use slowpath_profile::BuildFlags;
use slowpath_sampler::process::access::{AccessFacts, Probe, PythonFacts};
use slowpath_sampler::process::findings::{Finding, Severity, evaluate, machine};
use slowpath_sampler::session::Target;

use crate::args::{DoctorArgs, Global};
use crate::failure::{Exit, Failure};
use crate::output::text::Style;
use crate::output::{doctor, print};

/// What is known of one process; the format of `doctor PID --json`.
#[derive(Debug, Serialize)]
pub(crate) struct Diagnosis {
    /// Process id.
    pub(crate) pid: u32,
    /// Whether `attach` and `dump` will work.
    pub(crate) can_attach: bool,
    /// Command line, if it may be seen.
    pub(crate) command: Option<String>,
    /// How its interpreter was built, if it can be read.
    pub(crate) build: Option<BuildFlags>,
    /// What the facts mean.
    pub(crate) findings: Vec<Finding>,
    /// What was found.
    pub(crate) facts: AccessFacts,
}

/// What is known of this machine; the format of `doctor --json`.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// What the facts mean for any process.
    pub(crate) findings: Vec<Finding>,
    /// Python processes that can be seen.
    pub(crate) processes: Vec<Diagnosis>,
}

pub(super) fn execute(args: &DoctorArgs, global: Global) -> Result<u8, Failure> {
    let style = Style::of_stdout(global);
    let Some(pid) = args.pid else {
        let machine = look_around();
        print(&if args.json { json(&machine)? } else { doctor::machine(&machine, style) })?;
        return Ok(0);
    };
    let diagnosis = examine(AccessFacts::gather(pid));
    print(&if args.json { json(&diagnosis)? } else { doctor::process(&diagnosis, style) })?;
    Ok(exit_code(&diagnosis))
}

fn exit_code(diagnosis: &Diagnosis) -> u8 {
    let denied = matches!(diagnosis.facts.probe, Probe::Denied | Probe::NotTried);
    match (diagnosis.can_attach, denied && diagnosis.facts.target.is_some()) {
        (true, _) => 0,
        (false, true) => Exit::Permission as u8,
        (false, false) => Exit::CannotAttach as u8,
    }
}

/// Judges the facts and, if nothing speaks against it, tries what `attach` would do.
fn examine(facts: AccessFacts) -> Diagnosis {
    let pid = facts.pid;
    let mut findings = evaluate(&facts);
    let mut can_attach = findings.iter().all(|finding| finding.severity != Severity::Fail);
    let (mut build, mut command) = (None, None);
    if can_attach {
        match Target::attach(pid, Duration::from_millis(200)) {
            Ok(target) => (build, command) = (Some(target.build()), Some(target.command().to_owned())),
            Err(error) => {
                can_attach = false;
                let (what, why, fix) = (error.what(), error.why(), error.fix());
                findings.push(Finding { severity: Severity::Fail, what, why, fix });
            }
        }
    }
    Diagnosis { pid, can_attach, command, build, findings, facts }
}

/// This machine and every process that is Python, or that may be and cannot be looked into.
fn look_around() -> Machine {
    let own = std::process::id();
    let pids = all_processes().into_iter().filter(|pid| *pid != own);
    let processes = pids.map(AccessFacts::gather).filter(may_be_python).map(examine).collect();
    Machine { findings: machine(&AccessFacts::gather_quickly(own)), processes }
}

fn may_be_python(facts: &AccessFacts) -> bool {
    let named_so = || facts.target.as_ref().is_some_and(|target| target.program.contains("python"));
    match facts.python {
        PythonFacts::Found { .. } | PythonFacts::Bundled { .. } | PythonFacts::Unsupported { .. } => true,
        PythonFacts::None => false,
        PythonFacts::Unknown => named_so(),
    }
}

/// All process ids that can be seen, in their order.
pub(super) fn all_processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let mut pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        Failure::new(Exit::Output, "the findings are not valid JSON", error.to_string(), "leave out --json")
    })?;
    Ok(text + "\n")
}
