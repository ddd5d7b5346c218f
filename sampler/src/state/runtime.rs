//! The interpreter as a whole over time.

use slowpath_profile::evidence::{Handicap, ProcessEvidence, RuntimeFacts, Tool};

use super::{Collector, Look};
use crate::layout::spec_for;
use crate::layout::state::StateSpec;
use crate::process::find::find_interpreter;
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
    known: Option<Known>,
    places: Places,
    tries: u32,
    /// Collections of each generation at the first look.
    collections: Option<Vec<u64>>,
    tracemalloc_seen: bool,
    malloc_seen: bool,
}

/// What does not change of a process.
#[derive(Debug)]
struct Known {
    spec: &'static StateSpec,
    /// Address of `_Py_tracemalloc_config` before 3.12.
    tracemalloc: Option<u64>,
    /// The interpreter's own code.
    code: Vec<std::ops::Range<u64>>,
    /// A function that evaluates frames and is the interpreter's own is its default.
    own_is_default: bool,
}

impl Collector for RuntimeCollector {
    fn look(&mut self, look: &mut Look<'_>) {
        if self.known.is_none() {
            self.meet(look);
        }
        let (Some(known), true) = (&self.known, runtime_facts::is_covered(look.layout)) else { return };
        let main = look.interpreters.iter().find(|interpreter| interpreter.id == 0);
        let Some(interpreter) = main.or(look.interpreters.first()) else { return };
        if self.tries < TRIES && !self.places.are_complete(known.spec) {
            self.tries += 1;
            self.places.complete(look.memory, look.layout, known.spec, look.runtime, interpreter.addr);
        }
        let tools = tools(look, known.spec, &self.places);
        tools.into_iter().for_each(|tool| note_tool(&mut self.facts.tools, tool));
        self.handicaps(look);
        self.numbers(look);
    }

    fn write(&mut self, evidence: &mut ProcessEvidence) {
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
        let mut known = Known {
            spec: spec.state,
            tracemalloc: None,
            code: Vec::new(),
            own_is_default: version.minor < 12,
        };
        if let Ok(found) = find_interpreter(look.pid, look.memory) {
            self.facts.jit.is_built = found.jit_compiled_in;
            known.tracemalloc = found.tracemalloc;
            let maps = mappings(look.pid).unwrap_or_default();
            let own = maps.iter().filter(|mapping| {
                mapping.exec && mapping.file.as_ref().is_some_and(|file| file.path == found.binary)
            });
            known.code = own.map(|mapping| mapping.start..mapping.end).collect();
        }
        self.facts.jit.is_on = look.layout.build.jit;
        self.known = Some(known);
    }

    fn handicaps(&mut self, look: &Look<'_>) {
        let Some(known) = &self.known else { return };
        let (memory, spec, places) = (look.memory, known.spec, &self.places);
        let mut found = Vec::new();
        let tracing = runtime_facts::tracemalloc_is_on(memory, spec, places, known.tracemalloc);
        self.tracemalloc_seen |= tracing.is_some();
        found.extend((tracing == Some(true)).then_some(Handicap::Tracemalloc));
        let malloc = runtime_facts::malloc_is_debugged(memory, spec, places);
        self.malloc_seen |= malloc.is_some();
        // A debug build checks allocations unless told otherwise: that is part of it.
        let is_debugged = malloc == Some(true) && !look.layout.build.debug;
        found.extend(is_debugged.then_some(Handicap::MallocDebug));
        if let Some(hook) = runtime_facts::eval_frame(memory, spec, places).filter(|hook| *hook != 0) {
            let is_own = known.code.iter().any(|code| code.contains(&hook));
            found.extend(match (is_own, known.own_is_default) {
                (true, true) => None,
                // The only evaluation of frames besides the default that CPython itself has.
                (true, false) => Some(Handicap::PerfTrampoline),
                (false, _) => (!known.code.is_empty()).then_some(Handicap::EvalFrameHook),
            });
        }
        let off = runtime_facts::specialisation_is_off(memory, spec, places);
        found.extend((off == Some(true)).then_some(Handicap::SpecialisationOff));
        for handicap in found {
            if !self.facts.handicaps.contains(&handicap) {
                self.facts.handicaps.push(handicap);
            }
        }
    }

    fn numbers(&mut self, look: &Look<'_>) {
        let Some(known) = &self.known else { return };
        let (memory, spec, places) = (look.memory, known.spec, &self.places);
        let facts = &mut self.facts;
        // What could not be read now stands as it was read last.
        facts.next_keys_version =
            runtime_facts::next_keys_version(memory, places).or(facts.next_keys_version);
        facts.rare_events = runtime_facts::rare_events(memory, spec, places).or(facts.rare_events);
        if let Some(is_on) = runtime_facts::jit_is_on(memory, look.layout, spec, places) {
            facts.jit.is_on = is_on;
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
        let Some(known) = &self.known else { return Vec::new() };
        let (spec, places) = (known.spec, &self.places);
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

/// Everything that watches the program at this moment, each tool once.
fn tools(look: &Look<'_>, spec: &StateSpec, places: &Places) -> Vec<Tool> {
    let (memory, layout) = (look.memory, look.layout);
    let of = |interpreter: &Interpreter| runtime_facts::thread_tools(memory, layout, spec, interpreter);
    let mut seen = look.interpreters.iter().flat_map(of).collect::<Vec<_>>();
    seen.extend(runtime_facts::monitoring_tools(memory, layout, spec, places).unwrap_or_default());
    if look.number % LOCAL_EVERY == 0 {
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
