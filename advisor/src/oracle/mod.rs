//! The oracle: would this version of CPython specialise that instruction for those objects, and if
//! not, which clause of its decision says no?
//!
//! A generic opcode or a busy counter is a suspicion. It becomes a finding only when the decision of
//! `Python/specialize.c`, made again on the objects that were seen, fails for a reason with a name.
//!
//! Invariants:
//! - pure: facts in, decision out;
//! - what was not seen gives [`Decision::Unknown`], never a guess;
//! - versions differ in `Version` alone, one file each.

mod attribute;
mod call;
mod global;
mod operator;
mod reason;
mod v3_11;
mod v3_12;
mod v3_13;
mod v3_14;
mod v3_15;

pub use reason::Reason;

use slowpath_profile::evidence::{
    Handicap, InstanceDict, NamespaceRef, OpFamily, Operand, OperandRole, ProcessEvidence, Site, TypeFacts,
    Value,
};

/// What the specialiser decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It has a form for this, named here for people.
    Specialises(&'static str),
    /// It has none, or one that is as slow.
    Fails(Reason),
    /// The facts do not tell; this is what is missing.
    Unknown(&'static str),
}

/// In what the specialisers of CPython differ, as far as evidence shows it.
#[derive(Clone, Copy, Debug)]
struct Version {
    /// A value in a class hides an instance attribute of the same name from a specialised read.
    class_value_stops_reads: bool,
    /// The same for a specialised write.
    class_value_stops_writes: bool,
    /// A value of a class that instances do not have is read through an instance by a form.
    reads_class_value: bool,
    /// A read is specialised although the instance has a dict that shares its values.
    reads_beside_dict: bool,
    /// A method is found by a form although the instance has a dict.
    methods_beside_dict: bool,
    /// A name in a dict of its own is found by a form only if it is among the shared keys.
    own_dict_needs_shared_key: bool,
    /// A `__getattr__` that is only a fallback stops all forms.
    getattr_stops_reads: bool,
    /// There is a form for properties.
    reads_properties: bool,
    /// A class with a metaclass has forms for reading its attributes.
    reads_through_metaclass: bool,
    /// Versions of dict keys have 16 bits in the cache of a global.
    narrow_keys_versions: bool,
    /// A call of a class with a simple `__init__` has a form.
    calls_init: bool,
    /// `__code__` or `__defaults__` that were set stop a function from being specialised for ever.
    clears_function_versions: bool,
    /// Integers and floats may be mixed in arithmetic.
    mixes_numbers: bool,
    /// `in` has forms.
    has_contains: bool,
    /// Truth tests have forms.
    has_to_bool: bool,
    /// `for` has forms.
    has_for: bool,
    /// A subclass of dict is subscripted as fast as a dict.
    subscripts_dict_subclass: bool,
}

fn version_of(version: (u8, u8)) -> Option<&'static Version> {
    match version {
        (3, 11) => Some(&v3_11::VERSION),
        (3, 12) => Some(&v3_12::VERSION),
        (3, 13) => Some(&v3_13::VERSION),
        (3, 14) => Some(&v3_14::VERSION),
        (3, 15) => Some(&v3_15::VERSION),
        _ => None,
    }
}

/// The facts of one decision.
#[derive(Clone, Copy)]
struct Facts<'a> {
    version: &'static Version,
    evidence: &'a ProcessEvidence,
}

impl<'a> Facts<'a> {
    fn type_of(&self, operand: &Operand) -> Option<&'a TypeFacts> {
        match operand.value {
            Value::Instance(ty) => self.evidence.types(ty),
            _ => None,
        }
    }

    /// Whether the class, or one that it inherits from, will never have a version tag again.
    fn is_out_of_versions(&self, ty: &TypeFacts) -> bool {
        ty.version.is_spent() || (ty.version.last == 0 && ty.mro.iter().any(|base| self.is_spent(*base)))
    }

    fn is_spent(&self, base: slowpath_profile::evidence::TypeRef) -> bool {
        self.evidence.types(base).is_some_and(|base| base.version.is_spent())
    }

    fn has_eval_frame_hook(&self) -> bool {
        self.evidence.runtime.handicaps.contains(&Handicap::EvalFrameHook)
    }
}

/// Decides for one instruction and one of the objects that it met. `globals` are those of the code
/// that holds it.
pub fn decide(
    version: (u8, u8),
    evidence: &ProcessEvidence,
    site: &Site,
    globals: Option<NamespaceRef>,
    operand: Option<&Operand>,
) -> Decision {
    let Some(version) = version_of(version) else {
        return Decision::Unknown("how this version of CPython specialises");
    };
    let facts = Facts { version, evidence };
    if site.family == OpFamily::LoadGlobal {
        return global::read(&facts, globals);
    }
    let Some(operand) = operand else { return Decision::Unknown("the objects that it meets") };
    match site.family {
        OpFamily::LoadAttr => attribute::read(&facts, operand, &site.name),
        OpFamily::StoreAttr => attribute::write(&facts, operand, &site.name),
        OpFamily::Call | OpFamily::CallKw => call::call(&facts, operand),
        OpFamily::BinaryOp => operator::binary(&facts, site, operand),
        OpFamily::Compare => operator::compare(&facts, site, operand),
        OpFamily::Subscript => operator::subscript(&facts, site, operand),
        OpFamily::Contains => operator::contains(&facts, operand),
        OpFamily::ToBool => operator::truth(&facts, operand),
        OpFamily::Iterate => operator::iterate(&facts, operand),
        OpFamily::Unpack => operator::unpack(&facts, operand),
        _ => Decision::Unknown("the rules for this instruction"),
    }
}

/// The place whose object decides for a family of instructions.
pub fn deciding_role(family: OpFamily) -> OperandRole {
    match family {
        OpFamily::Call | OpFamily::CallKw | OpFamily::CallUnpacked => OperandRole::Callee,
        OpFamily::Contains => OperandRole::Right,
        OpFamily::LoadAttr | OpFamily::StoreAttr | OpFamily::LoadSuperAttr => OperandRole::Receiver,
        _ => OperandRole::Left,
    }
}

/// Whether an instance keeps its attributes in a way that is known.
fn is_known(dict: InstanceDict) -> bool {
    dict != InstanceDict::Unknown
}

#[cfg(test)]
mod tests;
