//! SP703: the event loop is blocked.

use slowpath_profile::finding::{Cause, EvidenceLevel};
use slowpath_profile::{FunctionId, Span, ThreadState};

use super::idiom::Caller;
use super::sp303_hooks::is_library;
use crate::context::Context;
use crate::costs::Ratio;
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, everywhere, fix};
use crate::weight::Extent;

/// What others can do meanwhile depends on the program.
const AVOIDABLE: Ratio = Ratio::new(2.0, 1.1, 10.0);

pub(super) const RULE: Rule = Rule {
    code: "SP703",
    name: "a coroutine blocks the event loop",
    page: Page {
        plain: "In an async program only one coroutine runs at a time, and others get their turn at an await. A \
                coroutine that sleeps with time.sleep(), reads a file, asks a database without await or \
                compresses a megabyte stops all others for so long.",
        mechanism: "The loop calls one handle after the other; while a handle is in one call, no timer fires and \
                    no socket is read.",
        versions: "All versions.",
        cost: "Every other coroutine waits for as long; the time is not lost, but nobody else can use it.",
        slow: "async def handle(request):\n    return zlib.compress(request.body, 9)",
        fast: "async def handle(request):\n    return await asyncio.to_thread(zlib.compress, request.body, 9)",
        fix: "Use await asyncio.to_thread(...) or run_in_executor() for calls that wait or release the GIL, \
              processes for Python code that computes, asyncio.sleep() instead of time.sleep().",
    },
    holds: everywhere,
    check,
};

/// A line of a coroutine at which the loop stood still.
struct Blocked {
    caller: Caller,
    atoms: Vec<u32>,
    /// The longest time on end, in nanoseconds.
    longest_ns: u64,
}

fn check(context: &Context<'_>) -> Verdict {
    let run = context.functions_named("asyncio/events.py", &["Handle._run"]);
    if run.is_empty() {
        return Verdict::Clear;
    }
    Verdict::of(blocked(context, &run).into_iter().map(|place| draft(context, place)).collect())
}

fn blocked(context: &Context<'_>, run: &[FunctionId]) -> Vec<Blocked> {
    let mut places = Vec::<Blocked>::new();
    for (at, atom) in context.weight.atoms().iter().enumerate() {
        let longest_ns = context.weight.stood_still_ns(atom.stack);
        let is_other = atom.process != context.process || atom.in_gc;
        if is_other || longest_ns == 0 || atom.state == ThreadState::WaitingForGil {
            continue;
        }
        let frames: Vec<_> = context
            .tables
            .frames_of(atom.stack)
            .filter_map(|frame| context.tables.frames.get(frame))
            .collect();
        let Some(handle) = frames.iter().position(|frame| run.contains(&frame.function)) else { continue };
        let inside = frames.get(..handle).unwrap_or_default();
        let ours = inside.iter().find(|frame| {
            let function = context.function(frame.function);
            function.is_some_and(|function| !is_library(context.tables.text(function.file)))
        });
        let Some(frame) = ours.or(inside.first()) else { continue };
        let caller = Caller { function: frame.function, line: frame.span.line };
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        match places.iter_mut().find(|known| known.caller == caller) {
            Some(known) => {
                known.atoms.push(at);
                known.longest_ns = known.longest_ns.max(longest_ns);
            }
            None => places.push(Blocked { caller, atoms: vec![at], longest_ns }),
        }
    }
    places
}

fn draft(context: &Context<'_>, blocked: Blocked) -> Draft {
    let Blocked { caller, atoms, longest_ns } = blocked;
    let place = context.place(caller.function, caller.line.map_or_else(Span::default, Span::of_line));
    let (samples, ms) = (context.weight.count(&atoms), longest_ns / 1_000_000);
    let mut draft = Draft {
        about: format!("event loop in {} of {}", place.function, place.file),
        title: format!("{} blocks the event loop for up to {ms} ms", place.function),
        level: EvidenceLevel::Dynamics,
        applies: "all versions".into(),
        fix: fix(
            "Move the call to a thread or a process, and await it.",
            &[
                "-    size = len(zlib.compress(page))",
                "+    size = len(await asyncio.to_thread(zlib.compress, page))",
            ],
            "The coroutine can be interleaved with others there.",
        ),
        ..Draft::default()
    };
    draft.because(
        EvidenceLevel::Dynamics,
        format!("{samples} samples stand in one call made by a handle of the loop, up to {ms} ms on end"),
    );
    draft.causes.push(Cause { place: place.clone(), how: "it does not await".into(), ..Cause::default() });
    draft.charges.push(Charge {
        extent: Extent::Atoms(atoms),
        cost: Cost::Given(AVOIDABLE, "samples in that call; what others can do meanwhile depends on them"),
        weight: 1.0,
        place,
        expression: String::new(),
        state: "nothing else of the loop runs".into(),
    });
    draft
}
