//! What a sampling session is asked to do.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use slowpath_profile::Mode;

/// How often to sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Ticks per 1,000 seconds (milli-Hertz), so that rates below 1 Hz stay exact.
    MilliHertz(NonZeroU64),
    /// As fast as the machine allows.
    Max,
}

impl Rate {
    /// 1 kHz.
    pub const DEFAULT: Self = Self::MilliHertz(NonZeroU64::new(1_000_000).unwrap());

    /// The mean time between two ticks; `None` for flat out.
    pub fn period(self) -> Option<Duration> {
        match self {
            Self::MilliHertz(rate) => Some(Duration::from_nanos(1_000_000_000_000 / rate.get())),
            Self::Max => None,
        }
    }

    /// Ticks per second; 0 for flat out.
    pub fn hertz(self) -> f64 {
        match self {
            Self::MilliHertz(rate) => rate.get() as f64 / 1000.0,
            Self::Max => 0.0,
        }
    }
}

/// Why a rate was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a rate between 1 Hz and 1 MHz; write a number (1000), a unit (10khz) or 'max'")]
pub struct RateError(String);

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let lower = text.trim().to_ascii_lowercase();
        if lower == "max" {
            return Ok(Self::Max);
        }
        let (digits, factor) = match lower.strip_suffix("hz").unwrap_or(&lower) {
            head if head.ends_with('k') => (&head[..head.len() - 1], 1_000_000.0),
            head if head.ends_with('m') => (&head[..head.len() - 1], 1_000_000_000.0),
            head => (head, 1_000.0),
        };
        let number: f64 = digits.trim().parse().map_err(|_| RateError(text.into()))?;
        let milli = (number * factor).round();
        if !(1_000.0..=1_000_000_000.0).contains(&milli) {
            return Err(RateError(text.into()));
        }
        NonZeroU64::new(milli as u64).map(Self::MilliHertz).ok_or_else(|| RateError(text.into()))
    }
}

/// Which threads to sample. The filter is applied before a thread's stack is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ThreadFilter {
    /// Every thread of every interpreter.
    #[default]
    All,
    /// The main thread of each process.
    Main,
    /// Threads whose name matches a glob of `*` and `?`.
    Name(String),
}

impl ThreadFilter {
    /// Whether a thread of this name is to be sampled.
    pub fn lets_through(&self, name: &str, is_main: bool) -> bool {
        match self {
            Self::All => true,
            Self::Main => is_main,
            Self::Name(glob) => glob::Pattern::new(glob).is_ok_and(|pattern| pattern.matches(name)),
        }
    }
}

/// What a sampling session is asked to do.
#[derive(Clone, Debug)]
pub struct SampleOptions {
    /// Ticks per second.
    pub rate: Rate,
    /// Which threads count at a tick.
    pub mode: Mode,
    /// Which threads are looked at.
    pub threads: ThreadFilter,
    /// Show the garbage collector as a frame.
    pub gc_frames: bool,
    /// Pause the threads that are read while they are read (ptrace).
    pub blocking: bool,
    /// Sample on the CPU of the thread that is read.
    pub same_core: bool,
    /// Follow child processes.
    pub children: bool,
    /// Read in what state the interpreter executes hot code, for advice on it.
    pub advice: bool,
    /// Where hooks that were loaded into the target leave what they see; `None`: there are none.
    pub exact: Option<PathBuf>,
    /// Stop after so long; `None`: when the target ends or the caller says so.
    pub duration: Option<Duration>,
}

impl Default for SampleOptions {
    fn default() -> Self {
        Self {
            rate: Rate::DEFAULT,
            mode: Mode::Wall,
            threads: ThreadFilter::All,
            gc_frames: false,
            blocking: false,
            same_core: false,
            children: false,
            advice: true,
            exact: None,
            duration: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_with_and_without_units() {
        for (text, hertz) in [("1", 1.0), ("1000", 1e3), ("100hz", 100.0), ("10kHz", 1e4), ("2.5", 2.5)] {
            assert_eq!(text.parse::<Rate>().unwrap().hertz(), hertz, "{text}");
        }
        assert_eq!("max".parse::<Rate>(), Ok(Rate::Max));
        for wrong in ["", "0", "-5", "fast", "2mhz", "nan", "1e99"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
