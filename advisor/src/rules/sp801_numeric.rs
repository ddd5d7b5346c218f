//! SP801: arithmetic on plain numbers in a loop.

use slowpath_profile::evidence::{CodeEvidence, OpFamily, Operand, OperandRole, Value};
use slowpath_profile::finding::EvidenceLevel;
use slowpath_profile::tables::is_library;

use super::common::need_sites;
use crate::context::{Context, HotSite};
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, everywhere, fix};
use crate::weight::Extent;

/// Less than this share of the time is not worth another language.
const LARGE: f64 = 0.3;
/// So much of a function must be arithmetic.
const MOSTLY: f64 = 0.5;

pub(super) const RULE: Rule = Rule {
    code: "SP801",
    name: "number crunching in plain Python",
    page: Page {
        plain: "A large part of the time goes into a loop that does arithmetic on plain numbers. Here the \
                interpreter already runs its fast forms; what is left is the price of doing one operation at a \
                time on objects. Only another way to run the loop changes that.",
        mechanism: "Each operation takes its operands from objects, makes a new object for the result and \
                    dispatches the next instruction: some 10 to 30 ns for what a processor does in one.",
        versions: "All versions.",
        cost: "Arrays or compiled code are 5 to 100 times as fast in such loops; the estimate says 8.",
        slow: "total = 0.0\nfor x, y in zip(xs, ys):\n    total += x * y",
        fast: "total = float(np.dot(xs, ys))",
        fix: "NumPy, if the data can be kept in arrays and the operations are on whole arrays. Numba for a loop \
              with branches over arrays: one decorator. mypyc or Cython for a module with types. A C or Rust \
              extension for a core with an interface of its own. PyPy, if the whole program is pure Python and \
              runs long. Stay in Python where objects, strings and dicts carry the logic, or where each call \
              has few elements: then converting costs more than it saves.",
    },
    holds: everywhere,
    check,
};

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    // What slows everything makes any loop look large: that comes first.
    let runtime = &context.evidence.runtime;
    if !runtime.handicaps.is_empty() || !runtime.tools.is_empty() {
        return Verdict::CannotTell("something slows the whole interpreter".into());
    }
    let code = context.evidence.code.iter();
    Verdict::of(code.filter_map(|code| draft(context, code)).collect())
}

/// Whether an instruction does arithmetic on plain numbers, or what such a loop needs besides.
fn is_numeric(context: &Context<'_>, hot: &HotSite<'_>) -> bool {
    let form = hot.site.form();
    let typed = form.ends_with("_INT") || form.ends_with("_FLOAT") || form.ends_with("_RANGE");
    let is_one_of = |operand: &Operand, names: &[&str]| match operand.value {
        Value::Instance(ty) => context.ty(ty).is_some_and(|ty| names.contains(&ty.name.as_str())),
        _ => false,
    };
    let numbers = hot.site.operands.iter().any(|operand| is_one_of(operand, &["int", "float"]));
    // Before 3.11 no form tells that a list is asked for an item by its number.
    let in_role = |role, names| hot.site.operands_as(role).any(|operand| is_one_of(operand, names));
    let item = in_role(OperandRole::Left, &["list", "tuple"]) && in_role(OperandRole::Right, &["int"]);
    match hot.site.family {
        OpFamily::BinaryOp | OpFamily::Compare => typed || numbers,
        OpFamily::Subscript | OpFamily::StoreSubscript => typed || item,
        _ => false,
    }
}

fn is_float(context: &Context<'_>, hot: &HotSite<'_>) -> bool {
    hot.site.form().ends_with("_FLOAT")
        || hot.site.operands.iter().any(|operand| match operand.value {
            Value::Instance(ty) => context.ty(ty).is_some_and(|ty| ty.name == "float"),
            _ => false,
        })
}

fn draft(context: &Context<'_>, code: &CodeEvidence) -> Option<Draft> {
    let own = context.samples(&Extent::Own(code.function));
    let function = context.function(code.function)?;
    let loops = code.sites.iter().any(|site| matches!(site.family, OpFamily::Iterate | OpFamily::Loop));
    if context.weight.share(own) < LARGE || !loops || is_library(context.tables.text(function.file)) {
        return None;
    }
    let here = || context.sites.iter().filter(|hot| hot.code.function == code.function);
    let count = |wanted: &dyn Fn(&HotSite<'_>) -> bool| {
        here().filter(|hot| wanted(hot)).map(|hot| hot.samples).sum::<u64>()
    };
    let numeric = count(&|hot| is_numeric(context, hot));
    let objects = count(&|hot| {
        use OpFamily::{Call, CallKw, CallUnpacked, Contains, LoadAttr, LoadSuperAttr, StoreAttr};
        matches!(
            hot.site.family,
            Call | CallKw | CallUnpacked | Contains | LoadAttr | LoadSuperAttr | StoreAttr
        )
    });
    let seen: u64 = here().map(|hot| hot.samples).sum();
    // Integers often count and index; it is floats that are computed with.
    let floats = count(&|hot| is_numeric(context, hot) && is_float(context, hot));
    if floats * 6 < numeric {
        return None;
    }
    if (numeric as f64) < MOSTLY * seen as f64 || objects * 8 > seen || seen * 3 < own {
        return None;
    }
    let place = context.place(code.function, slowpath_profile::Span::default());
    let mut draft = Draft {
        about: format!("numbers in {} of {}", place.function, place.file),
        title: format!("{} does arithmetic on plain numbers in a loop", place.function),
        level: EvidenceLevel::State,
        applies: "all versions".into(),
        fix: fix(
            "Compute on whole arrays (NumPy), or compile this one function (Numba, mypyc, Cython, an extension).",
            &[
                "-    for x, y in zip(xs, ys):",
                "-        total += x * y",
                "+    total = float(np.dot(xs, ys))",
            ],
            "Rounding and overflow differ; converting small inputs costs more than it saves.",
        ),
        ..Draft::default()
    };
    draft.because(
        EvidenceLevel::State,
        format!("of {seen} samples in its own code {numeric} are at arithmetic on int and float, {objects} at calls or attributes"),
    );
    draft.because(
        EvidenceLevel::State,
        "they run in their fast forms already: nothing that Python does better is left",
    );
    draft.charges.push(Charge {
        extent: Extent::Own(code.function),
        cost: Cost::Key("loop.numeric"),
        weight: 1.0,
        place,
        expression: "the loop".into(),
        state: "one operation at a time".into(),
    });
    Some(draft)
}
