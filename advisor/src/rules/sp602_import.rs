//! SP602: an import inside of a hot function.

use slowpath_profile::FunctionId;
use slowpath_profile::evidence::OpFamily;
use slowpath_profile::finding::{Cause, EvidenceLevel};
use slowpath_profile::tables::is_library;

use crate::context::Context;
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, everywhere, fix};
use crate::weight::{Atom, Extent};

pub(super) const RULE: Rule = Rule {
    code: "SP602",
    name: "an import inside of a hot function",
    page: Page {
        plain: "An import statement in a function runs each time the function is called. The module is loaded \
                once only, but each time the interpreter must find it in a table, check that it is complete, \
                and fetch the names.",
        mechanism: "IMPORT_NAME looks into sys.modules and calls __import__; `from a import b` and dotted names \
                    go through importlib._bootstrap._handle_fromlist, Python code before 3.12 in more cases.",
        versions: "All versions.",
        cost: "2.3 to 3.2 times as long for `import a`, 4 to 24 times for `from a import b`, compared with a \
               global.",
        slow: "def encode(row):\n    from json import dumps\n    return dumps(row)",
        fast: "from json import dumps\n\ndef encode(row):\n    return dumps(row)",
        fix: "Move the import to the top of the file. If that makes a cycle, import the module at the top and \
              use its name in the function, or import once in a function that sets things up.",
    },
    holds: everywhere,
    check,
};

/// One function that imports, with its samples.
struct Importer {
    function: FunctionId,
    line: Option<u32>,
    atoms: Vec<u32>,
}

fn check(context: &Context<'_>) -> Verdict {
    let mut importers = Vec::<Importer>::new();
    for hot in context.sites_of(&[OpFamily::Import]).filter(|hot| !hot.code.uses_names) {
        let extent = Extent::Instruction(hot.code.function, hot.site.offset);
        let atoms = context.weight.select(context.process, &extent, context.tables);
        add(&mut importers, hot.code.function, hot.site.span.line, atoms);
    }
    from_stacks(context, &mut importers);
    let ours = importers.iter().filter(|importer| {
        let function = context.function(importer.function);
        function.is_some_and(|function| {
            !is_library(context.tables.text(function.file))
                && context.tables.text(function.name) != "<module>"
        })
    });
    Verdict::of(ours.map(|importer| draft(context, importer)).collect())
}

fn add(importers: &mut Vec<Importer>, function: FunctionId, line: Option<u32>, atoms: Vec<u32>) {
    match importers.iter_mut().find(|known| known.function == function) {
        Some(known) => known.atoms.extend(atoms),
        None => importers.push(Importer { function, line, atoms }),
    }
}

/// Samples in the machinery of imports, called from a function that is called by no import itself.
fn from_stacks(context: &Context<'_>, importers: &mut Vec<Importer>) {
    let machinery = context.functions_named(
        "<frozen importlib._bootstrap>",
        &["_handle_fromlist", "_find_and_load", "_gcd_import", "_ModuleLockManager.__enter__", "__import__"],
    );
    if machinery.is_empty() {
        return;
    }
    for (at, _, frames) in context.stacks(Atom::runs) {
        // The innermost call into it must be shallow: deep below it, a module is really loaded.
        let Some(call) = frames.iter().position(|frame| machinery.contains(&frame.function)) else {
            continue;
        };
        let Some(caller) = frames.iter().skip(call).find(|frame| !machinery.contains(&frame.function)) else {
            continue;
        };
        if call <= 2 {
            add(importers, caller.function, caller.span.line, vec![at]);
        }
    }
}

fn draft(context: &Context<'_>, importer: &Importer) -> Draft {
    let span = importer.line.map_or_else(Default::default, slowpath_profile::Span::of_line);
    let place = context.place(importer.function, span);
    let mut atoms = importer.atoms.clone();
    atoms.sort_unstable();
    atoms.dedup();
    let samples = context.weight.count(&atoms);
    let mut draft = Draft {
        about: format!("imports in {} of {}", place.function, place.file),
        title: format!("{} imports at each call", place.function),
        level: EvidenceLevel::Writer,
        applies: "all versions".into(),
        fix: fix(
            "Move the import to the top of the file.",
            &["+from json import dumps", " def encode(row):", "-    from json import dumps"],
            "The module is loaded earlier; a cycle of imports may show.",
        ),
        ..Draft::default()
    };
    draft.because(
        EvidenceLevel::Writer,
        format!("in {samples} samples the program was at the import or in what it calls"),
    );
    draft.causes.push(Cause {
        place: place.clone(),
        statement: "import …".into(),
        how: "the statement itself".into(),
        is_static: true,
        ..Cause::default()
    });
    draft.charges.push(Charge {
        extent: Extent::Atoms(atoms),
        cost: Cost::Key("idiom.import"),
        weight: 1.0,
        place,
        expression: "import …".into(),
        state: "looked up in sys.modules each time".into(),
    });
    draft
}
