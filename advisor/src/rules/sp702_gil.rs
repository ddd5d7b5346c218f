//! SP702: threads that fight for the GIL.

use slowpath_profile::finding::{EvidenceLevel, Place};
use slowpath_profile::ids::Id;

use super::idiom::Caller;
use crate::context::Context;
use crate::costs::Ratio;
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, fix};
use crate::target::Target;
use crate::weight::Extent;

/// Threads that take turns with input and output wait a little, and that is fine.
const NORMAL: f64 = 0.15;
/// Waiting vanishes where threads run side by side; something remains for talking to each other.
const AVOIDABLE: Ratio = Ratio::new(5.0, 2.0, 20.0);

pub(super) const RULE: Rule = Rule {
    code: "SP702",
    name: "threads wait for each other to compute",
    page: Page {
        plain: "Several threads want to run Python code at the same time, but only one may. The others stand in \
                line. Threads help where the program waits for the network or a disk; they do not make \
                computing faster.",
        mechanism: "The global interpreter lock admits one thread at a time and changes hands every 5 ms, or \
                    when its holder waits for something.",
        versions: "All versions with a GIL. Free-threaded builds (3.13 experimental, 3.14 supported) have none.",
        cost: "Two computing threads take as long as one after the other; requests that wait for their turn take \
               longer by the time in line.",
        slow: "with ThreadPoolExecutor() as pool:\n    results = pool.map(compute, blocks)",
        fast: "with ProcessPoolExecutor() as pool:\n    results = pool.map(compute, blocks)",
        fix: "Use processes for computing (ProcessPoolExecutor), subinterpreters since 3.14 \
              (InterpreterPoolExecutor), a free-threaded build, or a library that releases the GIL (NumPy, \
              compression, hashing of large data). For many connections, async needs no threads at all.",
    },
    holds,
    check,
};

fn holds(target: Target) -> Result<(), &'static str> {
    match target.free_threaded {
        true => Err("a free-threaded build has no GIL"),
        false => Ok(()),
    }
}

fn check(context: &Context<'_>) -> Verdict {
    let waiting = context.weight.select(context.process, &Extent::WaitingForGil, context.tables);
    let samples = context.weight.count(&waiting);
    if context.weight.share(samples) < NORMAL {
        return Verdict::Clear;
    }
    let mut draft = Draft {
        about: "GIL".into(),
        title: format!(
            "threads wait {:.0}% of the time for their turn to run Python (the GIL)",
            context.weight.share(samples) * 100.0
        ),
        level: EvidenceLevel::Dynamics,
        applies: "all versions, except free-threaded builds".into(),
        fix: fix(
            "Use processes or subinterpreters for computing, or a free-threaded build.",
            &["-with ThreadPoolExecutor() as pool:", "+with ProcessPoolExecutor() as pool:"],
            "Arguments and results are copied between processes.",
        ),
        ..Draft::default()
    };
    draft.because(
        EvidenceLevel::Dynamics,
        format!("in {samples} samples a thread wanted to run Python code and another one held the GIL"),
    );
    for (caller, atoms) in by_place(context, &waiting).into_iter().take(20) {
        let place: Place = context.place(
            caller.function,
            caller.line.map_or_else(Default::default, slowpath_profile::Span::of_line),
        );
        draft.charges.push(Charge {
            extent: Extent::Atoms(atoms),
            cost: Cost::Given(
                AVOIDABLE,
                "samples that wait for the GIL, of which running side by side avoids 50-95%",
            ),
            weight: 1.0,
            place,
            expression: String::new(),
            state: "waits for the GIL".into(),
        });
    }
    Verdict::Found(vec![draft])
}

/// Waiting samples by the line at which they wait, the most first.
fn by_place(context: &Context<'_>, waiting: &[u32]) -> Vec<(Caller, Vec<u32>)> {
    let mut places = Vec::<(Caller, Vec<u32>)>::new();
    for at in waiting {
        let Some(atom) = context.weight.atoms().get(*at as usize) else { continue };
        let leaf = context.tables.leaf(atom.stack);
        let function = leaf.map_or_else(|| Id::from_index(0), |frame| frame.function);
        let caller = Caller { function, line: leaf.and_then(|frame| frame.span.line) };
        match places.iter_mut().find(|(known, _)| *known == caller) {
            Some((_, atoms)) => atoms.push(*at),
            None => places.push((caller, vec![*at])),
        }
    }
    places.sort_by_key(|(caller, atoms)| (std::cmp::Reverse(context.weight.count(atoms)), *caller));
    places
}
