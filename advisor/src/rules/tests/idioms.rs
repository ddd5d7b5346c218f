use slowpath_profile::ThreadState::{Idle, Running, WaitingForGil};
use slowpath_profile::evidence::{ExactFacts, GcPause, GcTotal, OpFamily, OperandRole, Value};

use super::{found, silent};
use crate::testing::{Case, LOOKS, generic, healthy, operand};

const COPY: &str = "/usr/lib/python3.13/copy.py:deepcopy";

fn program(minor: u8, stack: &[&str], samples: u64) -> Case {
    let mut case = Case::new(minor);
    case.sample(stack, Running, samples);
    case.sample(&["app.py:<module>"], Running, 500);
    case
}

#[test]
fn sp605_blames_the_line_of_the_program() {
    for minor in 8..=15 {
        let finding =
            found(&program(minor, &["app.py:<module>", "shop.py:order", COPY], 200).advise(), "SP605");
        assert_eq!(finding.causes[0].place.function, "order");
        assert!((0.2..0.4).contains(&finding.saving.share), "{:?}", finding.saving);
    }
    let little = program(13, &["app.py:<module>", "shop.py:order", COPY], 3).advise();
    assert!(little.findings.is_empty(), "three samples are no finding");
    silent(&program(13, &["app.py:<module>", "shop.py:order"], 200).advise(), "SP605");
}

#[test]
fn imports_and_other_libraries_of_the_same_name_are_left_alone() {
    let import = "<frozen importlib._bootstrap>:_find_and_load";
    silent(&program(13, &["app.py:<module>", import, "shop.py:<module>", COPY], 200).advise(), "SP605");
    silent(
        &program(13, &["app.py:<module>", "shop.py:order", "shop/mycopy.py:deepcopy"], 200).advise(),
        "SP605",
    );
}

#[test]
fn sp606_does_not_charge_the_block() {
    let enter = "/usr/lib/python3.13/contextlib.py:_GeneratorContextManager.__enter__";
    let mut case = program(13, &["app.py:<module>", "shop.py:tag", enter], 100);
    case.sample(&["app.py:<module>", "shop.py:tag", enter, "shop.py:connect"], Running, 300);
    assert_eq!(found(&case.advise(), "SP606").samples, 100);
}

#[test]
fn the_line_with_most_samples_is_the_first_cause() {
    let mut case = program(14, &["app.py:<module>", "shop.py:order@31", COPY], 20);
    case.sample(&["app.py:<module>", "shop.py:order@33", COPY], Running, 180);
    let finding = found(&case.advise(), "SP605");
    assert_eq!(finding.causes[0].place.line, Some(33));
    assert_eq!(finding.hurts[0].place.line, Some(33));
}

#[test]
fn sp603_is_silent_where_messages_are_written() {
    let debug = "/usr/lib/python3.13/logging/__init__.py:Logger.debug";
    let log = "/usr/lib/python3.13/logging/__init__.py:Logger._log";
    let quiet = program(13, &["app.py:<module>", "shop.py:book", debug], 100);
    found(&quiet.clone().advise(), "SP603");
    let mut loud = quiet;
    loud.sample(&["app.py:<module>", "shop.py:book", debug, log], Running, 100);
    silent(&loud.advise(), "SP603");
}

#[test]
fn sp603_tells_a_text_that_is_made_from_one_that_is_at_hand() {
    let debug = "/usr/lib/python3.13/logging/__init__.py:Logger.debug";
    let title = |making: u64| {
        let mut case = program(13, &["app.py:<module>", "shop.py:book", debug], 100);
        // Samples without an instruction stand on line 2.
        case.site("shop.py:book", 2, healthy(OpFamily::LoadAttr, "debug", "LOAD_ATTR_METHOD", vec![]), 30);
        case.site("shop.py:book", 2, healthy(OpFamily::Call, "", "CALL_PY_EXACT_ARGS", vec![]), 30);
        case.sample(&["app.py:<module>", "shop.py:book"], Running, making);
        found(&case.advise(), "SP603").title
    };
    assert_eq!(title(200), "log messages are made here and written nowhere");
    assert_eq!(title(5), "a logger is called on a hot line and writes nothing");
}

#[test]
fn sp603_is_one_finding_for_a_function() {
    let debug = "/usr/lib/python3.13/logging/__init__.py:Logger.debug";
    let mut case = program(13, &["app.py:<module>", "shop.py:book", debug], 100);
    case.sample(&["app.py:<module>", "shop.py:book@7", debug], Running, 100);
    let findings = case.advise();
    let all: Vec<_> = findings.findings.iter().filter(|it| it.rule == "SP603").collect();
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!(all[0].hurts.len(), 2);
}

#[test]
fn sp607_says_once_that_patterns_are_compiled() {
    let looked_up = ["app.py:<module>", "shop.py:parse", "/usr/lib/python3.13/re/__init__.py:_compile"];
    let mut case = program(13, &looked_up, 200);
    found(&case.clone().advise(), "SP607");
    let compiled = [&looked_up[..], &["/usr/lib/python3.13/re/_compiler.py:compile"]].concat();
    case.sample(&compiled, Running, 200);
    let findings = case.advise();
    let titles: Vec<&str> =
        findings.findings.iter().filter(|it| it.rule == "SP607").map(|it| it.title.as_str()).collect();
    assert_eq!(titles, ["regular expressions are compiled while the program runs"]);
}

#[test]
fn what_a_library_does_in_the_name_of_the_program_is_not_blamed_on_it() {
    let compile = "/usr/lib/python3.13/re/__init__.py:_compile";
    let matches = "/usr/lib/python3.13/re/__init__.py:match";
    let parser = "/usr/lib/python3.13/argparse.py:ArgumentParser._match_argument";
    found(&program(13, &["app.py:<module>", "shop.py:parse", matches, compile], 200).advise(), "SP607");
    let through = program(13, &["app.py:<module>", "shop.py:parse", parser, matches, compile], 200);
    silent(&through.advise(), "SP607");
    let randbelow = "/usr/lib/python3.13/random.py:Random._randbelow_with_getrandbits";
    let shuffle = "/usr/lib/python3.13/random.py:Random.shuffle";
    silent(&program(13, &["app.py:<module>", "shop.py:deal", shuffle, randbelow], 200).advise(), "SP611");
}

#[test]
fn sp701_needs_more_than_the_usual_share() {
    let collecting = |samples| {
        let mut case = program(13, &["app.py:<module>", "shop.py:load"], 400);
        case.collecting(&["app.py:<module>", "shop.py:load"], samples);
        case.advise()
    };
    found(&collecting(300), "SP701");
    silent(&collecting(80), "SP701");
}

#[test]
fn sp701_tells_what_hooks_timed() {
    let mut case = program(13, &["app.py:<module>", "shop.py:load"], 400);
    case.collecting(&["app.py:<module>", "shop.py:load"], 300);
    let pause = |generation, duration_ns| GcPause { generation, duration_ns, ..GcPause::default() };
    let total = |times, duration_ns| GcTotal { times, duration_ns };
    case.evidence.exact = Some(ExactFacts {
        collections: vec![pause(0, 40_000), pause(2, 90_000_000), pause(2, 30_000_000)],
        collected: vec![total(1, 40_000), total(0, 0), total(2, 120_000_000)],
        ..ExactFacts::default()
    });
    let findings = case.advise();
    let why = &found(&findings, "SP701").why.last().expect("a reason").text.clone();
    assert_eq!(
        why,
        "timed inside of the process: generation 0 1 times, 40 us together, 40 us at most; \
         generation 2 2 times, 120 ms together, 90 ms at most"
    );
    let pauses = findings.gc_pauses[2];
    assert_eq!((pauses.times, pauses.total_ns, pauses.longest_ns), (2, 120_000_000, 90_000_000));
}

#[test]
fn sp702_counts_waiting_and_not_sleeping() {
    let with = |state| {
        let mut case = program(13, &["app.py:<module>", "shop.py:compute"], 500);
        case.sample(&["app.py:run", "shop.py:compute"], state, 500);
        case.advise()
    };
    found(&with(WaitingForGil), "SP702");
    silent(&with(Idle), "SP702");
}

#[test]
fn sp703_wants_one_long_call() {
    let handle = "/usr/lib/python3.13/asyncio/events.py:Handle._run";
    let stack = ["app.py:<module>", handle, "shop.py:handle"];
    found(&program(13, &stack, 100).advise(), "SP703");
    let mut short = Case::new(13);
    for _ in 0..50 {
        short.sample(&stack, Running, 2);
        short.sample(&["app.py:<module>"], Running, 2);
    }
    silent(&short.advise(), "SP703");
}

/// A function that takes an item, and handles what that raises: samples at the item, at the name of the
/// exception, behind it in the handler, and at `lost` in code that runs in any case.
fn lookup(minor: u8, item: u64, named: u64, handled: u64, after: u64) -> Case {
    let mut case = Case::new(minor);
    let site = |family, name: &str| healthy(family, name, "", Vec::new());
    case.site("shop.py:rank", 2, site(OpFamily::Subscript, ""), item);
    if minor == 11 {
        case.site("shop.py:rank", 3, site(OpFamily::Catch, ""), 0);
    }
    if minor < 12 {
        case.site("shop.py:rank", 3, site(OpFamily::LoadGlobal, "KeyError"), named);
        case.site("shop.py:rank", 4, site(OpFamily::Other, ""), handled);
        case.site("shop.py:rank", 3, site(OpFamily::Reraise, ""), 0);
    }
    case.site("shop.py:rank", 5, site(OpFamily::Other, ""), after);
    if minor >= 12 {
        case.site("shop.py:rank", 3, site(OpFamily::Catch, ""), 0);
        case.site("shop.py:rank", 3, site(OpFamily::LoadGlobal, "KeyError"), named);
        case.site("shop.py:rank", 4, site(OpFamily::Other, ""), handled);
    }
    case.sample(&["app.py:<module>"], Running, 300);
    case
}

#[test]
fn sp601_charges_raising_and_handling() {
    for minor in 8..=15 {
        let finding = found(&lookup(minor, 200, 40, 60, 30).advise(), "SP601");
        let lines: Vec<_> = finding.hurts.iter().map(|hurt| hurt.place.line.unwrap_or_default()).collect();
        match minor {
            // Where a handler ends is not known before 3.11; what it costs tells little of what raised.
            8..=10 => assert_eq!((lines.as_slice(), finding.samples), (&[2, 3][..], 240), "3.{minor}"),
            _ => assert_eq!((lines.as_slice(), finding.samples), (&[2, 4, 3][..], 300), "3.{minor}"),
        }
        assert_eq!(finding.causes[0].place.line, Some(3), "3.{minor}");
    }
}

#[test]
fn sp601_is_silent_where_nothing_is_raised() {
    for minor in 8..=15 {
        silent(&lookup(minor, 200, 0, 0, 100).advise(), "SP601");
    }
    // Raised now and then: not what takes the time of the item.
    let finding = lookup(13, 2000, 10, 40, 100).advise();
    assert_eq!(found(&finding, "SP601").hurts[0].place.line, Some(4));
}

/// A partial that is called, with this said of it.
fn partial(minor: u8, note: &str) -> Case {
    let mut case = Case::new(minor);
    let ty = case.builtin("partial");
    let mut callee = operand(OperandRole::Callee, Value::Instance(ty), LOOKS);
    callee.note = note.into();
    case.site("signal.py:fold", 7, healthy(OpFamily::Call, "", "CALL_NON_PY_GENERAL", vec![callee]), 300);
    case.sample(&["app.py:<module>"], Running, 300);
    case
}

#[test]
fn sp403_knows_partials_that_bind_keywords_on_every_version() {
    for minor in 8..=15 {
        assert_eq!(found(&partial(minor, "binds keywords").advise(), "SP403").hurts[0].place.line, Some(7));
        silent(&partial(minor, "").advise(), "SP403");
    }
}

#[test]
fn sp801_counts_items_of_lists_where_no_form_tells_of_them() {
    let vectors = |container: &str| {
        let mut case = Case::new(9);
        let [ty, int, float] = [container, "int", "float"].map(|name| case.builtin(name));
        let of = |role, ty| operand(role, Value::Instance(ty), LOOKS);
        let item = || vec![of(OperandRole::Left, ty), of(OperandRole::Right, int)];
        case.site("v.py:dot", 3, generic(OpFamily::Iterate, "", "FOR_ITER", Vec::new()), 90);
        for _ in 0..2 {
            case.site("v.py:dot", 4, generic(OpFamily::Subscript, "", "BINARY_SUBSCR", item()), 80);
        }
        let both = vec![of(OperandRole::Left, float), of(OperandRole::Right, float)];
        case.site("v.py:dot", 4, generic(OpFamily::BinaryOp, "*", "BINARY_MULTIPLY", both), 60);
        case.advise()
    };
    found(&vectors("list"), "SP801");
    silent(&vectors("dict"), "SP801");
}

#[test]
fn sp703_does_not_take_a_busy_machine_for_a_long_call() {
    let handle = "/usr/lib/python3.13/asyncio/events.py:Handle._run";
    let case = program(13, &["app.py:<module>", handle, "shop.py:handle"], 100);
    found(&case.clone().advise(), "SP703");
    let mut waits_for_a_cpu = case.clone();
    for sample in &mut waits_for_a_cpu.profile.samples {
        sample.cpu_ns /= 10;
    }
    silent(&waits_for_a_cpu.advise(), "SP703");
    let mut missed = case;
    missed.profile.meta.rate_wanted_mhz = 1_000_000;
    for (at, sample) in missed.profile.samples.iter_mut().enumerate() {
        sample.time_ns = at as u64 * 50_000_000;
    }
    silent(&missed.advise(), "SP703");
}

#[test]
fn sp703_does_not_take_many_short_calls_for_a_long_one() {
    let handle = "/usr/lib/python3.13/asyncio/events.py:Handle._run";
    let stack = ["app.py:<module>", handle, "shop.py:handle"];
    let mut case = Case::new(13);
    for _ in 0..20 {
        case.sample(&stack, Running, 8);
        case.sample(&["app.py:<module>"], Running, 2);
    }
    case.sample(&stack, Running, 40);
    silent(&case.advise(), "SP703");
}

#[test]
fn sp601_wants_the_instruction_that_raises() {
    let checked = |raising: u64| {
        let mut case = Case::new(13);
        case.site("shop.py:order", 4, healthy(OpFamily::Call, "", "CALL_ISINSTANCE", vec![]), 200);
        case.site("shop.py:order", 4, healthy(OpFamily::Raise, "", "RAISE_VARARGS", vec![]), raising);
        case.sample(&["app.py:<module>"], Running, 300);
        case.advise()
    };
    found(&checked(20), "SP601");
    silent(&checked(0), "SP601");
}

#[test]
fn what_only_a_library_does_to_itself_is_not_shown() {
    let itself = |file: &str| {
        let mut case = Case::new(12);
        let ty = case.builtin("list");
        let right = vec![operand(OperandRole::Right, Value::Instance(ty), LOOKS)];
        let function = format!("{file}:is_blocked");
        case.site(&function, 4, healthy(OpFamily::Contains, "in", "CONTAINS_OP", right), 300);
        case.sample(&["app.py:<module>"], Running, 300);
        case.advise()
    };
    found(&itself("shop.py"), "SP502");
    let library = itself("/usr/lib/python3.12/site-packages/networkx/graph.py");
    assert!(library.findings.is_empty());
    assert_eq!(library.minor[0].rule, "SP502", "it is counted");
}

#[test]
fn sp502_wants_a_list() {
    let searched = |container: &str| {
        let mut case = Case::new(12);
        let ty = case.builtin(container);
        let right = vec![operand(OperandRole::Right, Value::Instance(ty), LOOKS)];
        case.site("shop.py:is_blocked", 4, healthy(OpFamily::Contains, "in", "CONTAINS_OP", right), 300);
        case.sample(&["app.py:<module>"], Running, 300);
        case.advise()
    };
    found(&searched("list"), "SP502");
    for other in ["set", "dict", "tuple"] {
        silent(&searched(other), "SP502");
    }
}

#[test]
fn sp502_wants_a_long_list() {
    let searched = |beside: u64| {
        let mut case = Case::new(12);
        let ty = case.builtin("list");
        let right = vec![operand(OperandRole::Right, Value::Instance(ty), LOOKS)];
        case.site("shop.py:is_blocked", 4, healthy(OpFamily::Contains, "in", "CONTAINS_OP", right), 300);
        let step = healthy(OpFamily::Iterate, "", "FOR_ITER_LIST", vec![]);
        case.site("shop.py:is_blocked", 4, step, beside);
        case.advise()
    };
    found(&searched(10), "SP502");
    silent(&searched(60), "SP502");
}
