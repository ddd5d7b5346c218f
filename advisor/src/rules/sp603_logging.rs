//! SP603: log messages that nobody reads.

use slowpath_profile::evidence::OpFamily;
use slowpath_profile::finding::{Cause, EvidenceLevel, Fix};
use slowpath_profile::{FunctionId, Span};

use super::idiom::{Caller, callers, own_line};
use crate::context::{Context, HotSite};
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
    let mut functions = Vec::<(FunctionId, Vec<Calls>)>::new();
    for (caller, atoms) in callers(context, &methods, None, false) {
        // What is written is wanted.
        let is_written = atoms
            .iter()
            .filter_map(|at| context.weight.atoms().get(*at as usize))
            .any(|atom| writes.get(slowpath_profile::ids::Id::index(atom.stack)) == Some(&true));
        if is_written {
            continue;
        }
        let calls = Calls::of(context, caller, atoms);
        match functions.iter_mut().find(|(function, _)| *function == caller.function) {
            Some((_, known)) => known.push(calls),
            None => functions.push((caller.function, vec![calls])),
        }
    }
    Verdict::of(functions.into_iter().map(|(_, calls)| draft(context, calls)).collect())
}

/// The calls of loggers on one line that wrote nothing.
struct Calls {
    caller: Caller,
    /// In the logger, and on the line.
    atoms: Vec<u32>,
    /// Samples in the logger.
    called: u64,
    /// Samples on the line itself.
    here: u64,
    /// Those of them in which the text was made.
    made: u64,
}

impl Calls {
    fn of(context: &Context<'_>, caller: Caller, mut atoms: Vec<u32>) -> Self {
        let called = context.weight.count(&atoms);
        let own = own_line(context, caller);
        let (here, made) = (context.weight.count(&own), made(context, caller));
        atoms.extend(own);
        atoms.sort_unstable();
        Self { caller, atoms, called, here, made }
    }
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

/// One finding for all lines of a function.
fn draft(context: &Context<'_>, mut lines: Vec<Calls>) -> Draft {
    lines.sort_by_key(|calls| std::cmp::Reverse(calls.called + calls.here));
    let sum = |part: fn(&Calls) -> u64| lines.iter().map(part).sum::<u64>();
    let (called, here) = (sum(|calls| calls.called), sum(|calls| calls.here));
    // Making a text takes longer than finding that nobody listens.
    let is_made = sum(|calls| calls.made) >= called;
    let of_line =
        |Caller { function, line }| context.place(function, line.map_or_else(Span::default, Span::of_line));
    let mut draft = Draft {
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
    draft.because(
        EvidenceLevel::Writer,
        format!(
            "in {called} samples the program was in the logger, which wrote none of it; {here} are on the line itself"
        ),
    );
    if let Some(most) = lines.first() {
        let place = of_line(most.caller);
        draft.about = format!("log messages in {} of {}", place.function, place.file);
        draft.causes.push(Cause { place, how: "the call of the logger".into(), ..Cause::default() });
    }
    draft.charges.extend(lines.into_iter().map(|calls| Charge {
        extent: Extent::Atoms(calls.atoms),
        cost: Cost::Key("idiom.logging"),
        weight: 1.0,
        place: of_line(calls.caller),
        expression: "log.debug(…)".into(),
        state: "the level is switched off".into(),
    }));
    draft
}
