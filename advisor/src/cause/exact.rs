//! Causes that were counted by hooks inside of the process, where they were asked for.

use slowpath_profile::Span;
use slowpath_profile::evidence::{ExactFacts, Write, WriteKind, WrittenKind};
use slowpath_profile::finding::{Cause, EvidenceLevel};
use slowpath_profile::text::thousands;

use super::{Culprits, LISTED, Wanted, quoted, statement};
use crate::context::Context;

/// Writes that are rarer than one in so many of the most frequent one are left out.
const RARE: u64 = 100;

/// What the hooks counted, if they watched.
fn facts<'c>(context: &'c Context<'_>) -> Option<&'c ExactFacts> {
    context.evidence.exact.as_ref().filter(|exact| exact.is_watching())
}

/// The lines that were seen to do it; `None` if none was, or nobody watched.
pub(super) fn find(context: &Context<'_>, wanted: &Wanted<'_>) -> Option<Culprits> {
    let facts = facts(context)?;
    let fits = |write: &&Write| {
        !write.at_import
            && !wanted.owner.is_empty()
            && wanted.counted.contains(&write.kind)
            && write.owner() == wanted.owner
            && write.to != WrittenKind::Function
    };
    let changed = |write: &Write| wanted.changed.iter().any(|change| change.name == write.key);
    let mut all: Vec<&Write> = facts.writes.iter().filter(fits).collect();
    if all.iter().any(|write| changed(write)) {
        all.retain(|write| changed(write));
    }
    all.sort_by_key(|write| (std::cmp::Reverse(write.times), write.function, write.offset));
    let total = all.iter().fold(0u64, |total, write| total.saturating_add(write.times));
    // Keys that one line makes are one cause.
    let mut lines: Vec<Line<'_>> = Vec::new();
    for write in all {
        match lines.iter_mut().find(|line| line.is_of(write)) {
            Some(line) => line.add(write),
            None => lines.push(Line { write, times: write.times, keys: vec![&write.key] }),
        }
    }
    lines.sort_by_key(|line| (std::cmp::Reverse(line.times), line.write.function, line.write.offset));
    let most = lines.first()?.times;
    lines.retain(|line| line.times.saturating_mul(RARE) >= most);
    let missing = match facts.uncounted {
        0 => String::new(),
        uncounted => format!("; {uncounted} writes to anything found no room to be counted"),
    };
    let how = format!("counted inside of the process, write by write: {}{missing}", times(total));
    let causes = lines.iter().take(LISTED).map(|line| cause(context, line));
    Some(Culprits { causes: causes.collect(), level: EvidenceLevel::Writer, how })
}

/// What one line did.
struct Line<'w> {
    /// The most frequent write.
    write: &'w Write,
    times: u64,
    keys: Vec<&'w str>,
}

impl<'w> Line<'w> {
    fn is_of(&self, write: &Write) -> bool {
        // A store makes a key the first time and gives it another value later: it is one statement.
        let what = |kind| if kind == WriteKind::Inserted { WriteKind::Rebound } else { kind };
        let of = |write: &Write| (write.function, write.line, what(write.kind));
        of(self.write) == of(write)
    }

    fn add(&mut self, write: &'w Write) {
        self.times = self.times.saturating_add(write.times);
        if !self.keys.contains(&&*write.key) {
            self.keys.push(&write.key);
        }
    }
}

/// How often attributes of a class were written, and how often the interpreter told that its version tag was
/// lost; `None` if nobody watched or neither happened.
pub(crate) fn of_class(context: &Context<'_>, owner: &str) -> Option<(u64, u64)> {
    let of = |lost: bool| -> u64 {
        let writes = facts(context).into_iter().flat_map(|facts| &facts.writes);
        let of_class = writes.filter(|write| write.to == WrittenKind::Class && write.owner() == owner);
        of_class.filter(|write| (write.kind == WriteKind::VersionLost) == lost).map(|write| write.times).sum()
    };
    Some((of(false), of(true))).filter(|counts| *counts != (0, 0))
}

fn cause(context: &Context<'_>, line: &Line<'_>) -> Cause {
    let Line { write, times: counted, ref keys } = *line;
    let is_it = |store: &&slowpath_profile::evidence::Store| {
        store.function == write.function && store.offset == write.offset
    };
    let store = context.evidence.stores.iter().find(is_it);
    let span = store.map_or_else(|| write.line.map(Span::of_line).unwrap_or_default(), |store| store.span);
    let symbol = match keys.len() {
        0 | 1 => write.symbol(),
        names => format!("{}.… ({names} names)", write.owner()),
    };
    Cause {
        place: context.place(write.function, span),
        statement: store.map_or_else(|| told(write), statement),
        symbol,
        how: format!("it did so {}, counted inside of the process", times(counted)),
        is_exact: true,
        times: Some(counted),
        ..Cause::default()
    }
}

/// The statement as far as the event tells it.
fn told(write: &Write) -> String {
    let last = write.name.rsplit('.').next().unwrap_or_default();
    let (module, key) = (matches!(write.to, WrittenKind::Module | WrittenKind::Builtins), &write.key);
    match write.kind {
        WriteKind::Deleted if module => format!("del {key}"),
        WriteKind::Deleted => format!("del {last}.{key}"),
        WriteKind::Filled | WriteKind::Cleared => format!("{last}.__dict__ …"),
        WriteKind::VersionLost => format!("{last}.… = …"),
        WriteKind::CodeReplaced => format!("{last}.__code__ = …"),
        WriteKind::DefaultsReplaced => format!("{last}.__defaults__ = …"),
        WriteKind::KwDefaultsReplaced => format!("{last}.__kwdefaults__ = …"),
        WriteKind::Rebound | WriteKind::Inserted if key.is_empty() => format!("{last}[{}] = …", quoted(key)),
        WriteKind::Rebound | WriteKind::Inserted if module => format!("{key} = …"),
        WriteKind::Rebound | WriteKind::Inserted => format!("{last}.{key} = …"),
    }
}

fn times(count: u64) -> String {
    match count {
        1 => "once".into(),
        2 => "twice".into(),
        more => format!("{} times", thousands(more)),
    }
}
