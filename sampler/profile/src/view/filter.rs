//! Which samples a view counts, and in which unit.

use std::ops::Range;

use super::weights::Metric;
use crate::ids::{Id, ThreadId};
use crate::meta::{Process, Thread};
use crate::sample::{Sample, ThreadState};
use crate::source::Source;
use crate::tables::{Function, Tables};

/// Which samples and frames a view counts. The default counts every sample.
///
/// Threads, processes, times and states choose samples. Paths choose frames: a frame that is not
/// shown gives its weight to the nearest caller that is, so no time disappears.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Unit of the weights.
    pub metric: Metric,
    /// Threads: `main`, a native or Python thread id, or a glob of the name. Empty for all.
    pub threads: Vec<String>,
    /// This thread alone.
    pub only: Option<ThreadId>,
    /// Process ids. Empty for all.
    pub processes: Vec<u32>,
    /// Nanoseconds since the beginning of the recording.
    pub time_ns: Option<Range<u64>>,
    /// States. Empty for all.
    pub states: Vec<ThreadState>,
    /// Globs of source paths, of which one must match for a frame to be shown. Empty for all.
    pub include: Vec<String>,
    /// Globs of source paths, of which none may match for a frame to be shown.
    pub exclude: Vec<String>,
}

impl Filter {
    /// For every thread of `source`, whether it is counted.
    pub(super) fn threads_of(&self, source: &dyn Source) -> Vec<bool> {
        let wanted = |thread: &Thread| {
            let process: Option<&Process> = source.processes().get(thread.process.0 as usize);
            let pid = process.map(|process| process.pid);
            (self.processes.is_empty() || pid.is_some_and(|pid| self.processes.contains(&pid)))
                && self.wants_thread(thread, source.tables().text(thread.name))
        };
        let is_it = |at: usize| self.only.is_none_or(|only| only.index() == at);
        source.threads().iter().enumerate().map(|(at, thread)| is_it(at) && wanted(thread)).collect()
    }

    fn wants_thread(&self, thread: &Thread, name: &str) -> bool {
        let matches = |pattern: &String| match pattern.parse::<u64>() {
            Ok(id) => id == u64::from(thread.native_id) || id == thread.python_id,
            Err(_) if pattern == "main" => thread.is_main,
            Err(_) => glob_matches(pattern, name),
        };
        self.threads.is_empty() || self.threads.iter().any(matches)
    }

    /// For every function, whether its frames are shown.
    pub(super) fn functions_of(&self, tables: &Tables) -> Vec<bool> {
        let shown = |function: &Function| {
            let path = tables.text(function.file);
            let any = |globs: &[String]| globs.iter().any(|glob| glob_matches(glob, path));
            (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
        };
        tables.functions.values().iter().map(shown).collect()
    }

    /// Whether time and state of a sample are wanted.
    pub(super) fn wants_sample(&self, sample: &Sample) -> bool {
        self.time_ns.as_ref().is_none_or(|range| range.contains(&sample.time_ns))
            && (self.states.is_empty() || self.states.contains(&sample.state))
    }
}

/// Whether `text` matches a glob, in which `*` is any text, separators included, and `?` is any one
/// character.
pub fn glob_matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut at, mut seen) = (0, 0);
    // Where to go on after a mismatch: behind the last star, which then takes one character more.
    let mut retry = None;
    while seen < text.len() {
        match glob.get(at) {
            Some('*') => {
                at += 1;
                retry = Some((at, seen));
            }
            Some(&wanted) if wanted == '?' || wanted == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((star, taken)) = retry else { return false };
                retry = Some((star, taken + 1));
                (at, seen) = (star, taken + 1);
            }
        }
    }
    glob[at..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (glob, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("*", "anything/at all", true),
            ("worker-?", "worker-7", true),
            ("worker-?", "worker-17", false),
            ("*/site-packages/*", "/usr/lib/site-packages/a.py", true),
            ("*.py", "a.pyc", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("\u{1f40d}?", "\u{1f40d}é", true),
        ] {
            assert_eq!(glob_matches(glob, text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn hostile_globs_take_bounded_time() {
        assert!(!glob_matches(&"*a".repeat(200), &"a".repeat(199)));
    }
}
