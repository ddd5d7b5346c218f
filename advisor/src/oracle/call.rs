//! `_Py_Specialize_Call`, with the forms that are as slow as a general call counted as failures.

use slowpath_profile::evidence::{Operand, TypeFacts, Value};

use super::{Decision, Facts, Reason};

/// `FUNC_VERSION_CLEARED`: the function was modified after it had been given a version.
const CLEARED: u32 = 1;

pub(super) fn call(facts: &Facts<'_>, operand: &Operand) -> Decision {
    match operand.value {
        Value::Function(function) => {
            if facts.has_eval_frame_hook() {
                return Decision::Fails(Reason::EvalFrameHook);
            }
            match facts.evidence.functions(function) {
                Some(function) if facts.version.clears_function_versions && function.version == CLEARED => {
                    Decision::Fails(Reason::FunctionModified)
                }
                Some(_) => Decision::Specialises("Python function"),
                None => Decision::Unknown("the function"),
            }
        }
        Value::Class(ty) => match facts.evidence.types(ty) {
            Some(ty) => class(facts, ty),
            None => Decision::Unknown("the class"),
        },
        Value::Instance(ty) => match facts.evidence.types(ty) {
            Some(ty) if ty.name == "partial" || ty.name == "functools.partial" => {
                Decision::Fails(Reason::Partial)
            }
            Some(ty) if ty.python_call => Decision::Fails(Reason::CallableObject),
            Some(_) => Decision::Specialises("native callable"),
            None => Decision::Unknown("the type of what is called"),
        },
        Value::Module(_) => Decision::Unknown("what is called"),
    }
}

fn class(facts: &Facts<'_>, ty: &TypeFacts) -> Decision {
    if !ty.is_heap || ty.is_immutable {
        return Decision::Specialises("built-in class");
    }
    let construction = &ty.construction;
    if construction.own_metaclass {
        return Decision::Fails(Reason::MetaclassCall);
    }
    if construction.own_new {
        return Decision::Fails(Reason::OwnNew);
    }
    if !facts.version.calls_init {
        // No class of a program has a form here: nothing that a program does would change that.
        return Decision::Unknown("a version that specialises calls of classes");
    }
    if facts.is_out_of_versions(ty) {
        return Decision::Fails(Reason::OutOfVersions);
    }
    if construction.complex_init {
        return Decision::Fails(Reason::ComplexInit);
    }
    Decision::Specialises("class")
}
