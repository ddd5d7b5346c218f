//! The tracker of one process: chooses what to look at, copies it, adds it to what is remembered.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use slowpath_profile::{FunctionId, ProcessId, Span};

use super::frames::{Captured, FrameSource};
use super::history::{CodeHistory, LastView};
use super::hot::Heat;
use super::{Collector, HotCode, Look, Moment, collectors};
use crate::layout::forms::Forms;
use crate::layout::spec::{Bytecode, Layout};
use crate::process::memory::Range;
use crate::read::caches::{self, CodeParts};
use crate::read::code::Code;
use crate::read::code_cache::CodeCache;
use crate::read::code_parts;
use crate::read::image::Image;
use crate::read::opcache;
use crate::read::stack::RawFrame;

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
/// A function with less than one part in so many of the samples is nobody's problem.
pub(super) const MIN_SHARE: u64 = 1_000;
/// Code objects whose last look is kept.
const MAX_KNOWN: usize = 1_024;
/// Code objects that are met for the first time in one look.
const MAX_NEW: usize = 8;
/// Every so many looks is a pair.
const PAIR_EVERY: u32 = 4;
/// Every so many looks heat is halved: about every two seconds.
const FADE_EVERY: u32 = 40;

/// Tracks the state of hot code in one process.
#[derive(Debug)]
pub(crate) struct Tracker {
    pub(super) process: ProcessId,
    forms: Forms,
    pub(super) collectors: Vec<Box<dyn Collector>>,
    heat: Heat,
    known: FxHashMap<u64, Known>,
    /// Code objects that cannot be followed now: not readable as a whole, or another one of the same
    /// name, file and line is followed (two lambdas in a line).
    refused: FxHashSet<u64>,
    pub(super) histories: FxHashMap<FunctionId, CodeHistory>,
    image: Image,
    second: Image,
    frames: Captured,
    pub(super) looks: u32,
    is_due: bool,
    pub(super) begun_ns: Option<u64>,
    looked_ns: u64,
    spent_ns: u64,
    pub(super) written_ns: u64,
    pub(super) truncated: bool,
}

/// A code object as it was at its last look.
#[derive(Debug)]
struct Known {
    /// Which reading of its address this is.
    number: u64,
    function: FunctionId,
    parts: Arc<CodeParts>,
    last: Vec<LastView>,
    looked: u32,
}

/// Where the copy of a code object is.
struct Planned {
    addr: u64,
    heat: u32,
    number: u64,
    function: FunctionId,
    /// Number of its range in the image.
    range: usize,
    /// Where its bytecode begins in that range; `None`: it lies elsewhere and never changes.
    bytecode: Option<usize>,
}

impl Tracker {
    /// A tracker that has seen nothing.
    pub(crate) fn new(process: ProcessId, layout: &Layout, exact: Option<&Path>) -> Self {
        Self {
            process,
            forms: Forms::new(layout),
            collectors: collectors(exact),
            heat: Heat::default(),
            known: FxHashMap::default(),
            refused: FxHashSet::default(),
            histories: FxHashMap::default(),
            image: Image::default(),
            second: Image::default(),
            frames: Captured::default(),
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
    }

    /// A thread ran with this stack (the leaf first).
    pub(crate) fn observe(&mut self, frames: &[RawFrame], codes: &CodeCache) {
        let is_code = |frame: &&RawFrame| codes.peek(frame.code).is_some_and(|entry| !entry.code.is_internal);
        if let Some(leaf) = frames.iter().find(is_code) {
            self.heat.add(leaf.code);
        }
    }

    /// Keeps the frames of hot code of a believed stack, out of the image that it was read from.
    pub(crate) fn capture(&mut self, frames: &[RawFrame], source: &FrameSource<'_>) {
        if self.is_due {
            self.frames.capture(frames, source, |code| self.known.contains_key(&code));
        }
    }

    /// Looks, if it is time.
    pub(crate) fn look(&mut self, mut moment: Moment<'_>) {
        if !self.is_due {
            return;
        }
        let begun = Instant::now();
        self.is_due = false;
        self.looked_ns = moment.now_ns;
        let planned = self.plan(&mut moment);
        let mut own_time = Duration::ZERO;
        let copied = !planned.is_empty() && self.image.fill(moment.memory).is_ok();
        let is_pair =
            copied && self.looks.is_multiple_of(PAIR_EVERY) && moment.layout.adaptive.counter.is_some();
        let is_pair = is_pair && self.second.fill(moment.memory).is_ok();
        if copied {
            let hot: Vec<HotCode> =
                planned.iter().filter_map(|planned| self.decode(planned, is_pair, &mut moment)).collect();
            own_time = self.collect(&hot, moment);
            self.looks += 1;
        }
        if self.looks.is_multiple_of(FADE_EVERY) {
            self.heat.fade();
            self.refused.clear();
        }
        self.spent(begun.elapsed().saturating_sub(own_time));
    }

    pub(super) fn spent(&mut self, time: Duration) {
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
            let (number, function) = (entry.number(), entry.function);
            planned.push(Planned { addr, heat, number, function, range, bytecode });
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
        let is_known = self.known.get(&addr).is_some_and(|known| known.number == planned.number);
        let read;
        let bytecode = match planned.bytecode {
            Some(at) => copy.get(at..)?,
            None if is_known => &[],
            None => {
                let (start, len) = code.bytecode_range();
                read = moment.memory.read_bytes(start, len).ok()?;
                &read[..]
            }
        };
        if !is_known {
            self.meet(planned, bytecode, code, moment)?;
        }
        let known = self.known.get_mut(&addr)?;
        known.looked = self.looks;
        let history = self.histories.get_mut(&function)?;
        if !history.is_of(&known.parts) {
            return None;
        }
        history.samples += u64::from(self.heat.take_fresh(addr));
        let parts = known.parts.clone();
        let views = match planned.bytecode {
            Some(_) => caches::views(bytecode, &parts, &self.forms),
            None => opcache::views(moment.memory, moment.layout, copy, &parts),
        };
        history.look(&mut known.last, &views, self.forms.counter, moment.now_ns);
        if let Some(again) = second.and_then(|second| second.range(planned.range))
            && let Some(again) = planned.bytecode.and_then(|at| again.get(at..))
        {
            history.pair(&views, &caches::views(again, &parts, &self.forms));
        }
        Some(HotCode { addr, function, heat, parts, views })
    }

    /// Remembers a code object that is looked at for the first time.
    fn meet(&mut self, planned: &Planned, bytecode: &[u8], code: &Code, moment: &Moment<'_>) -> Option<()> {
        let Planned { addr, number, function, .. } = *planned;
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
        self.known.insert(addr, Known { number, function, parts, last, looked: self.looks });
        Some(())
    }

    /// Keeps histories and known code objects within their bounds.
    fn make_room(&mut self) {
        if self.known.len() >= MAX_KNOWN {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.looked).map(|(addr, _)| *addr);
            oldest.into_iter().for_each(|addr| drop(self.known.remove(&addr)));
        }
        if self.histories.len() >= MAX_HISTORIES {
            let all: u64 = self.histories.values().map(|history| history.samples).sum();
            let coolest = self.histories.iter().min_by_key(|(_, history)| history.samples);
            if let Some((function, samples)) = coolest.map(|(function, history)| (*function, history.samples))
            {
                self.truncated |= samples * MIN_SHARE >= all;
                self.histories.remove(&function);
                self.known.retain(|_, known| known.function != function);
            }
        }
    }

    fn forget(&mut self, addr: u64) {
        self.known.remove(&addr);
        self.heat.forget(addr);
    }

    fn collect(&mut self, hot: &[HotCode], moment: Moment<'_>) -> Duration {
        let frames = self.frames.take(hot);
        let mut look = Look { moment, number: self.looks, hot, frames: &frames, own_time: Duration::ZERO };
        self.collectors.iter_mut().for_each(|collector| collector.look(&mut look));
        look.own_time
    }
}
