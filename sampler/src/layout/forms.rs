//! What each opcode of a version is: which instruction it stands for, and as which form of it.
//!
//! CPython names a specialised form after the instruction that it stands for, so one list of
//! instructions tells the families of all versions; what a version names otherwise stands in its file.

use slowpath_profile::evidence::OpFamily;

use super::spec::{CacheTag, CounterFormat, Layout, OpcodeTable};

/// Instructions that belong to a family, in any version. The longest name that an opcode begins with
/// is the instruction that it stands for.
const INSTRUCTIONS: &[(&str, OpFamily)] = &[
    ("LOAD_GLOBAL", OpFamily::LoadGlobal),
    ("LOAD_NAME", OpFamily::LoadName),
    ("LOAD_ATTR", OpFamily::LoadAttr),
    ("LOAD_METHOD", OpFamily::LoadAttr),
    ("LOAD_SUPER_ATTR", OpFamily::LoadSuperAttr),
    ("STORE_ATTR", OpFamily::StoreAttr),
    ("STORE_GLOBAL", OpFamily::StoreGlobal),
    ("STORE_NAME", OpFamily::StoreGlobal),
    ("CALL", OpFamily::Call),
    ("PRECALL", OpFamily::Call),
    ("CALL_FUNCTION", OpFamily::Call),
    ("CALL_FUNCTION_KW", OpFamily::Call),
    ("CALL_FUNCTION_EX", OpFamily::CallUnpacked),
    ("CALL_KW", OpFamily::CallKw),
    ("CALL_METHOD", OpFamily::Call),
    ("CALL_FINALLY", OpFamily::Other),
    ("CALL_INTRINSIC_1", OpFamily::Other),
    ("CALL_INTRINSIC_2", OpFamily::Other),
    ("BINARY_OP", OpFamily::BinaryOp),
    ("BINARY_SUBSCR", OpFamily::Subscript),
    ("BINARY_SLICE", OpFamily::Subscript),
    ("STORE_SUBSCR", OpFamily::StoreSubscript),
    ("STORE_SLICE", OpFamily::StoreSubscript),
    ("COMPARE_OP", OpFamily::Compare),
    ("CONTAINS_OP", OpFamily::Contains),
    ("TO_BOOL", OpFamily::ToBool),
    ("FOR_ITER", OpFamily::Iterate),
    ("GET_ITER", OpFamily::GetIter),
    ("SEND", OpFamily::Send),
    ("YIELD_FROM", OpFamily::Send),
    ("UNPACK_SEQUENCE", OpFamily::Unpack),
    ("UNPACK_EX", OpFamily::Unpack),
    ("JUMP_ABSOLUTE", OpFamily::Loop),
    ("JUMP_BACKWARD", OpFamily::Loop),
    ("JUMP_BACKWARD_NO_INTERRUPT", OpFamily::Other),
    ("POP_JUMP_BACKWARD_IF_FALSE", OpFamily::Loop),
    ("POP_JUMP_BACKWARD_IF_NONE", OpFamily::Loop),
    ("POP_JUMP_BACKWARD_IF_NOT_NONE", OpFamily::Loop),
    ("POP_JUMP_BACKWARD_IF_TRUE", OpFamily::Loop),
    ("RESUME", OpFamily::Resume),
    ("IMPORT_NAME", OpFamily::Import),
    ("IMPORT_FROM", OpFamily::Import),
    ("RAISE_VARARGS", OpFamily::Raise),
    ("PUSH_EXC_INFO", OpFamily::Catch),
    ("RERAISE", OpFamily::Reraise),
];

/// The forms of all opcodes of one version, by number.
#[derive(Clone, Debug)]
pub struct Forms {
    forms: Vec<Form>,
    /// The adaptive counter, if the version has one.
    pub counter: Option<CounterFormat>,
}

/// What an opcode is.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Its name; empty if the number is not an opcode.
    pub name: &'static str,
    /// The instruction that it stands for; itself if no other.
    pub instruction: &'static str,
    /// What it does. A subscript that is written as a binary operator (3.14+) is known by its argument
    /// alone.
    pub family: OpFamily,
    /// As which form.
    pub kind: FormKind,
    /// Inline cache entries.
    pub caches: u8,
    /// Low bits of the argument that are flags.
    pub flag_bits: u8,
    /// Where its cache has versions.
    pub tag: Option<&'static CacheTag>,
}

/// As which form an opcode stands for its instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormKind {
    /// The only one that the version has.
    Only,
    /// The general one, which counts down to the next attempt to specialise it.
    General,
    /// As compiled, before the code has become warm (3.11): it does not count.
    Plain,
    /// A specialised one.
    Specialised,
    /// `INSTRUMENTED_…`: reports to a tool.
    Instrumented,
    /// Hides another opcode: `ENTER_EXECUTOR`, `INSTRUMENTED_LINE`, `INSTRUMENTED_INSTRUCTION`.
    Hiding,
}

impl Forms {
    /// The forms of a version.
    pub fn new(layout: &Layout) -> Self {
        let opcodes = layout.opcodes;
        let mut forms: Vec<Form> =
            opcodes.0.iter().map(|opcode| form(layout, opcode.name, opcode.caches)).collect();
        let can_specialise: Vec<&str> = forms
            .iter()
            .filter(|form| form.kind == FormKind::Specialised)
            .map(|form| form.instruction)
            .collect();
        for form in &mut forms {
            if form.name == form.instruction && can_specialise.contains(&form.name) {
                let has_general = opcodes.0.iter().any(|opcode| is_adaptive_form(opcode.name, form.name));
                form.kind = if has_general { FormKind::Plain } else { FormKind::General };
            }
        }
        Self { forms, counter: layout.adaptive.counter }
    }

    /// The form of an opcode.
    pub fn get(&self, opcode: u8) -> &Form {
        &self.forms[usize::from(opcode)]
    }
}

/// `LOAD_ATTR_ADAPTIVE` (3.11).
fn is_adaptive_form(name: &str, instruction: &str) -> bool {
    name.strip_suffix("_ADAPTIVE") == Some(instruction)
}

fn form(layout: &Layout, name: &'static str, caches: u8) -> Form {
    let (instruction, family) = instruction_of(layout, name);
    let kind = match name {
        "ENTER_EXECUTOR" | "INSTRUMENTED_LINE" | "INSTRUMENTED_INSTRUCTION" => FormKind::Hiding,
        _ if name.starts_with("INSTRUMENTED_") => FormKind::Instrumented,
        _ if is_adaptive_form(name, instruction) => FormKind::General,
        // The variants of these choose between compiled and interpreted code.
        _ if matches!(family, OpFamily::Loop | OpFamily::Resume | OpFamily::Other) => FormKind::Only,
        _ if name != instruction => FormKind::Specialised,
        _ => FormKind::Only,
    };
    let tags = layout.adaptive.tags.iter().filter(|tag| name.starts_with(tag.form));
    Form {
        name,
        instruction,
        family,
        kind,
        caches,
        flag_bits: layout.adaptive.flag_bits_of(instruction),
        tag: tags.max_by_key(|tag| tag.form.len()).filter(|_| kind == FormKind::Specialised),
    }
}

/// The instruction that an opcode stands for, and its family.
fn instruction_of(layout: &Layout, name: &'static str) -> (&'static str, OpFamily) {
    let plain = name.strip_prefix("INSTRUMENTED_").unwrap_or(name);
    let renamed = layout.adaptive.renamed.iter().find(|(form, _)| plain.starts_with(form));
    let plain = renamed.map_or(plain, |(_, instruction)| instruction);
    let found = INSTRUCTIONS
        .iter()
        .filter(|(instruction, _)| is_form_of(plain, instruction) && exists(layout.opcodes, instruction))
        .max_by_key(|(instruction, _)| instruction.len());
    match found {
        Some((instruction, family)) => (instruction, *family),
        // BINARY_ADD and the like (3.8-3.10).
        None if plain.starts_with("BINARY_") || plain.starts_with("INPLACE_") => (name, OpFamily::BinaryOp),
        None => (name, OpFamily::Other),
    }
}

/// Whether `name` is `instruction`, or that and `_` and more.
fn is_form_of(name: &str, instruction: &str) -> bool {
    name.strip_prefix(instruction).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

fn exists(opcodes: &OpcodeTable, name: &str) -> bool {
    opcodes.0.iter().any(|opcode| opcode.name == name)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::layout::versions;

    /// All forms that a version specialises to, by instruction; what is wrong here is read at a glance.
    fn listed(minor: u8) -> String {
        let layout = versions::spec_for(minor).unwrap().headers(false);
        let forms = Forms::new(layout);
        let mut lines: Vec<String> = Vec::new();
        for form in forms.forms.iter().filter(|form| form.family != OpFamily::Other) {
            let mut line = format!("{:?} {} {:?} {}", form.family, form.instruction, form.kind, form.name);
            if let Some(tag) = form.tag {
                let _ = write!(line, " tag {:?} keys {:?}", field(tag.tag), tag.keys.map(field));
            }
            lines.push(line);
        }
        lines.sort();
        lines.join("\n")
    }

    fn field(field: super::super::spec::CacheField) -> (u8, u8) {
        (field.entry, field.entries)
    }

    #[test]
    fn forms_belong_to_the_instruction_they_stand_for() {
        for spec in versions::all() {
            insta::assert_snapshot!(format!("forms_of_3_{}", spec.minor), listed(spec.minor));
        }
    }

    #[test]
    fn caches_of_a_form_are_those_of_its_instruction() {
        for spec in versions::all() {
            let forms = Forms::new(spec.headers(false));
            for form in forms.forms.iter().filter(|form| form.kind == FormKind::Specialised) {
                let general = forms.forms.iter().find(|other| other.name == form.instruction).unwrap();
                assert_eq!(form.caches, general.caches, "3.{} {}", spec.minor, form.name);
                if let Some(tag) = form.tag {
                    for field in std::iter::once(tag.tag).chain(tag.keys) {
                        assert!(field.entry + field.entries <= form.caches, "3.{} {}", spec.minor, form.name);
                    }
                }
            }
        }
    }
}
