//! `_Py_Specialize_BinaryOp`, `…_CompareOp`, `…_ContainsOp`, `…_ToBool`, `…_ForIter` and
//! `…_UnpackSequence`.

use slowpath_profile::evidence::{Operand, OperandRole, Site, Value};

use super::{Decision, Facts, Reason};

const NO_TYPES: Decision = Decision::Unknown("the types of both sides");

/// The name of the type of an operand; empty for what is no instance.
fn name<'a>(facts: &Facts<'a>, operand: &Operand) -> &'a str {
    facts.type_of(operand).map_or("", |ty| &ty.name)
}

/// The type of the other side, if only one was seen there.
fn other<'a>(facts: &Facts<'a>, site: &'a Site, role: OperandRole) -> Option<(&'a str, &'a Operand)> {
    let mut seen = site.operands_as(role);
    let first = seen.next()?;
    seen.next().is_none().then(|| (name(facts, first), first))
}

pub(super) fn binary(facts: &Facts<'_>, site: &Site, left: &Operand) -> Decision {
    let Some((right, _)) = other(facts, site, OperandRole::Right) else { return NO_TYPES };
    let left = name(facts, left);
    if left.is_empty() || right.is_empty() {
        return NO_TYPES;
    }
    let arithmetic = ["+", "-", "*"].contains(&site.name.trim_end_matches('='));
    let divides = site.name.trim_end_matches('=') == "/";
    match (left, right) {
        ("int", "int") | ("float", "float") if arithmetic => Decision::Specialises("numbers of one type"),
        ("str", "str") if site.name.starts_with('+') => Decision::Specialises("strings"),
        ("int", "float") | ("float", "int") if arithmetic || divides => {
            if facts.version.mixes_numbers {
                return Decision::Specialises("integer and float");
            }
            Decision::Fails(Reason::DifferentTypes)
        }
        (left, right) if left != right => Decision::Fails(Reason::DifferentTypes),
        _ => Decision::Fails(Reason::OtherTypes),
    }
}

pub(super) fn compare(facts: &Facts<'_>, site: &Site, left: &Operand) -> Decision {
    let Some((right, right_operand)) = other(facts, site, OperandRole::Right) else { return NO_TYPES };
    let big = !left.note.is_empty() || !right_operand.note.is_empty();
    let left = name(facts, left);
    if left.is_empty() || right.is_empty() {
        return NO_TYPES;
    }
    match (left, right) {
        ("int", "int") if big => Decision::Fails(Reason::BigInt),
        ("int", "int") | ("float", "float") => Decision::Specialises("numbers of one type"),
        ("str", "str") if site.name == "==" || site.name == "!=" => Decision::Specialises("strings"),
        ("tuple", "tuple") => Decision::Fails(Reason::TupleCompare),
        (left, right) if left != right => Decision::Fails(Reason::DifferentTypes),
        _ => Decision::Fails(Reason::OtherTypes),
    }
}

pub(super) fn subscript(facts: &Facts<'_>, site: &Site, container: &Operand) -> Decision {
    let Some(ty) = facts.type_of(container) else { return NO_TYPES };
    let negative = site.operands_as(OperandRole::Right).any(|index| index.note.contains("negative"));
    match ty.name.as_str() {
        "list" | "tuple" | "str" if negative => Decision::Fails(Reason::NegativeIndex),
        "list" | "tuple" | "dict" => Decision::Specialises("built-in container"),
        _ if ty.python_getitem => Decision::Fails(Reason::PythonGetitem),
        _ if is_dict_subclass(facts, container) && !facts.version.subscripts_dict_subclass => {
            Decision::Fails(Reason::DictSubclass)
        }
        _ if is_dict_subclass(facts, container) => Decision::Specialises("subclass of dict"),
        _ => Decision::Fails(Reason::OtherTypes),
    }
}

fn is_dict_subclass(facts: &Facts<'_>, operand: &Operand) -> bool {
    facts.type_of(operand).is_some_and(|ty| {
        ty.mro.iter().any(|base| facts.evidence.types(*base).is_some_and(|base| base.name == "dict"))
    })
}

pub(super) fn contains(facts: &Facts<'_>, container: &Operand) -> Decision {
    match name(facts, container) {
        "" => NO_TYPES,
        "list" | "tuple" => Decision::Fails(Reason::LinearSearch),
        "dict" | "set" | "frozenset" if facts.version.has_contains => {
            Decision::Specialises("hashed container")
        }
        _ if !facts.version.has_contains => Decision::Unknown("a version that specialises this"),
        _ => Decision::Fails(Reason::OtherContainer),
    }
}

pub(super) fn truth(facts: &Facts<'_>, operand: &Operand) -> Decision {
    let Some(ty) = facts.type_of(operand) else { return NO_TYPES };
    if ty.python_truth {
        return Decision::Fails(Reason::PythonTruth);
    }
    if !facts.version.has_to_bool {
        return Decision::Unknown("a version that specialises this");
    }
    match ty.name.as_str() {
        "bool" | "int" | "list" | "str" | "NoneType" => Decision::Specialises("truth of a built-in value"),
        _ if ty.is_heap => Decision::Specialises("always true"),
        _ => Decision::Fails(Reason::OtherTypes),
    }
}

pub(super) fn iterate(facts: &Facts<'_>, operand: &Operand) -> Decision {
    let Some(ty) = facts.type_of(operand) else { return NO_TYPES };
    if ty.python_next {
        return Decision::Fails(Reason::PythonIterator);
    }
    if !facts.version.has_for {
        return Decision::Unknown("a version that specialises this");
    }
    match ty.name.as_str() {
        "list_iterator" | "tuple_iterator" | "range_iterator" | "generator" | "list" | "tuple" | "range" => {
            Decision::Specialises("iterator")
        }
        _ => Decision::Fails(Reason::OtherTypes),
    }
}

pub(super) fn unpack(facts: &Facts<'_>, operand: &Operand) -> Decision {
    match (&operand.value, name(facts, operand)) {
        (Value::Instance(_), "tuple" | "list") => Decision::Specialises("tuple or list"),
        (_, "") => NO_TYPES,
        _ => Decision::Fails(Reason::OtherUnpacked),
    }
}
