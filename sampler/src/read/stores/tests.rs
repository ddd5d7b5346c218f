use proptest::prelude::*;

use super::*;
use crate::layout::forms::Forms;
use crate::layout::spec_for;
use crate::read::caches::instructions;

/// Names and constants as a test writes them.
struct Written {
    names: Vec<&'static str>,
    locals: Vec<&'static str>,
    constants: Vec<&'static str>,
}

impl Operands for Written {
    fn name(&mut self, index: u32) -> Arc<str> {
        self.names.get(index as usize).copied().unwrap_or_default().into()
    }
    fn local(&mut self, index: u32) -> Arc<str> {
        self.locals.get(index as usize).copied().unwrap_or_default().into()
    }
    fn cell(&mut self, index: u32) -> Arc<str> {
        self.local(index)
    }
    fn text(&mut self, index: u32) -> Option<Arc<str>> {
        self.constants.get(index as usize).filter(|text| !text.is_empty()).map(|text| (*text).into())
    }
}

/// What instructions of 3.`minor`, each two bytes apart, store to: kind, name, target.
fn found(
    minor: u8,
    body: Body,
    written: &mut Written,
    code: &[(&'static str, u32)],
) -> Vec<(StoreKind, String, String)> {
    let instruction = |(unit, (name, oparg)): (usize, &(&'static str, u32))| Instruction {
        offset: unit as u32 * 2,
        name,
        instruction: name,
        oparg: *oparg,
        len: 2,
    };
    let instructions: Vec<Instruction> = code.iter().enumerate().map(instruction).collect();
    let flag_bits = |name: &str| spec_for(minor).unwrap().adaptive.flag_bits_of(name);
    let found = find(&instructions, body, &flag_bits, written);
    found.into_iter().map(|it| (it.kind, it.name.to_string(), it.target.to_string())).collect()
}

fn one(kind: StoreKind, name: &str, target: &str) -> Vec<(StoreKind, String, String)> {
    vec![(kind, name.to_owned(), target.to_owned())]
}

fn written(names: &[&'static str], constants: &[&'static str]) -> Written {
    Written { names: names.to_vec(), locals: vec!["self", "value"], constants: constants.to_vec() }
}

/// `type(self).created += 1` as each version compiles it.
#[test]
fn augmented_stores_to_a_class_name_it() {
    let expected = one(StoreKind::Attribute, "created", "type(self)");
    let names = || written(&["type", "created"], &[""]);
    let before_3_11 = [
        ("LOAD_GLOBAL", 0),
        ("LOAD_FAST", 0),
        ("CALL_FUNCTION", 1),
        ("DUP_TOP", 0),
        ("LOAD_ATTR", 1),
        ("LOAD_CONST", 0),
        ("INPLACE_ADD", 0),
        ("ROT_TWO", 0),
        ("STORE_ATTR", 1),
    ];
    assert_eq!(found(8, Body::Function, &mut names(), &before_3_11), expected);
    let since_3_11 = |load_type: u32, load_created: u32, local: &'static str| {
        [
            ("LOAD_GLOBAL", load_type),
            (local, 0),
            ("CALL", 1),
            ("COPY", 1),
            ("LOAD_ATTR", load_created),
            ("LOAD_CONST", 0),
            ("BINARY_OP", 13),
            ("SWAP", 2),
            ("STORE_ATTR", 1),
        ]
    };
    assert_eq!(found(11, Body::Function, &mut names(), &since_3_11(1, 1, "LOAD_FAST")), expected);
    assert_eq!(found(13, Body::Function, &mut names(), &since_3_11(1, 2, "LOAD_FAST")), expected);
    assert_eq!(found(14, Body::Function, &mut names(), &since_3_11(1, 2, "LOAD_FAST_BORROW")), expected);
}

#[test]
fn dicts_of_globals_are_followed_through_variables() {
    let code = [
        ("LOAD_GLOBAL", 1),
        ("CALL", 0),
        ("STORE_FAST", 1),
        ("LOAD_FAST", 0),
        ("LOAD_FAST", 1),
        ("LOAD_CONST", 0),
        ("STORE_SUBSCR", 0),
    ];
    let mut names = written(&["globals"], &["latest"]);
    assert_eq!(found(13, Body::Function, &mut names, &code), one(StoreKind::GlobalsItem, "latest", ""));
    // Another value in that variable is another dict.
    let rebound = [&code[..3], &[("LOAD_FAST", 0), ("STORE_FAST", 1)], &code[3..]].concat();
    assert_eq!(found(13, Body::Function, &mut names, &rebound), []);
}

#[test]
fn calls_that_store_are_told_from_those_that_do_not() {
    let call = |name: u32, callee: &'static str| {
        let code = [
            ("LOAD_GLOBAL", name << 1 | 1),
            ("LOAD_FAST", 0),
            ("LOAD_CONST", 0),
            ("LOAD_FAST", 1),
            ("CALL", 3),
        ];
        found(13, Body::Function, &mut written(&[callee, callee], &["limit"]), &code)
    };
    assert_eq!(call(0, "setattr"), one(StoreKind::Setattr, "limit", "self"));
    assert_eq!(call(1, "print"), []);
    let mut names = written(&["__dict__", "update"], &[]);
    let update =
        [("LOAD_FAST", 0), ("LOAD_ATTR", 0), ("LOAD_ATTR", 3), ("LOAD_FAST", 1), ("CALL", 1), ("POP_TOP", 0)];
    let expected =
        [one(StoreKind::DictRead, "", "self").remove(0), one(StoreKind::DictItem, "", "self").remove(0)];
    assert_eq!(found(12, Body::Function, &mut names, &update), expected);
}

#[test]
fn a_name_is_read_from_every_form_of_a_constant() {
    for minor in 8..=15 {
        let opcodes = spec_for(minor).unwrap().headers(false).opcodes;
        let forms = opcodes.0.iter().map(|opcode| opcode.name);
        for form in forms.filter(|name| name.starts_with("LOAD_CONST") && !name.contains("__")) {
            let code = [("LOAD_GLOBAL", 1), ("LOAD_FAST", 0), (form, 0), ("LOAD_FAST", 1), ("CALL", 3)];
            // What comes before a call differs by version, what a constant is does not.
            let stored = found(13, Body::Function, &mut written(&["setattr"], &["limit"]), &code);
            assert_eq!(stored, one(StoreKind::Setattr, "limit", "self"), "3.{minor} {form}");
        }
    }
}

#[test]
fn bodies_decide_what_a_name_is() {
    let code = [("LOAD_CONST", 0), ("STORE_NAME", 0), ("LOAD_CONST", 0), ("STORE_GLOBAL", 1)];
    let in_body = |body| found(14, body, &mut written(&["kind", "rate"], &[""]), &code);
    let [kind, rate] = ["kind", "rate"].map(|name| one(StoreKind::Global, name, "").remove(0));
    assert_eq!(in_body(Body::Module), [kind, rate.clone()]);
    assert_eq!(in_body(Body::Class), [rate]);
    let class = [
        ("LOAD_BUILD_CLASS", 0),
        ("PUSH_NULL", 0),
        ("LOAD_CONST", 1),
        ("MAKE_FUNCTION", 0),
        ("LOAD_CONST", 0),
        ("CALL", 2),
        ("STORE_FAST", 1),
    ];
    let mut names = written(&[], &["Local", ""]);
    assert_eq!(found(14, Body::Function, &mut names, &class), one(StoreKind::ClassBody, "Local", ""));
    assert_eq!(found(14, Body::Module, &mut names, &class), []);
}

#[test]
fn what_is_not_known_has_no_name() {
    // Behind an instruction that the model does not know, the target is not guessed.
    let code = [("LOAD_FAST", 1), ("LOAD_FAST", 0), ("SOMETHING_NEW", 0), ("STORE_ATTR", 0)];
    let mut names = written(&["price"], &[]);
    assert_eq!(found(14, Body::Function, &mut names, &code), one(StoreKind::Attribute, "price", ""));
}

proptest! {
    #[test]
    fn any_bytecode_is_survived(minor in 8u8..16, code in proptest::collection::vec(any::<u8>(), 0..400)) {
        let layout = spec_for(minor).unwrap().headers(false);
        let instructions = instructions(&code, &Forms::new(layout));
        for body in [Body::Module, Body::Class, Body::Function] {
            let flags = |_: &str| 1;
            let found = find(&instructions, body, &flags, &mut written(&["globals", "vars", "x"], &["y"]));
            prop_assert!(found.len() <= MAX_STORES + 1);
        }
    }
}
