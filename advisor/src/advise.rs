//! The whole judgement: every rule on every process.

use slowpath_profile::evidence::ProcessEvidence;
use slowpath_profile::file::FileError;
use slowpath_profile::finding::{FINDINGS_SCHEMA, Findings, GcPauses, RuleVerdict, VerdictKind};
use slowpath_profile::ids::Id;
use slowpath_profile::{ProcessId, Source};

use crate::context::Context;
use crate::costs::Calibrations;
use crate::merge::Merger;
use crate::rule::{Rule, Verdict};
use crate::rules;
use crate::source::{Read, Sources};
use crate::target::Target;
use crate::weight::Weight;

/// Fewer samples than this say nothing.
const ENOUGH_SAMPLES: u64 = 30;

/// Judges a profile: reads its samples once.
pub fn advise(source: &mut dyn Source) -> Result<Findings, FileError> {
    judge_all(source, None, &Calibrations::default())
}

/// Judges a profile; what was found is told in the words of its source texts, and priced by what was
/// measured on the interpreters that it ran on.
pub fn advise_with(
    source: &mut dyn Source,
    read: &Read<'_>,
    calibrations: &Calibrations,
) -> Result<Findings, FileError> {
    judge_all(source, Some(read), calibrations)
}

fn judge_all(
    source: &mut dyn Source,
    read: Option<&Read<'_>>,
    calibrations: &Calibrations,
) -> Result<Findings, FileError> {
    let weight = Weight::collect(source)?;
    let source: &dyn Source = source;
    let sources = Sources::new(source.tables(), read);
    let mut findings = Findings {
        schema: FINDINGS_SCHEMA.into(),
        slowpath: env!("CARGO_PKG_VERSION").into(),
        samples: weight.total(),
        ..Findings::default()
    };
    source.evidence().iter().for_each(|evidence| add_pauses(&mut findings.gc_pauses, evidence));
    if weight.total() < ENOUGH_SAMPLES {
        let reason =
            format!("{} samples with a stack are too few; {ENOUGH_SAMPLES} are needed", weight.total());
        let cannot = |rule: &Rule| outcome(rule, VerdictKind::CannotTell, &reason);
        findings.verdicts = rules::all().iter().map(cannot).collect();
        return Ok(findings);
    }
    let nothing = ProcessEvidence::default();
    let mut merger = Merger::default();
    let mut outcomes: Vec<Option<RuleVerdict>> = vec![None; rules::all().len()];
    for (at, process) in source.processes().iter().enumerate() {
        let id = ProcessId::from_index(at);
        let evidence = source.evidence().iter().find(|known| known.process == id).unwrap_or(&nothing);
        let target = Target::of(process, evidence);
        let mut context = Context::new(&sources, id, target, evidence, &weight);
        context.costs = context.costs.calibrated(&process.interpreter, calibrations);
        let name = format!("{}{}", process.python, if target.jit { " (JIT)" } else { "" });
        if !findings.python.contains(&name) {
            findings.python.push(name);
        }
        for (rule, known) in rules::all().iter().zip(&mut outcomes) {
            let new = judge(&context, rule, &mut merger);
            // Of several processes, the one that says most is told.
            if known.as_ref().is_none_or(|known| weight_of(new.verdict) > weight_of(known.verdict)) {
                *known = Some(new);
            }
        }
    }
    findings.verdicts = outcomes.into_iter().flatten().collect();
    (findings.findings, findings.minor, findings.joint) = merger.findings(&weight);
    Ok(findings)
}

/// Adds the collections of one process.
fn add_pauses(pauses: &mut Vec<GcPauses>, evidence: &ProcessEvidence) {
    let Some(exact) = &evidence.exact else { return };
    for (generation, total) in (0u32..).zip(&exact.collected) {
        let longest_ns = exact.longest_pause_ns(generation);
        let known = pauses.iter_mut().find(|known| known.generation == generation);
        let new = GcPauses { generation, times: total.times, total_ns: total.duration_ns, longest_ns };
        match known {
            Some(known) => {
                known.times = known.times.saturating_add(new.times);
                known.total_ns = known.total_ns.saturating_add(new.total_ns);
                known.longest_ns = known.longest_ns.max(new.longest_ns);
            }
            None => pauses.push(new),
        }
    }
}

fn judge(context: &Context<'_>, rule: &Rule, merger: &mut Merger) -> RuleVerdict {
    if context.target.bundled && !rules::bundled::is_one(rule) {
        return outcome(rule, VerdictKind::NotApplicable, "it is about CPython");
    }
    if let Err(reason) = (rule.holds)(context.target) {
        return outcome(rule, VerdictKind::NotApplicable, reason);
    }
    match (rule.check)(context) {
        Verdict::Clear => outcome(rule, VerdictKind::Clear, ""),
        Verdict::CannotTell(reason) => outcome(rule, VerdictKind::CannotTell, &reason),
        Verdict::Found(drafts) => {
            let found = merger.add(context, *rule, drafts);
            outcome(rule, if found { VerdictKind::Found } else { VerdictKind::Clear }, "")
        }
    }
}

fn outcome(rule: &Rule, verdict: VerdictKind, reason: &str) -> RuleVerdict {
    RuleVerdict { rule: rule.code.into(), name: rule.name.into(), verdict, reason: reason.into() }
}

fn weight_of(verdict: VerdictKind) -> u8 {
    match verdict {
        VerdictKind::NotApplicable => 0,
        VerdictKind::Clear => 1,
        VerdictKind::CannotTell => 2,
        VerdictKind::Found => 3,
    }
}
