//! What fixes would save: shares of samples times measured ratios, with their uncertainty.
//!
//! A share is a proportion of samples, a ratio a measurement; both are drawn many times and every
//! saving is computed from the same draws, so that findings about the same time are not added up.
//! Shares come from a Dirichlet distribution over the samples (counts + 1/2), ratios from a log-normal
//! one through their 90 % interval. How well the whole is a model of a program is a third source of
//! doubt, and the largest one: [`MODELS`]. The seed is fixed: the same profile gives the same numbers.

use rustc_hash::FxHashMap;
use slowpath_profile::finding::Saving;

use crate::costs::Ratio;
use crate::weight::Weight;

const DRAWS: usize = 10_000;
const SEED: u64 = 0x5107_9A7B_0000_0003;
/// Standard deviations from the median to the ends of a 90 % interval.
const Z90: f64 = 1.644_853_6;

/// How much more than the sum over its instructions a fix changes, as a factor of the logarithm of the
/// speed-up. A slow instruction slows down its neighbours too, through mispredicted jumps and spoilt
/// caches, and with it goes code that only prepared it; in other programs other things hold the time.
/// Measured on slow and fast programs of the same purpose (`fixtures/accuracy.json`).
#[derive(Clone, Copy, Debug)]
struct Models {
    /// For single instructions.
    instructions: Ratio,
    /// For what slows down everything, such as a tracer. What it does at each event, and how often events
    /// come, differs much more from the program that was measured for the table.
    everything: Ratio,
}

const MODELS: Models =
    Models { instructions: Ratio::new(1.25, 0.75, 2.3), everything: Ratio::new(1.8, 0.9, 4.0) };

/// Time that one finding claims.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// Position of the finding.
    pub(crate) finding: usize,
    /// Samples, as positions in [`Weight::atoms`].
    pub(crate) atoms: Vec<u32>,
    /// Position in the list of ratios.
    pub(crate) ratio: usize,
    /// How often the slow way is taken.
    pub(crate) weight: f64,
    /// It slows down everything: whatever else is saved is saved on top of it.
    pub(crate) everything: bool,
}

/// The saving of each finding, and of all together.
pub(crate) fn estimate(
    weight: &Weight,
    claims: &[Claim],
    ratios: &[Ratio],
    findings: usize,
) -> (Vec<Saving>, Option<Saving>) {
    estimate_with(MODELS, weight, claims, ratios, findings)
}

fn estimate_with(
    models: Models,
    weight: &Weight,
    claims: &[Claim],
    ratios: &[Ratio],
    findings: usize,
) -> (Vec<Saving>, Option<Saving>) {
    if findings == 0 || weight.total() == 0 {
        return (vec![Saving::default(); findings], None);
    }
    let groups = groups(weight, claims);
    let mut draws = Draws {
        each: vec![Vec::with_capacity(DRAWS); findings],
        joint: Vec::with_capacity(DRAWS),
        is_everything: vec![false; findings],
    };
    for claim in claims {
        draws.is_everything[claim.finding] |= claim.everything;
    }
    let mut random = Random::new(SEED);
    let mut factors = vec![0.0; claims.len()];
    let mut shares = vec![0.0; groups.len()];
    for _ in 0..DRAWS {
        let model = [models.instructions, models.everything].map(|model| random.ratio(model));
        let drawn: Vec<f64> = ratios.iter().map(|ratio| random.ratio(*ratio)).collect();
        for (factor, claim) in factors.iter_mut().zip(claims) {
            *factor = 1.0 - 1.0 / (1.0 + (drawn[claim.ratio] - 1.0) * claim.weight).max(0.01);
        }
        let mut all = 0.0;
        for (share, group) in shares.iter_mut().zip(&groups) {
            *share = random.gamma(group.count as f64 + 0.5);
            all += *share;
        }
        shares.iter_mut().for_each(|share| *share /= all);
        draws.add(claims, &factors, (&groups, &shares), model);
    }
    draws.summary(weight, claims, ratios, &groups)
}

/// Samples that the same claims cover.
struct Group {
    claims: Vec<usize>,
    count: u64,
}

fn groups(weight: &Weight, claims: &[Claim]) -> Vec<Group> {
    let mut covered = vec![Vec::new(); weight.atoms().len()];
    for (at, claim) in claims.iter().enumerate() {
        for atom in &claim.atoms {
            if let Some(covered) = covered.get_mut(*atom as usize) {
                covered.push(at);
            }
        }
    }
    let mut counts = FxHashMap::<Vec<usize>, u64>::default();
    for (atom, claims) in weight.atoms().iter().zip(covered) {
        *counts.entry(claims).or_default() += atom.count;
    }
    // What nobody claims is a part of the whole even if no sample fell there.
    counts.entry(Vec::new()).or_default();
    let mut groups: Vec<Group> = counts.into_iter().map(|(claims, count)| Group { claims, count }).collect();
    groups.sort_by(|one, other| one.claims.cmp(&other.claims));
    groups
}

struct Draws {
    each: Vec<Vec<f64>>,
    joint: Vec<f64>,
    /// Whether a finding is of what slows down everything.
    is_everything: Vec<bool>,
}

impl Draws {
    fn add(
        &mut self,
        claims: &[Claim],
        factors: &[f64],
        (groups, shares): (&[Group], &[f64]),
        model: [f64; 2],
    ) {
        let mut saved = vec![0.0; self.each.len()];
        let mut joint = 0.0;
        for (group, share) in groups.iter().zip(shares) {
            let (mut rest, mut best) = (1.0, 0.0_f64);
            let mut at = 0;
            // Claims of one finding stand together; an instruction is saved once per finding.
            while at < group.claims.len() {
                let finding = claims[group.claims[at]].finding;
                let mut own = f64::NEG_INFINITY;
                let mut everything = false;
                while at < group.claims.len() && claims[group.claims[at]].finding == finding {
                    own = own.max(factors[group.claims[at]]);
                    everything |= claims[group.claims[at]].everything;
                    at += 1;
                }
                saved[finding] += share * own;
                if everything {
                    rest *= 1.0 - own;
                } else {
                    best = best.max(own);
                }
            }
            joint += share * (1.0 - rest * (1.0 - best));
        }
        for ((list, saved), is_everything) in self.each.iter_mut().zip(saved).zip(&self.is_everything) {
            list.push(in_a_program(saved, model[usize::from(*is_everything)]));
        }
        let is_everything = self.is_everything.contains(&true);
        self.joint.push(in_a_program(joint, model[usize::from(is_everything)]));
    }

    fn summary(
        self,
        weight: &Weight,
        claims: &[Claim],
        ratios: &[Ratio],
        groups: &[Group],
    ) -> (Vec<Saving>, Option<Saving>) {
        let ceiling = |wanted: &dyn Fn(usize) -> bool| {
            let covered = groups.iter().filter(|group| group.claims.iter().any(|claim| wanted(*claim)));
            weight.share(covered.map(|group| group.count).sum())
        };
        let each = self.each.into_iter().enumerate().map(|(finding, draws)| Saving {
            ceiling: ceiling(&|claim| claims[claim].finding == finding),
            ratio: typical_ratio(claims.iter().filter(|claim| claim.finding == finding), ratios, weight),
            ..quantiles(draws)
        });
        let joint = Saving {
            ceiling: ceiling(&|_| true),
            ratio: typical_ratio(claims.iter(), ratios, weight),
            ..quantiles(self.joint)
        };
        (each.collect(), Some(joint))
    }
}

/// What is saved of a program if its instructions alone save so much. That can be more than the time which
/// they take themselves: their neighbours gain, too.
fn in_a_program(saved: f64, model: f64) -> f64 {
    // A loss has no bound, and below nothing nothing is left to be modelled.
    if saved <= 0.0 { saved } else { 1.0 - (1.0 - saved.min(1.0)).powf(model) }
}

/// The ratio that the average charged sample has.
fn typical_ratio<'a>(claims: impl Iterator<Item = &'a Claim>, ratios: &[Ratio], weight: &Weight) -> f64 {
    let (mut slow, mut fast) = (0.0, 0.0);
    for claim in claims {
        let count = weight.count(&claim.atoms) as f64;
        let ratio = 1.0 + (ratios[claim.ratio].median - 1.0) * claim.weight;
        slow += count;
        fast += count / ratio.max(0.01);
    }
    if fast > 0.0 { slow / fast } else { 1.0 }
}

fn quantiles(mut draws: Vec<f64>) -> Saving {
    draws.sort_by(f64::total_cmp);
    let at = |quantile: f64| {
        let index = (quantile * (draws.len().saturating_sub(1)) as f64).round() as usize;
        draws.get(index).copied().unwrap_or(0.0)
    };
    Saving { share: at(0.5), low: at(0.05), high: at(0.95), ..Saving::default() }
}

/// Random numbers from a fixed seed (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Between 0 and 1, never either.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Log-normal with this median; the ends are its 5 % and 95 % quantiles, each side on its own.
    fn ratio(&mut self, ratio: Ratio) -> f64 {
        let z = self.normal() / Z90;
        let end = if z < 0.0 { ratio.median / ratio.low } else { ratio.high / ratio.median };
        ratio.median * end.powf(z)
    }

    /// Gamma with this shape and scale 1 (Marsaglia and Tsang).
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = self.uniform().powf(1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests;
