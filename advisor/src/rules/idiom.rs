//! Idioms: slow ways to do a thing that the library itself shows on the stacks.
//!
//! None of them is found by its text. The functions of the library that do the work must own samples,
//! and the code that called them is the place to change.

use rustc_hash::FxHashMap;
use slowpath_profile::finding::{Cause, EvidenceLevel, Fix};
use slowpath_profile::{Frame, FunctionId, Span};

use crate::context::Context;
use crate::rule::{Charge, Cost, Draft, Verdict};
use crate::weight::{Atom, Extent};

/// A slow way to do a thing.
pub(super) struct Idiom {
    /// Cost key.
    pub(super) key: &'static str,
    /// Files of the library, by their ends, and functions in them.
    pub(super) callees: &'static [(&'static str, &'static [&'static str])],
    /// What is slow, as a title.
    pub(super) title: &'static str,
    /// What was called, for the chain.
    pub(super) what: &'static str,
    /// Count only samples in those functions themselves, not in what they call.
    pub(super) own: bool,
    /// Other functions of the library through which programs reach them, as in `callees`.
    pub(super) through: &'static [(&'static str, &'static [&'static str])],
    /// For which versions it holds.
    pub(super) applies: &'static str,
    /// What to do.
    pub(super) fix: fn() -> Fix,
}

/// One place that called a function of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Caller {
    pub(super) function: FunctionId,
    pub(super) line: Option<u32>,
}

/// Finds all places that use it.
pub(super) fn check(context: &Context<'_>, idiom: &Idiom) -> Verdict {
    let named = |wanted: &[(&str, &[&str])]| -> Vec<FunctionId> {
        wanted.iter().flat_map(|(file, names)| context.functions_named(file, names)).collect()
    };
    let callees = named(idiom.callees);
    if callees.is_empty() {
        return Verdict::Clear;
    }
    let mut found = callers(context, &callees, Some(&named(idiom.through)), idiom.own);
    // The place with most samples comes first: lines of one function are one finding.
    found.sort_by_key(|(_, atoms)| std::cmp::Reverse(context.weight.count(atoms)));
    Verdict::of(found.into_iter().map(|(caller, atoms)| draft(context, idiom, caller, atoms)).collect())
}

/// Samples under functions of the library by the place in the program that called them. Import of
/// modules is left out: it happens once. With `through`, the program must have called them itself, or
/// through one of these functions: what another library does in its name it cannot change.
pub(super) fn callers(
    context: &Context<'_>,
    callees: &[FunctionId],
    through: Option<&[FunctionId]>,
    own: bool,
) -> Vec<(Caller, Vec<u32>)> {
    let mut found = FxHashMap::<Caller, Vec<u32>>::default();
    for (at, _, frames) in context.stacks(Atom::runs) {
        let innermost = frames.first().is_some_and(|frame| callees.contains(&frame.function));
        // The outermost call into it is the one that the program made.
        let Some(call) = frames.iter().rposition(|frame| callees.contains(&frame.function)) else { continue };
        if (own && !innermost) || frames.iter().any(|frame| is_import(context, frame.function)) {
            continue;
        }
        let above = frames.get(call + 1..).unwrap_or_default();
        let ours = above.iter().position(|frame| context.is_ours(frame.function));
        let is_between = |frame: &&Frame| !through.is_none_or(|known| known.contains(&frame.function));
        if above.iter().take(ours.unwrap_or_default()).any(is_between) {
            continue;
        }
        let Some(caller) = above.get(ours.unwrap_or_default()) else { continue };
        let caller = Caller { function: caller.function, line: caller.span.line };
        found.entry(caller).or_default().push(at);
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_unstable_by_key(|(caller, _)| *caller);
    found
}

/// Samples in which a line itself runs, not something that it called.
pub(super) fn own_line(context: &Context<'_>, caller: Caller) -> Vec<u32> {
    let atoms = context.weight.atoms().iter().enumerate();
    let here = atoms.filter(|(_, atom)| {
        let leaf = context.tables.leaf(atom.stack);
        atom.process == context.process
            && atom.runs()
            && leaf.is_some_and(|frame| (frame.function, frame.span.line) == (caller.function, caller.line))
    });
    here.map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect()
}

fn is_import(context: &Context<'_>, function: FunctionId) -> bool {
    let file = context.function(function).map_or("", |function| context.tables.text(function.file));
    file.starts_with("<frozen importlib")
}

fn draft(context: &Context<'_>, idiom: &Idiom, caller: Caller, atoms: Vec<u32>) -> Draft {
    let span = caller.line.map_or_else(Span::default, Span::of_line);
    let place = context.place(caller.function, span);
    let samples = context.weight.count(&atoms);
    let mut draft = Draft {
        about: format!("{} in {} of {}", idiom.what, place.function, place.file),
        title: idiom.title.into(),
        level: EvidenceLevel::Writer,
        applies: idiom.applies.into(),
        fix: (idiom.fix)(),
        ..Draft::default()
    };
    draft.because(
        EvidenceLevel::Writer,
        format!("in {samples} samples the program was in {}, called from this line", idiom.what),
    );
    draft.causes.push(Cause {
        place: place.clone(),
        how: format!("the call of {}", idiom.what),
        is_static: true,
        ..Cause::default()
    });
    draft.charges.push(Charge {
        extent: Extent::Atoms(atoms),
        cost: Cost::Key(idiom.key),
        weight: 1.0,
        place,
        expression: String::new(),
        state: format!("in {}", idiom.what),
    });
    draft
}
