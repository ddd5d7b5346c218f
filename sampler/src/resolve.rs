//! From raw frames to a node of the stack tree: names what was read and decides whether to believe it.

use slowpath_profile::{Frame, FrameId, Function, FunctionKind, Span, StackId, Tables};

use crate::layout::spec::Layout;
use crate::process::memory::{Bytes, Memory};
use crate::read::code_cache::CodeCache;
use crate::read::stack::{RawFrame, edge_is_possible, has_returned, leaf_has_left};

/// The last believed stack of a thread, the root first: what it shares with the next one needs
/// neither validation nor interning again.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastStack {
    frames: Vec<(RawFrame, Option<StackId>)>,
}

impl LastStack {
    /// Forgets the stack, because code objects may have changed.
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
    }

    /// The node of the leaf.
    pub(crate) fn leaf(&self) -> Option<StackId> {
        self.frames.last().and_then(|(_, stack)| *stack)
    }
}

/// Why frames were not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// They cannot be a stack, or code objects changed under them: read again.
    Torn,
    /// The stack tree is full; the stack cannot be named.
    TreeFull,
}

/// What resolving needs.
pub(crate) struct Resolver<'a> {
    /// The target.
    pub(crate) memory: &'a dyn Memory,
    /// Its layout.
    pub(crate) layout: &'a Layout,
    /// Known code objects.
    pub(crate) codes: &'a mut CodeCache,
    /// Where names go.
    pub(crate) tables: &'a mut Tables,
    /// The frames cannot be torn (the thread was stopped, or several reads agree): believe them even
    /// where they look unlikely.
    pub(crate) certain: bool,
}

impl Resolver<'_> {
    /// The stack of `frames` (the leaf first), validated against each other and against their code.
    pub(crate) fn resolve(
        &mut self,
        frames: &[RawFrame],
        last: &mut LastStack,
    ) -> Result<Option<StackId>, Doubt> {
        if !self.certain && leaf_has_left(self.layout, frames) {
            return Err(Doubt::Torn);
        }
        let shared = frames.iter().rev().zip(&last.frames).take_while(|(frame, (known, _))| *frame == known);
        let shared = shared.count();
        last.frames.truncate(shared);
        self.codes.settle();
        if self.codes.counts_changes() {
            let unknown = frames.iter().rev().skip(shared).map(|frame| frame.code);
            self.codes.refresh(self.memory, self.layout, unknown);
        } else {
            frames.iter().for_each(|frame| self.codes.note_use(frame.code));
        }
        let reads = self.codes.reads();
        for frame in frames.iter().rev().skip(shared) {
            let outer = last.frames.last().copied();
            match self.push(frame, outer) {
                Ok(stack) => last.frames.push((*frame, stack)),
                Err(doubt) => {
                    last.clear();
                    return Err(doubt);
                }
            }
        }
        if self.codes.reads() != reads && !self.still_running(frames) {
            last.clear();
            return Err(Doubt::Torn);
        }
        Ok(last.leaf())
    }

    fn push(
        &mut self,
        frame: &RawFrame,
        outer: Option<(RawFrame, Option<StackId>)>,
    ) -> Result<Option<StackId>, Doubt> {
        if let Some((outer, _)) = &outer {
            let code = self.codes.peek(outer.code).ok_or(Doubt::Torn)?;
            if !self.certain && !edge_is_possible(frame, outer, &code.code) {
                return Err(Doubt::Torn);
            }
        }
        let parent = outer.and_then(|(_, stack)| stack);
        let entry =
            self.codes.get(self.memory, self.layout, frame.code, self.tables).map_err(|_| Doubt::Torn)?;
        if !self.certain && has_returned(frame, &entry.code) {
            return Err(Doubt::Torn);
        }
        let offset = match entry.code.offset_of(frame.instruction) {
            Some(offset) => offset,
            // A frame that has just been made may hold no valid instruction yet: it is at its start.
            None if self.certain => 0,
            None => return Err(Doubt::Torn),
        };
        if entry.code.is_internal {
            return Ok(parent);
        }
        let id = entry.frame(offset, self.tables);
        self.tables.intern_stack(parent, id).map(Some).ok_or(Doubt::TreeFull)
    }

    /// Whether frames still hold the code objects that were read for them a moment ago: then those
    /// code objects were alive in between, and what was read is theirs.
    fn still_running(&self, frames: &[RawFrame]) -> bool {
        let mut bytes = vec![0; self.layout.frame.size];
        frames.iter().all(|frame| {
            let settled = self.codes.peek(frame.code).is_some_and(|entry| !self.codes.is_fresh(entry));
            settled
                || self.memory.read(frame.addr, &mut bytes).is_ok()
                    && bytes.u64_at(self.layout.frame.code).is_some_and(|code| code & !7 == frame.code)
        })
    }
}

/// The frame that stands for a running garbage collection.
pub(crate) fn gc_frame(tables: &mut Tables) -> FrameId {
    let name = tables.strings.intern_str("<garbage collection>");
    let file = tables.strings.intern_str("");
    let function = Function { name, qualname: name, file, first_line: 0, kind: FunctionKind::Runtime };
    let function = tables.functions.intern(function);
    tables.frames.intern(Frame { function, instruction: None, span: Span::default() })
}
