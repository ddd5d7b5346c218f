//! SP603: log messages that nobody reads.

use slowpath_profile::finding::{Cause, EvidenceLevel};
use slowpath_profile::{FunctionId, Span};

use super::idiom::{Caller, callers, own_line};
use crate::context::Context;
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, everywhere, fix};
use crate::weight::{Extent, stacks_with};

pub(super) const RULE: Rule = Rule {
    code: "SP603",
    name: "log messages made for nobody",
    page: Page {
        plain: "A call such as log.debug(f'...') makes its text before the logger is asked whether anybody wants \
                it. When the level is switched off, all of that is thrown away.",
        mechanism: "Arguments are evaluated before the call; Logger.debug then looks whether the level is \
                    enabled, with a cache per logger, and returns.",
        versions: "All versions.",
        cost: "4 to 7 times a call with arguments that are formatted when needed, 5 to 12 times a test of the \
               level before.",
        slow: "log.debug(f'booking {amount} of {entry!r}')",
        fast: "log.debug('booking %s of %r', amount, entry)",
        fix: "Pass the arguments on their own. On the hottest lines, ask log.isEnabledFor(logging.DEBUG) once, \
              outside of the loop.",
    },
    holds: everywhere,
    check,
};

const METHODS: [&str; 7] = [
    "Logger.debug",
    "Logger.info",
    "Logger.warning",
    "Logger.log",
    "LoggerAdapter.debug",
    "LoggerAdapter.info",
    "LoggerAdapter.log",
];

fn check(context: &Context<'_>) -> Verdict {
    let methods = context.functions_named("logging/__init__.py", &METHODS);
    if methods.is_empty() {
        return Verdict::Clear;
    }
    let written = context
        .functions_named("logging/__init__.py", &["Logger._log", "Logger.handle", "Logger.makeRecord"]);
    let writes = stacks_with(context.tables, &written);
    let mut drafts = Vec::new();
    for (caller, atoms) in callers(context, &methods, false) {
        // What is written is wanted.
        let is_written = atoms
            .iter()
            .filter_map(|at| context.weight.atoms().get(*at as usize))
            .any(|atom| writes.get(slowpath_profile::ids::Id::index(atom.stack)) == Some(&true));
        if !is_written {
            drafts.push(draft(context, caller, atoms));
        }
    }
    Verdict::of(drafts)
}

fn draft(context: &Context<'_>, caller: Caller, mut atoms: Vec<u32>) -> Draft {
    let called = context.weight.count(&atoms);
    let own = own_line(context, caller);
    let made = context.weight.count(&own);
    atoms.extend(own);
    atoms.sort_unstable();
    let function: FunctionId = caller.function;
    let place = context.place(function, caller.line.map_or_else(Span::default, Span::of_line));
    let mut draft = Draft {
        about: format!("log messages in {} of {}", place.function, place.file),
        title: "log messages are made here and written nowhere".into(),
        level: EvidenceLevel::Writer,
        applies: "all versions".into(),
        fix: fix(
            "Pass the arguments on their own, so that the text is made only when it is written.",
            &["-    log.debug(f'booking {amount}')", "+    log.debug('booking %s', amount)"],
            "Arguments are formatted later, with the value that they have then.",
        ),
        ..Draft::default()
    };
    draft.because(
        EvidenceLevel::Writer,
        format!(
            "in {called} samples the program was in the logger, which wrote none of it, in {made} the text was made"
        ),
    );
    draft.causes.push(Cause {
        place: place.clone(),
        how: "the call of the logger".into(),
        ..Cause::default()
    });
    draft.charges.push(Charge {
        extent: Extent::Atoms(atoms),
        cost: Cost::Key("idiom.logging"),
        weight: 1.0,
        place,
        expression: "log.debug(…)".into(),
        state: "the level is switched off".into(),
    });
    draft
}
