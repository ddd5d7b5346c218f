//! SP603: log messages that nobody reads.

use slowpath_profile::evidence::OpFamily;
use slowpath_profile::finding::{Cause, EvidenceLevel, Fix};
use slowpath_profile::{FunctionId, Span};

use super::idiom::{Caller, callers, own_line};
use crate::context::{Context, HotSite};
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, everywhere, fix};
use crate::weight::{Extent, stacks_with};

/// Making a text takes at least one over this of what the call takes that finds that nobody listens.
const MADE: u64 = 3;

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
    for (caller, atoms) in callers(context, &methods, None, false) {
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

/// Samples on the line of a caller that make the text: those at other instructions than finding the logger
/// and calling it, which is the last call of the line.
fn made(context: &Context<'_>, caller: Caller) -> u64 {
    let here = || {
        context
            .sites
            .iter()
            .filter(|hot| hot.code.function == caller.function && hot.site.span.line == caller.line)
    };
    let calls = here().filter(|hot| hot.site.family == OpFamily::Call);
    let call = calls.map(|hot| hot.site.offset).max();
    let finds = |hot: &&HotSite<'_>| {
        matches!(hot.site.family, OpFamily::LoadGlobal | OpFamily::LoadAttr) || Some(hot.site.offset) == call
    };
    let found: u64 = here().filter(finds).map(|hot| hot.samples).sum();
    context.weight.count(&own_line(context, caller)).saturating_sub(found)
}

fn pass_arguments() -> Fix {
    fix(
        "Pass the arguments on their own, so that the text is made only when it is written.",
        &["-    log.debug(f'booking {amount}')", "+    log.debug('booking %s', amount)"],
        "Arguments are formatted later, with the value that they have then.",
    )
}

fn ask_once() -> Fix {
    fix(
        "Ask once, outside of the loop, whether anybody listens.",
        &[
            "+is_wanted = log.isEnabledFor(logging.DEBUG)",
            "-    log.debug(message)",
            "+    if is_wanted:",
            "+        log.debug(message)",
        ],
        "A level that is changed meanwhile is not seen.",
    )
}

fn draft(context: &Context<'_>, caller: Caller, mut atoms: Vec<u32>) -> Draft {
    let called = context.weight.count(&atoms);
    let own = own_line(context, caller);
    let is_made = made(context, caller) * MADE >= called;
    atoms.extend(own.iter().copied());
    atoms.sort_unstable();
    let function: FunctionId = caller.function;
    let place = context.place(function, caller.line.map_or_else(Span::default, Span::of_line));
    let mut draft = Draft {
        about: format!("log messages in {} of {}", place.function, place.file),
        title: if is_made {
            "log messages are made here and written nowhere".into()
        } else {
            "a logger is called on a hot line and writes nothing".into()
        },
        level: EvidenceLevel::Writer,
        applies: "all versions".into(),
        fix: if is_made { pass_arguments() } else { ask_once() },
        ..Draft::default()
    };
    let here = context.weight.count(&own);
    draft.because(
        EvidenceLevel::Writer,
        format!(
            "in {called} samples the program was in the logger, which wrote none of it; {here} are on the line itself"
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
