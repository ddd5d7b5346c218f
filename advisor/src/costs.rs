//! What a lost optimization costs: tables of measured ratios, one file per version.
//!
//! A ratio is slow time over fast time of the same work, measured by the project's own bench with
//! everything but the suspected cause equal. A table holds what was clearly slower; what is not in it
//! costs nothing there, and no rule reports it.
//!
//! Invariants:
//! - tables are data: nothing here knows a version but the list of files;
//! - a build that was not measured gets intervals twice as wide;
//! - what was measured on the very interpreter that ran refines a table, and adds nothing to it.

pub mod bench;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use crate::target::Target;

/// A smaller ratio is not told from noise, or is not worth a word.
const CLEARLY_SLOWER: f64 = 1.1;

/// A ratio of slow to fast time and its 90 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Median.
    pub median: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Ratio {
    /// A ratio that is not from a table.
    pub const fn new(median: f64, low: f64, high: f64) -> Self {
        Self { median, low, high }
    }

    /// An interval twice as wide, in terms of factors.
    #[must_use]
    pub fn widened(self) -> Self {
        let Self { median, low, high } = self;
        Self { median, low: low * low / median, high: high * high / median }
    }

    fn is_sound(self) -> bool {
        let Self { median, low, high } = self;
        0.0 < low && low <= median && median <= high && high.is_finite()
    }
}

/// The table of one version, as its file is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// `3.13`.
    pub python: String,
    /// On what it was measured: machine and build.
    #[serde(default)]
    pub build: String,
    /// The command that makes it.
    #[serde(default)]
    pub command: String,
    /// Median, lower and upper end by cost key, without the just-in-time compiler.
    #[serde(default)]
    pub off: BTreeMap<String, [f64; 3]>,
    /// The same with it.
    #[serde(default)]
    pub jit: BTreeMap<String, [f64; 3]>,
}

const FILES: [(&str, &str); 8] = [
    ("3.8", include_str!("costs/3.8.toml")),
    ("3.9", include_str!("costs/3.9.toml")),
    ("3.10", include_str!("costs/3.10.toml")),
    ("3.11", include_str!("costs/3.11.toml")),
    ("3.12", include_str!("costs/3.12.toml")),
    ("3.13", include_str!("costs/3.13.toml")),
    ("3.14", include_str!("costs/3.14.toml")),
    ("3.15", include_str!("costs/3.15.toml")),
];

static TABLES: LazyLock<BTreeMap<&'static str, Table>> = LazyLock::new(|| {
    let read = |(version, text): &(&'static str, &str)| (*version, toml::from_str(text).unwrap_or_default());
    FILES.iter().map(read).collect()
});

impl Table {
    /// Reads a table.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    fn part(&self, jit: bool) -> &BTreeMap<String, [f64; 3]> {
        if jit { &self.jit } else { &self.off }
    }

    fn ratio(&self, key: &str, jit: bool) -> Option<Ratio> {
        let [median, low, high] = *self.part(jit).get(key)?;
        Some(Ratio { median, low, high })
    }
}

/// Tables that were measured on single interpreters, by what their builds are known by
/// ([`slowpath_profile::Process::interpreter`]).
#[derive(Clone, Debug, Default)]
pub struct Calibrations(BTreeMap<String, Arc<Table>>);

impl Calibrations {
    /// Adds a table. What is not known by anything cannot be known again.
    pub fn add(&mut self, interpreter: &str, table: Table) {
        if !interpreter.is_empty() {
            self.0.insert(interpreter.to_owned(), Arc::new(table));
        }
    }
}

/// The tables of one interpreter.
#[derive(Clone, Debug)]
pub struct Costs {
    target: Target,
    table: Option<&'static Table>,
    own: Option<Arc<Table>>,
}

impl Costs {
    /// What is known of a version.
    pub fn of(target: Target) -> Self {
        Self { target, table: TABLES.get(version(target).as_str()), own: None }
    }

    /// The same with what was measured on the very interpreter, if anything was.
    #[must_use]
    pub fn calibrated(self, interpreter: &str, calibrations: &Calibrations) -> Self {
        let own = calibrations.0.get(interpreter).filter(|own| own.python == version(self.target)).cloned();
        Self { own, ..self }
    }

    /// The ratio of a cost key; `None` if it costs nothing that was measured.
    pub fn ratio(&self, key: &str) -> Option<Ratio> {
        let jit = self.target.jit;
        let ratio = self.table?.ratio(key, jit)?;
        if let Some(own) = self.own.as_ref().and_then(|own| own.ratio(key, jit)) {
            return (own.is_sound() && own.median >= CLEARLY_SLOWER).then_some(own);
        }
        let ratio = if self.target.is_measured() { ratio } else { ratio.widened() };
        ratio.is_sound().then_some(ratio)
    }

    /// Whether this very kind of build was measured.
    pub fn is_measured(&self) -> bool {
        self.target.is_measured() || self.is_calibrated()
    }

    fn is_calibrated(&self) -> bool {
        self.own.as_ref().is_some_and(|own| !own.part(self.target.jit).is_empty())
    }

    /// Where ratios are from: `cost table 3.13, x86_64 (3.13.18 with PGO, n = 40)`.
    pub fn basis(&self) -> String {
        match (self.table, &self.own) {
            (Some(_), Some(own)) if self.is_calibrated() => {
                format!("calibrated on this interpreter, {}", own.build)
            }
            (Some(table), _) if table.build.is_empty() => format!("cost table {}", table.python),
            (Some(table), _) => format!("cost table {}, {}", table.python, table.build),
            (None, _) => "no cost table".into(),
        }
    }
}

fn version(target: Target) -> String {
    format!("{}.{}", target.version.0, target.version.1)
}

/// All cost keys of all tables, for those who make and check them.
pub fn keys() -> Vec<&'static str> {
    let tables = TABLES.values().flat_map(|table| table.off.keys().chain(table.jit.keys()));
    let mut keys: Vec<&str> = tables.map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_sound() {
        for (version, text) in FILES {
            let table: Table = toml::from_str(text).unwrap_or_else(|error| panic!("{version}: {error}"));
            assert_eq!(table.python, version);
            assert!(!table.off.is_empty(), "{version}");
            for (key, [median, low, high]) in table.off.iter().chain(&table.jit) {
                let ratio = Ratio::new(*median, *low, *high);
                assert!(ratio.is_sound(), "{version} {key}");
                assert!(*median > 1.0, "{version} {key}: what costs nothing is left out");
            }
        }
    }

    #[test]
    fn what_costs_nothing_is_in_no_table() {
        let at = |minor, jit| Costs::of(Target { version: (3, minor), jit, ..Target::default() });
        for minor in 11..=15 {
            assert_eq!(at(minor, false).ratio("load_global.rebound"), None, "3.{minor}");
            assert!(at(minor, false).ratio("load_global.keys").is_some(), "3.{minor}");
        }
        assert!(at(9, false).ratio("load_global.rebound").is_some());
        assert!(at(15, true).ratio("load_global.rebound").is_some());
        for minor in 8..=12 {
            assert_eq!(at(minor, false).ratio("attr.out_of_versions"), None, "3.{minor}");
        }
    }

    #[test]
    fn what_was_measured_on_the_interpreter_refines_and_adds_nothing() {
        let target = Target { version: (3, 13), debug: true, ..Target::default() };
        let mut own = Table { python: "3.13".into(), build: "here".into(), ..Table::default() };
        for (key, ratio) in
            [("attr.out_of_versions", 3.0), ("load_attr.types", 1.0), ("load_global.rebound", 2.0)]
        {
            own.off.insert(key.into(), [ratio, ratio, ratio]);
        }
        let mut all = Calibrations::default();
        all.add("abc", own.clone());
        all.add("", own);
        let costs = Costs::of(target).calibrated("abc", &all);
        assert_eq!(costs.ratio("attr.out_of_versions"), Some(Ratio::new(3.0, 3.0, 3.0)));
        assert_eq!(costs.ratio("load_attr.types"), None, "it costs nothing here");
        assert_eq!(costs.ratio("load_global.rebound"), None, "no table says that it costs anything");
        assert_eq!(costs.ratio("idiom.abc"), Costs::of(target).ratio("idiom.abc"), "not measured here");
        assert!(costs.is_measured() && costs.basis() == "calibrated on this interpreter, here");
        for (version, interpreter) in [((3, 13), "abd"), ((3, 13), ""), ((3, 12), "abc")] {
            let other = Costs::of(Target { version, ..target }).calibrated(interpreter, &all);
            assert!(!other.is_measured() && !other.basis().contains("calibrated"));
        }
        let compiled = Costs::of(Target { jit: true, ..target }).calibrated("abc", &all);
        assert!(!compiled.is_measured(), "measured without the just-in-time compiler alone");
    }

    #[test]
    fn an_unknown_build_is_twice_as_uncertain() {
        let target = Target { version: (3, 13), ..Target::default() };
        let known = Costs::of(target).ratio("attr.out_of_versions").unwrap();
        let unknown = Costs::of(Target { debug: true, ..target }).ratio("attr.out_of_versions").unwrap();
        let width = |ratio: Ratio| (ratio.high / ratio.low).ln();
        assert!((width(unknown) / width(known) - 2.0).abs() < 0.01);
        assert_eq!(Costs::of(Target::default()).ratio("attr.out_of_versions"), None);
    }
}
