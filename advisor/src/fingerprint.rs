//! What stays the same of a finding while its program is edited.
//!
//! A fingerprint is made of the rule, of what the finding is about, and of the function and the
//! statement that cause it. Lines, columns, files, times and the layout of the statement are not in it.

use slowpath_profile::finding::{Cause, Finding};

use crate::source::normalised;

/// Changes whenever the same finding would get another fingerprint than before.
const VERSION: &str = "1";

/// The finding with its fingerprint and its id: rule and the first four digits, short enough to type.
pub(crate) fn sealed(mut finding: Finding) -> Finding {
    finding.fingerprint = fingerprint(&finding);
    finding.id = format!("{}-{}", finding.rule, finding.fingerprint.get(..4).unwrap_or_default());
    finding
}

/// The fingerprint of a finding, 16 hexadecimal digits: that of its likeliest cause, or of none if none
/// is known.
pub fn fingerprint(finding: &Finding) -> String {
    of(finding, finding.causes.first())
}

/// Every fingerprint under which the finding may have been known: which of several causes is the
/// likeliest, and whether one is known at all, depends on what was sampled.
pub(crate) fn candidates(finding: &Finding) -> Vec<String> {
    let causes = finding.causes.iter().map(|cause| of(finding, Some(cause)));
    let mut all: Vec<String> = causes.collect();
    all.extend(finding.causes.iter().filter_map(|cause| of_compiled(finding, cause)));
    all.push(of(finding, None));
    all
}

/// The fingerprint of a finding where the source of its likeliest cause cannot be read, if that is
/// another one.
pub(crate) fn without_source(finding: &Finding) -> Option<String> {
    of_compiled(finding, finding.causes.first()?)
}

fn of_compiled(finding: &Finding, cause: &Cause) -> Option<String> {
    let statement = cause.compiled.clone()?;
    Some(of(finding, Some(&Cause { statement, ..cause.clone() })))
}

fn of(finding: &Finding, cause: Option<&Cause>) -> String {
    let mut hash = Fnv::default();
    for part in [VERSION, &finding.rule, about(finding)] {
        hash.field(part);
    }
    if let Some(cause) = cause {
        hash.field(&cause.place.function);
        hash.field(&normalised(&cause.statement));
    }
    format!("{:016x}", hash.0)
}

/// What the finding is about. A rule that names nothing is about the function that is slow.
pub(crate) fn about(finding: &Finding) -> &str {
    if !finding.about.is_empty() {
        return &finding.about;
    }
    finding.hurts.first().map_or("", |hurt| &hurt.place.function)
}

/// FNV-1a, 64 bits: the same on every machine and in every release, which the hashes of the standard
/// library do not promise. Nobody gains by a collision that they arrange in their own baseline.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// One field, with its length, so that two fields never read as one.
    fn field(&mut self, text: &str) {
        self.bytes(&(text.len() as u64).to_le_bytes());
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::class_out_of_tags;

    #[test]
    fn fnv_is_fnv() {
        let hash = |text: &str| {
            let mut hash = Fnv::default();
            hash.bytes(text.as_bytes());
            hash.0
        };
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn moving_and_reformatting_change_nothing() {
        let before = class_out_of_tags();
        let mut after = before.clone();
        after.causes[0].place.line = Some(97);
        after.causes[0].place.column = None;
        after.causes[0].place.file = "/elsewhere/shop/models.py".into();
        after.causes[0].statement = "type( self ).created  +=  1   # one more".into();
        after.hurts.clear();
        after.saving.low = 0.5;
        after.title = "said in other words".into();
        assert_eq!(fingerprint(&before), fingerprint(&after));
    }

    #[test]
    fn another_rule_thing_function_or_statement_is_another_finding() {
        let finding = class_out_of_tags();
        let changes: [fn(&mut Finding); 5] = [
            |it| it.rule = "SP302".into(),
            |it| it.about = "shop.models.Cart".into(),
            |it| it.causes[0].place.function = "Model.save".into(),
            |it| it.causes[0].statement = "type(self).created += 2".into(),
            |it| it.causes.clear(),
        ];
        for change in changes {
            let mut other = finding.clone();
            change(&mut other);
            assert_ne!(fingerprint(&finding), fingerprint(&other));
        }
    }

    #[test]
    fn a_source_that_cannot_be_read_makes_no_other_finding() {
        let mut with = class_out_of_tags();
        with.causes[0].compiled = Some("type(self).created = …".into());
        let mut without = class_out_of_tags();
        without.causes[0].statement = "type(self).created = …".into();
        assert_ne!(fingerprint(&with), fingerprint(&without));
        assert!(candidates(&with).contains(&fingerprint(&without)));
        assert_eq!(super::without_source(&with), Some(fingerprint(&without)));
        assert_eq!(super::without_source(&without), None);
    }

    #[test]
    fn a_committed_fingerprint_stays_what_it_is() {
        // A change here invalidates every baseline in the world: then VERSION changes too.
        assert_eq!(fingerprint(&class_out_of_tags()), "3572de8a49e8d95b");
    }
}
