//! The findings of two profiles of one program, before and after a change.

use slowpath_profile::finding::{Finding, Findings, VerdictKind};

use crate::fingerprint::about;

/// How one finding differs. What stayed the same is not told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change<'a> {
    /// It is found only after.
    New(&'a Finding),
    /// It is found only before, and its rule looked again.
    Fixed(&'a Finding),
    /// It is found only before, and whether it is still there cannot be told.
    CannotTell(&'a Finding),
    /// Its saving differs beyond chance: the intervals do not meet.
    Changed {
        /// As it was.
        before: &'a Finding,
        /// As it is.
        after: &'a Finding,
    },
}

/// Compares findings by rule and subject: first what is found after, in its order, then what is gone, in
/// its order. A finding that falls below the floors, or rises above them, is no new one.
pub fn compare<'a>(before: &'a Findings, after: &'a Findings) -> Vec<Change<'a>> {
    let appeared = after.findings.iter().filter_map(|finding| match find(before, finding) {
        None => Some(Change::New(finding)),
        Some(old) => differs(old, finding).then_some(Change::Changed { before: old, after: finding }),
    });
    let gone = before.findings.iter().filter_map(|finding| match find(after, finding) {
        None if has_looked(after, &finding.rule) => Some(Change::Fixed(finding)),
        None => Some(Change::CannotTell(finding)),
        // What is above the floors after was told above.
        Some(new) if after.findings.iter().any(|it| std::ptr::eq(it, new)) => None,
        Some(new) => differs(finding, new).then_some(Change::Changed { before: finding, after: new }),
    });
    appeared.chain(gone).collect()
}

fn find<'a>(findings: &'a Findings, like: &Finding) -> Option<&'a Finding> {
    let mut all = findings.findings.iter().chain(&findings.minor);
    all.find(|it| it.rule == like.rule && about(it) == about(like))
}

fn differs(one: &Finding, other: &Finding) -> bool {
    one.saving.high < other.saving.low || other.saving.high < one.saving.low
}

fn has_looked(findings: &Findings, rule: &str) -> bool {
    let verdict = findings.verdicts.iter().find(|it| it.rule == rule).map(|it| it.verdict);
    matches!(verdict, Some(VerdictKind::Found | VerdictKind::Clear))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::{class_out_of_tags, findings, polymorphic_site, saving, two};

    fn told(before: &Findings, after: &Findings) -> Vec<String> {
        let text = |change: &Change<'_>| match change {
            Change::New(it) => format!("new {}", it.rule),
            Change::Fixed(it) => format!("fixed {}", it.rule),
            Change::CannotTell(it) => format!("cannot tell {}", it.rule),
            Change::Changed { before, after } => {
                format!("changed {} {} {}", after.rule, before.saving.share, after.saving.share)
            }
        };
        compare(before, after).iter().map(text).collect()
    }

    #[test]
    fn new_fixed_and_changed() {
        let mut cheaper = class_out_of_tags();
        cheaper.saving = saving(0.02, 0.03, 0.04);
        let (one, none) = (findings(vec![cheaper]), findings(vec![]));
        assert_eq!(told(&two(), &two()), [""; 0]);
        assert_eq!(told(&none, &two()), ["new SP301", "new SP201"]);
        assert_eq!(told(&two(), &none), ["fixed SP301", "fixed SP201"]);
        assert_eq!(told(&two(), &one), ["changed SP301 0.084 0.03", "fixed SP201"]);
    }

    #[test]
    fn a_rule_that_did_not_look_fixes_nothing() {
        let mut blind = findings(vec![]);
        blind.verdicts[1].verdict = VerdictKind::CannotTell;
        assert_eq!(told(&two(), &blind), ["fixed SP301", "cannot tell SP201"]);
        blind.verdicts.clear();
        assert_eq!(told(&two(), &blind), ["cannot tell SP301", "cannot tell SP201"]);
    }

    #[test]
    fn below_the_floor_is_not_gone() {
        let mut small = findings(vec![class_out_of_tags()]);
        small.minor.push(polymorphic_site());
        assert_eq!(told(&two(), &small), [""; 0]);
        assert_eq!(told(&small, &two()), [""; 0]);
        small.minor[0].saving = saving(0.001, 0.002, 0.004);
        assert_eq!(told(&two(), &small), ["changed SP201 0.02 0.002"]);
    }
}
