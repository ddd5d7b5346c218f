//! Which code objects are on top of stacks lately.

use rustc_hash::FxHashMap;

/// Code objects that are remembered; with more, the coolest half is forgotten.
const MAX_KNOWN: usize = 4_096;

/// Samples by code object, fading.
#[derive(Debug, Default)]
pub(super) struct Heat {
    known: FxHashMap<u64, Warmth>,
}

/// How warm one code object is.
#[derive(Clone, Copy, Debug, Default)]
struct Warmth {
    /// Samples, halved now and then.
    heat: u32,
    /// Samples since [`Heat::take_fresh`].
    fresh: u32,
}

impl Heat {
    /// Notes a sample with the code object at `addr` on top.
    pub(super) fn add(&mut self, addr: u64) {
        if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&addr) {
            self.fade();
            if self.known.len() >= MAX_KNOWN {
                return;
            }
        }
        let warmth = self.known.entry(addr).or_default();
        warmth.heat = warmth.heat.saturating_add(1);
        warmth.fresh = warmth.fresh.saturating_add(1);
    }

    /// Halves all heat and forgets what has become cold.
    pub(super) fn fade(&mut self) {
        self.known.retain(|_, warmth| {
            warmth.heat /= 2;
            warmth.heat > 0
        });
    }

    /// Forgets a code object: something else is at its address.
    pub(super) fn forget(&mut self, addr: u64) {
        self.known.remove(&addr);
    }

    /// At most `max` code objects with their heat, the hottest first.
    pub(super) fn hottest(&self, max: usize) -> Vec<(u64, u32)> {
        let mut all: Vec<(u64, u32)> = self.known.iter().map(|(addr, warmth)| (*addr, warmth.heat)).collect();
        all.sort_unstable_by_key(|(addr, heat)| (std::cmp::Reverse(*heat), *addr));
        all.truncate(max);
        all
    }

    /// Samples of a code object since the last call.
    pub(super) fn take_fresh(&mut self, addr: u64) -> u32 {
        self.known.get_mut(&addr).map_or(0, |warmth| std::mem::take(&mut warmth.fresh))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hottest_come_first_and_the_cold_are_forgotten() {
        let mut heat = Heat::default();
        for (addr, samples) in [(8, 3), (16, 9), (24, 1)] {
            (0..samples).for_each(|_| heat.add(addr));
        }
        assert_eq!(heat.hottest(2), [(16, 9), (8, 3)]);
        assert_eq!((heat.take_fresh(16), heat.take_fresh(16)), (9, 0));
        heat.fade();
        assert_eq!(heat.hottest(9), [(16, 4), (8, 1)]);
    }

    #[test]
    fn a_flood_of_code_objects_is_bounded() {
        let mut heat = Heat::default();
        heat.add(1);
        heat.add(1);
        (2..100_000).for_each(|addr| heat.add(addr));
        assert!(heat.known.len() <= MAX_KNOWN);
    }
}
