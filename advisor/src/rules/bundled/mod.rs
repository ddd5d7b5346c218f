//! What slows programs down on the bundled runtime, told by evidence of that runtime.
//!
//! RustPython specializes instructions as CPython does, but keeps a specialized form for ever: a form whose
//! guard fails takes the slow way each time. What these rules find is true of that runtime; what it costs
//! was measured there. Of CPython they say nothing, and no other rule speaks of this runtime.

use crate::costs::Ratio;
use crate::rule::{Cost, Rule};
use crate::target::Target;

pub(super) mod sp901_stale;
pub(super) mod sp902_receivers;
pub(super) mod sp903_hooks;
pub(super) mod sp904_pass_through;

/// Where the ratios are from: loops over one statement each, with and without what the rule finds.
const BASIS: &str = "measured on RustPython 0.6.0; says nothing of CPython";
/// What the rules say of where they hold.
const APPLIES: &str = "the bundled runtime alone";

/// Reading an attribute of an instance through a form of a dead or another version: 65 ns for 51 ns.
const LOAD: Ratio = Ratio::new(1.25, 1.1, 1.6);
/// Reading an attribute of the class so: 73 ns for 41 ns.
const LOAD_CLASS: Ratio = Ratio::new(1.7, 1.3, 2.2);
/// Calling a method so: 249 ns for 187 ns, and up to 497 ns where the method is another one.
const METHOD: Ratio = Ratio::new(1.9, 1.3, 2.7);
/// Writing an attribute so: 149 ns for 53 ns.
const STORE: Ratio = Ratio::new(2.8, 2.0, 3.6);
/// Writing to a class whose version is in use: 14 us, because caches of all types are searched, for less
/// than 0.1 us of any other assignment.
const CLASS_WRITE: Ratio = Ratio::new(100.0, 30.0, 200.0);
/// An attribute that `__getattr__` finds: 846 ns for 77 ns.
const HOOK: Ratio = Ratio::new(8.0, 4.0, 12.0);
/// A call through `*args` and `**kwargs`: 4.2 us for 0.8 us.
const PASS_THROUGH: Ratio = Ratio::new(4.0, 2.0, 6.0);

/// Whether a rule is about the bundled runtime.
pub(crate) fn is_one(rule: &Rule) -> bool {
    rule.code.starts_with("SP9")
}

/// Only there.
fn holds(target: Target) -> Result<(), &'static str> {
    if target.bundled { Ok(()) } else { Err("it is about the bundled runtime") }
}

fn cost(ratio: Ratio) -> Cost {
    Cost::Given(ratio, BASIS)
}

#[cfg(test)]
mod tests;
