//! The interpreter as a whole over time.

use slowpath_profile::Tables;
use slowpath_profile::evidence::{Handicap, ProcessEvidence, RuntimeFacts, Tool};

use super::{Collector, Look};
use crate::layout::spec_for;
use crate::layout::state::StateSpec;
use crate::process::maps::mappings;
use crate::read::runtime_facts::{self, Places};
use crate::read::threads::Interpreter;

/// How often sections that were not found are looked for again: a program that has just been started
/// may not have set them up.
const TRIES: u32 = 40;
/// Every so many looks hot code is asked for events of its own.
const LOCAL_EVERY: u32 = 4;
/// Tools that are kept.
const MAX_TOOLS: usize = 32;
/// Names of events of one tool that are kept.
const MAX_EVENTS: usize = 64;

/// Collects [`RuntimeFacts`].
#[derive(Debug, Default)]
pub(crate) struct RuntimeCollector {
    facts: RuntimeFacts,
    spec: Option<&'static StateSpec>,
    /// The last function other than the default that evaluated frames, and what it means.
    hook: Option<(u64, Option<Handicap>)>,
    places: Places,
    tries: u32,
    /// Collections of each generation at the first look.
    collections: Option<Vec<u64>>,
    tracemalloc_seen: bool,
    malloc_seen: bool,
}

impl Collector for RuntimeCollector {
    fn look(&mut self, look: &mut Look<'_>) {
        if self.spec.is_none() {
            self.meet(look);
        }
        let (Some(spec), true) = (self.spec, runtime_facts::is_covered(look.layout)) else { return };
        let main = look.interpreters.iter().find(|interpreter| interpreter.id == 0);
        let Some(interpreter) = main.or(look.interpreters.first()) else { return };
        if self.tries < TRIES && !self.places.are_complete(spec) {
            self.tries += 1;
            self.places.complete(look.memory, look.layout, spec, look.runtime, interpreter.addr);
        }
        let tools = tools(look, spec, &self.places);
        tools.into_iter().for_each(|tool| note_tool(&mut self.facts.tools, tool));
        self.handicaps(look);
        self.numbers(look);
    }

    fn write(&mut self, evidence: &mut ProcessEvidence, _: &mut Tables) {
        let mut facts = self.facts.clone();
        facts.unreadable = self.unreadable();
        evidence.runtime = facts;
    }
}

impl RuntimeCollector {
    fn meet(&mut self, look: &Look<'_>) {
        let version = look.layout.version;
        let Some(spec) = spec_for(version.minor) else { return };
        self.facts.version = (version.major, version.minor);
        self.facts.machine = std::env::consts::ARCH.to_owned();
        if look.layout.build.debug {
            self.facts.handicaps.push(Handicap::DebugBuild);
        }
        self.facts.jit.is_built = look.binary.jit_compiled_in;
        self.facts.jit.is_on = look.layout.build.jit;
        self.spec = Some(spec.state);
    }

    fn handicaps(&mut self, look: &Look<'_>) {
        let Some(spec) = self.spec else { return };
        let (memory, places) = (look.memory, &self.places);
        let mut found = Vec::new();
        let tracing = runtime_facts::tracemalloc_is_on(memory, spec, places, look.binary.tracemalloc);
        self.tracemalloc_seen |= tracing.is_some();
        found.extend((tracing == Some(true)).then_some(Handicap::Tracemalloc));
        let malloc = runtime_facts::malloc_is_debugged(memory, spec, places);
        self.malloc_seen |= malloc.is_some();
        // A debug build checks allocations unless told otherwise: that is part of it.
        let is_debugged = malloc == Some(true) && !look.layout.build.debug;
        found.extend(is_debugged.then_some(Handicap::MallocDebug));
        let hook = runtime_facts::eval_frame(memory, spec, places).filter(|hook| *hook != 0);
        if let Some(hook) = hook.filter(|hook| self.hook.is_none_or(|(known, _)| known != *hook)) {
            self.hook = Some((hook, meaning_of(hook, look)));
        }
        found.extend(self.hook.and_then(|(_, handicap)| handicap));
        let off = runtime_facts::specialisation_is_off(memory, spec, places);
        found.extend((off == Some(true)).then_some(Handicap::SpecialisationOff));
        for handicap in found {
            if !self.facts.handicaps.contains(&handicap) {
                self.facts.handicaps.push(handicap);
            }
        }
    }

    fn numbers(&mut self, look: &Look<'_>) {
        let Some(spec) = self.spec else { return };
        let (memory, places) = (look.memory, &self.places);
        let facts = &mut self.facts;
        // What could not be read now stands as it was read last.
        facts.next_keys_version =
            runtime_facts::next_keys_version(memory, places).or(facts.next_keys_version);
        facts.rare_events = runtime_facts::rare_events(memory, spec, places).or(facts.rare_events);
        if let Some(is_on) = runtime_facts::jit_is_on(memory, look.layout, spec, places) {
            // An interpreter that ends switches it off first.
            facts.jit.is_on |= is_on;
            facts.jit.is_built |= is_on;
        }
        let Some(mut gc) = runtime_facts::gc(memory, spec, places) else { return };
        let now: Vec<u64> = gc.generations.iter().map(|generation| generation.collections).collect();
        let first = self.collections.get_or_insert_with(|| now.clone());
        gc.during = now.iter().zip(first).map(|(now, first)| now.saturating_sub(*first)).collect();
        facts.gc = Some(gc);
    }

    /// What is not known, in plain words.
    fn unreadable(&self) -> Vec<String> {
        let Some(spec) = self.spec else { return Vec::new() };
        let places = &self.places;
        let mut said = Vec::new();
        let mut lacks = |is_lacking: bool, what: &str| {
            if is_lacking {
                said.push(format!("this build keeps {what} where it could not be found"));
            }
        };
        lacks(places.eval.is_none(), "the function that evaluates frames");
        lacks(places.gc.is_none(), "the state of the garbage collector");
        lacks(spec.keys.is_some() && places.keys.is_none(), "the number of dict-keys versions in use");
        lacks(
            spec.monitoring.is_some() && places.monitoring.is_none(),
            "the tools of sys.monitoring, rare events and switches of the optimizer",
        );
        lacks(!self.malloc_seen, "the memory allocator in use");
        lacks(!self.tracemalloc_seen, "the state of tracemalloc");
        said
    }
}

/// What it means that this function evaluates frames. Up to 3.11 the default is such a function; since
/// 3.12 the trampoline for `perf` is the only one that is CPython's own.
fn meaning_of(hook: u64, look: &Look<'_>) -> Option<Handicap> {
    let maps = mappings(look.pid).ok()?;
    let place = maps.iter().find(|mapping| (mapping.start..mapping.end).contains(&hook) && mapping.exec)?;
    let is_own = place.file.as_ref().is_some_and(|file| file.path == look.binary.binary);
    match is_own {
        false => Some(Handicap::EvalFrameHook),
        true => (look.layout.version.minor >= 12).then_some(Handicap::PerfTrampoline),
    }
}

/// Everything that watches the program at this moment, each tool once.
fn tools(look: &Look<'_>, spec: &StateSpec, places: &Places) -> Vec<Tool> {
    let (memory, layout) = (look.memory, look.layout);
    let of = |interpreter: &Interpreter| runtime_facts::thread_tools(memory, layout, spec, interpreter);
    let mut seen = look.interpreters.iter().flat_map(of).collect::<Vec<_>>();
    seen.extend(runtime_facts::monitoring_tools(memory, layout, spec, places).unwrap_or_default());
    if look.number.is_multiple_of(LOCAL_EVERY) {
        let hot: Vec<u64> = look.hot.iter().map(|hot| hot.addr).collect();
        seen.extend(runtime_facts::local_tools(memory, layout, spec, places, &hot).unwrap_or_default());
    }
    let mut once: Vec<Tool> = Vec::new();
    for tool in seen {
        match once.iter_mut().find(|known| known.kind == tool.kind && known.name == tool.name) {
            Some(known) => {
                known.threads += tool.threads;
                merge(&mut known.events, tool.events);
                merge(&mut known.local_events, tool.local_events);
            }
            None => once.push(tool),
        }
    }
    once
}

fn note_tool(tools: &mut Vec<Tool>, seen: Tool) {
    let is_full = tools.len() >= MAX_TOOLS;
    match tools.iter_mut().find(|tool| tool.kind == seen.kind && tool.name == seen.name) {
        Some(tool) => {
            tool.looks = tool.looks.saturating_add(1);
            tool.threads = tool.threads.max(seen.threads);
            merge(&mut tool.events, seen.events);
            merge(&mut tool.local_events, seen.local_events);
        }
        None if is_full => {}
        None => tools.push(seen),
    }
}

fn merge(names: &mut Vec<String>, more: Vec<String>) {
    for name in more {
        if names.len() < MAX_EVENTS && !names.contains(&name) {
            names.push(name);
        }
    }
}
