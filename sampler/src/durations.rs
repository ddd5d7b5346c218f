//! How long ticks took: a histogram of fixed size whatever the number of ticks.

use slowpath_profile::SampleDuration;

/// Buckets per doubling: a quantile is exact to about 9 %.
const STEPS: u32 = 8;
/// Buckets: up to 2^40 ns.
const BUCKETS: usize = 40 * STEPS as usize;

/// Durations in nanoseconds, counted in logarithmic buckets.
#[derive(Clone, Debug)]
pub struct Durations {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

impl Default for Durations {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, max_ns: 0 }
    }
}

impl Durations {
    /// Adds one.
    pub fn add(&mut self, ns: u64) {
        let bucket = ((ns.max(1) as f64).log2() * f64::from(STEPS)) as usize;
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.total += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// Median, 99th percentile and maximum, in microseconds.
    pub fn summary(&self) -> SampleDuration {
        SampleDuration {
            p50: self.quantile_us(0.50),
            p99: self.quantile_us(0.99),
            max: self.max_ns as f64 / 1000.0,
        }
    }

    fn quantile_us(&self, quantile: f64) -> f64 {
        let rank = (self.total as f64 * quantile) as u64;
        let mut below = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            below += count;
            if below > rank {
                let middle_ns = ((bucket as f64 + 0.5) / f64::from(STEPS)).exp2();
                return middle_ns.min(self.max_ns as f64) / 1000.0;
            }
        }
        self.max_ns as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_close() {
        let mut durations = Durations::default();
        (1..=1000).for_each(|us| durations.add(us * 1000));
        let summary = durations.summary();
        assert!((450.0..550.0).contains(&summary.p50), "{}", summary.p50);
        assert!((900.0..1000.1).contains(&summary.p99), "{}", summary.p99);
        assert_eq!(summary.max, 1000.0);
        assert_eq!(Durations::default().summary().p50, 0.0);
    }
}
