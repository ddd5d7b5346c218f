//! What the interpreter has made of each instruction: adaptive opcodes, their counters and caches.
//!
//! [`CodeParts`] is what never changes of a code object: its instructions, and which of them are sites.
//! With it, [`views`] decodes a copy of the adaptive bytecode without walking it again, so that opcodes
//! which hide others (`ENTER_EXECUTOR`, `INSTRUMENTED_LINE`) cannot shift what follows. Before 3.11
//! bytecode is constant; what there is of caches stands beside it (`opcache`).

use slowpath_profile::evidence::{OpFamily, SpecState};

use crate::layout::forms::{Form, FormKind, Forms};
use crate::layout::spec::{CacheField, CounterFormat};
use crate::process::memory::Bytes;

/// An instruction as the compiler wrote it, or as it was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Byte offset in the bytecode.
    pub offset: u32,
    /// Its opcode by name, specialised forms under their own.
    pub name: &'static str,
    /// The opcode by name that it is a form of.
    pub instruction: &'static str,
    /// Its argument, `EXTENDED_ARG` included.
    pub oparg: u32,
    /// Bytes up to the next instruction, inline caches included.
    pub len: u32,
}

impl Instruction {
    /// Where a jump backward leads; `None` if that lies before the code.
    pub fn jump_back_target(&self) -> Option<u32> {
        (self.offset + self.len).checked_sub(self.oparg.checked_mul(2)?)
    }
}

/// An instruction that can be specialised, or that a rule asks about: what of it never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SitePlan {
    /// Byte offset in the bytecode.
    pub offset: u32,
    /// What it does.
    pub family: OpFamily,
    /// The attribute, global or module that it names, or the operator as it is written; else empty.
    pub name: String,
    /// Its argument, `EXTENDED_ARG` included.
    pub oparg: u32,
    /// Its position in [`CodeParts::instructions`].
    pub instruction: usize,
}

/// What a site is at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteView {
    /// In which state; [`SpecState::Deopted`] is for the history to tell.
    pub state: SpecState,
    /// The opcode by name as it stands in memory. Empty: the site was not looked at, for it is not
    /// executed (`CALL` after a specialised `PRECALL`, 3.11) or memory holds something else.
    pub form: &'static str,
    /// It lies in a loop that was compiled, so what is seen of it may be of the past.
    pub in_compiled: bool,
    /// Its adaptive counter, if it has one.
    pub counter: Option<CounterView>,
    /// The version in its cache that a guard compares: of a type, of the keys of the globals, of a
    /// function. `None` if this form has none.
    pub tag: Option<u32>,
    /// Version of the keys of the builtins (`LOAD_GLOBAL_BUILTIN`), or of the type's shared keys
    /// (method forms).
    pub keys_tag: Option<u32>,
}

/// An adaptive counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterView {
    /// Misses (specialised) or executions (general form) to go until it is specialised again.
    pub value: u16,
    /// Exponent of the time to the next attempt; 0 while specialised.
    pub backoff: u8,
    /// Specialised, and has missed since it was.
    pub disturbed: bool,
}

/// What does not change of a code object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CodeParts {
    /// `co_names`.
    pub names: Vec<String>,
    /// `co_flags`.
    pub flags: u32,
    /// Address of the tuple `co_consts`.
    pub consts: u64,
    /// Its instructions in order.
    pub instructions: Vec<Instruction>,
    /// Those that are looked at, in order.
    pub sites: Vec<SitePlan>,
}

/// The instructions of some bytecode, up to its end or to an opcode that hides another one.
pub fn instructions(bytecode: &[u8], forms: &Forms) -> Vec<Instruction> {
    Walk { bytecode, forms, unit: 0 }.map(|(instruction, _)| instruction).collect()
}

/// Whether opcodes that hide others kept [`instructions`] from reaching the end.
pub fn is_whole(bytecode: &[u8], instructions: &[Instruction]) -> bool {
    let end = instructions.last().map_or(0, |last| last.offset + last.len);
    end as usize >= bytecode.len() / 2 * 2
}

/// Walks instructions; `EXTENDED_ARG` is part of the instruction that it extends.
struct Walk<'a> {
    bytecode: &'a [u8],
    forms: &'a Forms,
    unit: usize,
}

impl<'a> Iterator for Walk<'a> {
    type Item = (Instruction, &'a Form);

    fn next(&mut self) -> Option<Self::Item> {
        let mut extended = 0u32;
        loop {
            let [opcode, argument] = *self.bytecode.get(self.unit * 2..)?.first_chunk()?;
            let form = self.forms.get(opcode);
            let oparg = extended << 8 | u32::from(argument);
            if form.kind == FormKind::Hiding {
                return None;
            }
            let offset = u32::try_from(self.unit * 2).ok()?;
            self.unit += 1 + usize::from(form.caches);
            if form.name.starts_with("EXTENDED_ARG") {
                extended = oparg;
                continue;
            }
            let len = 2 + 2 * u32::from(form.caches);
            let (name, instruction) = (form.name, form.instruction);
            return Some((Instruction { offset, name, instruction, oparg, len }, form));
        }
    }
}

impl CodeParts {
    /// The parts of a code object with this bytecode, of which nothing is hidden.
    pub fn new(bytecode: &[u8], forms: &Forms, names: Vec<String>, flags: u32, consts: u64) -> Self {
        let mut parts = Self { names, flags, consts, ..Self::default() };
        for (instruction, form) in (Walk { bytecode, forms, unit: 0 }) {
            let position = parts.instructions.len();
            parts.instructions.push(instruction);
            if let Some((family, name)) = meaning(&instruction, form, &parts.names) {
                let Instruction { offset, oparg, .. } = instruction;
                parts.sites.push(SitePlan { offset, family, name, oparg, instruction: position });
            }
        }
        parts
    }
}

/// Family and name of an instruction; `None` if nobody asks about it.
fn meaning(instruction: &Instruction, form: &Form, names: &[String]) -> Option<(OpFamily, String)> {
    let argument = instruction.oparg >> form.flag_bits;
    let name = || names.get(argument as usize).cloned().unwrap_or_default();
    let text = |text: &str| Some((form.family, text.to_owned()));
    match form.family {
        OpFamily::Other => None,
        OpFamily::LoadGlobal | OpFamily::LoadName | OpFamily::LoadAttr | OpFamily::LoadSuperAttr => {
            Some((form.family, name()))
        }
        OpFamily::StoreAttr | OpFamily::StoreGlobal | OpFamily::Import => Some((form.family, name())),
        OpFamily::BinaryOp if form.instruction == "BINARY_OP" => {
            match BINARY_OPERATORS.get(argument as usize) {
                Some(&"[]") => Some((OpFamily::Subscript, String::new())),
                operator => text(operator.unwrap_or(&"")),
            }
        }
        OpFamily::BinaryOp => text(old_operator(form.instruction)),
        OpFamily::Compare => match COMPARISONS.get(argument as usize) {
            Some(operator @ (&"in" | &"not in")) => Some((OpFamily::Contains, (*operator).to_owned())),
            Some(&"") | None => None,
            Some(operator) => text(operator),
        },
        OpFamily::Contains => text(if argument == 0 { "in" } else { "not in" }),
        OpFamily::Loop if instruction.instruction == "JUMP_ABSOLUTE" => {
            (argument < instruction.offset).then(|| (OpFamily::Loop, String::new()))
        }
        _ => text(""),
    }
}

/// `NB_ADD` … `NB_SUBSCR` (3.11+).
const BINARY_OPERATORS: [&str; 27] = [
    "+", "&", "//", "<<", "@", "*", "%", "|", "**", ">>", "-", "/", "^", "+=", "&=", "//=", "<<=", "@=",
    "*=", "%=", "|=", "**=", ">>=", "-=", "/=", "^=", "[]",
];

/// `cmp_op`: 3.8 has more than comparisons there.
const COMPARISONS: [&str; 11] = ["<", "<=", "==", "!=", ">", ">=", "in", "not in", "", "", ""];

/// The operator of `BINARY_ADD` and the like (3.8-3.10).
fn old_operator(instruction: &str) -> &'static str {
    const OPERATORS: [(&str, &str, &str); 13] = [
        ("ADD", "+", "+="),
        ("AND", "&", "&="),
        ("FLOOR_DIVIDE", "//", "//="),
        ("LSHIFT", "<<", "<<="),
        ("MATRIX_MULTIPLY", "@", "@="),
        ("MULTIPLY", "*", "*="),
        ("MODULO", "%", "%="),
        ("OR", "|", "|="),
        ("POWER", "**", "**="),
        ("RSHIFT", ">>", ">>="),
        ("SUBTRACT", "-", "-="),
        ("TRUE_DIVIDE", "/", "/="),
        ("XOR", "^", "^="),
    ];
    let found = |name: &str| OPERATORS.iter().find(|(operator, ..)| *operator == name);
    match instruction.split_once('_') {
        Some(("BINARY", name)) => found(name).map_or("", |(_, binary, _)| binary),
        Some((_, name)) => found(name).map_or("", |(.., in_place)| in_place),
        None => "",
    }
}

/// What every site of `parts` is in this copy of its bytecode; same order and length.
pub fn views(bytecode: &[u8], parts: &CodeParts, forms: &Forms) -> Vec<SiteView> {
    let is_warm = is_warm(bytecode, parts, forms);
    let view = |site: &SitePlan| {
        let instruction = &parts.instructions[site.instruction];
        view(bytecode, instruction, forms, is_warm).unwrap_or_default()
    };
    let mut views: Vec<SiteView> = parts.sites.iter().map(view).collect();
    skip_after_precall(parts, &mut views);
    mark_compiled(parts, &mut views);
    views
}

/// Whether 3.11 has begun to specialise this code; later versions always have.
fn is_warm(bytecode: &[u8], parts: &CodeParts, forms: &Forms) -> bool {
    let resume = parts.instructions.iter().find(|instruction| instruction.instruction == "RESUME");
    let opcode = resume.and_then(|resume| bytecode.u8_at(resume.offset as usize));
    opcode.is_some_and(|opcode| forms.get(opcode).name.ends_with("_QUICK"))
}

fn view(bytecode: &[u8], instruction: &Instruction, forms: &Forms, is_warm: bool) -> Option<SiteView> {
    let offset = instruction.offset as usize;
    let form = forms.get(bytecode.u8_at(offset)?);
    if form.kind == FormKind::Hiding {
        let state = match form.name {
            "ENTER_EXECUTOR" => SpecState::Compiled,
            _ => SpecState::Unknown,
        };
        return Some(SiteView { state, form: form.name, ..SiteView::default() });
    }
    if form.instruction != instruction.instruction {
        return None;
    }
    let word = |entry: u8| bytecode.u16_at(offset + 2 + 2 * usize::from(entry));
    let is_specialised = form.kind == FormKind::Specialised;
    let counts = form.caches > 0 && matches!(form.kind, FormKind::Specialised | FormKind::General);
    let counter = match forms.counter.filter(|_| counts) {
        Some(format) => Some(counter(format, word(0)?, is_specialised)),
        None => None,
    };
    let field = |field: CacheField| {
        let low = u32::from(word(field.entry)?);
        let high = if field.entries == 2 { u32::from(word(field.entry + 1)?) } else { 0 };
        Some(high << 16 | low)
    };
    Some(SiteView {
        state: state(form.kind, counter, forms.counter, is_warm),
        form: form.name,
        in_compiled: false,
        counter,
        tag: form.tag.and_then(|tag| field(tag.tag)),
        keys_tag: form.tag.and_then(|tag| tag.keys).and_then(field),
    })
}

fn counter(format: CounterFormat, word: u16, is_specialised: bool) -> CounterView {
    let (value, backoff) = match is_specialised && format.specialised_is_plain {
        true => (word, 0),
        false => (word >> format.backoff_bits, (word & ((1 << format.backoff_bits) - 1)) as u8),
    };
    CounterView { value, backoff, disturbed: is_specialised && word != format.specialised }
}

fn state(
    kind: FormKind,
    counter: Option<CounterView>,
    format: Option<CounterFormat>,
    is_warm: bool,
) -> SpecState {
    let Some(format) = format else { return SpecState::Unknown };
    match (kind, counter) {
        (FormKind::Specialised, _) => SpecState::Specialised,
        (FormKind::General, Some(counter)) if counter.backoff > format.backoff_warming => {
            SpecState::BackedOff
        }
        (FormKind::General, Some(_)) => SpecState::Warming,
        // 3.11 puts the plain opcode back where it knows no special form.
        (FormKind::Plain, _) if !is_warm => SpecState::Warming,
        (FormKind::Plain | FormKind::Only, _) => SpecState::NotSpecialisable,
        (FormKind::General | FormKind::Instrumented | FormKind::Hiding, _) => SpecState::Unknown,
    }
}

/// A specialised `PRECALL` (3.11) makes the call itself, unless the callee is a Python function.
fn skip_after_precall(parts: &CodeParts, views: &mut [SiteView]) {
    let name = |number: usize| parts.instructions[parts.sites[number].instruction].instruction;
    for number in 1..views.len().min(parts.sites.len()) {
        if name(number) != "CALL" || name(number - 1) != "PRECALL" {
            continue;
        }
        let before = views[number - 1];
        let calls_python = matches!(before.form, "PRECALL_PYFUNC" | "PRECALL_BOUND_METHOD");
        if before.state == SpecState::Specialised && !calls_python {
            views[number] = SiteView::default();
        }
    }
}

/// Marks what lies in compiled loops, and in functions that are compiled from their beginning (3.15).
fn mark_compiled(parts: &CodeParts, views: &mut [SiteView]) {
    for number in 0..views.len() {
        if views[number].state != SpecState::Compiled {
            continue;
        }
        let site = &parts.sites[number];
        let (begin, end) = match site.family {
            OpFamily::Loop => match parts.instructions[site.instruction].jump_back_target() {
                Some(target) => (target, site.offset),
                None => continue,
            },
            OpFamily::Resume => (site.offset, u32::MAX),
            _ => continue,
        };
        for (site, view) in parts.sites.iter().zip(views.iter_mut()) {
            view.in_compiled |= (begin..=end).contains(&site.offset);
        }
    }
}

#[cfg(test)]
#[path = "caches_tests.rs"]
mod tests;
