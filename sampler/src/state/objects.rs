//! What the objects at hot sites look like: collects types, functions and namespaces, and notes which
//! of them each site met.

use std::time::Duration;

use rustc_hash::FxHashMap;
use slowpath_profile::FunctionId;
use slowpath_profile::Tables;
use slowpath_profile::evidence::{NamespaceRef, Operand, OperandRole, ProcessEvidence, Value};

use super::functions::Functions;
use super::namespaces::Namespaces;
use super::operands::{Plans, Sampling};
use super::types::Types;
use super::{Collector, HotCode, LiveFrame, Look};
use crate::process::memory::Bytes;

/// Different operands of one site that are kept.
const MAX_OPERANDS: usize = 24;
/// Sites whose operands one look reads.
const MAX_SAMPLED: usize = 160;
/// A frame that stands where it stood is read at every so many looks.
const REPEAT_EVERY: u32 = 16;
/// Where several classes were met and the next object has not come yet, it is waited for so long, once
/// per look: a program that shares a processor with us runs meanwhile.
const NEXT_OBJECT: Duration = Duration::from_micros(100);
/// Time between two searches for the types of version tags: it doubles while they find nothing.
const FIRST_SEARCH_NS: u64 = 1_000_000_000;
const LAST_SEARCH_NS: u64 = 64_000_000_000;

/// The collector of objects.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(super) types: Types,
    pub(super) functions: Functions,
    pub(super) namespaces: Namespaces,
    plans: Plans,
    seen: FxHashMap<FunctionId, Seen>,
    /// Whether this look has waited for the next object.
    has_waited: bool,
    search_at_ns: u64,
    search_pause_ns: u64,
    truncated: bool,
}

/// What was seen of one function.
#[derive(Debug, Default)]
struct Seen {
    globals: Option<NamespaceRef>,
    /// The frame that was read last, and where it was.
    last: (u64, u32),
    /// By the byte offset of the site.
    operands: FxHashMap<u32, Vec<Operand>>,
    /// By the same: pairs of objects in a row, and those of different classes.
    pairs: FxHashMap<u32, (u32, u32)>,
}

impl Objects {
    /// The dict of globals and that of builtins of a frame.
    fn namespaces_of(&mut self, look: &Look<'_>, frame: &LiveFrame) -> [Option<NamespaceRef>; 2] {
        let (memory, layout) = (look.memory, look.layout);
        let mut meet = |offset: usize| {
            let addr = frame.bytes.u64_at(offset)? & !7;
            self.namespaces.meet(memory, layout, addr, look.number)
        };
        let found = [meet(layout.frame.f_globals), meet(layout.frame.f_builtins)];
        if let Some(builtins) = found[1] {
            self.namespaces.set_builtins(builtins);
        }
        found
    }

    /// Reads the operands of sites of a frame, as many as `budget` allows.
    fn sample(&mut self, look: &mut Look<'_>, hot: &HotCode, frame: &LiveFrame, budget: &mut usize) {
        let namespaces = self.namespaces_of(look, frame);
        let seen = self.seen.entry(hot.function).or_default();
        seen.globals = namespaces[0];
        let before = std::mem::replace(&mut seen.last, (frame.addr, frame.offset));
        // A caller that waits at the same call shows the same again.
        if !frame.is_leaf && before == seen.last && !look.number.is_multiple_of(REPEAT_EVERY) {
            return;
        }
        let plan = self.plans.of(hot, look.layout);
        let sites = &hot.parts.sites;
        // Begins elsewhere at each look, so that all sites have their turn.
        let start = look.number as usize * 31 % sites.len().max(1);
        let mut sampling = Sampling::new(look, hot, &plan, frame, namespaces);
        for index in (start..sites.len()).chain(0..start) {
            let (Some(site), Some(sources)) = (sites.get(index), plan.sites.get(index)) else { continue };
            if sources.is_empty() {
                continue;
            }
            if *budget == 0 {
                return;
            }
            *budget -= 1;
            let operands = sampling.operands(self, site, sources);
            self.note(hot.function, site.offset, operands);
        }
        if !self.has_met_several(hot.function) {
            return;
        }
        let mut next = sampling.next_classes(self, &plan);
        if next.is_empty() && !std::mem::replace(&mut self.has_waited, true) {
            std::thread::sleep(NEXT_OBJECT);
            next = sampling.next_classes(self, &plan);
            sampling.answer_for(NEXT_OBJECT);
        }
        let Some(seen) = self.seen.get_mut(&hot.function) else { return };
        for (offset, is_other) in next {
            let (pairs, others) = seen.pairs.entry(offset).or_default();
            *pairs += 1;
            *others += u32::from(is_other);
        }
    }

    /// Whether instances of several classes have come to one place of a function.
    fn has_met_several(&self, function: FunctionId) -> bool {
        let Some(seen) = self.seen.get(&function) else { return false };
        seen.operands.values().any(|operands| {
            let mut classes = operands.iter().filter_map(|operand| match operand.value {
                Value::Instance(id) if operand.role == OperandRole::Receiver => Some(id),
                _ => None,
            });
            let Some(first) = classes.next() else { return false };
            self.types.has_copies(first) || classes.any(|other| other != first)
        })
    }

    /// Adds operands that a site met at this look.
    fn note(&mut self, function: FunctionId, offset: u32, operands: Vec<Operand>) {
        let Some(seen) = self.seen.get_mut(&function) else { return };
        let known = seen.operands.entry(offset).or_default();
        for operand in operands {
            let is_same = |it: &Operand| {
                it.role == operand.role
                    && it.value == operand.value
                    && it.dict == operand.dict
                    && it.note == operand.note
            };
            match known.iter().position(is_same) {
                Some(position) => known[position].looks += 1,
                None if known.len() < MAX_OPERANDS => known.push(operand),
                None => self.truncated = true,
            }
        }
    }

    /// What caches say of the operands of sites that nothing else tells of.
    fn read_tags(&mut self, look: &Look<'_>) {
        let mut unknown = Vec::new();
        for hot in look.hot {
            let plan = self.plans.of(hot, look.layout);
            for ((site, view), sources) in hot.parts.sites.iter().zip(&hot.views).zip(&plan.sites) {
                if !sources.is_empty() {
                    continue;
                }
                let Some(tag) = view.tag else { continue };
                match super::operands::from_tag(self, site.family, view.form, tag) {
                    Some(Ok(operand)) => {
                        self.seen.entry(hot.function).or_default();
                        self.note(hot.function, site.offset, vec![operand]);
                    }
                    Some(Err(tag)) => unknown.push(tag),
                    None => {}
                }
            }
        }
        if !unknown.is_empty() && look.now_ns >= self.search_at_ns {
            let found =
                self.types.search(look.memory, look.layout, main_interpreter(look), &unknown, look.number);
            let pause = if found { FIRST_SEARCH_NS } else { self.search_pause_ns.saturating_mul(2) };
            self.search_pause_ns = pause.clamp(FIRST_SEARCH_NS, LAST_SEARCH_NS);
            self.search_at_ns = look.now_ns + self.search_pause_ns;
        }
    }

    /// Finds where classes are written, by one of their methods.
    fn locate_classes(&mut self, look: &mut Look<'_>) {
        for (id, function) in self.types.undefined(look.layout, look.memory) {
            let met = self.functions.code_of(
                look.memory,
                look.layout,
                look.moment.codes,
                look.moment.tables,
                function,
            );
            if let Some(function) = met {
                self.types.set_defined_in(id, function);
            }
        }
    }
}

/// The address of the main interpreter; 0 if there is none.
pub(super) fn main_interpreter(look: &Look<'_>) -> u64 {
    look.interpreters.iter().find(|it| it.id == 0).map_or(0, |it| it.addr)
}

impl Collector for Objects {
    fn look(&mut self, look: &mut Look<'_>) {
        let (hot, frames) = (look.hot, look.frames);
        self.types.look(look.memory, look.layout, look.number);
        self.namespaces.look(look.memory, look.layout, look.number);
        let mut budget = MAX_SAMPLED;
        self.has_waited = false;
        for frame in frames {
            if let Some(hot) = hot.get(frame.hot) {
                self.sample(look, hot, frame, &mut budget);
            }
        }
        self.read_tags(look);
        self.locate_classes(look);
    }

    fn write(&mut self, evidence: &mut ProcessEvidence, _: &mut Tables) {
        evidence.types = self.types.facts();
        evidence.functions = self.functions.facts();
        evidence.namespaces = self.namespaces.facts();
        evidence.truncated |= self.truncated || self.types.is_truncated() || self.namespaces.is_truncated();
        for code in &mut evidence.code {
            let Some(seen) = self.seen.get(&code.function) else { continue };
            code.globals = code.globals.or(seen.globals);
            for site in &mut code.sites {
                (site.class_pairs, site.class_pairs_differed) =
                    seen.pairs.get(&site.offset).copied().unwrap_or_default();
                let Some(operands) = seen.operands.get(&site.offset) else { continue };
                site.operands.extend(operands.iter().cloned());
                site.operands.sort_by_key(|operand| std::cmp::Reverse(operand.looks));
            }
        }
    }
}
