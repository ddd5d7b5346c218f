//! What becomes of a finding, and what comes out of a check, with the words for it.

/// What the gate made of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not in the baseline.
    New(Novelty),
    /// In the baseline.
    Known,
    /// In the baseline, with a saving that has grown beyond doubt: the intervals do not meet.
    Grown,
    /// Suppressed by the comment with this index.
    Ignored {
        /// Index in the list of comments.
        by: usize,
    },
}

/// Whether a new finding fails the gate, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// It does.
    Fails,
    /// Its evidence is below [`LEAST_EVIDENCE`](super::LEAST_EVIDENCE).
    WeakEvidence,
    /// Its saving may be below the limit.
    SmallSaving,
    /// A second run did not show it, or showed it below the limit.
    NotSeenAgain,
}

impl State {
    /// Whether the gate fails because of it.
    pub fn fails(self) -> bool {
        self == Self::New(Novelty::Fails)
    }

    /// Its name in machine-readable forms.
    pub fn name(self) -> &'static str {
        match self {
            Self::New(_) => "new",
            Self::Known => "known",
            Self::Grown => "grown",
            Self::Ignored { .. } => "ignored",
        }
    }

    /// As it is told.
    pub fn words(self) -> &'static str {
        match self {
            Self::New(Novelty::Fails) => "new: fails the check",
            Self::New(Novelty::WeakEvidence) => "new; evidence below E2, so it does not fail the check",
            Self::New(Novelty::SmallSaving) => "new; below the limit, so it does not fail the check",
            Self::New(Novelty::NotSeenAgain) => {
                "new; not seen in the second run, so it does not fail the check"
            }
            Self::Known => "known",
            Self::Grown => "known, and grown since",
            Self::Ignored { .. } => "ignored",
        }
    }
}

/// What comes out of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every rule that applies looked, and there is nothing new to tell.
    Clean,
    /// There is something to read, and no reason to fail.
    Advisory,
    /// There is a reason to fail.
    Failed,
    /// It cannot be told; why.
    Inconclusive(String),
}

impl Outcome {
    /// Exit code of `slowpath check`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Clean | Self::Advisory => 0,
            Self::Failed => 1,
            Self::Inconclusive(_) => 3,
        }
    }

    /// Its name in machine-readable forms.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Advisory => "advisory",
            Self::Failed => "failed",
            Self::Inconclusive(_) => "inconclusive",
        }
    }
}
