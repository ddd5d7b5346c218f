//! How many values instructions take from the stack and give to it, in all versions by name.

/// How many values an instruction takes and gives, if it goes on to the next one.
pub(super) fn effect(name: &str, oparg: u32, full: &str) -> Option<(u32, u32)> {
    if let Some(effect) = family_effect(name, oparg) {
        return Some(effect);
    }
    Some(match name {
        "NOP" | "RESUME" | "CACHE" | "NOT_TAKEN" | "COPY_FREE_VARS" | "MAKE_CELL" | "KW_NAMES"
        | "SETUP_ANNOTATIONS" | "GEN_START" | "SETUP_LOOP" | "POP_BLOCK" | "DELETE_FAST" | "DELETE_NAME"
        | "DELETE_GLOBAL" | "DELETE_DEREF" | "RESUME_CHECK" | "RESUME_CHECK_JIT" | "EXTENDED_ARG"
        | "RESUME_QUICK" => (0, 0),
        "POP_TOP"
        | "END_FOR"
        | "STORE_FAST"
        | "STORE_NAME"
        | "STORE_GLOBAL"
        | "STORE_DEREF"
        | "DELETE_ATTR"
        | "LIST_APPEND"
        | "SET_ADD"
        | "LIST_EXTEND"
        | "SET_UPDATE"
        | "DICT_UPDATE"
        | "DICT_MERGE"
        | "STORE_FAST_MAYBE_NULL" => (1, 0),
        "STORE_FAST_STORE_FAST" | "DELETE_SUBSCR" | "MAP_ADD" => (2, 0),
        "STORE_SLICE" => (4, 0),
        "BINARY_SLICE" => (3, 1),
        "IS_OP" | "CALL_INTRINSIC_2" | "FORMAT_WITH_SPEC" => (2, 1),
        "FORMAT_SIMPLE" | "CONVERT_VALUE" | "CALL_INTRINSIC_1" | "GET_LEN" | "GET_AWAITABLE" => (1, 1),
        "LIST_TO_TUPLE" | "SET_FUNCTION_ATTRIBUTE" if full.starts_with("LIST") => (1, 1),
        "SET_FUNCTION_ATTRIBUTE" => (2, 1),
        "FORMAT_VALUE" => (1 + u32::from(oparg & 4 != 0), 1),
        "BUILD_LIST" | "BUILD_TUPLE" | "BUILD_SET" | "BUILD_STRING" | "BUILD_SLICE" => (oparg, 1),
        "BUILD_MAP" => (oparg.saturating_mul(2), 1),
        "BUILD_CONST_KEY_MAP" => (oparg.saturating_add(1), 1),
        "LOAD_DEREF"
        | "LOAD_CLOSURE"
        | "LOAD_BUILD_CLASS"
        | "LOAD_COMMON_CONSTANT"
        | "LOAD_LOCALS"
        | "LOAD_ASSERTION_ERROR"
        | "LOAD_CLASSDEREF"
        | "LOAD_FAST_AND_CLEAR" => (0, 1),
        "IMPORT_NAME" => (2, 1),
        "IMPORT_FROM" => (1, 2),
        "LOAD_SPECIAL" => (1, 2),
        "MAKE_FUNCTION" => (1, 1),
        _ => return None,
    })
}

/// The same for opcodes with specialised forms: `STORE_ATTR_SLOT` is as `STORE_ATTR`.
fn family_effect(name: &str, oparg: u32) -> Option<(u32, u32)> {
    let is =
        |family: &str| name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    let call = |beside: u32| Some((oparg.saturating_add(beside), 1));
    match name {
        "CALL_FUNCTION" => return call(1),
        "CALL_METHOD" | "CALL_FUNCTION_KW" => return call(2),
        _ if is("CALL_INTRINSIC") => return None,
        _ if is("CALL_KW") => return call(3),
        _ if is("PRECALL") => return Some((0, 0)),
        _ if is("CALL") => return call(2),
        _ => {}
    }
    let fixed: [(&str, (u32, u32)); 12] = [
        ("STORE_ATTR", (2, 0)),
        ("STORE_SUBSCR", (3, 0)),
        ("BINARY_SLICE", (3, 1)),
        ("BINARY", (2, 1)),
        ("INPLACE", (2, 1)),
        ("COMPARE_OP", (2, 1)),
        ("CONTAINS_OP", (2, 1)),
        ("TO_BOOL", (1, 1)),
        ("UNARY", (1, 1)),
        ("LOAD_SUPER_ATTR", (3, 1 + (oparg & 1))),
        ("UNPACK_SEQUENCE", (1, oparg)),
        // The way that does not jump.
        ("POP_JUMP", (1, 0)),
    ];
    fixed.iter().find(|(family, _)| is(family)).map(|(_, effect)| *effect)
}
