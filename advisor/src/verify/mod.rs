//! Whether a change saves time: what can be said of paired runs of a program before and after it.
//!
//! Runs come in blocks. A block runs three sides twice, the second time in the opposite order: the
//! program as it is, the program with the change, and the program as it is once more, as a control
//! (`A B C C B A`, beginning with another side each time), so that what drifts falls on all sides alike.
//! Of the two runs of a side the faster one counts: a disturbance only ever adds time, and on a machine
//! that others use it comes in bursts that last longer than a run. The saving of a block is one ratio; the
//! median of all blocks is the result, its 90 % interval is found by drawing blocks anew (a paired
//! bootstrap).
//!
//! The control is judged as if it were a change. It must come out as none: how far it strays is what
//! this machine makes of nothing, and nothing smaller is believed of the change.
//!
//! Invariants: nothing is run or read here, and the same times give the same verdict.

mod stored;

use serde::{Deserialize, Serialize};

pub use stored::{Store, StoreError, VERIFIED_SCHEMA, Verified};

use crate::saving::Random;

/// With fewer blocks, a 90 % interval of a median does not exist.
pub const LEAST_BLOCKS: usize = 5;
/// A program that runs for less shows how long an interpreter takes to start. In seconds.
pub const LEAST_RUN_S: f64 = 0.03;

/// A control whose interval lies beyond this on one side shows that the order of runs matters.
const BIAS_LIMIT: f64 = 0.01;
/// The same as a part of what the change saves.
const BIAS_PART: f64 = 0.05;
/// A control whose interval is wider than this, to each side, shows that the machine is busy. What was
/// measured stands out of more noise if it is so many times as large.
const NOISE_LIMIT: f64 = 0.05;
const NOISE_PART: f64 = 4.0;
/// A saving below this is not worth a finding, and none that is looked for here.
const WORTH_IT: f64 = 0.01;
/// Measured well enough: half of the interval is at most this, or this part of the saving.
const PRECISE: f64 = 0.005;
const PRECISE_PART: f64 = 0.1;

const DRAWS: usize = 4_000;
const SEED: u64 = 0x5107_9A7B_0000_0004;

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The program as it is.
    Before,
    /// The program with the change.
    After,
    /// The program as it is, once more.
    Control,
}

/// In which order a block runs its sides.
pub fn order(block: usize) -> [Side; 6] {
    use Side::{After, Before, Control};
    let [first, second, third] = match block % 6 {
        0 => [Before, After, Control],
        1 => [After, Control, Before],
        2 => [Control, Before, After],
        3 => [After, Before, Control],
        4 => [Before, Control, After],
        _ => [Control, After, Before],
    };
    [first, second, third, third, second, first]
}

/// The times of one block in seconds, those of each side in the order in which they were taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Block {
    /// Of the program as it is.
    pub before: Vec<f64>,
    /// With the change.
    pub after: Vec<f64>,
    /// Of the program as it is, once more.
    pub control: Vec<f64>,
}

impl Block {
    /// Adds a run.
    pub fn add(&mut self, side: Side, seconds: f64) {
        match side {
            Side::Before => self.before.push(seconds),
            Side::After => self.after.push(seconds),
            Side::Control => self.control.push(seconds),
        }
    }

    fn is_whole(&self) -> bool {
        let sides = [&self.before, &self.after, &self.control];
        sides.iter().all(|times| times.len() == 2 && times.iter().all(|time| time.is_finite() && *time > 0.0))
    }

    /// Which share of the time of `before` the other side does not take.
    fn saving(&self, other: &[f64]) -> f64 {
        1.0 - least(other) / least(&self.before)
    }
}

fn least(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

/// A number with its 90 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interval {
    /// Median.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Half of its width.
    fn half(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Whether a number lies in it.
    pub fn covers(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// What the runs say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The change saves time.
    Faster,
    /// It costs time.
    Slower,
    /// It saves nothing worth a change.
    NoGain,
    /// It cannot be told, for this reason.
    CannotTell(String),
}

impl Verdict {
    /// Its name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::NoGain => "no gain",
            Self::CannotTell(_) => "cannot tell",
        }
    }

    /// The exit code that says so.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Faster => 0,
            Self::Slower | Self::NoGain => 1,
            Self::CannotTell(_) => 3,
        }
    }
}

/// All runs so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    blocks: Vec<Block>,
}

impl Trial {
    /// Adds a block. One that was not run to its end says nothing.
    pub fn add(&mut self, block: Block) {
        if block.is_whole() {
            self.blocks.push(block);
        }
    }

    /// The blocks.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// What the change saves.
    pub fn saving(&self) -> Interval {
        self.of_blocks(|block| block.saving(&block.after))
    }

    /// What the control seems to save.
    pub fn control(&self) -> Interval {
        self.of_blocks(|block| block.saving(&block.control))
    }

    /// The median time of a side in seconds.
    pub fn seconds(&self, side: Side) -> f64 {
        let times = self.blocks.iter().flat_map(|block| match side {
            Side::Before => &block.before,
            Side::After => &block.after,
            Side::Control => &block.control,
        });
        median(&mut times.copied().collect::<Vec<_>>())
    }

    /// Whether more blocks would make it clearer.
    pub fn wants_more(&self) -> bool {
        if self.blocks.len() < LEAST_BLOCKS {
            return true;
        }
        let saving = self.saving();
        // A control that strays to one side may be chance as long as there are few blocks.
        self.unsteady().is_some() || saving.half() > PRECISE.max(PRECISE_PART * saving.value.abs())
    }

    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        if self.blocks.len() < LEAST_BLOCKS {
            let needed = LEAST_BLOCKS * 2;
            return Verdict::CannotTell(format!(
                "{} pairs of runs were made, and {needed} are needed",
                self.blocks.len() * 2
            ));
        }
        let seconds = self.seconds(Side::Before);
        if seconds < LEAST_RUN_S {
            return Verdict::CannotTell(format!(
                "a run takes {:.0} ms, which is how long an interpreter takes to start: give it more to do",
                seconds * 1e3
            ));
        }
        if let Some(why) = self.unsteady() {
            return Verdict::CannotTell(why);
        }
        let (saving, control) = (self.saving(), self.control());
        if saving.low > control.high.max(0.0) {
            Verdict::Faster
        } else if saving.high < control.low.min(0.0) {
            Verdict::Slower
        } else if saving.high < WORTH_IT {
            Verdict::NoGain
        } else {
            Verdict::CannotTell(format!(
                "the saving lies between {} and {}, and the same program seems to differ from itself by up to {}",
                percent(saving.low),
                percent(saving.high),
                percent(control.high.abs().max(control.low.abs()))
            ))
        }
    }

    /// Why the control is none.
    fn unsteady(&self) -> Option<String> {
        let (control, effect) = (self.control(), self.saving().value.abs());
        let noise = NOISE_LIMIT.max(effect / NOISE_PART);
        let bias = (BIAS_PART * effect).clamp(BIAS_LIMIT, NOISE_LIMIT);
        let by = |share: f64| {
            Some(format!(
                "the machine is not steady: the same program differs from itself by {}; try again when it is idle",
                percent(share)
            ))
        };
        if control.half() > noise {
            by(control.half())
        } else if control.low > bias || control.high < -bias {
            by(control.value.abs())
        } else {
            None
        }
    }

    fn of_blocks(&self, number: impl Fn(&Block) -> f64) -> Interval {
        bootstrap(&self.blocks.iter().map(number).collect::<Vec<_>>())
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The median, and the interval of medians of values drawn from the same, as many as there are.
fn bootstrap(values: &[f64]) -> Interval {
    let value = median(&mut values.to_vec());
    if values.len() < 2 {
        return Interval { value, low: value, high: value };
    }
    let mut random = Random::new(SEED);
    let mut drawn = vec![0.0; values.len()];
    let mut medians: Vec<f64> = (0..DRAWS)
        .map(|_| {
            for place in &mut drawn {
                let at = (random.uniform() * values.len() as f64) as usize;
                *place = values.get(at).copied().unwrap_or(value);
            }
            median(&mut drawn)
        })
        .collect();
    medians.sort_unstable_by(f64::total_cmp);
    let at = |quantile: f64| {
        let index = (quantile * (medians.len() - 1) as f64).round() as usize;
        medians.get(index).copied().unwrap_or(value)
    };
    let tail = tail(values.len());
    Interval { value, low: at(tail), high: at(1.0 - tail) }
}

/// What to cut off at each end. Of few values, the quantiles of a bootstrap lie too close together; this
/// follows the tails of the t distribution (Hesterberg's expanded percentiles) from 5 values on.
fn tail(values: usize) -> f64 {
    (0.05 - 0.23 / values as f64).max(0.004)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of runs that take `before` and `after` seconds, each disturbed by up to this share.
    fn trial(blocks: usize, before: f64, after: f64, noise: f64) -> Trial {
        let mut random = Random::new(7);
        let mut trial = Trial::default();
        for number in 0..blocks {
            let mut block = Block::default();
            for side in order(number) {
                let seconds = if side == Side::After { after } else { before };
                block.add(side, seconds * (1.0 + noise * random.uniform()));
            }
            trial.add(block);
        }
        trial
    }

    #[test]
    fn every_side_stands_everywhere_as_often_as_the_others() {
        for side in [Side::Before, Side::After, Side::Control] {
            for place in 0..6 {
                let there = (0..6).filter(|block| order(*block)[place] == side).count();
                assert_eq!(there, 2, "{side:?} {place}");
            }
        }
    }

    #[test]
    fn a_gain_a_loss_and_neither() {
        assert_eq!(trial(8, 2.0, 1.0, 0.02).verdict(), Verdict::Faster);
        assert_eq!(trial(8, 1.0, 2.0, 0.02).verdict(), Verdict::Slower);
        assert_eq!(trial(8, 1.0, 1.0, 0.005).verdict(), Verdict::NoGain);
        let saving = trial(8, 2.0, 1.0, 0.02).saving();
        assert!(saving.covers(0.5) && saving.half() < 0.01, "{saving:?}");
    }

    #[test]
    fn an_even_drift_is_no_saving() {
        let (mut trial, mut clock) = (Trial::default(), 1.0);
        for number in 0..12 {
            let mut block = Block::default();
            for side in order(number) {
                clock += 0.01;
                block.add(side, clock);
            }
            trial.add(block);
        }
        let (saving, control) = (trial.saving(), trial.control());
        assert!(saving.value.abs() < 0.005 && control.value.abs() < 0.005, "{saving:?} {control:?}");
        assert!(saving.covers(0.0) && control.covers(0.0), "{saving:?} {control:?}");
    }

    #[test]
    fn no_verdict_without_a_steady_control() {
        let noisy = trial(8, 1.0, 0.9, 0.9);
        let Verdict::CannotTell(why) = noisy.verdict() else { panic!("{:?}", noisy.verdict()) };
        assert!(why.contains("not steady"), "{why}");
        assert!(noisy.wants_more());
        // What is many times as large as the noise is no noise.
        assert_eq!(trial(8, 1.0, 3.0, 0.6).verdict(), Verdict::Slower);
        // The second start of the same program is always slower: whatever it is, it is no noise.
        let mut biased = trial(8, 1.0, 0.95, 0.0);
        biased.blocks.iter_mut().flat_map(|block| &mut block.control).for_each(|time| *time *= 1.03);
        assert!(matches!(biased.verdict(), Verdict::CannotTell(_)), "{:?}", biased.verdict());
    }

    #[test]
    fn a_large_gain_needs_no_quiet_machine() {
        let mut busy = trial(10, 2.0, 0.8, 0.0);
        for (at, block) in busy.blocks.iter_mut().enumerate() {
            block.control.iter_mut().for_each(|time| *time *= [0.92, 1.08][at % 2]);
        }
        assert!(busy.control().half() > NOISE_LIMIT, "{:?}", busy.control());
        assert_eq!(busy.verdict(), Verdict::Faster);
        busy.blocks.iter_mut().flat_map(|block| &mut block.after).for_each(|time| *time *= 2.2);
        assert!(matches!(busy.verdict(), Verdict::CannotTell(_)), "{:?}", busy.saving());
    }

    #[test]
    fn a_small_gain_in_much_noise_is_not_told() {
        let trial = trial(8, 1.0, 0.97, 0.08);
        assert!(matches!(trial.verdict(), Verdict::CannotTell(_)), "{:?}", trial.saving());
        assert!(trial.wants_more());
    }

    #[test]
    fn bursts_are_not_measured() {
        let mut burst = trial(10, 2.0, 1.0, 0.01);
        for (at, block) in burst.blocks.iter_mut().enumerate() {
            let side = if at % 2 == 0 { &mut block.before } else { &mut block.after };
            side[at % 2] *= 1.4;
        }
        assert!((burst.saving().value - 0.5).abs() < 0.01, "{:?}", burst.saving());
    }

    #[test]
    fn one_disturbed_block_moves_nothing() {
        let mut disturbed = trial(9, 2.0, 1.0, 0.01);
        disturbed.blocks[3].after = vec![30.0, 1.0];
        disturbed.blocks[5].control = vec![2.0, 9.0];
        assert_eq!(disturbed.verdict(), Verdict::Faster);
        assert!((disturbed.saving().value - 0.5).abs() < 0.01);
    }

    #[test]
    fn few_blocks_short_runs_and_halves_say_nothing() {
        assert!(matches!(trial(4, 2.0, 1.0, 0.0).verdict(), Verdict::CannotTell(_)));
        assert!(matches!(trial(8, 0.02, 0.01, 0.0).verdict(), Verdict::CannotTell(_)));
        let mut trial = Trial::default();
        trial.add(Block { before: vec![1.0, 1.0], after: vec![1.0], control: vec![1.0, 1.0] });
        trial.add(Block { before: vec![0.0, 1.0], after: vec![1.0; 2], control: vec![1.0; 2] });
        assert!(trial.blocks().is_empty());
        assert_eq!(Trial::default().saving(), Interval::default());
    }

    #[test]
    fn the_interval_holds_the_truth_nine_times_of_ten() {
        let mut random = Random::new(11);
        let held = (0..400).filter(|_| {
            let values: Vec<f64> = (0..9).map(|_| 0.3 + 0.05 * random.normal()).collect();
            bootstrap(&values).covers(0.3)
        });
        let held = held.count();
        assert!((340..=396).contains(&held), "{held} of 400");
    }

    #[test]
    fn it_ends_when_it_is_clear() {
        assert!(trial(4, 2.0, 1.0, 0.0).wants_more());
        assert!(!trial(5, 2.0, 1.0, 0.02).wants_more());
        assert!(!trial(5, 1.0, 1.0, 0.002).wants_more());
    }
}
