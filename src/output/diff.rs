//! The text of `diff`: the functions whose share changed most.

use std::fmt::Write as _;

use slowpath_profile::view::{Diff, FunctionDelta};

use super::table::{named_place, shown_path};
use super::text::{Style, columns, counted, escaped, wrap};

const ROWS: usize = 20;
/// Changes below this share are noise of any recording.
const NOTABLE: f64 = 0.0005;

/// The table.
pub(crate) fn render(diff: &Diff, style: Style) -> String {
    let notable = |row: &&FunctionDelta| row.own().abs() >= NOTABLE || row.total().abs() >= NOTABLE;
    let rows: Vec<&FunctionDelta> = diff.functions.iter().filter(notable).collect();
    let mut out = String::new();
    if rows.is_empty() {
        out += "no function's share has changed\n";
    } else {
        let _ = writeln!(out, "{}", style.faint("before   after   self  total  function"));
    }
    for row in rows.iter().take(ROWS) {
        let (before, after) = (row.own_before * 100.0, row.own_after * 100.0);
        let head = format!("{before:>6.1}  {after:>6.1} ");
        let changes = format!("{:>+6.1} {:>+6.1}  ", row.own() * 100.0, row.total() * 100.0);
        let left = style.width.saturating_sub(columns(&head) + columns(&changes));
        let changes = match row.own() {
            change if change >= NOTABLE => style.bad(&changes),
            change if change <= -NOTABLE => style.good(&changes),
            _ => changes,
        };
        let name = named_place(&escaped(&row.name), &shown_path(&row.file), left, style);
        let _ = writeln!(out, "{head}{changes}{name}");
    }
    let more = match rows.len().saturating_sub(ROWS) {
        0 => String::new(),
        more => format!("; {} not shown", counted(more as u64, "function")),
    };
    let note = format!(
        "self before and after in % of {} and {}; self and total: change in points{more}",
        diff.before, diff.after
    );
    let _ = writeln!(out, "{}", style.faint(&wrap(&note, style.width, 2)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::ThreadState::Running;
    use slowpath_profile::testing::ProfileBuilder;
    use slowpath_profile::view::{Filter, Weights};
    use slowpath_profile::{Profile, Source};

    fn diff(mut before: Profile, mut after: Profile) -> Diff {
        let weights = |profile: &mut Profile| Weights::collect(profile, &Filter::default()).unwrap();
        let (one, other) = (weights(&mut before), weights(&mut after));
        Diff::new((&one, before.tables()), (&other, after.tables()))
    }

    fn profile(parse: u64, write: u64) -> Profile {
        ProfileBuilder::new()
            .sample(&["<module>", "parse"], Running, parse)
            .sample(&["<module>", "io.py:write\x07"], Running, write)
            .build()
    }

    #[test]
    fn what_changed_most_comes_first() {
        let diff = diff(profile(60, 40), profile(300, 700));
        insta::assert_snapshot!(render(&diff, Style { color: false, width: 80 }));
    }

    #[test]
    fn nothing_changed() {
        let diff = diff(profile(60, 40), profile(600, 400));
        insta::assert_snapshot!(render(&diff, Style { color: false, width: 60 }));
    }
}
