//! When to sample.
//!
//! Time is cut into cells of one period. Each cell gets one tick at a uniformly random place inside
//! it. Ticks therefore never drift, the mean rate is exact, and a program whose behaviour is periodic
//! cannot hide between ticks: whatever its period, each of its phases is hit in proportion to its
//! length (stratified sampling).

use std::time::Duration;

/// A small fast generator (SplitMix64). Nothing here is secret: it only has to be unrelated to the
/// target.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Uniform in `0..bound`.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// The ticks of a session. All times are nanoseconds since its beginning.
#[derive(Clone, Debug)]
pub struct Schedule {
    period_ns: Option<u64>,
    random: Random,
    /// The cell of the tick that was handed out last, counted from 1.
    cell: u64,
    missed: u64,
}

impl Schedule {
    /// Ticks at a mean distance of `period`; `None`: one right after the other.
    pub fn new(period: Option<Duration>, seed: u64) -> Self {
        let period_ns = period.map(|period| (period.as_nanos() as u64).max(1));
        Self { period_ns, random: Random(seed), cell: 0, missed: 0 }
    }

    /// The time of the next tick, given the time now. Cells that are wholly in the past have been
    /// missed and are counted.
    pub fn next(&mut self, now_ns: u64) -> u64 {
        let Some(period_ns) = self.period_ns else { return now_ns };
        let current = now_ns / period_ns;
        if current > self.cell {
            self.missed += current - self.cell;
            self.cell = current;
        }
        let tick = self.cell * period_ns + self.random.below(period_ns);
        self.cell += 1;
        // The random place may have passed already: then the tick is late but still in its cell.
        tick.max(now_ns)
    }

    /// Ticks that should have been and were not.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn one_tick_in_each_cell_and_no_drift() {
        let mut schedule = Schedule::new(Some(Duration::from_millis(1)), 1);
        let mut now = 0;
        for cell in 0..10_000 {
            now = schedule.next(now);
            assert_eq!(now / MS, cell);
        }
        assert_eq!(schedule.missed(), 0);
    }

    #[test]
    fn a_stall_is_counted_in_ticks() {
        let mut schedule = Schedule::new(Some(Duration::from_millis(1)), 1);
        schedule.next(0);
        let late = schedule.next(10 * MS + 1);
        assert_eq!(schedule.missed(), 9);
        assert_eq!(late / MS, 10);
    }

    #[test]
    fn a_program_of_the_same_period_is_seen_in_proportion() {
        let mut schedule = Schedule::new(Some(Duration::from_millis(1)), 7);
        let (mut now, mut hits) = (0, 0);
        for _ in 0..20_000 {
            now = schedule.next(now);
            // Busy in the first tenth of every millisecond.
            hits += u32::from(now % MS < MS / 10);
        }
        assert!((1_900..2_100).contains(&hits), "{hits}");
    }

    #[test]
    fn flat_out_is_now() {
        let mut schedule = Schedule::new(None, 1);
        assert_eq!(schedule.next(123), 123);
        assert_eq!(schedule.missed(), 0);
    }
}
