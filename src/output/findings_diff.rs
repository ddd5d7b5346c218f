//! What `diff` says of findings: which are new, fixed or changed.

use std::fmt::Write as _;

use serde::Serialize;
use slowpath_advisor::compare::Change;
use slowpath_advisor::output::interval;
use slowpath_profile::finding::{Finding, Saving};

use super::text::{Style, escaped, wrap};

/// The lines below the table of functions.
pub(crate) fn render(changes: &[Change<'_>], style: Style) -> String {
    if changes.is_empty() {
        return "no finding is new, fixed or changed\n".into();
    }
    let mut out = String::new();
    for change in changes {
        let (word, text) = match change {
            Change::New(it) => (style.bad("new"), format!("{}: saves {}", name(it), interval(it.saving))),
            Change::Fixed(it) => {
                (style.good("fixed"), format!("{}: would have saved {}", name(it), interval(it.saving)))
            }
            Change::CannotTell(it) => {
                (style.warn("cannot tell"), format!("{}: its rule could not look again", name(it)))
            }
            Change::Changed { before, after } => {
                let (old, new) = (interval(before.saving), interval(after.saving));
                (style.warn("changed"), format!("{}: saves {new}, before {old}", name(after)))
            }
        };
        let _ = writeln!(out, "{}", wrap(&format!("{word} {text}"), style.width, 2));
    }
    out
}

fn name(finding: &Finding) -> String {
    format!("{} {}", escaped(&finding.id), escaped(&finding.title))
}

/// A change in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    change: &'static str,
    id: &'a str,
    rule: &'a str,
    title: &'a str,
    before: Option<Saving>,
    after: Option<Saving>,
}

impl<'a> Row<'a> {
    pub(crate) fn of(change: &Change<'a>) -> Self {
        let (word, finding, before, after) = match *change {
            Change::New(it) => ("new", it, None, Some(it.saving)),
            Change::Fixed(it) => ("fixed", it, Some(it.saving), None),
            Change::CannotTell(it) => ("cannot_tell", it, Some(it.saving), None),
            Change::Changed { before, after } => ("changed", after, Some(before.saving), Some(after.saving)),
        };
        let Finding { id, rule, title, .. } = finding;
        Self { change: word, id, rule, title, before, after }
    }
}

#[cfg(test)]
mod tests {
    use slowpath_advisor::output::testing::{class_out_of_tags, polymorphic_site, saving};

    use super::*;

    #[test]
    fn each_change_has_its_line() {
        let (class, site) = (class_out_of_tags(), polymorphic_site());
        let mut worse = site.clone();
        worse.saving = saving(0.1, 0.12, 0.14);
        let changes = [
            Change::New(&class),
            Change::Fixed(&class),
            Change::CannotTell(&site),
            Change::Changed { before: &site, after: &worse },
        ];
        insta::assert_snapshot!(render(&changes, Style { color: false, width: 80 }));
        assert_eq!(render(&[], Style { color: false, width: 80 }), "no finding is new, fixed or changed\n");
        let rows = changes.map(|change| serde_json::to_value(Row::of(&change)).expect("JSON"));
        assert_eq!(rows[3]["before"]["share"], 0.02);
        assert!(rows[0]["before"].is_null() && rows[1]["after"].is_null());
    }
}
