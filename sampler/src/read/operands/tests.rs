use proptest::prelude::*;
use slowpath_profile::evidence::OpFamily;

use super::Source::*;
use super::*;
use crate::layout::spec_for;
use crate::read::caches::SitePlan;

fn opcodes(minor: u8) -> &'static OpcodeTable {
    spec_for(minor).unwrap().opcodes
}

/// Code of these instructions; the last one is a site.
fn code(instructions: &[(&'static str, u32)], family: OpFamily) -> CodeParts {
    let lay = |(index, (name, oparg)): (usize, &(&'static str, u32))| Instruction {
        offset: index as u32 * 2,
        instruction: name,
        name,
        oparg: *oparg,
        len: 2,
    };
    let instructions: Vec<_> = instructions.iter().enumerate().map(lay).collect();
    let instruction = instructions.len() - 1;
    let site = SitePlan {
        offset: instruction as u32 * 2,
        family,
        name: String::new(),
        oparg: instructions[instruction].oparg,
        instruction,
    };
    CodeParts { instructions, sites: vec![site], ..CodeParts::default() }
}

fn of(minor: u8, instructions: &[(&'static str, u32)], family: OpFamily) -> SiteOperands {
    operands(&code(instructions, family), opcodes(minor)).remove(0)
}

fn attribute(base: Source, name: u32) -> Source {
    Attribute(Box::new(base), name)
}

#[test]
fn receivers_are_locals_globals_and_their_attributes() {
    let load = [("LOAD_FAST_BORROW", 1), ("LOAD_ATTR_INSTANCE_VALUE", 2 << 1), ("LOAD_ATTR", 3 << 1)];
    assert_eq!(of(14, &load, OpFamily::LoadAttr), [(OperandRole::Receiver, attribute(Local(1), 2))]);
    let store = [("LOAD_CONST", 0), ("LOAD_GLOBAL_MODULE", 5), ("STORE_ATTR", 0)];
    assert_eq!(of(10, &store, OpFamily::StoreAttr), [(OperandRole::Receiver, Global(5))]);
    // A null goes with an odd argument, first below and later above.
    assert_eq!(of(11, &store, OpFamily::StoreAttr), [(OperandRole::Receiver, Global(2))]);
    assert_eq!(of(13, &store, OpFamily::StoreAttr), []);
}

#[test]
fn callees_are_where_each_version_puts_them() {
    let call = |minor, global: u32, name| {
        of(minor, &[("LOAD_GLOBAL", global), ("LOAD_FAST", 0), (name, 1)], OpFamily::Call)
    };
    let callee = [(OperandRole::Callee, Global(2))];
    assert_eq!(call(8, 2, "CALL_FUNCTION"), callee);
    assert_eq!(call(11, 2 << 1 | 1, "CALL"), callee);
    assert_eq!(call(13, 2 << 1 | 1, "CALL_PY_EXACT_ARGS"), callee);
    let method = [(OperandRole::Callee, attribute(Local(0), 4))];
    let load = |name, oparg, call| [("LOAD_FAST", 0), (name, oparg), ("LOAD_SMALL_INT", 1), (call, 1)];
    assert_eq!(of(9, &load("LOAD_METHOD", 4, "CALL_METHOD"), OpFamily::Call), method);
    assert_eq!(of(11, &load("LOAD_METHOD_WITH_VALUES", 4, "CALL_ADAPTIVE"), OpFamily::Call), method);
    assert_eq!(of(15, &load("LOAD_ATTR", 4 << 1 | 1, "CALL"), OpFamily::Call), method);
    let keywords = [("LOAD_GLOBAL", 5), ("LOAD_FAST", 0), ("LOAD_CONST", 1), ("CALL_KW", 1)];
    assert_eq!(of(14, &keywords, OpFamily::CallKw), callee);
}

#[test]
fn callees_of_calls_that_unpack_are_found() {
    let pass = |minor, opcodes: &[(&'static str, u32)]| of(minor, opcodes, OpFamily::CallUnpacked);
    let both = [("LOAD_FAST", 0), ("BUILD_MAP", 0), ("LOAD_FAST", 1), ("DICT_MERGE", 1)];
    let through = [(OperandRole::Callee, Cell(3))];
    let newest = [&[("LOAD_DEREF", 3), ("PUSH_NULL", 0)], &both[..], &[("CALL_FUNCTION_EX", 1)]].concat();
    assert_eq!(pass(15, &newest), through);
    let older = [&[("PUSH_NULL", 0), ("LOAD_DEREF", 3)], &both[..], &[("CALL_FUNCTION_EX", 1)]].concat();
    assert_eq!(pass(11, &older), through);
    let oldest = [("LOAD_GLOBAL", 2), ("LOAD_FAST", 0), ("CALL_FUNCTION_EX", 0)];
    assert_eq!(pass(9, &oldest), [(OperandRole::Callee, Global(2))]);
}

#[test]
fn operators_have_two_sides() {
    let found = of(14, &[("LOAD_FAST_LOAD_FAST", 0x21), ("BINARY_OP", 0)], OpFamily::BinaryOp);
    assert_eq!(found, [(OperandRole::Left, Local(2)), (OperandRole::Right, Local(1))]);
    // A superinstruction of 3.12 is followed by its second half.
    let halves = [("LOAD_FAST__LOAD_CONST", 3), ("LOAD_CONST", 1), ("COMPARE_OP", 0)];
    let found = of(12, &halves, OpFamily::Compare);
    assert_eq!(found, [(OperandRole::Left, Local(3)), (OperandRole::Right, Const(1))]);
    let after_call = [("LOAD_FAST", 0), ("CALL_FUNCTION", 0), ("LOAD_FAST", 1), ("BINARY_ADD", 0)];
    assert_eq!(of(8, &after_call, OpFamily::BinaryOp), [(OperandRole::Right, Local(1))]);
}

#[test]
fn values_are_followed_when_they_are_moved() {
    let swapped = [("LOAD_FAST", 0), ("LOAD_FAST", 1), ("SWAP", 2), ("LOAD_ATTR", 0)];
    assert_eq!(of(12, &swapped, OpFamily::LoadAttr), [(OperandRole::Receiver, Local(0))]);
    let doubled = [("LOAD_FAST", 0), ("LOAD_FAST", 1), ("ROT_TWO", 0), ("DUP_TOP", 0), ("LOAD_ATTR", 0)];
    assert_eq!(of(8, &doubled, OpFamily::LoadAttr), [(OperandRole::Receiver, Local(0))]);
    let loops = [("LOAD_FAST", 4), ("GET_ITER", 0), ("FOR_ITER", 9)];
    let items = [("LOAD_FAST", 4), ("GET_ITER", 0), ("FOR_ITER_LIST", 9), ("UNPACK_SEQUENCE", 2)];
    let element = Element(Box::new(Local(4)));
    assert_eq!(of(12, &items, OpFamily::Unpack), [(OperandRole::Left, element)]);
    let item = [("LOAD_FAST", 4), ("LOAD_FAST", 5), ("BINARY_OP_SUBSCR_LIST_INT", 26), ("LOAD_ATTR", 2)];
    let [(_, item)] = &of(14, &item, OpFamily::LoadAttr)[..] else { panic!("one operand") };
    assert_eq!(*item, Item(Box::new(Local(4)), Box::new(Local(5))));
    assert!(item.last_local() == Some(5) && !item.locals_all(&|slot| slot == 4));
    assert_eq!(of(13, &loops, OpFamily::Iterate), [(OperandRole::Left, Iterator(Box::new(Local(4))))]);
}

#[test]
fn after_an_unknown_instruction_nothing_is_known() {
    let code = [("LOAD_FAST", 0), ("LOAD_FAST", 1), ("MATCH_CLASS", 0), ("BINARY_OP", 0)];
    assert_eq!(of(14, &code, OpFamily::BinaryOp), []);
}

#[test]
fn a_local_is_kept_until_something_stores_to_it() {
    let code = code(
        &[("LOAD_FAST", 0), ("STORE_FAST_STORE_FAST", 0x12), ("NOP", 0), ("LOAD_ATTR", 0)],
        OpFamily::LoadAttr,
    );
    assert!(is_kept(&code, 0, 0, 6) && is_kept(&code, 1, 4, 6));
    assert!(!is_kept(&code, 1, 0, 6) && !is_kept(&code, 2, 6, 2));
}

proptest! {
    #[test]
    fn any_instructions_are_followed(
        opcodes_and_args in proptest::collection::vec((any::<u8>(), any::<u32>()), 1..60),
        minor in 8u8..=15,
    ) {
        let table = opcodes(minor);
        let named: Vec<(&'static str, u32)> = opcodes_and_args
            .iter()
            .map(|(opcode, oparg)| (table.name(*opcode).unwrap_or("NOP"), *oparg))
            .collect();
        let parts = code(&named, OpFamily::Call);
        prop_assert_eq!(operands(&parts, table).len(), 1);
    }
}
