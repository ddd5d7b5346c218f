//! The tracker of one process: chooses what to look at, copies it, remembers what it was.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use slowpath_profile::evidence::ProcessEvidence;
use slowpath_profile::{FunctionId, ProcessId, Span, Tables};

use super::history::{CodeHistory, LastView};
use super::hot::Heat;
use super::{Collector, HotCode, LiveFrame, Look, collectors};
use crate::layout::forms::Forms;
use crate::layout::spec::{Bytecode, Layout};
use crate::process::find::Interpreter as Binary;
use crate::process::memory::{Memory, Range};
use crate::read::caches::{CodeParts, SiteView, views};
use crate::read::code::Code;
use crate::read::code_cache::CodeCache;
use crate::read::code_parts;
use crate::read::image::Image;
use crate::read::stack::{CodeFacts, RawFrame};
use crate::read::threads::Interpreter;

/// Time between two looks, unless they cost more than [`BUDGET`].
const INTERVAL_NS: u64 = 50_000_000;
/// Looks take at most one part in so many of the time: 1 % of a core.
const BUDGET: u64 = 100;
/// What looks may cost before that bound holds: the first ones read names.
const ADVANCE_NS: u64 = 20_000_000;
/// Code objects in one look.
const MAX_HOT: usize = 64;
/// Bytes that one look copies.
const MAX_BYTES: usize = 1 << 20;
/// Bytecode of one code object; a larger one is not looked at.
const MAX_CODE: usize = 256 << 10;
/// Functions whose history is kept.
const MAX_HISTORIES: usize = 256;
/// Code objects whose last look is kept.
const MAX_KNOWN: usize = 1_024;
/// Code objects that are met for the first time in one look.
const MAX_NEW: usize = 16;
/// Every so many looks is a pair.
const PAIR_EVERY: u32 = 4;
/// Every so many looks heat is halved: about every two seconds.
const FADE_EVERY: u32 = 40;
/// Frames that one look keeps.
const MAX_FRAMES: usize = 64;
/// Frames of one code object that one look keeps.
const MAX_FRAMES_OF_CODE: usize = 2;
/// Bytes of a frame that are kept.
const MAX_FRAME: usize = 4_096;
/// The first evidence is written after so long; later ones ever more rarely, so that a recording of a
/// day has few.
const WRITE_NS: u64 = 2_000_000_000;

/// Tracks the state of hot code in one process.
#[derive(Debug)]
pub(crate) struct Tracker {
    process: ProcessId,
    forms: Forms,
    collectors: Vec<Box<dyn Collector>>,
    heat: Heat,
    known: FxHashMap<u64, Known>,
    /// Code objects that cannot be followed now: not readable as a whole, or another one of the same
    /// name, file and line is followed (two lambdas in a line).
    refused: FxHashSet<u64>,
    histories: FxHashMap<FunctionId, CodeHistory>,
    image: Image,
    second: Image,
    frames: Vec<LiveFrame>,
    /// Address of the code of each of `frames`.
    frame_codes: Vec<u64>,
    looks: u32,
    is_due: bool,
    begun_ns: Option<u64>,
    looked_ns: u64,
    spent_ns: u64,
    written_ns: u64,
    truncated: bool,
}

/// A code object as it was at its last look.
#[derive(Debug)]
struct Known {
    function: FunctionId,
    parts: Arc<CodeParts>,
    last: Vec<LastView>,
    looked: u32,
}

/// What a look needs of the sampler.
pub(crate) struct Moment<'a> {
    /// The target.
    pub(crate) memory: &'a dyn Memory,
    /// Its layout.
    pub(crate) layout: &'a Layout,
    /// Its process id.
    pub(crate) pid: u32,
    /// The binary of its interpreter.
    pub(crate) binary: &'a Binary,
    /// Address of `_PyRuntime`.
    pub(crate) runtime: u64,
    /// Its interpreters.
    pub(crate) interpreters: &'a [Interpreter],
    /// Nanoseconds since the session began.
    pub(crate) now_ns: u64,
    /// Known code objects.
    pub(crate) codes: &'a mut CodeCache,
    /// Where names go.
    pub(crate) tables: &'a mut Tables,
}

/// Where the copy of a code object is.
struct Planned {
    addr: u64,
    heat: u32,
    function: FunctionId,
    /// Number of its range in the image.
    range: usize,
    /// Where its bytecode begins in that range; `None`: it lies elsewhere and never changes.
    bytecode: Option<usize>,
}

impl Tracker {
    /// A tracker that has seen nothing.
    pub(crate) fn new(process: ProcessId, layout: &Layout) -> Self {
        Self {
            process,
            forms: Forms::new(layout),
            collectors: collectors(),
            heat: Heat::default(),
            known: FxHashMap::default(),
            refused: FxHashSet::default(),
            histories: FxHashMap::default(),
            image: Image::default(),
            second: Image::default(),
            frames: Vec::new(),
            frame_codes: Vec::new(),
            looks: 0,
            is_due: false,
            begun_ns: None,
            looked_ns: 0,
            spent_ns: 0,
            written_ns: 0,
            truncated: false,
        }
    }

    /// A tick begins: decides whether it ends with a look.
    pub(crate) fn begin_tick(&mut self, now_ns: u64) {
        let begun = *self.begun_ns.get_or_insert(now_ns);
        let may_spend = now_ns.saturating_sub(begun) / BUDGET + ADVANCE_NS;
        self.is_due = now_ns.saturating_sub(self.looked_ns) >= INTERVAL_NS && self.spent_ns <= may_spend;
        self.frames.clear();
        self.frame_codes.clear();
    }

    /// A thread ran with this stack (the leaf first).
    pub(crate) fn observe(&mut self, frames: &[RawFrame], codes: &CodeCache) {
        let is_code = |frame: &&RawFrame| codes.peek(frame.code).is_some_and(|entry| !entry.code.is_internal);
        if let Some(leaf) = frames.iter().find(is_code) {
            self.heat.add(leaf.code);
        }
    }

    /// Keeps the frames of hot code of a believed stack, out of the image that it was read from.
    pub(crate) fn capture(
        &mut self,
        frames: &[RawFrame],
        image: &Image,
        memory: &dyn Memory,
        moment: (&Layout, &CodeCache),
    ) {
        if !self.is_due {
            return;
        }
        let (layout, codes) = moment;
        for (depth, frame) in frames.iter().enumerate() {
            if self.frames.len() >= MAX_FRAMES {
                self.truncated = true;
                return;
            }
            let same = self.frame_codes.iter().filter(|code| **code == frame.code).count();
            if !self.known.contains_key(&frame.code) || same >= MAX_FRAMES_OF_CODE {
                continue;
            }
            let Some(code) = codes.peek(frame.code).map(|entry| &entry.code) else { continue };
            let Some(offset) = code.offset_of(frame.instruction) else { continue };
            let Some(bytes) = frame_bytes(frame, code, image, memory, layout) else { continue };
            self.frames.push(LiveFrame { hot: 0, addr: frame.addr, offset, is_leaf: depth == 0, bytes });
            self.frame_codes.push(frame.code);
        }
    }

    /// Looks, if it is time.
    pub(crate) fn look(&mut self, moment: &mut Moment<'_>) {
        if !self.is_due {
            return;
        }
        let begun = Instant::now();
        self.is_due = false;
        self.looked_ns = moment.now_ns;
        let planned = self.plan(moment);
        let mut own_time = Duration::ZERO;
        let copied = !planned.is_empty() && self.image.fill(moment.memory).is_ok();
        let is_pair =
            copied && self.looks.is_multiple_of(PAIR_EVERY) && moment.layout.adaptive.counter.is_some();
        let is_pair = is_pair && self.second.fill(moment.memory).is_ok();
        if copied {
            let hot: Vec<HotCode> =
                planned.iter().filter_map(|planned| self.decode(planned, is_pair, moment)).collect();
            own_time = self.collect(&hot, moment);
            self.looks += 1;
        }
        if self.looks.is_multiple_of(FADE_EVERY) {
            self.heat.fade();
            self.refused.clear();
        }
        self.spent(begun.elapsed().saturating_sub(own_time));
    }

    fn spent(&mut self, time: Duration) {
        self.spent_ns = self.spent_ns.saturating_add(time.as_nanos() as u64);
    }

    /// Chooses code objects and plans the copy.
    fn plan(&mut self, moment: &mut Moment<'_>) -> Vec<Planned> {
        self.image.clear();
        self.second.clear();
        let mut planned = Vec::new();
        let (mut bytes, mut fresh) = (0, 0);
        for (addr, heat) in self.heat.hottest(MAX_HOT) {
            let is_new = !self.known.contains_key(&addr);
            if (is_new && fresh == MAX_NEW) || self.refused.contains(&addr) {
                continue;
            }
            let Ok(entry) = moment.codes.get(moment.memory, moment.layout, addr, moment.tables) else {
                self.forget(addr);
                continue;
            };
            let (start, len) = entry.code.bytecode_range();
            let header = moment.layout.code.size;
            let is_inline = matches!(moment.layout.code.bytecode, Bytecode::Inline(_));
            let wanted = if is_inline { (start - addr) as usize + len } else { header };
            if len > MAX_CODE || bytes + wanted > MAX_BYTES {
                self.truncated = true;
                continue;
            }
            bytes += wanted;
            fresh += usize::from(is_new);
            let range = self.image.add(Range::new(addr, wanted));
            self.second.add(Range::new(addr, wanted));
            let bytecode = is_inline.then(|| (start - addr) as usize);
            planned.push(Planned { addr, heat, function: entry.function, range, bytecode });
        }
        planned
    }

    /// Decodes one code object and adds it to the history of its function.
    fn decode(&mut self, planned: &Planned, is_pair: bool, moment: &mut Moment<'_>) -> Option<HotCode> {
        let addr = planned.addr;
        let image = std::mem::take(&mut self.image);
        let second = std::mem::take(&mut self.second);
        let Some(copy) = image.range(planned.range) else {
            // Not copied because of another range, or because it is not mapped any more.
            if image.first_unread() == Some(planned.range) {
                self.forget(addr);
            }
            (self.image, self.second) = (image, second);
            return None;
        };
        let entry = moment.codes.peek(addr);
        let is_same = entry.is_some_and(|entry| entry.code.is_header_of(moment.layout, copy));
        let hot = match is_same {
            true => self.decode_copy(planned, copy, is_pair.then_some(&second), moment),
            false => None,
        };
        (self.image, self.second) = (image, second);
        if !is_same {
            self.forget(addr);
            moment.codes.distrust(std::iter::once(addr));
        } else if hot.is_none() {
            self.refused.insert(addr);
        }
        hot
    }

    fn decode_copy(
        &mut self,
        planned: &Planned,
        copy: &[u8],
        second: Option<&Image>,
        moment: &mut Moment<'_>,
    ) -> Option<HotCode> {
        let Planned { addr, heat, function, .. } = *planned;
        let code = &moment.codes.peek(addr)?.code;
        let read;
        let bytecode = match planned.bytecode {
            Some(at) => copy.get(at..)?,
            None if self.known.contains_key(&addr) => &[],
            None => {
                let (start, len) = code.bytecode_range();
                read = moment.memory.read_bytes(start, len).ok()?;
                &read[..]
            }
        };
        if self.known.get(&addr).is_none_or(|known| known.function != function) {
            self.meet(addr, function, bytecode, code, moment)?;
        }
        let known = self.known.get_mut(&addr)?;
        known.looked = self.looks;
        let history = self.histories.get_mut(&function)?;
        if !history.is_of(&known.parts) {
            return None;
        }
        history.samples += u64::from(self.heat.take_fresh(addr));
        let parts = known.parts.clone();
        let views = now(planned, bytecode, &parts, &self.forms);
        history.look(&mut known.last, &views, self.forms.counter);
        if let Some(again) = second.and_then(|second| second.range(planned.range))
            && let Some(again) = planned.bytecode.and_then(|at| again.get(at..))
        {
            history.pair(&views, &now(planned, again, &parts, &self.forms));
        }
        Some(HotCode { addr, function, heat, parts, views })
    }

    /// Remembers a code object that is looked at for the first time.
    fn meet(
        &mut self,
        addr: u64,
        function: FunctionId,
        bytecode: &[u8],
        code: &Code,
        moment: &Moment<'_>,
    ) -> Option<()> {
        let parts = code_parts::read(moment.memory, moment.layout, &self.forms, addr, bytecode)?;
        let parts = Arc::new(parts);
        self.make_room();
        let span = |offset| -> Span { code.span(offset) };
        let history =
            self.histories.entry(function).or_insert_with(|| CodeHistory::new(function, parts.clone(), span));
        if !history.is_of(&parts) {
            return None;
        }
        history.copies += 1;
        let last = vec![LastView::default(); parts.sites.len()];
        self.known.insert(addr, Known { function, parts, last, looked: self.looks });
        Some(())
    }

    /// Keeps histories and known code objects within their bounds.
    fn make_room(&mut self) {
        if self.known.len() >= MAX_KNOWN {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.looked).map(|(addr, _)| *addr);
            oldest.into_iter().for_each(|addr| drop(self.known.remove(&addr)));
        }
        if self.histories.len() >= MAX_HISTORIES {
            self.truncated = true;
            let coolest = self.histories.iter().min_by_key(|(_, history)| history.samples);
            if let Some(function) = coolest.map(|(function, _)| *function) {
                self.histories.remove(&function);
                self.known.retain(|_, known| known.function != function);
            }
        }
    }

    fn forget(&mut self, addr: u64) {
        self.known.remove(&addr);
        self.heat.forget(addr);
    }

    fn collect(&mut self, hot: &[HotCode], moment: &mut Moment<'_>) -> Duration {
        let mut frames = std::mem::take(&mut self.frames);
        let codes = std::mem::take(&mut self.frame_codes);
        let mut positions = codes
            .iter()
            .map(|code| hot.iter().position(|hot| hot.addr == *code))
            .collect::<Vec<_>>()
            .into_iter();
        // Frames of code that is not hot (any more) are left out.
        frames.retain_mut(|frame| {
            let position = positions.next().flatten();
            frame.hot = position.unwrap_or(0);
            position.is_some()
        });
        let mut look = Look {
            memory: moment.memory,
            layout: moment.layout,
            pid: moment.pid,
            binary: moment.binary,
            runtime: moment.runtime,
            interpreters: moment.interpreters,
            now_ns: moment.now_ns,
            number: self.looks,
            hot,
            frames: &frames,
            codes: &mut *moment.codes,
            tables: &mut *moment.tables,
            own_time: Duration::ZERO,
        };
        self.collectors.iter_mut().for_each(|collector| collector.look(&mut look));
        look.own_time
    }

    /// Whether enough time has passed for new evidence: the more is there, the longer.
    pub(crate) fn is_news(&self, now_ns: u64) -> bool {
        let begun = self.begun_ns.unwrap_or(now_ns);
        let wait = WRITE_NS.max(now_ns.saturating_sub(begun) / 8);
        self.looks > 0 && now_ns.saturating_sub(self.written_ns.max(begun)) >= wait
    }

    /// Everything that was seen so far; `None` if nothing was.
    pub(crate) fn evidence(&mut self, now_ns: u64) -> Option<ProcessEvidence> {
        if self.looks == 0 {
            return None;
        }
        let begun = Instant::now();
        self.written_ns = now_ns;
        let mut histories: Vec<&CodeHistory> = self.histories.values().collect();
        histories.sort_by_key(|history| std::cmp::Reverse(history.samples));
        let mut evidence = ProcessEvidence {
            process: self.process,
            looks: self.looks,
            code: histories.into_iter().map(CodeHistory::evidence).collect(),
            truncated: self.truncated,
            ..ProcessEvidence::default()
        };
        self.collectors.iter_mut().for_each(|collector| collector.write(&mut evidence));
        self.spent(begun.elapsed());
        Some(evidence)
    }
}

/// What the sites are in this copy. Before 3.11 nothing in bytecode tells.
fn now(planned: &Planned, bytecode: &[u8], parts: &CodeParts, forms: &Forms) -> Vec<SiteView> {
    if planned.bytecode.is_some() {
        return views(bytecode, parts, forms);
    }
    let form = |number: usize| parts.instructions[number].name;
    parts.sites.iter().map(|site| SiteView { form: form(site.instruction), ..SiteView::default() }).collect()
}

/// The bytes of a frame: its fixed part from the image, and what the image has of the rest. Frames that
/// live outside the data stack are completed from memory if they have not changed meanwhile.
fn frame_bytes(
    frame: &RawFrame,
    code: &Code,
    image: &Image,
    memory: &dyn Memory,
    layout: &Layout,
) -> Option<Vec<u8>> {
    let fixed = layout.frame.size;
    let whole =
        code.frame_words().map_or(fixed, |words| words as usize * 8).clamp(fixed, MAX_FRAME.max(fixed));
    if let Some(bytes) = image.at(0..image.len(), frame.addr, whole) {
        return Some(bytes.to_vec());
    }
    let copied = image.at(0..image.len(), frame.addr, fixed)?;
    match memory.read_bytes(frame.addr, whole) {
        Ok(bytes) if bytes.starts_with(copied) => Some(bytes),
        _ => Some(copied.to_vec()),
    }
}
