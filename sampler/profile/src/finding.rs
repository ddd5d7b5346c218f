//! Findings: what the advisor concludes, as every surface shows it.
//!
//! The advisor writes them, terminal, browser and exporters show them. JSON is
//! [`FINDINGS_SCHEMA`]; every other form is a projection of it.
//!
//! Invariants:
//! - a finding says where it hurts *and* what caused it, or says that the cause is not known;
//! - evidence sets [`Finding::confidence`], saving sets the order; the two are never mixed;
//! - savings of several findings must not be added: [`Findings::joint`] is what they give together.

use serde::{Deserialize, Serialize};

/// Name of the JSON form; the number changes when a reader of the old one would go wrong.
pub const FINDINGS_SCHEMA: &str = "slowpath.finding/1";

/// How well a finding is founded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceLevel {
    /// E0: a pattern in source or bytecode. Not shown by default.
    #[default]
    Static,
    /// E1: the state of the interpreter contradicts the best one.
    State,
    /// E2: several looks show that the state is lost again and again.
    Dynamics,
    /// E3: the code that causes it is known.
    Writer,
    /// E4: the fix was applied and measured.
    Counterfactual,
}

impl EvidenceLevel {
    /// `E0` to `E4`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Static => "E0",
            Self::State => "E1",
            Self::Dynamics => "E2",
            Self::Writer => "E3",
            Self::Counterfactual => "E4",
        }
    }

    /// How sure a reader may be.
    pub fn confidence(self) -> Confidence {
        match self {
            Self::Static => Confidence::None,
            Self::State => Confidence::Low,
            Self::Dynamics => Confidence::Medium,
            Self::Writer => Confidence::High,
            Self::Counterfactual => Confidence::Proven,
        }
    }
}

/// How sure a reader may be that the finding is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// It is a guess.
    #[default]
    None,
    /// The state was seen once.
    Low,
    /// The state was seen to be lost.
    Medium,
    /// The cause is known.
    High,
    /// The fix was measured.
    Proven,
}

impl Confidence {
    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Proven => "proven",
        }
    }
}

/// A place in a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// `co_filename`; empty if unknown.
    pub file: String,
    /// Line from 1.
    pub line: Option<u32>,
    /// Column from 1, in characters.
    pub column: Option<u32>,
    /// Last line and column of the expression, if known.
    pub end_line: Option<u32>,
    /// See `end_line`; the first column behind it.
    pub end_column: Option<u32>,
    /// `co_qualname` of the function.
    pub function: String,
}

/// A place that is slow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hurt {
    /// Where.
    pub place: Place,
    /// The expression, or what it asks for: `item.qty`.
    pub expression: String,
    /// In what state the interpreter runs it, in plain words.
    pub state: String,
    /// Share of all samples that stand there.
    pub share: f64,
    /// So many samples.
    pub samples: u64,
}

/// A place that makes it slow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cause {
    /// Where.
    pub place: Place,
    /// The statement as far as it is known: `type(self).created += 1`.
    pub statement: String,
    /// What the bytecode tells of the statement, where [`Cause::statement`] is from the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiled: Option<String>,
    /// What it changes: `shop.models.Model.created`.
    pub symbol: String,
    /// Why this place and no other, in plain words.
    pub how: String,
    /// Whether it was observed (a hook's event), not inferred.
    pub is_exact: bool,
    /// Whether it is a fact of the code itself (the value in a class body, the method that runs): no event
    /// makes it the cause, so there is nothing to count and nothing to infer.
    pub is_static: bool,
    /// How often it did so, if it was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

impl Cause {
    /// How it is known, in the one word that every output says: `exact` (it was observed), `static` (it is
    /// a fact of the code) or `likely` (it was inferred).
    pub fn label(&self) -> &'static str {
        match (self.is_exact, self.is_static) {
            (true, _) => "exact",
            (false, true) => "static",
            (false, false) => "likely",
        }
    }
}

/// One link of the chain that leads from cause to hurt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reason {
    /// How well it is founded.
    pub level: EvidenceLevel,
    /// One plain sentence.
    pub text: String,
}

/// What a fix would save, as shares of the profiled time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saving {
    /// Median.
    pub share: f64,
    /// Lower end of the 90 % interval.
    pub low: f64,
    /// Upper end of the 90 % interval.
    pub high: f64,
    /// Share of the time at those places: the saving if it vanished and nothing else changed. What stands
    /// around them can gain, too, so it is no bound.
    pub ceiling: f64,
    /// Median ratio of slow to fast time that the estimate used.
    pub ratio: f64,
}

/// What to do about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fix {
    /// One or two sentences.
    pub text: String,
    /// Lines to remove (`-`) and to add (`+`), as an example where the exact ones are not known.
    pub diff: Vec<String>,
    /// What may go wrong.
    pub risk: String,
}

/// One conclusion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Finding {
    /// Rule code and a short fingerprint: `SP301-7c1e`.
    pub id: String,
    /// The rule's code: `SP301`.
    pub rule: String,
    /// One line: what is slow and why.
    pub title: String,
    /// What a fix would save.
    pub saving: Saving,
    /// Where that estimate is from.
    pub basis: String,
    /// The best level that the whole chain reaches.
    pub evidence: EvidenceLevel,
    /// How sure a reader may be.
    pub confidence: Confidence,
    /// Where it hurts, the largest share first.
    pub hurts: Vec<Hurt>,
    /// Samples at all those places.
    pub samples: u64,
    /// What caused it, the likeliest first; empty if unknown.
    pub causes: Vec<Cause>,
    /// How one leads to the other.
    pub why: Vec<Reason>,
    /// For which versions and builds this holds.
    pub applies: String,
    /// What to do.
    pub fix: Fix,
    /// What the finding is about (a class, a module, a function): findings of one rule about the same
    /// thing are one finding.
    pub about: String,
    /// Stays the same while lines move: rule, what it is about, cause.
    pub fingerprint: String,
}

/// What became of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// It found something.
    Found,
    /// It looked and found nothing.
    Clear,
    /// It could not tell: too few samples, or nothing to look at.
    #[default]
    CannotTell,
    /// It does not hold on this version or build.
    NotApplicable,
}

/// What one rule concluded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleVerdict {
    /// The rule's code.
    pub rule: String,
    /// Its name in a few words.
    pub name: String,
    /// What it concluded.
    pub verdict: VerdictKind,
    /// Why it could not tell, or does not hold.
    pub reason: String,
}

/// Everything that the advisor concludes of one profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    /// [`FINDINGS_SCHEMA`].
    pub schema: String,
    /// Version of slowpath.
    pub slowpath: String,
    /// Versions of the interpreters that were judged.
    pub python: Vec<String>,
    /// Samples with a stack.
    pub samples: u64,
    /// The largest saving that is certain enough first.
    pub findings: Vec<Finding>,
    /// Findings below the floor of saving, samples or evidence; shown when asked for.
    pub minor: Vec<Finding>,
    /// What all findings save together; not their sum.
    pub joint: Option<Saving>,
    /// What each rule concluded.
    pub verdicts: Vec<RuleVerdict>,
    /// Runs of the garbage collector by generation, the youngest first, where hooks timed them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gc_pauses: Vec<GcPauses>,
}

/// All runs of the garbage collector of one generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GcPauses {
    /// The oldest generation that was collected.
    pub generation: u32,
    /// How often: exact.
    pub times: u64,
    /// Nanoseconds of all together.
    pub total_ns: u64,
    /// Nanoseconds of the longest that was recorded.
    pub longest_ns: u64,
}
