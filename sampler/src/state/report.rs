//! What a tracker has seen so far, as evidence.

use std::time::Instant;

use slowpath_profile::Tables;
use slowpath_profile::evidence::ProcessEvidence;

use super::history::CodeHistory;
use super::tracker::{MIN_SHARE, Tracker};

/// The first evidence is written after so long; later ones ever more rarely, so that a recording of a
/// day has few.
const WRITE_NS: u64 = 2_000_000_000;
/// Functions in the evidence, the hottest ones.
const MAX_WRITTEN: usize = 64;
/// Sites in the evidence: writing them takes time from sampling.
const MAX_WRITTEN_SITES: usize = 8_192;

impl Tracker {
    /// Whether enough time has passed for new evidence: the more is there, the longer.
    pub(crate) fn is_news(&self, now_ns: u64) -> bool {
        let begun = self.begun_ns.unwrap_or(now_ns);
        let wait = WRITE_NS.max(now_ns.saturating_sub(begun) / 8);
        self.looks > 0 && now_ns.saturating_sub(self.written_ns.max(begun)) >= wait
    }

    /// Everything that was seen so far; `None` if nothing was.
    pub(crate) fn evidence(&mut self, now_ns: u64, tables: &mut Tables) -> Option<ProcessEvidence> {
        if self.looks == 0 {
            return None;
        }
        let begun = Instant::now();
        self.written_ns = now_ns;
        let code = self.hottest().into_iter().map(CodeHistory::evidence).collect();
        let mut evidence = ProcessEvidence {
            process: self.process,
            looks: self.looks,
            code,
            truncated: self.truncated,
            ..ProcessEvidence::default()
        };
        self.collectors.iter_mut().for_each(|collector| collector.write(&mut evidence, tables));
        self.spent(begun.elapsed());
        Some(evidence)
    }

    /// The histories to write, the hottest first.
    fn hottest(&mut self) -> Vec<&CodeHistory> {
        let all: u64 = self.histories.values().map(|history| history.samples).sum();
        let counts = |history: &&CodeHistory| history.samples * MIN_SHARE >= all;
        let mut histories: Vec<&CodeHistory> = self.histories.values().filter(counts).collect();
        histories.sort_by_key(|history| std::cmp::Reverse(history.samples));
        let mut sites = 0;
        let fit = histories.iter().take(MAX_WRITTEN).take_while(|history| {
            sites += history.sites();
            sites <= MAX_WRITTEN_SITES
        });
        let fit = fit.count();
        self.truncated |= fit < histories.len();
        histories.truncate(fit);
        histories
    }
}
