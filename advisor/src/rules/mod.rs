//! The rules: one file each, one list.
//!
//! The list is in the order of causes: what makes the whole interpreter slow, then what spoils a
//! module, a class, an object, then single instructions, then idioms. A rule further down does not
//! claim an instruction that one further up has explained.

use crate::rule::Rule;

pub(crate) mod bundled;
mod common;
mod idiom;
mod sp001_tools;
mod sp002_handicap;
mod sp003_keys_versions;
mod sp101_rebound;
mod sp102_module_keys;
mod sp103_foreign_key;
mod sp104_module_loop;
mod sp201_many_types;
mod sp202_class_default;
mod sp203_dict_touched;
mod sp204_late_attributes;
mod sp301_out_of_versions;
mod sp302_class_written;
mod sp303_hooks;
mod sp401_bound_method;
mod sp402_pass_through;
mod sp403_calls;
mod sp501_mixed_types;
mod sp502_linear_search;
mod sp503_operators;
mod sp601_exceptions;
mod sp602_import;
mod sp603_logging;
mod sp604_protocol;
mod sp605_deep_copies;
mod sp606_contextmanager;
mod sp607_regex;
mod sp608_list_queue;
mod sp609_strptime;
mod sp610_enum;
mod sp611_randint;
mod sp612_inspect;
mod sp701_collector;
mod sp702_gil;
mod sp703_event_loop;
mod sp801_numeric;

/// All rules in the order of causes.
pub fn all() -> &'static [Rule] {
    &RULES
}

/// The rule of this code, in any case.
pub fn find(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code.eq_ignore_ascii_case(code))
}

const RULES: [Rule; 40] = [
    sp001_tools::RULE,
    sp002_handicap::RULE,
    sp301_out_of_versions::RULE,
    sp302_class_written::RULE,
    sp102_module_keys::RULE,
    sp101_rebound::RULE,
    sp103_foreign_key::RULE,
    sp003_keys_versions::RULE,
    sp104_module_loop::RULE,
    sp303_hooks::RULE,
    sp202_class_default::RULE,
    sp203_dict_touched::RULE,
    sp204_late_attributes::RULE,
    sp601_exceptions::RULE,
    sp602_import::RULE,
    sp603_logging::RULE,
    sp604_protocol::RULE,
    sp605_deep_copies::RULE,
    sp606_contextmanager::RULE,
    sp607_regex::RULE,
    sp608_list_queue::RULE,
    sp609_strptime::RULE,
    sp610_enum::RULE,
    sp611_randint::RULE,
    sp612_inspect::RULE,
    sp201_many_types::RULE,
    sp401_bound_method::RULE,
    sp402_pass_through::RULE,
    sp403_calls::RULE,
    sp502_linear_search::RULE,
    sp501_mixed_types::RULE,
    sp503_operators::RULE,
    sp701_collector::RULE,
    sp702_gil::RULE,
    sp703_event_loop::RULE,
    sp801_numeric::RULE,
    bundled::sp901_stale::RULE,
    bundled::sp902_receivers::RULE,
    bundled::sp903_hooks::RULE,
    bundled::sp904_pass_through::RULE,
];

#[cfg(test)]
mod tests;
