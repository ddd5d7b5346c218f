//! SP601: exceptions as the normal way out.

use slowpath_profile::Span;
use slowpath_profile::evidence::{CodeEvidence, OpFamily, Site};
use slowpath_profile::finding::{Cause, EvidenceLevel};
use slowpath_profile::tables::is_library;

use super::common::need_sites;
use super::idiom::{Caller, own_line};
use crate::context::Context;
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, everywhere, fix};
use crate::weight::Extent;

/// Raising takes up to so many times as long as handling.
const RAISING: f64 = 3.0;
/// Where less of the time of an instruction than this can be raising, it is not known to raise.
const OFTEN: f64 = 0.5;

pub(super) const RULE: Rule = Rule {
    code: "SP601",
    name: "exceptions raised as the normal case",
    page: Page {
        plain: "A try statement costs nothing while no exception is raised. Raising one does: an object with a \
                traceback is made, handlers are searched frame by frame, and all is thrown away again. Where the \
                exception is what usually happens, asking first is faster.",
        mechanism: "Since 3.11 handlers are found through a table, which makes try free and raising dearer. Each \
                    frame between raise and handler is unwound and gets an entry in the traceback.",
        versions: "All versions.",
        cost: "5 to 7 times a look-up with a default; with five frames in between 2 to 5 times a return value.",
        slow: "try:\n    count = known[word]\nexcept KeyError:         # nearly always\n    count = 0",
        fast: "count = known.get(word, 0)",
        fix: "Use get() with a default, getattr() with a default, or a return value. Keep exceptions for what is \
              rare.",
    },
    holds: everywhere,
    check,
};

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let code = context.evidence.code.iter();
    Verdict::of(code.filter_map(|code| draft(context, code)).collect())
}

/// Samples in a function that only exceptions explain.
struct Raised {
    /// By line: those in handlers, and those that name an exception.
    lines: Vec<(u32, Vec<u32>)>,
    /// The instruction that raised, if one stands out, and how much of its time that took.
    source: Option<(u32, Span, f64)>,
}

fn raised(context: &Context<'_>, code: &CodeEvidence) -> Option<Raised> {
    named(code).next()?;
    let of_line = |line: u32| own_line(context, Caller { function: code.function, line: Some(line) });
    let lines = lines_that_run(context, code).into_iter();
    let mut charged: Vec<(u32, Vec<u32>)> = lines.map(|line| (line, of_line(line))).collect();
    let ranges = ranges(context, code);
    for (line, atoms) in handling(context, code, &ranges) {
        match charged.iter_mut().find(|(known, _)| *known == line) {
            Some((_, known)) => {
                known.extend(atoms);
                known.sort_unstable();
                known.dedup();
            }
            None => charged.push((line, atoms)),
        }
    }
    let first = ranges.first().map(|(first, _)| *first).or_else(|| first_named(code));
    let samples: u64 = charged.iter().map(|(_, atoms)| context.weight.count(atoms)).sum();
    let source = first.and_then(|first| source_of(context, code, first, samples));
    charged.retain(|(_, atoms)| !atoms.is_empty());
    (!charged.is_empty()).then_some(Raised { lines: charged, source })
}

/// The first instruction that names an exception to catch it: before 3.11 nothing else tells where a
/// handler begins.
fn first_named(code: &CodeEvidence) -> Option<u32> {
    let raises =
        |line| code.sites.iter().any(|site| site.family == OpFamily::Raise && site.span.line == line);
    let mut named = code.sites.iter().filter(|site| names_exception(site) && !raises(site.span.line));
    named.next().map(|site| site.offset)
}

/// Where the handlers of a function are, from the first instruction of each to before its end. Since 3.12
/// they stand behind all code that runs without an exception.
fn ranges(context: &Context<'_>, code: &CodeEvidence) -> Vec<(u32, u32)> {
    let of = |family| code.sites.iter().filter(move |site| site.family == family).map(|site| site.offset);
    if context.target.since(12) {
        return of(OpFamily::Catch).min().map(|first| (first, u32::MAX)).into_iter().collect();
    }
    let end = |first: u32| of(OpFamily::Reraise).find(|end| *end > first);
    of(OpFamily::Catch).filter_map(|first| Some((first, end(first)?))).collect()
}

/// Samples in handlers, by line.
fn handling(context: &Context<'_>, code: &CodeEvidence, ranges: &[(u32, u32)]) -> Vec<(u32, Vec<u32>)> {
    let mut found = Vec::<(u32, Vec<u32>)>::new();
    for (at, atom) in context.weight.atoms().iter().enumerate() {
        let frame = context.tables.leaf(atom.stack);
        let Some(frame) = frame.filter(|frame| frame.function == code.function) else { continue };
        let runs = atom.process == context.process && atom.runs();
        let (true, Some(offset)) = (runs, frame.instruction) else { continue };
        if !ranges.iter().any(|(first, end)| (*first..*end).contains(&offset)) {
            continue;
        }
        // What begins and ends a handler may have no line of its own.
        let Some(line) = frame.span.line else { continue };
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        match found.iter_mut().find(|(known, _)| *known == line) {
            Some((_, atoms)) => atoms.push(at),
            None => found.push((line, vec![at])),
        }
    }
    found
}

/// The instruction that raised: the hottest before the handlers, if its time is in keeping with theirs.
/// Raising takes at most some three times as long as handling, so what it takes besides is its own.
fn source_of(
    context: &Context<'_>,
    code: &CodeEvidence,
    first: u32,
    handling: u64,
) -> Option<(u32, Span, f64)> {
    use OpFamily::{BinaryOp, Call, CallKw, CallUnpacked, Iterate, LoadAttr, Raise, Subscript, Unpack};
    let here = context.sites.iter().filter(|hot| {
        let can_raise = [Subscript, LoadAttr, Call, CallKw, CallUnpacked, Raise, Unpack, BinaryOp, Iterate];
        hot.code.function == code.function && hot.site.offset < first && can_raise.contains(&hot.site.family)
    });
    let hot = here.max_by_key(|hot| hot.samples)?;
    let share = RAISING * handling as f64 / hot.samples.max(1) as f64;
    (share >= OFTEN).then_some((hot.site.offset, hot.site.span, share.min(1.0)))
}

/// Lines at which an exception is caught or raised. The instructions that do it have no samples unless
/// that happens; a line may have them all the same, for it may do something else: `assert is_valid(x)`.
fn lines_that_run(context: &Context<'_>, code: &CodeEvidence) -> Vec<u32> {
    let ran = |site: &&Site| context.samples(&Extent::Instruction(code.function, site.offset)) > 0;
    let mut lines: Vec<u32> = named(code).filter(ran).filter_map(|site| site.span.line).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// Instructions that name an exception, to be caught or raised, and those that raise.
fn named(code: &CodeEvidence) -> impl Iterator<Item = &Site> {
    code.sites.iter().filter(|site| names_exception(site) || site.family == OpFamily::Raise)
}

fn names_exception(site: &Site) -> bool {
    site.family == OpFamily::LoadGlobal
        && (site.name.ends_with("Error") || site.name.ends_with("Exception") || site.name == "StopIteration")
}

fn draft(context: &Context<'_>, code: &CodeEvidence) -> Option<Draft> {
    let file = context.function(code.function).map_or("", |function| context.tables.text(function.file));
    if is_library(file) {
        return None;
    }
    let Raised { lines, source } = raised(context, code)?;
    // Where an exception is caught by its name is where the program can ask first.
    let samples = |line: &u32| {
        let charged = lines.iter().find(|(known, _)| known == line);
        charged.map_or(0, |(_, atoms)| context.weight.count(atoms))
    };
    let lines_of_names = named(code).filter_map(|site| site.span.line);
    let named = lines_of_names.max_by_key(|line| (samples(line), std::cmp::Reverse(*line)));
    let place = context.place(code.function, named.map_or_else(Span::default, Span::of_line));
    let mut draft = Draft {
        about: format!("exceptions in {} of {}", place.function, place.file),
        title: format!("{} raises or catches exceptions as the normal case", place.function),
        level: EvidenceLevel::State,
        applies: "all versions".into(),
        fix: fix(
            "Ask first, or return a value that means 'none'.",
            &[
                "-    try:",
                "-        count = known[word]",
                "-    except KeyError:",
                "-        count = 0",
                "+    count = known.get(word, 0)",
            ],
            "Callers that catch the exception must look at the value.",
        ),
        ..Draft::default()
    };
    if let Some((offset, span, weight)) = source {
        draft.charges.push(Charge {
            extent: Extent::Instruction(code.function, offset),
            cost: Cost::Key("idiom.exception"),
            weight,
            place: context.place(code.function, span),
            expression: String::new(),
            state: "raises".into(),
        });
    }
    for (line, atoms) in lines {
        draft.charges.push(Charge {
            extent: Extent::Atoms(atoms),
            cost: Cost::Key("idiom.exception"),
            weight: 1.0,
            place: context.place(code.function, Span::of_line(line)),
            expression: String::new(),
            state: "an exception is raised or handled".into(),
        });
    }
    draft.because(
        EvidenceLevel::State,
        "the time goes where an exception is raised, or compared with what a handler wants",
    );
    draft.causes.push(Cause {
        place,
        how: "it handles the exception, or raises it".into(),
        ..Cause::default()
    });
    Some(draft)
}
