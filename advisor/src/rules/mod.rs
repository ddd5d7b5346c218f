//! The rules: one file each, one list.
//!
//! The list is in the order of causes: what makes the whole interpreter slow, then what spoils a
//! module, a class, an object, then single instructions, then idioms. A rule further down does not
//! claim an instruction that one further up has explained.

use crate::rule::Rule;

mod sp001_tools;
mod sp301_out_of_versions;

/// All rules in the order of causes.
pub fn all() -> &'static [Rule] {
    &RULES
}

/// The rule of this code, in any case.
pub fn find(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code.eq_ignore_ascii_case(code))
}

const RULES: [Rule; 2] = [sp001_tools::RULE, sp301_out_of_versions::RULE];

#[cfg(test)]
mod tests;
