//! Which finding is meant.

use std::collections::BTreeSet;

use slowpath_profile::finding::{Finding, Findings};

use super::sides::Start;
use crate::args::{Global, VerifyArgs};
use crate::commands::check::watch;
use crate::failure::{Exit, Failure};
use crate::program::Program;

/// Stands for all findings.
const ALL: &str = "all";
/// Ids that are listed when none fits.
const LISTED: usize = 5;

/// A finding and where it was found.
pub(super) struct Meant {
    pub(super) finding: Finding,
    /// Interpreters.
    pub(super) python: Vec<String>,
}

/// The finding, from the file that was given, or from a run of the program under the profiler.
pub(super) fn find(args: &VerifyArgs, before: &Start, global: Global) -> Result<Meant, Failure> {
    let wanted = &args.finding;
    let findings = match &args.from {
        Some(file) => watch::file(file, global)?.findings,
        None => profile(before, global)?.0,
    };
    if let Some(finding) = pick(&findings, wanted) {
        return Ok(Meant { finding, python: findings.python });
    }
    let why = listed(&findings);
    Err(match &args.from {
        Some(file) => {
            let place = file.display();
            let fix = format!("see all with: slowpath advise --all {place}");
            Failure::usage(format!("there is no finding {wanted} in {place}"), why, fix)
        }
        None => {
            let fix = "let the program run longer, or name the recording that has it: --from FILE.slowpath";
            Failure::new(Exit::Inconclusive, format!("there is no finding {wanted} in this run"), why, fix)
        }
    })
}

/// Runs one side under the profiler: its findings, and the files whose code ran.
pub(super) fn profile(side: &Start, global: Global) -> Result<(Findings, BTreeSet<String>), Failure> {
    let mut command = side.command();
    let null = std::process::Stdio::null;
    let program = Program::spawn(command.stdin(null()).stdout(null()).stderr(null()))?;
    let watched = watch::program(program, &Default::default(), Global { verbose: false, ..global })?;
    Ok((watched.findings, watched.files))
}

/// By id or fingerprint, or the first of a rule, or all together.
fn pick(findings: &Findings, wanted: &str) -> Option<Finding> {
    if wanted == ALL {
        return together(findings);
    }
    let all = || findings.findings.iter().chain(&findings.minor);
    let exact = all().find(|it| it.id.eq_ignore_ascii_case(wanted) || it.fingerprint == wanted);
    exact.or_else(|| all().find(|it| it.rule.eq_ignore_ascii_case(wanted))).cloned()
}

/// What fixing every finding above the floors saves.
fn together(findings: &Findings) -> Option<Finding> {
    let one = findings.findings.first()?;
    if findings.findings.len() == 1 {
        return Some(one.clone());
    }
    let mut fingerprints: Vec<&str> = findings.findings.iter().map(|it| it.fingerprint.as_str()).collect();
    fingerprints.sort_unstable();
    Some(Finding {
        id: ALL.into(),
        title: format!("all {} findings", findings.findings.len()),
        saving: findings.joint?,
        evidence: findings.findings.iter().map(|it| it.evidence).max().unwrap_or_default(),
        fingerprint: fingerprints.join(" "),
        ..Finding::default()
    })
}

fn listed(findings: &Findings) -> String {
    let all = findings.findings.iter().chain(&findings.minor);
    let ids: Vec<&str> = all.map(|it| it.id.as_str()).collect();
    match ids.len() {
        0 if findings.samples == 0 => {
            "nothing was sampled: the program ended too early, or is not Python".into()
        }
        // Of a program that ends in half a second too little is seen to find anything.
        0 => format!("nothing was found in {} samples", findings.samples),
        more if more > LISTED => {
            format!("found were {} and {} more", ids[..LISTED].join(", "), more - LISTED)
        }
        _ => format!("found were {}", ids.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Findings {
        let one = |rule: &str, id: &str, fingerprint: &str| Finding {
            rule: rule.into(),
            id: id.into(),
            fingerprint: fingerprint.into(),
            ..Finding::default()
        };
        Findings {
            findings: vec![one("SP301", "SP301-7c1e", "aa"), one("SP201", "SP201-0001", "bb")],
            minor: vec![one("SP201", "SP201-0002", "cc")],
            samples: 100,
            joint: Some(Default::default()),
            ..Findings::default()
        }
    }

    #[test]
    fn by_id_fingerprint_or_rule() {
        for (wanted, id) in [
            ("SP301-7c1e", Some("SP301-7c1e")),
            ("sp201-0002", Some("SP201-0002")),
            ("SP201", Some("SP201-0001")),
            ("cc", Some("SP201-0002")),
            ("all", Some("all")),
            ("SP30", None),
            ("", None),
        ] {
            assert_eq!(pick(&findings(), wanted).as_ref().map(|it| it.id.as_str()), id, "{wanted}");
        }
    }

    #[test]
    fn what_was_found_instead_is_listed() {
        assert_eq!(listed(&findings()), "found were SP301-7c1e, SP201-0001, SP201-0002");
        let mut many = findings();
        many.minor.extend(vec![many.minor[0].clone(); 4]);
        assert!(listed(&many).ends_with("and 2 more"));
        assert_eq!(listed(&Findings { samples: 9, ..Findings::default() }), "nothing was found in 9 samples");
        assert!(listed(&Findings::default()).starts_with("nothing was sampled"));
    }
}
