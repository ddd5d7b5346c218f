//! Measuring cost tables: the programs that do it, and how their times become ratios.
//!
//! `cases.py` says what is measured, `bench.py` measures it on the interpreter that runs it and prints
//! [`Measured`] as JSON. They are run by whoever may start programs: `slowpath-costs` for the tables in
//! this directory, `slowpath calibrate` for the interpreter of a user.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{CLEARLY_SLOWER, Table};

/// Names and texts of the programs; they must lie in one directory, and the first one is run.
pub const PROGRAMS: [(&str, &str); 2] =
    [("bench.py", include_str!("bench.py")), ("cases.py", include_str!("cases.py"))];

/// Machines, builds and surroundings differ more than runs on one machine do: the interval spans at
/// least this part of what is lost, below and above.
const SPREAD: f64 = 0.15;
/// Below this the clock and the subtraction decide, not the statement. In ns per iteration.
const LEAST_NS: f64 = 0.4;

/// What one interpreter answered.
#[derive(Clone, Debug, Deserialize)]
pub struct Measured {
    /// `sys.version_info[:3]`.
    pub version: [u16; 3],
    /// `platform.machine()`.
    pub machine: String,
    /// Built with profile-guided optimization, if that can be told.
    pub pgo: Option<bool>,
    /// The just-in-time compiler was on.
    pub jit: bool,
    /// The cases.
    pub cases: Vec<Case>,
    /// Cases that could not be run, with the reason.
    pub failed: Vec<String>,
}

/// Times of one case in ns per iteration, in the order in which they were taken.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// Cost key.
    pub key: String,
    /// The slow side.
    pub slow: Vec<f64>,
    /// The fast side.
    pub fast: Vec<f64>,
    /// The loop around them; empty for modes of the interpreter.
    pub base: Vec<f64>,
    /// In what the values of both sides differ, besides the cause.
    pub unfair: Vec<String>,
}

impl Measured {
    /// Reads what `bench.py` printed.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// `3.14`.
    pub fn python(&self) -> String {
        let [major, minor, _] = self.version;
        format!("{major}.{minor}")
    }

    /// `3.14`, or `3.14+jit`.
    pub fn name(&self) -> String {
        self.python() + if self.jit { "+jit" } else { "" }
    }

    /// On what it was measured: `x86_64 (3.13.5 without PGO, n = 40)`.
    pub fn build(&self, repeats: u32) -> String {
        let [major, minor, micro] = self.version;
        let pgo = match self.pgo {
            Some(true) => "with PGO",
            Some(false) => "without PGO",
            None => "PGO unknown",
        };
        format!("{} ({major}.{minor}.{micro} {pgo}, n = {repeats})", self.machine)
    }

    /// Ratios of all fair cases.
    pub fn ratios(&self) -> BTreeMap<String, Spread> {
        let fair = self.cases.iter().filter(|case| case.unfair.is_empty());
        fair.map(|case| (case.key.clone(), ratio(case))).collect()
    }
}

/// A ratio of slow to fast time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Of the least disturbed run of each side.
    pub middle: f64,
    /// Of the medians of the calm runs: what only one lucky run shows is not clearly slower.
    pub typical: f64,
    /// The lowest of the calm runs, or lower, so that half of the interval is 15 % of the loss.
    pub low: f64,
    /// The highest, or higher.
    pub high: f64,
}

impl Spread {
    /// Whether it is told from noise, and worth a word.
    pub fn is_clear(&self) -> bool {
        self.middle >= CLEARLY_SLOWER && self.typical >= CLEARLY_SLOWER
    }

    fn row(&self) -> [f64; 3] {
        [self.middle, self.low, self.high]
    }
}

impl Table {
    /// A table of all that was measured, also of what is not clearly slower: unlike the tables that are
    /// built in, one of a single interpreter says that something costs nothing there.
    pub fn of(off: &Measured, jit: Option<&Measured>, repeats: u32) -> Self {
        let rows = |measured: &Measured| {
            let rows = measured.ratios().into_iter().map(|(key, ratio)| {
                let flat = Spread { middle: 1.0, low: 1.0, high: 1.0, ..ratio };
                (key, if ratio.is_clear() { ratio } else { flat }.row())
            });
            rows.collect()
        };
        Self {
            python: off.python(),
            build: off.build(repeats),
            command: "slowpath calibrate".into(),
            off: rows(off),
            jit: jit.map(rows).unwrap_or_default(),
        }
    }

    /// The table as its file is written.
    pub fn to_text(&self) -> String {
        let quoted = |text: &str| text.replace(['"', '\\'], "'").replace(char::is_control, " ");
        let mut out = format!(
            "python = \"{}\"\nbuild = \"{}\"\ncommand = \"{}\"\n",
            quoted(&self.python),
            quoted(&self.build),
            quoted(&self.command)
        );
        for (name, rows) in [("off", &self.off), ("jit", &self.jit)] {
            if !rows.is_empty() {
                out += &format!("\n[{name}]\n");
            }
            for (key, [middle, low, high]) in rows {
                out += &format!("\"{}\" = [{middle:.2}, {low:.2}, {high:.2}]\n", quoted(key));
            }
        }
        out
    }
}

/// The ratio of a case, without the loop around its statements.
pub fn ratio(case: &Case) -> Spread {
    let base = least(&case.base).unwrap_or(0.0);
    let lost = |ns: f64| (ns - base).max(LEAST_NS);
    let middle = match (least(&case.slow), least(&case.fast)) {
        (Some(slow), Some(fast)) => lost(slow) / lost(fast),
        _ => 1.0,
    };
    // A disturbance only ever adds time, so the runs of each side are compared in their order and the
    // slower three quarters of them are left out.
    let (slow, fast) = (calm_runs(&case.slow), calm_runs(&case.fast));
    let pairs: Vec<f64> = slow.iter().zip(&fast).map(|(slow, fast)| lost(*slow) / lost(*fast)).collect();
    let least_spread = |sign: f64| 1.0 + (middle - 1.0) * (1.0 + sign * SPREAD);
    let low = least(&pairs).unwrap_or(middle).min(least_spread(-1.0));
    let high = pairs.iter().copied().fold(middle.max(least_spread(1.0)), f64::max);
    let typical = pairs.get(pairs.len() / 2).copied().unwrap_or(middle);
    Spread { middle, typical, low: low.min(middle).max(1.0), high: high.max(middle) }
}

fn least(times: &[f64]) -> Option<f64> {
    times.iter().copied().min_by(f64::total_cmp)
}

fn calm_runs(times: &[f64]) -> Vec<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.truncate(times.len().div_ceil(4));
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(slow: &[f64], fast: &[f64], base: &[f64]) -> Case {
        let [slow, fast, base] = [slow, fast, base].map(<[f64]>::to_vec);
        Case { key: "x".into(), slow, fast, base, unfair: Vec::new() }
    }

    #[test]
    fn the_loop_around_the_statements_does_not_count() {
        let ratio = ratio(&case(&[30.0, 31.0], &[20.0, 20.5], &[10.0, 14.0]));
        assert!((ratio.middle - 2.0).abs() < 1e-9, "{ratio:?}");
    }

    #[test]
    fn the_interval_is_never_narrower_than_builds_differ() {
        let ratio = ratio(&case(&[20.0; 9], &[10.0; 9], &[]));
        assert!((ratio.low - 1.85).abs() < 1e-9 && (ratio.high - 2.15).abs() < 1e-9, "{ratio:?}");
    }

    #[test]
    fn disturbed_runs_widen_the_interval_and_leave_the_middle() {
        let slow = [20.0, 20.0, 20.0, 20.0, 20.0, 60.0, 60.0, 60.0, 60.0, 60.0];
        let ratio = ratio(&case(&slow, &[10.0; 10], &[]));
        assert!((ratio.middle - 2.0).abs() < 1e-9, "{ratio:?}");
        assert!((ratio.high - 2.15).abs() < 1e-9, "{ratio:?}");
        let slow = [20.0, 30.0, 60.0, 60.0, 60.0];
        let ratio = super::ratio(&case(&slow, &[10.0; 5], &[]));
        assert!((ratio.high - 3.0).abs() < 1e-9, "hardly a calm run: {ratio:?}");
    }

    #[test]
    fn a_fast_side_of_no_time_gives_no_infinite_ratio() {
        let ratio = ratio(&case(&[20.0], &[10.0], &[10.0]));
        assert!(ratio.high.is_finite() && ratio.middle <= 10.0 / LEAST_NS, "{ratio:?}");
    }

    fn measured(json: &str) -> Measured {
        Measured::parse(json.as_bytes()).expect("as bench.py prints it")
    }

    #[test]
    fn a_table_of_one_interpreter_says_what_costs_nothing_there() {
        let off = measured(
            r#"{"version": [3, 13, 5], "machine": "x86_64", "pgo": true, "jit": false, "failed": [], "cases": [
                {"key": "a", "slow": [20, 20], "fast": [10, 10], "base": [], "unfair": []},
                {"key": "b", "slow": [10.2, 10], "fast": [10, 10], "base": [], "unfair": []},
                {"key": "c", "slow": [90], "fast": [10], "base": [], "unfair": ["type: int, str"]}]}"#,
        );
        let table = Table::of(&off, None, 40);
        assert_eq!(table.off.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(table.off["b"], [1.0, 1.0, 1.0]);
        assert_eq!(table.build, "x86_64 (3.13.5 with PGO, n = 40)");
        let read = Table::parse(&table.to_text()).expect("our own");
        assert_eq!((read.python.as_str(), &read.off), ("3.13", &table.off));
    }

    #[test]
    fn names_cannot_break_out_of_a_file() {
        let table = Table { build: "\"\n[off]\nx = \\".into(), ..Table::default() };
        assert_eq!(Table::parse(&table.to_text()).expect("our own").off.len(), 0);
    }
}
