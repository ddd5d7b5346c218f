use slowpath_profile::ThreadState::{Idle, Running, WaitingForGil};
use slowpath_profile::evidence::{OpFamily, OperandRole, Value};

use super::{found, silent};
use crate::testing::{Case, LOOKS, healthy, operand};

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
        assert!(finding.saving.high < 0.33, "{:?}", finding.saving);
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
    silent(&collecting(20), "SP701");
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
