//! Which objects sites meet: follows where operands come from to the objects of one moment.
//!
//! A value is read from a frame while the program runs on. It is a sample: the object is believed only
//! if its type is a type, and a local only if nothing stores to it between where the frame is and the
//! site.

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use slowpath_profile::FunctionId;
use slowpath_profile::evidence::{InstanceDict, NamespaceRef, OpFamily, Operand, OperandRole, Value};

use super::attributes::Found;
use super::kinds::ValueKind;
use super::objects::{Objects, main_interpreter};
use super::{HotCode, LiveFrame, Look, Moment};
use crate::layout::spec::{Layout, StackTop};
use crate::process::memory::{Bytes, Range};
use crate::read::caches::{CodeParts, SitePlan};
use crate::read::callables::binds_keywords;
use crate::read::dict::read_word;
use crate::read::instances::{container_item, instance_dict};
use crate::read::ints::{int_size, int_value};
use crate::read::operands::{SiteOperands, Source, is_kept, operands};
use crate::read::types::RawType;

/// Functions whose plans are kept.
const MAX_PLANS: usize = 4_096;
/// Local variables of one frame that are read.
const MAX_LOCALS: usize = 256;

/// The sources of the operands of hot code.
#[derive(Debug, Default)]
pub(crate) struct Plans(FxHashMap<FunctionId, (Arc<CodeParts>, Arc<Plan>)>);

/// The sources of one code object.
#[derive(Debug)]
pub(super) struct Plan {
    /// For each of its sites.
    pub(super) sites: Vec<SiteOperands>,
    /// Slots of locals that they need.
    slots: usize,
}

impl Plans {
    /// The sources for each site of a code object.
    pub(super) fn of(&mut self, hot: &HotCode, layout: &Layout) -> Arc<Plan> {
        if let Some((parts, plan)) = self.0.get(&hot.function)
            && Arc::ptr_eq(parts, &hot.parts)
        {
            return plan.clone();
        }
        if self.0.len() >= MAX_PLANS {
            self.0.clear();
        }
        let sites = operands(&hot.parts, layout.opcodes);
        let locals = sites.iter().flatten().filter_map(|(_, source)| source.last_local());
        let slots = locals.max().map_or(0, |last| last as usize + 1).min(MAX_LOCALS);
        let plan = Arc::new(Plan { sites, slots });
        self.0.insert(hot.function, (hot.parts.clone(), plan.clone()));
        plan
    }
}

/// An object that was met.
#[derive(Clone, Copy, Debug)]
struct Met {
    addr: u64,
    /// The address of its type.
    class: u64,
    value: Value,
    dict: InstanceDict,
}

/// One frame at one look.
pub(super) struct Sampling<'l, 'a> {
    look: &'l mut Look<'a>,
    hot: &'l HotCode,
    frame: &'l LiveFrame,
    /// Globals and builtins.
    namespaces: [Option<NamespaceRef>; 2],
    locals: Vec<u64>,
    /// What sources have led to already.
    met: FxHashMap<Source, Option<Met>>,
}

impl<'l, 'a> Sampling<'l, 'a> {
    pub(super) fn new(
        look: &'l mut Look<'a>,
        hot: &'l HotCode,
        plan: &Plan,
        frame: &'l LiveFrame,
        namespaces: [Option<NamespaceRef>; 2],
    ) -> Self {
        let locals = read_locals(look, hot, plan.slots, frame, true).unwrap_or_default();
        Self { look, hot, frame, namespaces, locals, met: FxHashMap::default() }
    }

    /// Takes time on its own account: it does not make looks rarer.
    pub(super) fn answer_for(&mut self, time: Duration) {
        self.look.own_time += time;
    }

    /// What a site meets at this moment.
    pub(super) fn operands(
        &mut self,
        objects: &mut Objects,
        site: &SitePlan,
        sources: &SiteOperands,
    ) -> Vec<Operand> {
        let mut found = Vec::with_capacity(sources.len());
        for (role, source) in sources {
            let kept = |slot| is_kept(&self.hot.parts, slot, self.frame.offset, site.offset);
            if !source.locals_all(&kept) {
                continue;
            }
            let Some(met) = self.meet(objects, source) else { continue };
            if let Value::Instance(id) = met.value
                && matches!(site.family, OpFamily::LoadAttr | OpFamily::StoreAttr)
            {
                let (memory, layout) = (self.look.memory, self.look.layout);
                objects.types.ask_of(memory, layout, id, met.addr, &site.name);
            }
            let note = self.property(objects, site.family, *role, &met).to_owned();
            found.push(Operand { role: *role, value: met.value, dict: met.dict, note, looks: 1 });
        }
        found
    }

    /// Looks again at the locals whose attributes sites ask for, microseconds after the frame was copied:
    /// the offsets of those sites that meet another object by now, and whether it is of another class.
    pub(super) fn next_classes(&self, objects: &mut Objects, plan: &Plan) -> Vec<(u32, bool)> {
        let (memory, layout) = (self.look.memory, self.look.layout);
        let Some(now) = read_locals(self.look, self.hot, plan.slots, self.frame, false) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (site, sources) in self.hot.parts.sites.iter().zip(&plan.sites) {
            let [(OperandRole::Receiver, source @ Source::Local(slot)), ..] = sources.as_slice() else {
                continue;
            };
            let Some(Some(met)) = self.met.get(source) else { continue };
            let next = now.get(*slot as usize).copied().unwrap_or_default();
            // The same object tells nothing of the next one.
            let is_other = next != 0 && next.is_multiple_of(8) && next != met.addr;
            if !is_other || !matches!(met.value, Value::Instance(_)) {
                continue;
            }
            let class = read_word(memory, next, layout.object.ob_type);
            if let Some(class) = class.filter(|_| objects.types.kind(memory, layout, next).is_some()) {
                found.push((site.offset, class != met.class));
            }
        }
        found
    }

    fn meet(&mut self, objects: &mut Objects, source: &Source) -> Option<Met> {
        if let Some(met) = self.met.get(source) {
            return *met;
        }
        let met = match source {
            Source::SmallInt(_) => self.small_int(objects),
            Source::Iterator(base) => self.iterator(objects, base),
            source => self.object(objects, source).and_then(|addr| self.classify(objects, addr)),
        };
        self.met.insert(source.clone(), met);
        met
    }

    /// The address of the object that a source stands for now.
    fn object(&mut self, objects: &mut Objects, source: &Source) -> Option<u64> {
        let (memory, layout) = (self.look.memory, self.look.layout);
        let name = |index: &u32| self.hot.parts.names.get(*index as usize);
        let addr = match source {
            Source::Local(slot) => *self.locals.get(*slot as usize)?,
            Source::Cell(slot) => {
                read_word(memory, *self.locals.get(*slot as usize)?, layout.object.cell_ob_ref)?
            }
            Source::Global(index) => self.global(objects, name(index)?)?,
            Source::Const(index) => {
                let item = layout.object.tuple_ob_item as u64 + u64::from(*index) * 8;
                memory.read_u64(self.hot.parts.consts.checked_add(item)?).ok()?
            }
            Source::Attribute(base, index) => {
                let name = name(index)?;
                let base = self.meet(objects, base)?;
                self.attribute(objects, &base, name)?
            }
            Source::Element(base) => {
                let base = self.meet(objects, base)?;
                // Another one at each look.
                container_item(memory, layout, base.addr, |len| {
                    Some(u64::from(self.look.number) * 7919 % len)
                })?
            }
            Source::Item(base, index) => {
                let base = self.meet(objects, base)?.addr;
                let index = match &**index {
                    Source::SmallInt(index) => i64::from(*index),
                    index => {
                        let met = self.meet(objects, index).filter(|met| is_int(objects, met))?;
                        i64::try_from(int_value(memory, layout, met.addr, 1)?).ok()?
                    }
                };
                container_item(memory, layout, base, |len| place(index, len))?
            }
            Source::SmallInt(_) | Source::Iterator(_) | Source::Null | Source::Unknown => return None,
        };
        (addr != 0 && addr.is_multiple_of(8)).then_some(addr)
    }

    fn global(&self, objects: &Objects, name: &str) -> Option<u64> {
        self.namespaces.iter().flatten().find_map(|id| objects.namespaces.get(*id, name))
    }

    /// A value that is its own iterator, as those that are written in Python are.
    fn iterator(&mut self, objects: &mut Objects, base: &Source) -> Option<Met> {
        let met = self.meet(objects, base)?;
        let Value::Instance(id) = met.value else { return None };
        objects.types.has_python_next(id).then_some(met)
    }

    /// Any small int: there is no need to know which.
    fn small_int(&self, objects: &mut Objects) -> Option<Met> {
        let class = self.global(objects, "int")?;
        let interpreter = main_interpreter(self.look);
        let (memory, layout, number) = (self.look.memory, self.look.layout, self.look.number);
        let id = objects.types.meet(memory, layout, interpreter, class, number)?;
        Some(Met { addr: 0, class, value: Value::Instance(id), dict: InstanceDict::None })
    }

    fn attribute(&mut self, objects: &mut Objects, base: &Met, name: &str) -> Option<u64> {
        let (memory, layout) = (self.look.memory, self.look.layout);
        match base.value {
            Value::Module(id) => objects.namespaces.get(id, name),
            Value::Class(id) => match objects.types.find(id, name) {
                Found::In(_, value) => Some(value),
                Found::Missing | Found::Unknown => None,
            },
            Value::Instance(id) => {
                let own = objects.types.instance_value(memory, layout, id, base.addr, name);
                match (own, objects.types.find(id, name)) {
                    (Some(own), _) => Some(own),
                    (None, Found::In(_, value)) => {
                        let is_plain = |kind: &ValueKind| kind.is_function() || !kind.is_descriptor();
                        objects.types.kind(memory, layout, value).is_some_and(is_plain).then_some(value)
                    }
                    _ => None,
                }
            }
            Value::Function(_) => None,
        }
    }

    fn classify(&mut self, objects: &mut Objects, addr: u64) -> Option<Met> {
        let interpreter = main_interpreter(self.look);
        let number = self.look.number;
        let Moment { memory, layout, codes, tables, .. } = &mut self.look.moment;
        let (memory, layout) = (*memory, *layout);
        let class = read_word(memory, addr, layout.object.ob_type)?;
        let kind = objects.types.kind(memory, layout, addr)?;
        let (is_class, is_function, is_module) = (kind.is_class(), kind.is_function(), kind.is_module());
        let value = if is_class {
            Value::Class(objects.types.meet(memory, layout, interpreter, addr, number)?)
        } else if is_function {
            Value::Function(objects.functions.meet(memory, layout, codes, tables, addr, number)?)
        } else if is_module {
            let dict = read_word(memory, addr, layout.object.md_dict)?;
            Value::Module(objects.namespaces.meet(memory, layout, dict, number)?)
        } else {
            Value::Instance(objects.types.meet(memory, layout, interpreter, class, number)?)
        };
        let dict = match value {
            Value::Instance(id) => {
                objects.types.raw(id).map(|raw| instance_dict(memory, layout, addr, raw)).unwrap_or_default()
            }
            _ => InstanceDict::Unknown,
        };
        Some(Met { addr, class, value, dict })
    }

    /// What a specialised form would demand of a value and does not find.
    fn property(
        &self,
        objects: &mut Objects,
        family: OpFamily,
        role: OperandRole,
        met: &Met,
    ) -> &'static str {
        let (memory, layout) = (self.look.memory, self.look.layout);
        if role == OperandRole::Callee && matches!(met.value, Value::Instance(_)) {
            let kind = objects.types.kind(memory, layout, met.addr);
            let is_partial = kind.is_some_and(|kind| kind.type_name == "functools.partial");
            let binds = is_partial && binds_keywords(memory, layout, met.addr) == Some(true);
            return if binds { "binds keywords" } else { "" };
        }
        if met.addr == 0 || !is_int(objects, met) {
            return "";
        }
        let Some((digits, is_negative)) = int_size(memory, layout, met.addr) else {
            return "";
        };
        let is_subscript = matches!(family, OpFamily::Subscript | OpFamily::StoreSubscript);
        match role {
            OperandRole::Right if is_subscript && is_negative => "negative index",
            OperandRole::Left | OperandRole::Right if digits > 1 => "int of more than one digit",
            _ => "",
        }
    }
}

fn is_int(objects: &Objects, met: &Met) -> bool {
    matches!(met.value, Value::Instance(id) if objects.types.raw(id).is_some_and(RawType::is_int))
}

/// Where an index of a sequence leads, negative ones included.
fn place(index: i64, len: u64) -> Option<u64> {
    let from_end = |index: i64| len.checked_sub(index.unsigned_abs());
    u64::try_from(index).ok().or_else(|| from_end(index)).filter(|place| *place < len)
}

/// The locals of a frame, without tags: out of the copy if that is `copied` and holds them, else read now
/// if the frame still runs the same code.
fn read_locals(
    look: &Look<'_>,
    hot: &HotCode,
    count: usize,
    frame: &LiveFrame,
    copied: bool,
) -> Option<Vec<u64>> {
    let layout = look.layout;
    let first = layout.frame.localsplus;
    let wanted = first + count * 8;
    let bytes = match frame.bytes.get(first..wanted).filter(|_| copied) {
        Some(copied) => copied.to_vec(),
        None => {
            let code = Range::new(frame.addr.checked_add(layout.frame.code as u64)?, 8);
            let locals = Range::new(frame.addr.checked_add(first as u64)?, count * 8);
            let mut bytes = vec![0; 8 + count * 8];
            let filled = look.memory.read_vectored(&[code, locals], &mut bytes).ok()?;
            if filled < bytes.len() || bytes.u64_at(0)? & !7 != hot.addr {
                return None;
            }
            bytes.split_off(8)
        }
    };
    let tagged = matches!(layout.frame.stack_top, Some(StackTop::Pointer(_)));
    let untag = |word: u64| match word {
        // A small int that is no object.
        word if tagged && word & 3 == 3 => 0,
        word if tagged => word & !7,
        word => word,
    };
    Some(bytes.chunks_exact(8).filter_map(|word| word.u64_at(0)).map(untag).collect())
}

/// What the version tag in the cache of a site tells: an operand, a tag that is not known yet, or
/// nothing.
pub(super) fn from_tag(
    objects: &Objects,
    family: OpFamily,
    form: &str,
    tag: u32,
) -> Option<Result<Operand, u32>> {
    let role = match family {
        OpFamily::LoadAttr | OpFamily::StoreAttr => OperandRole::Receiver,
        OpFamily::ToBool | OpFamily::Subscript => OperandRole::Left,
        OpFamily::Call => OperandRole::Callee,
        _ => return None,
    };
    if tag == 0 || form.contains("MODULE") {
        return None;
    }
    let value = match (role, form) {
        (OperandRole::Callee, form) if form.contains("ALLOC_AND_ENTER_INIT") => {
            objects.types.by_tag(tag).map(Value::Class)
        }
        // A function that no local led to stays unknown.
        (OperandRole::Callee, _) => Some(Value::Function(objects.functions.by_version(tag)?)),
        (_, form) if form.contains("ATTR_CLASS") || form.contains("METHOD_CLASS") => {
            objects.types.by_tag(tag).map(Value::Class)
        }
        _ => objects.types.by_tag(tag).map(Value::Instance),
    };
    let dict = InstanceDict::Unknown;
    Some(value.map(|value| Operand { role, value, dict, note: String::new(), looks: 1 }).ok_or(tag))
}
