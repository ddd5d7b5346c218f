//! The Python processes of this machine, to choose from.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use slowpath_sampler::session::Target;
use slowpath_tui::Candidate;

/// Clock ticks per second, in which the kernel counts CPU time for us.
const TICKS: f64 = 100.0;

/// What is known of a process that was seen before.
#[derive(Debug, Default)]
struct Known {
    /// When it was started, in ticks: ids are used again.
    started: u64,
    /// `None` if it is not Python, or none that we may read.
    python: Option<(String, String)>,
    ticks: u64,
    seen: Option<Instant>,
}

/// All processes that were seen.
#[derive(Debug, Default)]
pub(super) struct List {
    known: HashMap<u32, Known>,
    users: HashMap<u32, String>,
}

impl List {
    /// The processes as of now, the busiest first.
    pub(super) fn look(&mut self) -> Vec<Candidate> {
        if self.users.is_empty() {
            self.users = users(&fs::read_to_string("/etc/passwd").unwrap_or_default());
        }
        let own = std::process::id();
        let pids: Vec<u32> =
            super::super::doctor::all_processes().into_iter().filter(|it| *it != own).collect();
        self.known.retain(|pid, _| pids.contains(pid));
        let mut found: Vec<Candidate> = pids.into_iter().filter_map(|pid| self.candidate(pid)).collect();
        found.sort_by(|one, other| {
            let busy = |it: &Candidate| it.cpu_share.unwrap_or(0.0);
            busy(other).total_cmp(&busy(one)).then(one.pid.cmp(&other.pid))
        });
        found
    }

    fn candidate(&mut self, pid: u32) -> Option<Candidate> {
        let (ticks, started) = times(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        let known = self.known.entry(pid).or_default();
        if known.seen.is_none() || known.started != started {
            let target = Target::attach(pid, Duration::ZERO).ok();
            let python = target.map(|target| (target.python(), target.command().to_owned()));
            *known = Known { started, python, ticks, seen: None };
        }
        let passed = known.seen.replace(Instant::now()).map(|seen| seen.elapsed().as_secs_f64());
        let used = ticks.saturating_sub(std::mem::replace(&mut known.ticks, ticks)) as f64 / TICKS;
        let (python, command) = known.python.clone()?;
        let uid = fs::metadata(format!("/proc/{pid}")).map(|it| it.uid()).unwrap_or_default();
        let user = self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string());
        let cpu_share = passed.filter(|passed| *passed > 0.0).map(|passed| used / passed);
        Some(Candidate { pid, user, cpu_share, python, command })
    }
}

/// CPU time and start of a process, both in ticks, from its line in `/proc/PID/stat`.
fn times(stat: &str) -> Option<(u64, u64)> {
    // The name in parentheses may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((number(11)? + number(12)?, number(19)?))
}

/// Names of users by their id.
fn users(passwd: &str) -> HashMap<u32, String> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    passwd.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_behind_the_name() {
        let stat = "42 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 100 23 0 0 20 0 1 0 987 1 2";
        assert_eq!(times(stat), Some((123, 987)));
        assert_eq!(times("42 (python"), None);
    }

    #[test]
    fn users_have_names() {
        let users = users("root:x:0:0:root:/:/bin/sh\nbad\nann:x:1000:1000::/:/bin/sh\n");
        assert_eq!((users[&0].as_str(), users[&1000].as_str(), users.len()), ("root", "ann", 2));
    }
}
