//! SP002: the interpreter itself is handicapped.

use slowpath_profile::evidence::Handicap;
use slowpath_profile::finding::{EvidenceLevel, Fix, Place};

use crate::context::Context;
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, everywhere, fix};
use crate::weight::Extent;

pub(super) const RULE: Rule = Rule {
    code: "SP002",
    name: "the interpreter runs with a handicap",
    page: Page {
        plain: "The program is not slow: the Python that runs it is. It is a debug build, or memory checks are \
                switched on, or memory is traced, or some tool replaces the way functions are run. All code \
                pays for that, however well it is written.",
        mechanism: "A debug build checks its own invariants at every step. PYTHONMALLOC=debug and -X dev put \
                    guards around each allocation. tracemalloc takes a stack at each. A PEP 523 hook (some \
                    debuggers, torch.compile) keeps calls of Python functions, properties and generators from \
                    being specialised. PYTHON_SPECIALIZATION_OFF switches the specialising interpreter off. \
                    -X perf goes through a trampoline for each call.",
        versions: "All versions; PYTHON_SPECIALIZATION_OFF 3.15, -X perf 3.12 and later, effects of PEP 523 3.11 \
                   and later.",
        cost: "Debug build 25 times; tracemalloc 3 to 9 times with one frame, 4 to 22 with 25; memory checks up \
               to 1.4; PEP 523 hook 1.1 to 1.5; -X perf 1.2 to 1.4; specialisation off 1.7.",
        slow: "# PYTHONTRACEMALLOC=25 python app.py\nmain()",
        fast: "# python app.py\nmain()",
        fix: "Run production and benchmarks on a release build without these switches. Look for them in the \
              environment of the service: PYTHONTRACEMALLOC, PYTHONMALLOC, PYTHONDEVMODE, PYTHONPERFSUPPORT, \
              PYTHON_SPECIALIZATION_OFF.",
    },
    holds: everywhere,
    check,
};

fn check(context: &Context<'_>) -> Verdict {
    if !context.has_evidence() {
        return Verdict::CannotTell("the state of the interpreter was not recorded".into());
    }
    let handicaps = context.evidence.runtime.handicaps.iter();
    Verdict::of(handicaps.map(|handicap| draft(context, *handicap)).collect())
}

struct Words {
    key: &'static str,
    what: &'static str,
    seen: &'static str,
    fix: Fix,
}

fn words(handicap: Handicap) -> Words {
    let (key, what, seen, text, risk) = match handicap {
        Handicap::DebugBuild => (
            "handicap.debug",
            "this is a debug build of Python",
            "the interpreter is compiled with Py_DEBUG",
            "Run a release build of Python.",
            "Checks of the interpreter itself are gone.",
        ),
        Handicap::MallocDebug => (
            "handicap.malloc_debug",
            "each allocation is checked",
            "the debug hooks of the memory allocators are installed (PYTHONMALLOC=debug or -X dev)",
            "Unset PYTHONMALLOC and PYTHONDEVMODE, and drop -X dev.",
            "Errors of extensions in memory show later.",
        ),
        Handicap::Tracemalloc => (
            "handicap.tracemalloc",
            "tracemalloc records a stack for each allocation",
            "tracemalloc is tracing",
            "Stop it when it is not needed: tracemalloc.stop(), or unset PYTHONTRACEMALLOC.",
            "Where memory comes from is no longer known.",
        ),
        Handicap::EvalFrameHook => (
            "handicap.eval_frame",
            "a tool replaces the evaluation of functions",
            "a PEP 523 hook is installed, so calls, properties and generators are not specialised",
            "Find who installs it (debuggers, torch.compile) and remove it where it is not needed.",
            "The debugger or compiler no longer sees the program.",
        ),
        Handicap::SpecialisationOff => (
            "handicap.no_specialisation",
            "the specialising interpreter is switched off",
            "PYTHON_SPECIALIZATION_OFF is set",
            "Unset PYTHON_SPECIALIZATION_OFF.",
            "",
        ),
        Handicap::PerfTrampoline => (
            "handicap.perf",
            "each call goes through a trampoline for perf",
            "support for perf is switched on (-X perf)",
            "Switch it off: unset PYTHONPERFSUPPORT, or sys.deactivate_stack_trampoline().",
            "perf no longer shows Python functions.",
        ),
    };
    Words { key, what, seen, fix: fix(text, &[], risk) }
}

fn draft(context: &Context<'_>, handicap: Handicap) -> Draft {
    let Words { key, what, seen, fix } = words(handicap);
    let mut draft = Draft {
        about: format!("interpreter: {key}"),
        title: format!("all code is slow: {what}"),
        level: EvidenceLevel::Dynamics,
        applies: format!("any version that can do it; seen on {}", context.target.name()),
        fix,
        ..Draft::default()
    };
    draft.because(EvidenceLevel::Dynamics, format!("{seen}, in the process itself"));
    draft.charges.push(Charge {
        extent: Extent::Running,
        cost: Cost::Key(key),
        weight: 1.0,
        place: Place::default(),
        expression: "all Python code".into(),
        state: what.into(),
    });
    draft
}
