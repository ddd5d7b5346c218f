//! Finds the code objects that loaded modules lead to: functions in modules and classes, what decorates
//! them, and the code in their constants.
//!
//! A walk of many small steps, so that whoever takes them can stop in between. The program changes
//! meanwhile; what is gone is passed over, what is new may be missed.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::layout::spec::Layout;
use crate::layout::state::StateSpec;
use crate::process::memory::{Bytes, Memory};
use crate::read::callables::FIRST_FIELD;
use crate::read::dict::{get_str, instance_attribute, items, read_word};
use crate::read::objects::class_name;
use crate::read::tuples::tuple_items;
use crate::read::type_flags::{HEAPTYPE, TYPE_SUBCLASS};
use crate::read::types::types_of;

/// Modules that are entered.
const MAX_MODULES: usize = 10_000;
/// Entries of one dict that are looked at.
const MAX_ENTRIES: usize = 20_000;
/// Things that wait to be entered.
const MAX_WAITING: usize = 500_000;
/// Cells of one closure.
const MAX_CELLS: usize = 256;

/// A code object that the walk came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Its address.
    pub code: u64,
    /// Address of the dict of its globals; 0 while that is not known.
    pub globals: u64,
    /// It is in the constants of a function, at whatever depth.
    pub in_function: bool,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It came to a code object, for the first time.
    Code(Reached),
    /// It came again to a code object, and now the globals are known.
    Again(Reached),
    /// It entered something else.
    Entered,
    /// There is nothing left.
    Done,
}

/// The walk.
#[derive(Debug, Default)]
pub struct Reach {
    /// What is to be entered, the next one last.
    waiting: Vec<Waiting>,
    seen: FxHashSet<u64>,
    kinds: FxHashMap<u64, Kind>,
    /// Code objects whose globals are not known.
    placeless: FxHashSet<u64>,
    /// Something was left out.
    pub truncated: bool,
}

#[derive(Clone, Copy, Debug)]
enum Waiting {
    Modules(u64),
    Module(u64),
    Dict { dict: u64, globals: u64 },
    Object { addr: u64, kind: Kind, globals: u64 },
    Code(Reached),
}

/// What kind of object may lead to code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Function,
    Class,
    Code,
    /// Some fields from the first one on lead on: `classmethod`, `property`, a bound method, `partial`.
    Fields(usize),
    /// `__wrapped__` or `func` in its dict leads on.
    Attribute(&'static str),
    Other,
}

impl Reach {
    /// Begins with what `sys.modules` holds, the dict at `modules`.
    pub fn begin(&mut self, modules: u64) {
        self.waiting.push(Waiting::Modules(modules));
    }

    /// Adds a code object that was seen elsewhere.
    pub fn add(&mut self, reached: Reached) {
        if !self.seen.contains(&reached.code) {
            self.wait(Waiting::Code(reached));
        }
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    fn wait(&mut self, waiting: Waiting) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push(waiting);
        } else {
            self.truncated = true;
        }
    }

    /// Enters one thing.
    pub fn step(&mut self, memory: &dyn Memory, layout: &Layout, spec: &StateSpec) -> Step {
        let Some(waiting) = self.waiting.pop() else { return Step::Done };
        // What cannot be read is passed over.
        let _: Option<()> = match waiting {
            Waiting::Modules(dict) => self.modules(memory, layout, dict),
            Waiting::Module(module) => self.module(memory, layout, module),
            Waiting::Dict { dict, globals } => self.dict(memory, layout, dict, globals),
            Waiting::Object { addr, kind, globals } => self.object(memory, layout, spec, addr, kind, globals),
            Waiting::Code(reached) => return self.code(memory, layout, reached),
        };
        Step::Entered
    }

    /// The module that was imported last is entered first, and `__main__` before all.
    fn modules(&mut self, memory: &dyn Memory, layout: &Layout, dict: u64) -> Option<()> {
        let modules = items(memory, layout, dict, MAX_MODULES);
        self.truncated |= modules.len() == MAX_MODULES;
        modules.iter().for_each(|(_, module)| self.wait(Waiting::Module(*module)));
        self.wait(Waiting::Module(get_str(memory, layout, dict, "__main__")?));
        Some(())
    }

    fn module(&mut self, memory: &dyn Memory, layout: &Layout, module: u64) -> Option<()> {
        let class = read_word(memory, module, layout.object.ob_type)?;
        let offset = read_word(memory, class, layout.object.tp_dictoffset)?;
        // `md_dict` of a module; other objects in `sys.modules` may keep theirs elsewhere.
        if offset == FIRST_FIELD as u64 {
            let dict = read_word(memory, module, FIRST_FIELD)?;
            self.wait(Waiting::Dict { dict, globals: dict });
        }
        Some(())
    }

    fn dict(&mut self, memory: &dyn Memory, layout: &Layout, dict: u64, globals: u64) -> Option<()> {
        if !self.seen.insert(dict) {
            return None;
        }
        let items = items(memory, layout, dict, MAX_ENTRIES);
        self.truncated |= items.len() == MAX_ENTRIES;
        let values: Vec<u64> = items.iter().map(|(_, value)| *value).collect();
        self.objects(memory, layout, &values, globals);
        Some(())
    }

    /// Has those of `objects` entered that may lead to code.
    fn objects(&mut self, memory: &dyn Memory, layout: &Layout, objects: &[u64], globals: u64) {
        // What cannot be read is passed over; a program that changes so fast is looked at again later.
        for (object, class) in objects.iter().zip(types_of(memory, layout, objects)) {
            let kind = self.kind(memory, layout, class);
            if kind != Kind::Other && !self.seen.contains(object) {
                self.wait(Waiting::Object { addr: *object, kind, globals });
            }
        }
    }

    fn kind(&mut self, memory: &dyn Memory, layout: &Layout, class: u64) -> Kind {
        if let Some(kind) = self.kinds.get(&class) {
            return *kind;
        }
        let kind = kind_of(memory, layout, class).unwrap_or(Kind::Other);
        self.kinds.insert(class, kind);
        kind
    }

    fn object(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        spec: &StateSpec,
        addr: u64,
        kind: Kind,
        globals: u64,
    ) -> Option<()> {
        if kind != Kind::Code && !self.seen.insert(addr) {
            return None;
        }
        match kind {
            Kind::Function => {
                let (code, globals) = (layout.object.function.func_code, layout.object.function.func_globals);
                let closure = spec.function.closure;
                let fields = memory.read_bytes(addr, code.max(globals).max(closure) + 8).ok()?;
                let (code, globals) = (fields.u64_at(code)?, fields.u64_at(globals)?);
                let closure = fields.u64_at(closure)?;
                self.wait(Waiting::Code(Reached { code, globals, in_function: false }));
                if closure != 0 {
                    let held = cells(memory, layout, closure);
                    self.objects(memory, layout, &held, globals);
                }
            }
            Kind::Class => {
                if read_word(memory, addr, layout.object.tp_flags)? & HEAPTYPE != 0 {
                    let dict = read_word(memory, addr, layout.object.types.tp_dict)?;
                    self.wait(Waiting::Dict { dict, globals });
                }
            }
            Kind::Code => self.wait(Waiting::Code(Reached { code: addr, globals, in_function: false })),
            Kind::Fields(count) => {
                let first = addr.checked_add(FIRST_FIELD as u64)?;
                let fields = memory.read_bytes(first, count * 8).ok()?;
                let fields = fields.chunks_exact(8).filter_map(|field| field.u64_at(0));
                let fields: Vec<u64> = fields.filter(|field| *field != 0).collect();
                self.objects(memory, layout, &fields, globals);
            }
            Kind::Attribute(name) => {
                let wrapped = instance_attribute(memory, layout, addr, name)?;
                self.objects(memory, layout, &[wrapped], globals);
            }
            Kind::Other => {}
        }
        Some(())
    }

    fn code(&mut self, memory: &dyn Memory, layout: &Layout, reached: Reached) -> Step {
        if reached.globals == 0 {
            self.placeless.insert(reached.code);
        }
        if !self.seen.insert(reached.code) {
            let is_news = reached.globals != 0 && self.placeless.remove(&reached.code);
            return if is_news { Step::Again(reached) } else { Step::Entered };
        }
        let class = read_word(memory, reached.code, layout.object.ob_type);
        match class.map(|class| self.kind(memory, layout, class)) {
            Some(Kind::Code) => Step::Code(reached),
            _ => Step::Entered,
        }
    }
}

fn kind_of(memory: &dyn Memory, layout: &Layout, class: u64) -> Option<Kind> {
    if read_word(memory, class, layout.object.tp_flags)? & TYPE_SUBCLASS != 0 {
        return Some(Kind::Class);
    }
    Some(match class_name(memory, layout, class)?.as_str() {
        "function" => Kind::Function,
        "code" => Kind::Code,
        "classmethod" | "staticmethod" | "method" | "functools.partial" => Kind::Fields(1),
        "property" => Kind::Fields(3),
        "functools._lru_cache_wrapper" => Kind::Attribute("__wrapped__"),
        "cached_property" | "singledispatchmethod" => Kind::Attribute("func"),
        _ => Kind::Other,
    })
}

/// What the cells of a closure hold.
fn cells(memory: &dyn Memory, layout: &Layout, closure: u64) -> Vec<u64> {
    let cells = tuple_items(memory, layout, closure, MAX_CELLS).unwrap_or_default();
    let held = cells.into_iter().filter_map(|cell| read_word(memory, cell, FIRST_FIELD));
    held.filter(|object| *object != 0).collect()
}
