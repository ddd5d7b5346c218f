//! From drafts to findings: one per cost centre, priced together, pruned and ranked.

use rustc_hash::FxHashMap;
use slowpath_profile::finding::{Confidence, EvidenceLevel, Finding, Hurt, Place, Saving};
use slowpath_profile::tables::is_library;

use crate::context::Context;
use crate::costs::Ratio;
use crate::rule::{Charge, Cost, Draft, Rule};
use crate::saving::{Claim, estimate};
use crate::weight::{Extent, Weight};

/// A finding below one of these is minor.
const FLOOR_SHARE: f64 = 0.01;
const FLOOR_LOW: f64 = 0.005;
const FLOOR_SAMPLES: u64 = 30;

/// Drafts of all processes, on the way to be findings.
#[derive(Debug, Default)]
pub(crate) struct Merger {
    drafts: Vec<Priced>,
    ratios: Vec<Ratio>,
    keys: FxHashMap<(String, &'static str), usize>,
    /// Samples that a finding explains already. Rules come in the order of causes, so that a symptom
    /// does not claim what its cause has claimed. What slows everything explains nothing.
    explained: FxHashMap<u32, &'static str>,
}

#[derive(Debug)]
struct Priced {
    rule: Rule,
    draft: Draft,
    basis: String,
    is_measured: bool,
    /// The charges that have a price, and what they cover.
    claims: Vec<(Charge, Vec<u32>, usize)>,
}

impl Merger {
    /// Takes the drafts of one rule about one process. What costs nothing there is left out, and so
    /// is what another rule has explained. Says whether anything is left.
    pub(crate) fn add(&mut self, context: &Context<'_>, rule: Rule, drafts: Vec<Draft>) -> bool {
        let before = self.drafts.len();
        let mut joined = false;
        for mut draft in drafts {
            draft.causes.iter_mut().for_each(|cause| context.sources.complete(cause));
            let mut claims = Vec::new();
            for charge in &draft.charges {
                let Some(ratio) = self.ratio(context, charge) else { continue };
                let mut atoms = context.weight.select(context.process, &charge.extent, context.tables);
                let is_everything = matches!(charge.extent, Extent::Running);
                if !is_everything {
                    atoms.retain(|atom| self.explained.get(atom).is_none_or(|by| *by == rule.code));
                }
                if atoms.is_empty() || charge.weight <= 0.0 {
                    continue;
                }
                if !is_everything {
                    self.explained.extend(atoms.iter().map(|atom| (*atom, rule.code)));
                }
                claims.push((charge.clone(), atoms, ratio));
            }
            if claims.is_empty() {
                continue;
            }
            let known = self.drafts.iter_mut().find(|known| {
                known.rule.code == rule.code
                    && known.draft.about == draft.about
                    && known.draft.title == draft.title
            });
            match known {
                Some(known) => {
                    known.claims.extend(claims);
                    joined = true;
                }
                None => {
                    let basis = basis(context, &claims);
                    let is_measured = context.costs.is_measured();
                    self.drafts.push(Priced { rule, draft, basis, is_measured, claims });
                }
            }
        }
        joined || self.drafts.len() > before
    }

    fn ratio(&mut self, context: &Context<'_>, charge: &Charge) -> Option<usize> {
        match charge.cost {
            Cost::Key(key) => {
                let ratio = context.costs.ratio(key)?;
                let ratios = &mut self.ratios;
                let name = (context.target.name(), key);
                Some(*self.keys.entry(name).or_insert_with(|| {
                    ratios.push(ratio);
                    ratios.len() - 1
                }))
            }
            Cost::Given(ratio, _) => {
                self.ratios.push(ratio);
                Some(self.ratios.len() - 1)
            }
        }
    }

    /// All findings, those worth showing first, and what they save together.
    pub(crate) fn findings(self, weight: &Weight) -> (Vec<Finding>, Vec<Finding>, Option<Saving>) {
        let claims = |drafts: &[&Priced]| -> Vec<Claim> {
            let all = drafts.iter().enumerate().flat_map(|(finding, priced)| {
                priced.claims.iter().map(move |(charge, atoms, ratio)| Claim {
                    finding,
                    atoms: atoms.clone(),
                    ratio: *ratio,
                    weight: charge.weight,
                    everything: matches!(charge.extent, Extent::Running),
                })
            });
            all.collect()
        };
        let all: Vec<&Priced> = self.drafts.iter().collect();
        let (savings, _) = estimate(weight, &claims(&all), &self.ratios, all.len());
        let mut shown = Vec::new();
        let (mut findings, mut minor) = (Vec::new(), Vec::new());
        for (priced, saving) in all.into_iter().zip(savings) {
            let finding = priced.finding(weight, saving);
            if is_worth_showing(&finding) && !is_beyond_reach(&finding) {
                shown.push(priced);
                findings.push(finding);
            } else {
                minor.push(finding);
            }
        }
        let joint = match shown.len() {
            0 => None,
            _ => estimate(weight, &claims(&shown), &self.ratios, shown.len()).1,
        };
        findings.sort_by(rank);
        minor.sort_by(rank);
        distinguish(findings.iter_mut().chain(minor.iter_mut()));
        (findings, minor, joint)
    }
}

fn is_worth_showing(finding: &Finding) -> bool {
    finding.saving.share >= FLOOR_SHARE
        && finding.saving.low >= FLOOR_LOW
        && finding.samples >= FLOOR_SAMPLES
        && finding.evidence > EvidenceLevel::Static
}

/// Whether all of it lies in Python or in a package, cause included: nothing that the program can change.
fn is_beyond_reach(finding: &Finding) -> bool {
    let mut places = finding.hurts.iter().map(|hurt| &hurt.place);
    let mut causes = finding.causes.iter().map(|cause| &cause.place);
    !finding.hurts.is_empty()
        && places.all(|place| is_library(&place.file))
        && causes.all(|place| is_library(&place.file))
}

fn rank(one: &Finding, other: &Finding) -> std::cmp::Ordering {
    other.saving.low.total_cmp(&one.saving.low).then_with(|| one.id.cmp(&other.id))
}

fn basis(context: &Context<'_>, claims: &[(Charge, Vec<u32>, usize)]) -> String {
    let given = claims.iter().find_map(|(charge, _, _)| match charge.cost {
        Cost::Given(_, from) => Some(from),
        Cost::Key(_) => None,
    });
    given.map_or_else(|| format!("samples x (1 - 1/ratio), {}", context.costs.basis()), str::to_owned)
}

impl Priced {
    fn finding(&self, weight: &Weight, saving: Saving) -> Finding {
        let Draft { about, title, level, causes, why, applies, fix, .. } = self.draft.clone();
        let mut atoms: Vec<u32> = self.claims.iter().flat_map(|(_, atoms, _)| atoms).copied().collect();
        atoms.sort_unstable();
        atoms.dedup();
        let mut hurts: Vec<Hurt> =
            self.claims.iter().map(|(charge, atoms, _)| hurt(charge, atoms, weight)).collect();
        hurts.sort_by(|one, other| other.samples.cmp(&one.samples).then_with(|| one.place.cmp(&other.place)));
        let confidence = match level.confidence() {
            known if self.is_measured => known,
            known => known.min(Confidence::Medium),
        };
        let finding = Finding {
            rule: self.rule.code.into(),
            title,
            saving,
            basis: self.basis.clone(),
            evidence: level,
            confidence,
            samples: weight.count(&atoms),
            hurts,
            causes,
            why,
            applies,
            fix,
            about,
            ..Finding::default()
        };
        crate::fingerprint::sealed(finding)
    }
}

fn hurt(charge: &Charge, atoms: &[u32], weight: &Weight) -> Hurt {
    let samples = weight.count(atoms);
    let Charge { place, expression, state, .. } = charge.clone();
    let place: Place = place;
    Hurt { place, expression, state, share: weight.share(samples), samples }
}

/// Two findings must not share an id: the later one gets a longer one.
fn distinguish<'f>(findings: impl Iterator<Item = &'f mut Finding>) {
    let mut used = Vec::<String>::new();
    for finding in findings {
        let mut length = 4;
        while used.contains(&finding.id) && length < finding.fingerprint.len() {
            length += 2;
            finding.id =
                format!("{}-{}", finding.rule, finding.fingerprint.get(..length).unwrap_or_default());
        }
        used.push(finding.id.clone());
    }
}
