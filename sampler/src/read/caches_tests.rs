use proptest::prelude::*;

use super::*;
use crate::layout::spec_for;
use crate::layout::versions;

fn forms(minor: u8) -> Forms {
    Forms::new(spec_for(minor).unwrap().headers(false))
}

/// Instructions with their arguments and cache entries.
fn assemble(minor: u8, instructions: &[(&str, u8, &[u16])]) -> Vec<u8> {
    let opcodes = spec_for(minor).unwrap().opcodes;
    let mut bytecode = Vec::new();
    for (name, argument, caches) in instructions {
        let number = opcodes.0.iter().position(|opcode| opcode.name == *name);
        let number = number.unwrap_or_else(|| panic!("no {name} in 3.{minor}"));
        bytecode.extend([number as u8, *argument]);
        bytecode.extend(caches.iter().flat_map(|entry| entry.to_le_bytes()));
        let missing = usize::from(opcodes.0[number].caches) - caches.len();
        bytecode.extend(vec![0; missing * 2]);
    }
    bytecode
}

fn parts(minor: u8, bytecode: &[u8], names: &[&str]) -> CodeParts {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    CodeParts::new(bytecode, &forms(minor), names, 0, 0)
}

/// The one view of bytecode with one site.
fn only(minor: u8, instructions: &[(&str, u8, &[u16])]) -> SiteView {
    let bytecode = assemble(minor, instructions);
    let parts = parts(minor, &bytecode, &["a", "b"]);
    let views = views(&bytecode, &parts, &forms(minor));
    let resume = usize::from(parts.sites[0].family == OpFamily::Resume);
    assert_eq!(views.len(), 1 + resume, "{:?}", parts.sites);
    views[resume]
}

fn named(minor: u8, instructions: &[(&str, u8, &[u16])]) -> Vec<(OpFamily, String)> {
    let bytecode = assemble(minor, instructions);
    let sites = parts(minor, &bytecode, &["a", "b", "c"]).sites;
    sites.into_iter().map(|site| (site.family, site.name)).collect()
}

#[test]
fn counters_of_specialised_forms_tell_of_misses() {
    let fresh = [(11, 53), (12, 52 << 4), (13, 52 << 4), (14, 52 << 4), (15, 52 << 3)];
    for (minor, word) in fresh {
        let view = only(minor, &[("RESUME", 0, &[]), ("STORE_ATTR_SLOT", 0, &[word])]);
        let counter = CounterView { value: if minor == 11 { 53 } else { 52 }, backoff: 0, disturbed: false };
        assert_eq!((view.state, view.counter), (SpecState::Specialised, Some(counter)), "3.{minor}");
        let missed = if minor == 11 { word - 1 } else { word - (1 << if minor == 15 { 3 } else { 4 }) };
        let view = only(minor, &[("STORE_ATTR_SLOT", 0, &[missed])]);
        assert!(view.counter.unwrap().disturbed, "3.{minor}");
    }
}

#[test]
fn counters_of_general_forms_tell_warming_from_backed_off() {
    let cases = [
        (11, "LOAD_ATTR_ADAPTIVE", 0, SpecState::Warming, 0),
        (11, "LOAD_ATTR_ADAPTIVE", 31 << 4 | 5, SpecState::BackedOff, 5),
        (12, "LOAD_ATTR", 1 << 4 | 1, SpecState::Warming, 1),
        (14, "LOAD_ATTR", 1, SpecState::Warming, 1),
        (14, "LOAD_ATTR", 3 << 4 | 2, SpecState::BackedOff, 2),
        (14, "LOAD_ATTR", 4095 << 4 | 12, SpecState::BackedOff, 12),
        (15, "LOAD_ATTR", 1 << 3 | 1, SpecState::Warming, 1),
        (15, "LOAD_ATTR", 8190 << 3 | 6, SpecState::BackedOff, 6),
    ];
    for (minor, name, word, state, backoff) in cases {
        let view = only(minor, &[(name, 0, &[word])]);
        assert_eq!((view.state, view.counter.unwrap().backoff), (state, backoff), "3.{minor} {word:#x}");
    }
}

#[test]
fn what_3_11_leaves_plain_has_no_special_form_once_it_is_warm() {
    let cold = only(11, &[("RESUME", 0, &[]), ("BINARY_OP", 2, &[])]);
    assert_eq!((cold.state, cold.counter), (SpecState::Warming, None));
    let bytecode = assemble(11, &[("RESUME_QUICK", 0, &[]), ("BINARY_OP", 2, &[])]);
    let parts = parts(11, &bytecode, &[]);
    assert_eq!(views(&bytecode, &parts, &forms(11))[1].state, SpecState::NotSpecialisable);
}

#[test]
fn versions_stand_where_the_version_keeps_them() {
    let global = |minor, caches| only(minor, &[("LOAD_GLOBAL_BUILTIN", 0, caches)]);
    let tags = |view: SiteView| (view.tag, view.keys_tag);
    assert_eq!(tags(global(11, &[53, 7, 0x1234, 0x1, 9])), (Some(0x1_1234), Some(9)));
    assert_eq!(tags(global(12, &[832, 7, 8, 9])), (Some(8), Some(9)));
    for minor in 13..=15 {
        assert_eq!(tags(global(minor, &[832, 8, 9, 7])), (Some(8), Some(9)), "3.{minor}");
    }
    let method = only(14, &[("LOAD_ATTR_METHOD_WITH_VALUES", 0, &[832, 0x22, 0x2, 5, 6])]);
    assert_eq!(tags(method), (Some(0x2_0022), Some(0x6_0005)));
    assert_eq!(tags(only(14, &[("CALL_BUILTIN_O", 1, &[832, 3, 3])])), (None, None));
    assert_eq!(tags(only(14, &[("CALL_PY_EXACT_ARGS", 1, &[832, 3, 0])])), (Some(3), None));
}

#[test]
fn arguments_name_what_they_mean_in_each_version() {
    let family = OpFamily::LoadGlobal;
    assert_eq!(named(10, &[("LOAD_GLOBAL", 1, &[])]), [(family, "b".into())]);
    assert_eq!(named(11, &[("LOAD_GLOBAL", 3, &[])]), [(family, "b".into())]);
    assert_eq!(named(11, &[("LOAD_ATTR", 1, &[])]), [(OpFamily::LoadAttr, "b".into())]);
    assert_eq!(named(12, &[("LOAD_ATTR", 3, &[])]), [(OpFamily::LoadAttr, "b".into())]);
    assert_eq!(named(14, &[("LOAD_SUPER_ATTR", 7, &[])]), [(OpFamily::LoadSuperAttr, "b".into())]);
    assert_eq!(named(14, &[("IMPORT_NAME", 1, &[])]), [(OpFamily::Import, "b".into())]);
    assert_eq!(named(15, &[("IMPORT_NAME", 4, &[])]), [(OpFamily::Import, "b".into())]);
    assert_eq!(named(14, &[("LOAD_ATTR", 200, &[])]), [(OpFamily::LoadAttr, String::new())]);
    let comparison = [(OpFamily::Compare, "==".to_owned())];
    assert_eq!(named(10, &[("COMPARE_OP", 2, &[])]), comparison);
    assert_eq!(named(12, &[("COMPARE_OP", 2 << 4 | 8, &[])]), comparison);
    assert_eq!(named(13, &[("COMPARE_OP", 2 << 5 | 16, &[])]), comparison);
    assert_eq!(named(8, &[("COMPARE_OP", 6, &[])]), [(OpFamily::Contains, "in".into())]);
    assert_eq!(named(14, &[("CONTAINS_OP", 1, &[])]), [(OpFamily::Contains, "not in".into())]);
    assert_eq!(named(14, &[("BINARY_OP", 13, &[])]), [(OpFamily::BinaryOp, "+=".into())]);
    assert_eq!(named(14, &[("BINARY_OP_SUBSCR_LIST_INT", 26, &[])]), [(OpFamily::Subscript, String::new())]);
    assert_eq!(named(9, &[("INPLACE_FLOOR_DIVIDE", 0, &[])]), [(OpFamily::BinaryOp, "//=".into())]);
}

#[test]
fn an_extended_argument_belongs_to_the_instruction_after_it() {
    let mut names = vec!["x"; 300];
    names[257] = "far";
    let bytecode = assemble(14, &[("EXTENDED_ARG", 2, &[]), ("LOAD_ATTR", 2, &[])]);
    let parts = parts(14, &bytecode, &names);
    let site = &parts.sites[0];
    assert_eq!((site.offset, site.oparg, site.name.as_str()), (2, 0x202, "far"));
}

#[test]
fn a_specialised_precall_makes_the_call() {
    let code =
        |precall| assemble(11, &[("RESUME_QUICK", 0, &[]), (precall, 0, &[53]), ("CALL_ADAPTIVE", 0, &[])]);
    let states = |precall| {
        let bytecode = code(precall);
        let views = views(&bytecode, &parts(11, &bytecode, &[]), &forms(11));
        [views[1].state, views[2].state]
    };
    assert_eq!(states("PRECALL_NO_KW_LEN"), [SpecState::Specialised, SpecState::Unknown]);
    assert_eq!(states("PRECALL_PYFUNC"), [SpecState::Specialised, SpecState::Warming]);
    assert_eq!(states("PRECALL_ADAPTIVE"), [SpecState::BackedOff, SpecState::Warming]);
}

#[test]
fn a_compiled_loop_hides_what_it_holds() {
    let before: &[(&str, u8, &[u16])] = &[
        ("LOAD_ATTR", 0, &[17]),
        ("LOAD_ATTR_SLOT", 0, &[832, 5]),
        ("JUMP_BACKWARD", 12, &[]),
        ("LOAD_ATTR_SLOT", 0, &[832, 5]),
    ];
    let parts = parts(14, &assemble(14, before), &["a"]);
    let mut after = before.to_vec();
    after[2] = ("ENTER_EXECUTOR", 0, &[]);
    let mut bytecode = assemble(14, &after[..2]);
    // ENTER_EXECUTOR has no cache entries of its own; the counter of the jump stays.
    bytecode.extend(assemble(14, &[("ENTER_EXECUTOR", 0, &[]), ("CACHE", 0, &[])]));
    bytecode.extend(assemble(14, &after[3..]));
    let views = views(&bytecode, &parts, &forms(14));
    let seen: Vec<_> = views.iter().map(|view| (view.form, view.in_compiled)).collect();
    assert_eq!(
        seen,
        [("LOAD_ATTR", false), ("LOAD_ATTR_SLOT", true), ("ENTER_EXECUTOR", true), ("LOAD_ATTR_SLOT", false)]
    );
    assert_eq!(views[2].state, SpecState::Compiled);
}

#[test]
fn memory_that_holds_something_else_is_not_looked_at() {
    let parts = parts(14, &assemble(14, &[("LOAD_ATTR", 0, &[17])]), &["a"]);
    let other = assemble(14, &[("STORE_ATTR", 0, &[17])]);
    assert_eq!(views(&other, &parts, &forms(14)), [SiteView::default()]);
    assert_eq!(views(&[], &parts, &forms(14)), [SiteView::default()]);
}

proptest! {
    #[test]
    fn any_bytes_are_decoded(
        bytecode in proptest::collection::vec(any::<u8>(), 0..400),
        later in proptest::collection::vec(any::<u8>(), 0..400),
        version in 0usize..8,
    ) {
        let spec = versions::all().nth(version).unwrap();
        let forms = Forms::new(spec.headers(false));
        let parts = CodeParts::new(&bytecode, &forms, vec!["a".into(); 9], 0, 0);
        let mut end = 0;
        for instruction in &parts.instructions {
            prop_assert!(instruction.offset >= end);
            prop_assert!((instruction.offset as usize) + 2 <= bytecode.len());
            end = instruction.offset + instruction.len;
        }
        for copy in [&bytecode, &later] {
            prop_assert_eq!(views(copy, &parts, &forms).len(), parts.sites.len());
        }
    }
}
