//! SP503: subscripts, iteration, truth tests and unpacking that have no fast form.

use slowpath_profile::evidence::{OpFamily, Site};
use slowpath_profile::finding::{Cause, EvidenceLevel, Fix};
use slowpath_profile::tables::is_library;
use slowpath_profile::{FunctionId, Span};

use super::common::{Group, cause_in_class, charges, need_sites, oracle_says, refused};
use crate::context::Context;
use crate::oracle::Reason;
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, fix};
use crate::target::Target;
use crate::weight::Extent;

pub(super) const RULE: Rule = Rule {
    code: "SP503",
    name: "subscript, loop, test or unpacking without a fast way",
    page: Page {
        plain: "Some everyday operations have no fast way in the interpreter: a negative index as in `items[-1]`, a subclass of \
                dict (before 3.14), an object with its own `__getitem__`, `__next__`, `__bool__` or `__len__`, \
                unpacking something that is neither a tuple nor a list. On a hot line a small change gives it one.",
        mechanism: "BINARY_SUBSCR, FOR_ITER, TO_BOOL and UNPACK_SEQUENCE specialise for exact built-in types \
                    only, with an index that is not negative; methods written in Python need a frame per step.",
        versions: "3.11 and later; tests of truth since 3.13, subclasses of dict up to 3.13.",
        cost: "Negative index 1.5 to 2.3 times, dict subclass 2.0 to 2.3, __getitem__ 4 to 5, iterator class 1.7 \
               to 2.2, __bool__ or __len__ 4 to 6, unpacking an iterator 2.1.",
        slow: "last = row[-1]\nwhile stack:              # an object with __len__\n    ...",
        fast: "last = row[2]             # or: *_, last = row\nwhile stack.items:        # a list\n    ...",
        fix: "Use the built-in type inside the loop: a positive index, a plain dict, a generator instead of an \
              iterator class, a tuple for what is unpacked.",
    },
    holds,
    check,
};

const REASONS: [Reason; 6] = [
    Reason::NegativeIndex,
    Reason::DictSubclass,
    Reason::PythonGetitem,
    Reason::PythonIterator,
    Reason::PythonTruth,
    Reason::OtherUnpacked,
];

fn holds(target: Target) -> Result<(), &'static str> {
    match target.since(11) {
        true => Ok(()),
        false => Err("before 3.11 none of them has a fast form"),
    }
}

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let families = [OpFamily::Subscript, OpFamily::Iterate, OpFamily::ToBool, OpFamily::Unpack];
    let groups = refused(context, &families, &REASONS, false);
    let ours = groups.iter().filter(|group| {
        let body = group.ty.and_then(|ty| ty.defined_in).and_then(|body| context.function(body));
        !body.is_some_and(|function| is_library(context.tables.text(function.file)))
    });
    let mut drafts: Vec<Draft> = ours.map(|group| draft(context, group)).collect();
    drafts.extend(iterators(context));
    Verdict::of(drafts)
}

/// Loops whose steps call a `__next__`, as stacks show it where the iterator itself was not seen.
fn iterators(context: &Context<'_>) -> Vec<Draft> {
    let mut drafts = Vec::<Draft>::new();
    for code in &context.evidence.code {
        let loops =
            code.sites.iter().filter(|site| site.family == OpFamily::Iterate && site.states.specialised == 0);
        for site in loops {
            let (mut atoms, mut next) = (Vec::new(), None);
            for (at, atom) in context.weight.atoms().iter().enumerate() {
                let frames =
                    context.tables.frames_of(atom.stack).filter_map(|frame| context.tables.frames.get(frame));
                let mut inner = None;
                let called = frames.into_iter().any(|frame| {
                    let is_here = frame.function == code.function && frame.instruction == Some(site.offset);
                    let is_step = is_here && inner.is_some_and(|inner| is_next(context, inner));
                    if is_step {
                        next = inner;
                    }
                    inner = Some(frame.function);
                    is_step
                });
                if called && atom.process == context.process && atom.runs() {
                    atoms.push(u32::try_from(at).unwrap_or(u32::MAX));
                }
            }
            let Some(next) = next.filter(|_| !atoms.is_empty()) else { continue };
            // A step that does much has its price in itself, not in being a call.
            let stepping = context.samples(&Extent::Instruction(code.function, site.offset));
            let stepped_in = context.weight.count(&atoms);
            if stepping * 3 < stepped_in || calling(context, next, &atoms) * 2 > stepped_in {
                continue;
            }
            drafts.push(stepped(context, code.function, site, next, atoms));
        }
    }
    drafts
}

/// Samples in which a function, or what it called, was in a call.
fn calling(context: &Context<'_>, function: FunctionId, atoms: &[u32]) -> u64 {
    use OpFamily::{Call, CallKw, CallUnpacked};
    let code = context.evidence.code.iter().find(|code| code.function == function);
    let calls: Vec<u32> = code
        .map(|code| code.sites.iter().filter(|site| matches!(site.family, Call | CallKw | CallUnpacked)))
        .map(|sites| sites.map(|site| site.offset).collect())
        .unwrap_or_default();
    let is_calling = |atom: &u32| {
        let atom = context.weight.atoms().get(*atom as usize);
        atom.and_then(|atom| context.tables.leaf(atom.stack)).is_some_and(|frame| {
            frame.function != function || frame.instruction.is_some_and(|at| calls.contains(&at))
        })
    };
    let atoms: Vec<u32> = atoms.iter().copied().filter(is_calling).collect();
    context.weight.count(&atoms)
}

/// A `__next__` of the program.
fn is_next(context: &Context<'_>, function: FunctionId) -> bool {
    context.function(function).is_some_and(|function| {
        context.tables.text(function.name) == "__next__" && !is_library(context.tables.text(function.file))
    })
}

fn stepped(
    context: &Context<'_>,
    function: FunctionId,
    site: &Site,
    next: FunctionId,
    atoms: Vec<u32>,
) -> Draft {
    let name = context.qualname(next);
    let mut draft = Draft {
        about: format!("iterator {name}"),
        title: format!("each step of a loop runs {name}, written in Python"),
        level: EvidenceLevel::Writer,
        applies: "3.11-3.15, see the page for each case".into(),
        fix: fix(
            "Write a generator function instead of an iterator class.",
            &["+def rows(source):", "+    for line in source:", "+        yield parse(line)"],
            "",
        ),
        ..Draft::default()
    };
    draft.because(EvidenceLevel::Writer, format!("{name} was called by the loop itself on sampled stacks"));
    draft.causes.push(Cause {
        place: context.place(next, Span::default()),
        statement: "def __next__".into(),
        how: "what each step runs".into(),
        is_static: true,
        ..Cause::default()
    });
    let charge = |extent| Charge {
        extent,
        cost: Cost::Key("iterate.python"),
        weight: 1.0,
        place: context.place(function, site.span),
        expression: "for … in …".into(),
        state: format!("{}, calls {name}", site.form()),
    };
    draft.charges.push(charge(Extent::Atoms(atoms)));
    draft.charges.push(charge(Extent::Instruction(function, site.offset)));
    draft
}

fn words(group: &Group<'_, '_>) -> (&'static str, String, Fix) {
    let name = &group.about;
    match group.reason {
        Reason::NegativeIndex => (
            "subscript.negative",
            "a negative index has no fast form".into(),
            fix(
                "Use a positive index, or unpack.",
                &["-    last = row[-1]", "+    first, middle, last = row"],
                "The length must be known.",
            ),
        ),
        Reason::DictSubclass => (
            "subscript.dict_subclass",
            format!("{name} is a subclass of dict, which this version subscripts the slow way"),
            fix(
                "Use a plain dict inside of the loop.",
                &["+    table = dict(table)"],
                "What the subclass adds is lost there.",
            ),
        ),
        Reason::PythonGetitem => (
            "subscript.getitem",
            format!("each subscript of {name} runs Python code"),
            fix(
                "Subscript the container inside it directly in hot loops.",
                &["-    grid[x]", "+    cells[x]          # cells = grid.cells"],
                "",
            ),
        ),
        Reason::PythonIterator => (
            "iterate.python",
            format!("each step of a loop over {name} runs a __next__ written in Python"),
            fix(
                "Write a generator function instead of an iterator class.",
                &["+def rows(source):", "+    for line in source:", "+        yield parse(line)"],
                "",
            ),
        ),
        Reason::PythonTruth => (
            "to_bool.python",
            format!("testing {name} for truth runs Python code"),
            fix(
                "Test what is meant: 'is not None', or the length of the list inside.",
                &["-    if stack:", "+    if stack.items:"],
                "",
            ),
        ),
        _ => (
            "unpack.other",
            format!("{name} is unpacked step by step"),
            fix(
                "Return a tuple where the parts are made.",
                &["-    yield left; yield right", "+    return left, right"],
                "",
            ),
        ),
    }
}

fn draft(context: &Context<'_>, group: &Group<'_, '_>) -> Draft {
    let (key, title, fix) = words(group);
    let mut draft = Draft {
        about: format!("{} of {}", group.reason.code().to_lowercase(), group.about),
        title,
        level: EvidenceLevel::State,
        charges: charges(context, group, key),
        applies: "3.11-3.15, see the page for each case".into(),
        fix,
        ..Draft::default()
    };
    oracle_says(&mut draft, group.reason);
    let methods: &[&str] = match group.reason {
        Reason::PythonGetitem => &["__getitem__"],
        Reason::PythonIterator => &["__next__"],
        Reason::PythonTruth => &["__bool__", "__len__"],
        _ => &[],
    };
    let cause = group.ty.and_then(|ty| cause_in_class(context, ty, methods, "the class that does it"));
    if let Some(cause) = cause {
        draft.level = EvidenceLevel::Writer;
        draft.causes.push(cause);
    }
    draft
}
