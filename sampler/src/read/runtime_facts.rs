//! What there is to know of an interpreter as a whole at one moment.

use slowpath_profile::evidence::{GcFacts, GcGeneration, RareEvents, Tool, ToolKind};

use crate::layout::spec::Layout;
use crate::layout::state::{GcStats, JitSwitch, MonitoringState, StateSpec};
use crate::process::memory::{Bytes, Memory, Range};
use crate::read::dict::read_word;
use crate::read::objects::{class_name, type_name};
use crate::read::sections::{is_instance, locate};
use crate::read::threads::{Interpreter, gc_collecting};
use crate::read::{callables, text};

/// Thread states that are asked for tracers.
const MAX_THREADS: usize = 1024;
/// Tools of `sys.monitoring` that have names; two more stand for `sys.setprofile` and `sys.settrace`.
const NAMED_TOOLS: usize = 6;
/// Characters of a tool's name.
const MAX_NAME: usize = 200;
/// Largest threshold and count of a generation that is believed.
const MAX_COUNT: i32 = 2_000_000_000;

/// Where the sections of one interpreter's state are; `None` where they were not found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// [`StateSpec::eval`].
    pub eval: Option<u64>,
    /// [`StateSpec::keys`].
    pub keys: Option<u64>,
    /// [`StateSpec::monitoring`].
    pub monitoring: Option<u64>,
    /// [`StateSpec::allocators`].
    pub allocators: Option<u64>,
    /// [`StateSpec::process`].
    pub process: Option<u64>,
    /// `struct _gc_runtime_state` and `generations` in it.
    pub gc: Option<(u64, u64)>,
}

impl Places {
    /// Finds the sections of `interpreter` in the runtime at `runtime`, those excepted that are known.
    pub fn complete(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        spec: &StateSpec,
        runtime: u64,
        interpreter: u64,
    ) {
        let find =
            |known: Option<u64>, base, section| known.or_else(|| locate(memory, layout, base, section));
        self.eval = find(self.eval, interpreter, &spec.eval.section);
        self.process = find(self.process, runtime, &spec.process.section);
        self.gc = self.gc.or_else(|| gc_places(memory, layout, spec, runtime, interpreter));
        if let Some(section) = &spec.keys {
            self.keys = find(self.keys, interpreter, section);
        }
        if let Some(monitoring) = &spec.monitoring {
            self.monitoring = find(self.monitoring, interpreter, &monitoring.section);
        }
        if let Some(allocators) = &spec.allocators {
            self.allocators = find(self.allocators, runtime, &allocators.section);
        }
    }

    /// Whether nothing is left to be found.
    pub fn are_complete(&self, spec: &StateSpec) -> bool {
        self.eval.is_some()
            && self.process.is_some()
            && self.gc.is_some()
            && self.keys.is_some() == spec.keys.is_some()
            && self.monitoring.is_some() == spec.monitoring.is_some()
            && self.allocators.is_some() == spec.allocators.is_some()
    }
}

/// The collector's structure and its generations. `generation0` points to the first generation, which
/// tells where they are; without it, lists of objects that lead back to their heads do.
fn gc_places(
    memory: &dyn Memory,
    layout: &Layout,
    spec: &StateSpec,
    runtime: u64,
    interpreter: u64,
) -> Option<(u64, u64)> {
    let start = gc_collecting(layout, runtime, interpreter).addr.checked_sub(spec.gc.collecting as u64)?;
    let garbage = read_word(memory, start, spec.gc.garbage)?;
    if !is_instance(memory, layout, garbage, "list")? {
        return None;
    }
    let expected = start.checked_add(spec.gc.generations as u64)?;
    let first = read_word(memory, start, spec.gc.generation0)?;
    let inside = start + spec.gc.enabled as u64 + 4..start + spec.gc.collecting as u64;
    let told = inside.contains(&first) && first.abs_diff(expected) <= 8 && first % 4 == 0;
    if told {
        return Some((start, first));
    }
    let is_list = |head: u64| {
        let (next, previous) = (read_word(memory, head, 0)?, read_word(memory, head, 8)?);
        // The low bits are flags.
        let back = read_word(memory, next & !3, 8)?;
        Some(next != 0 && previous != 0 && back & !3 == head)
    };
    let lists = (0..3).all(|number| is_list(expected + number * GENERATION as u64) == Some(true));
    lists.then_some((start, expected))
}

/// `sizeof(struct gc_generation)`: two words of the list's head, `threshold`, `count`.
const GENERATION: usize = 24;

/// What the collector says; `None` if it is not plausible.
pub fn gc(memory: &dyn Memory, spec: &StateSpec, places: &Places) -> Option<GcFacts> {
    let (start, generations) = places.gc?;
    let enabled = memory.read_bytes(start.checked_add(spec.gc.enabled as u64)?, 4).ok()?.u32_at(0)?;
    let bytes = memory.read_bytes(generations, 3 * GENERATION).ok()?;
    let mut facts = GcFacts { is_enabled: enabled == 1, ..GcFacts::default() };
    for number in 0..3 {
        let int = |at: usize| bytes.u32_at(number * GENERATION + at).map(u32::cast_signed);
        let (threshold, count) = (int(16)?, int(20)?);
        if !(0..=MAX_COUNT).contains(&threshold) || count > MAX_COUNT || enabled > 1 {
            return None;
        }
        let (collections, collected) = gc_totals(memory, spec, start, number)?;
        facts.generations.push(GcGeneration {
            threshold: threshold.into(),
            count: count.into(),
            collections,
            collected,
        });
    }
    Some(facts)
}

/// Collections of a generation so far, and objects collected.
fn gc_totals(memory: &dyn Memory, spec: &StateSpec, start: u64, number: usize) -> Option<(u64, u64)> {
    match spec.gc.stats {
        GcStats::Inline(at) => {
            let at = start.checked_add((at + number * 24) as u64)?;
            let words = memory.read_bytes(at, 16).ok()?;
            Some((words.u64_at(0)?, words.u64_at(8)?))
        }
        GcStats::Rings { at, rings, size, collections } => {
            let (ring, records) = rings[number];
            let stats = read_word(memory, start, at)?;
            let bytes = memory.read_bytes(stats.checked_add(ring as u64)?, records * size).ok()?;
            // Records hold totals: the newest has the largest.
            let totals = bytes
                .chunks_exact(size)
                .filter_map(|record| Some((record.u64_at(collections)?, record.u64_at(collections + 8)?)));
            totals.max()
        }
    }
}

/// The tracers and profilers of the threads of an interpreter, one for each that is installed.
pub fn thread_tools(
    memory: &dyn Memory,
    layout: &Layout,
    spec: &StateSpec,
    interpreter: &Interpreter,
) -> Vec<Tool> {
    // c_profilefunc, c_tracefunc, c_profileobj, c_traceobj.
    let first = (spec.c_profileobj - 16) as u64;
    let threads = interpreter.threads.iter().take(MAX_THREADS);
    let ranges: Vec<_> = threads.map(|thread| Range::new(thread.addr.wrapping_add(first), 32)).collect();
    let mut bytes = vec![0; ranges.len() * 32];
    let filled = memory.read_vectored(&ranges, &mut bytes).unwrap_or(0);
    let mut tools: Vec<Tool> = Vec::new();
    for words in bytes[..filled].chunks_exact(32) {
        for (kind, function, object) in [(ToolKind::Profile, 0, 16), (ToolKind::Trace, 8, 24)] {
            if words.u64_at(function).unwrap_or(0) == 0 {
                continue;
            }
            let name = callable_name(memory, layout, spec, words.u64_at(object).unwrap_or(0));
            let name = name.unwrap_or_default();
            match tools.iter_mut().find(|tool| tool.kind == kind && tool.name == name) {
                Some(tool) => tool.threads += 1,
                None => tools.push(Tool { kind, name, threads: 1, looks: 1, ..Tool::default() }),
            }
        }
    }
    tools
}

/// `module.qualname` of a function or method; of another object, that of its type.
fn callable_name(memory: &dyn Memory, layout: &Layout, spec: &StateSpec, object: u64) -> Option<String> {
    let name = match callables::function_of(memory, layout, object) {
        Some(function) => callables::full_name(memory, layout, spec, function)?,
        None => {
            let class = read_word(memory, object, layout.object.ob_type)?;
            let name = type_name(memory, layout, object)?;
            match callables::class_module(memory, layout, class) {
                Some(module) if !name.contains('.') && module != "builtins" => format!("{module}.{name}"),
                _ => name,
            }
        }
    };
    Some(name.chars().take(MAX_NAME).collect())
}

/// The tools of `sys.monitoring` that have global events (3.12+).
pub fn monitoring_tools(
    memory: &dyn Memory,
    layout: &Layout,
    spec: &StateSpec,
    places: &Places,
) -> Option<Vec<Tool>> {
    let monitoring = spec.monitoring.as_ref()?;
    let at = places.monitoring?;
    let events = memory.read_bytes(at + monitoring.monitors as u64, monitoring.events.len()).ok()?;
    let mut tools = Vec::new();
    for number in (0..NAMED_TOOLS).filter(|number| events.iter().any(|tools| tools >> number & 1 == 1)) {
        tools.push(Tool {
            kind: ToolKind::Monitoring,
            name: tool_name(memory, layout, monitoring, at, number).unwrap_or_default(),
            events: events_of(monitoring, &events, number),
            looks: 1,
            ..Tool::default()
        });
    }
    Some(tools)
}

/// The tools of `sys.monitoring` that are told of events in one of these code objects only (3.12+).
pub fn local_tools(
    memory: &dyn Memory,
    layout: &Layout,
    spec: &StateSpec,
    places: &Places,
    codes: &[u64],
) -> Option<Vec<Tool>> {
    let (monitoring, at) = (spec.monitoring.as_ref()?, places.monitoring?);
    let (field, len) = (layout.code.monitoring?.data, spec.code.local_monitors?);
    let pointers: Vec<Range> =
        codes.iter().map(|addr| Range::new(addr.wrapping_add(field as u64), 8)).collect();
    let mut words = vec![0; pointers.len() * 8];
    let filled = memory.read_vectored(&pointers, &mut words).unwrap_or(0);
    let mut all = vec![0; len.min(monitoring.events.len())];
    for data in words[..filled].chunks_exact(8).filter_map(|word| word.u64_at(0)).filter(|data| *data != 0) {
        let events = memory.read_bytes(data, all.len()).unwrap_or_default();
        all.iter_mut().zip(events).for_each(|(tools, more)| *tools |= more);
    }
    let numbers = (0..NAMED_TOOLS).filter(|number| all.iter().any(|tools| tools >> number & 1 == 1));
    let tool = |number| Tool {
        kind: ToolKind::Monitoring,
        name: tool_name(memory, layout, monitoring, at, number).unwrap_or_default(),
        local_events: events_of(monitoring, &all, number),
        looks: 1,
        ..Tool::default()
    };
    Some(numbers.map(tool).collect())
}

/// Names of the events of which a tool is told.
pub fn events_of(monitoring: &MonitoringState, bytes: &[u8], tool: usize) -> Vec<String> {
    let named = monitoring.events.iter().zip(bytes);
    named.filter(|(_, tools)| *tools >> tool & 1 == 1).map(|(name, _)| (*name).to_owned()).collect()
}

/// What a tool called itself in `sys.monitoring.use_tool_id`.
pub fn tool_name(
    memory: &dyn Memory,
    layout: &Layout,
    monitoring: &MonitoringState,
    at: u64,
    number: usize,
) -> Option<String> {
    let name = read_word(memory, at, monitoring.tool_names + number * 8)?;
    text::string_up_to(memory, &layout.object, name, MAX_NAME)
}

/// `rare_events` (3.13+).
pub fn rare_events(memory: &dyn Memory, spec: &StateSpec, places: &Places) -> Option<RareEvents> {
    let offset = spec.monitoring.as_ref()?.rare_events?;
    let bytes = memory.read_bytes(places.monitoring?.checked_add(offset as u64)?, 5).ok()?;
    Some(RareEvents {
        set_class: bytes.u8_at(0)?,
        set_bases: bytes.u8_at(1)?,
        set_eval_frame: bytes.u8_at(2)?,
        builtin_dict: bytes.u8_at(3)?,
        function_modification: bytes.u8_at(4)?,
    })
}

/// `dict_state.next_keys_version` (3.12+).
pub fn next_keys_version(memory: &dyn Memory, places: &Places) -> Option<u32> {
    memory.read_bytes(places.keys?, 4).ok()?.u32_at(0)
}

/// Whether the just-in-time compiler is on (3.13+).
pub fn jit_is_on(memory: &dyn Memory, layout: &Layout, spec: &StateSpec, places: &Places) -> Option<bool> {
    match spec.monitoring.as_ref()?.jit? {
        JitSwitch::Flag(at) => flag(memory, places.monitoring?, at),
        JitSwitch::Optimizer(at) => {
            let optimizer = read_word(memory, places.monitoring?, at)?;
            if optimizer == 0 {
                return Some(false);
            }
            let class = read_word(memory, optimizer, layout.object.ob_type)?;
            Some(class_name(memory, layout, class)?.contains("uop"))
        }
    }
}

/// Whether specialisation was switched off (3.15).
pub fn specialisation_is_off(memory: &dyn Memory, spec: &StateSpec, places: &Places) -> Option<bool> {
    let at = spec.monitoring.as_ref()?.specialisation?;
    Some(!flag(memory, places.monitoring?, at)?)
}

/// A `bool`; `None` if it is not one.
fn flag(memory: &dyn Memory, base: u64, at: usize) -> Option<bool> {
    match memory.read_bytes(base.checked_add(at as u64)?, 1).ok()?.u8_at(0)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// `eval_frame`: the function that evaluates frames, 0 if it is the interpreter's own (3.11+).
pub fn eval_frame(memory: &dyn Memory, spec: &StateSpec, places: &Places) -> Option<u64> {
    read_word(memory, places.eval?, spec.eval.eval_frame)
}

/// Whether allocations are checked, as `PYTHONMALLOC=debug` asks for: the first allocator works for
/// the debug allocator (3.12+), or `preconfig` names one of those that check.
pub fn malloc_is_debugged(memory: &dyn Memory, spec: &StateSpec, places: &Places) -> Option<bool> {
    if let (Some(allocators), Some(at)) = (&spec.allocators, places.allocators)
        && read_word(memory, at, allocators.raw)? == at + allocators.debug_raw as u64
    {
        return Some(true);
    }
    let at = places.process?.checked_add(spec.process.allocator as u64)?;
    // PYMEM_ALLOCATOR_DEBUG, _MALLOC_DEBUG, _PYMALLOC_DEBUG, _MIMALLOC_DEBUG (3.13+).
    Some(matches!(memory.read_bytes(at, 4).ok()?.u32_at(0)?, 2 | 4 | 6 | 8))
}

/// Whether `tracemalloc` traces. `variable` is the address of `_Py_tracemalloc_config` before 3.12.
pub fn tracemalloc_is_on(
    memory: &dyn Memory,
    spec: &StateSpec,
    places: &Places,
    variable: Option<u64>,
) -> Option<bool> {
    let at = match spec.process.tracing {
        Some(offset) => places.process?.checked_add(offset as u64)?,
        // After `initialized`, an int.
        None => variable?.checked_add(4)?,
    };
    match memory.read_bytes(at, 4).ok()?.u32_at(0)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Whether the state of this interpreter is where [`StateSpec`] says: builds without a GIL have it
/// elsewhere, and their object headers are larger.
pub fn is_covered(layout: &Layout) -> bool {
    !layout.build.free_threaded
}
