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
    let mut drafts = Vec::new();
    for code in &context.evidence.code {
        let file = context.function(code.function).map_or("", |function| context.tables.text(function.file));
        let lines = lines_that_run(context, code);
        let of_line = |line: &u32| own_line(context, Caller { function: code.function, line: Some(*line) });
        let charged: Vec<(u32, Vec<u32>)> = lines.iter().map(|line| (*line, of_line(line))).collect();
        let is_hot = charged.iter().any(|(_, atoms)| !atoms.is_empty());
        if is_hot && !is_library(file) {
            drafts.push(draft(context, code, charged));
        }
    }
    Verdict::of(drafts)
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
    code.sites.iter().filter(|site| {
        let is_name = site.family == OpFamily::LoadGlobal
            && (site.name.ends_with("Error")
                || site.name.ends_with("Exception")
                || site.name == "StopIteration");
        is_name || site.family == OpFamily::Raise
    })
}

fn draft(context: &Context<'_>, code: &CodeEvidence, lines: Vec<(u32, Vec<u32>)>) -> Draft {
    let first = lines.iter().max_by_key(|(_, atoms)| context.weight.count(atoms)).map(|(line, _)| *line);
    let place = context.place(code.function, first.map_or_else(Span::default, Span::of_line));
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
    draft
}
