//! `_Py_Specialize_LoadAttr` and `_Py_Specialize_StoreAttr`.

use slowpath_profile::evidence::{
    Attribute, AttributeKind, InstanceDict, KeysKind, Operand, TypeFacts, Value,
};

use super::{Decision, Facts, Reason, is_known};

const NO_TYPE: Decision = Decision::Unknown("the type of the object");
const NO_ATTRIBUTE: Decision = Decision::Unknown("what the class holds under that name");
const NO_DICT: Decision = Decision::Unknown("how the object keeps its attributes");

pub(super) fn read(facts: &Facts<'_>, operand: &Operand, name: &str) -> Decision {
    match operand.value {
        Value::Instance(ty) => match facts.evidence.types(ty) {
            Some(ty) => read_instance(facts, ty, operand.dict, name),
            None => NO_TYPE,
        },
        Value::Class(ty) => match facts.evidence.types(ty) {
            Some(ty) => read_class(facts, ty, name),
            None => NO_TYPE,
        },
        Value::Module(module) => match facts.evidence.namespaces(module) {
            Some(module) if module.keys.kind == KeysKind::General => Decision::Fails(Reason::NonStringKeys),
            Some(_) => Decision::Specialises("attribute of a module"),
            None => Decision::Unknown("the module"),
        },
        Value::Function(_) => Decision::Fails(Reason::NotManagedDict),
    }
}

fn read_instance(facts: &Facts<'_>, ty: &TypeFacts, dict: InstanceDict, name: &str) -> Decision {
    if ty.hooks.getattribute || ty.hooks.native_get {
        return Decision::Fails(Reason::Overridden);
    }
    if ty.hooks.getattr && facts.version.getattr_stops_reads {
        return Decision::Fails(Reason::HasGetattr);
    }
    if facts.is_out_of_versions(ty) {
        return Decision::Fails(Reason::OutOfVersions);
    }
    let Some(attribute) = ty.attribute(name) else { return NO_ATTRIBUTE };
    let own = attribute.on_instance || attribute.in_shared_keys;
    match attribute.kind {
        AttributeKind::Missing if ty.hooks.getattr && !own => Decision::Fails(Reason::HasGetattr),
        AttributeKind::Missing => instance_values(facts, ty, attribute, dict, false),
        AttributeKind::Function | AttributeKind::NativeMethod => method(facts, ty, attribute, dict),
        AttributeKind::Property if !facts.version.reads_properties => Decision::Fails(Reason::Property),
        AttributeKind::Property if ty.hooks.getattr => Decision::Fails(Reason::HasGetattr),
        AttributeKind::Property if facts.has_eval_frame_hook() => Decision::Fails(Reason::EvalFrameHook),
        AttributeKind::Property => Decision::Specialises("property"),
        AttributeKind::Slot => Decision::Specialises("slot"),
        AttributeKind::GetSet => Decision::Fails(Reason::NativeDescriptor),
        AttributeKind::CachedProperty => Decision::Fails(Reason::CachedProperty),
        AttributeKind::PythonDescriptor | AttributeKind::PythonDataDescriptor => {
            Decision::Fails(Reason::PythonDescriptor)
        }
        AttributeKind::PythonInstance => Decision::Fails(Reason::MutableClass),
        AttributeKind::ClassMethod | AttributeKind::StaticMethod if !own => {
            Decision::Fails(Reason::WrappedMethod)
        }
        AttributeKind::Value if !own => class_value(facts),
        AttributeKind::Value | AttributeKind::ClassMethod | AttributeKind::StaticMethod => {
            if facts.version.class_value_stops_reads {
                return Decision::Fails(Reason::ClassValue);
            }
            instance_values(facts, ty, attribute, dict, false)
        }
        AttributeKind::Unknown => NO_ATTRIBUTE,
    }
}

fn class_value(facts: &Facts<'_>) -> Decision {
    if facts.version.reads_class_value {
        return Decision::Specialises("value of the class");
    }
    Decision::Fails(Reason::ClassValueRead)
}

fn method(facts: &Facts<'_>, ty: &TypeFacts, attribute: &Attribute, dict: InstanceDict) -> Decision {
    if attribute.on_instance && attribute.in_shared_keys {
        if facts.version.reads_class_value && !facts.version.class_value_stops_reads {
            return instance_values(facts, ty, attribute, dict, false);
        }
        return Decision::Fails(Reason::MethodShadowed);
    }
    match dict {
        InstanceDict::Shared | InstanceDict::Own if ty.managed_dict && !facts.version.methods_beside_dict => {
            Decision::Fails(Reason::SplitDict)
        }
        _ => Decision::Specialises("method"),
    }
}

/// `specialize_dict_access`: an attribute that the instance itself holds.
fn instance_values(
    facts: &Facts<'_>,
    ty: &TypeFacts,
    attribute: &Attribute,
    dict: InstanceDict,
    store: bool,
) -> Decision {
    if !is_known(dict) {
        return NO_DICT;
    }
    if !ty.managed_dict {
        return Decision::Fails(Reason::NotManagedDict);
    }
    match dict {
        // Other objects may hold it in a dict; a store to this one does not find it among the values.
        InstanceDict::Values if attribute.in_shared_keys || (attribute.on_instance && !store) => {
            Decision::Specialises("value of the instance")
        }
        InstanceDict::Values => Decision::Fails(Reason::NotInKeys),
        InstanceDict::Shared if !store && facts.version.reads_beside_dict => {
            Decision::Specialises("value of the instance")
        }
        InstanceDict::Shared => Decision::Fails(Reason::SplitDict),
        InstanceDict::Own
            if facts.version.own_dict_needs_shared_key && !attribute.in_shared_keys && !store =>
        {
            Decision::Fails(Reason::OwnDict)
        }
        InstanceDict::Own => Decision::Specialises("place in the dict of the instance"),
        InstanceDict::None | InstanceDict::Unknown => NO_DICT,
    }
}

fn read_class(facts: &Facts<'_>, ty: &TypeFacts, name: &str) -> Decision {
    if ty.construction.own_metaclass && !facts.version.reads_through_metaclass {
        return Decision::Fails(Reason::Metaclass);
    }
    if facts.is_out_of_versions(ty) {
        return Decision::Fails(Reason::OutOfVersions);
    }
    match ty.attribute(name).map(|attribute| attribute.kind) {
        Some(AttributeKind::Function | AttributeKind::NativeMethod | AttributeKind::Value) => {
            Decision::Specialises("value of the class")
        }
        Some(AttributeKind::PythonInstance) => Decision::Fails(Reason::MutableClass),
        Some(AttributeKind::ClassMethod | AttributeKind::StaticMethod) => {
            Decision::Fails(Reason::WrappedMethod)
        }
        Some(AttributeKind::PythonDescriptor | AttributeKind::PythonDataDescriptor) => {
            Decision::Fails(Reason::PythonDescriptor)
        }
        _ => NO_ATTRIBUTE,
    }
}

pub(super) fn write(facts: &Facts<'_>, operand: &Operand, name: &str) -> Decision {
    if matches!(operand.value, Value::Class(_)) {
        return Decision::Unknown("what a write to a class would gain from a form");
    }
    let Some(ty) = facts.type_of(operand) else { return NO_TYPE };
    if ty.hooks.setattr || ty.hooks.native_set {
        return Decision::Fails(Reason::HasSetattr);
    }
    if facts.is_out_of_versions(ty) {
        return Decision::Fails(Reason::OutOfVersions);
    }
    let Some(attribute) = ty.attribute(name) else { return NO_ATTRIBUTE };
    match attribute.kind {
        AttributeKind::Missing => instance_values(facts, ty, attribute, operand.dict, true),
        AttributeKind::Slot => Decision::Specialises("slot"),
        AttributeKind::Property => Decision::Fails(Reason::Property),
        AttributeKind::GetSet => Decision::Fails(Reason::NativeDescriptor),
        AttributeKind::CachedProperty => Decision::Fails(Reason::CachedProperty),
        AttributeKind::PythonDescriptor | AttributeKind::PythonDataDescriptor => {
            Decision::Fails(Reason::PythonDescriptor)
        }
        AttributeKind::PythonInstance => Decision::Fails(Reason::MutableClass),
        AttributeKind::Unknown => NO_ATTRIBUTE,
        _ if facts.version.class_value_stops_writes => Decision::Fails(Reason::ClassValue),
        _ => instance_values(facts, ty, attribute, operand.dict, true),
    }
}
