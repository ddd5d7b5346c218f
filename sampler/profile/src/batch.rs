//! The increment in which a profile travels: from the sampler to a recording, to a live view, and
//! from a recording back into memory.
//!
//! A recording is a sequence of batches, and so is what a live view receives. Applying the batches
//! in order rebuilds the tables with the same ids, because tables only grow.

use crate::evidence::ProcessEvidence;
use crate::ids::Id;
use crate::meta::{Process, Thread};
use crate::sample::Sample;
use crate::source::Profile;
use crate::tables::{Frame, Function, StackNode, Tables};

/// What is new since the previous batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// New strings, in the order of their ids.
    pub strings: Vec<Box<str>>,
    /// New functions.
    pub functions: Vec<Function>,
    /// New frames.
    pub frames: Vec<Frame>,
    /// New stack nodes.
    pub stacks: Vec<StackNode>,
    /// New processes.
    pub processes: Vec<Process>,
    /// New threads.
    pub threads: Vec<Thread>,
    /// Threads whose name became known or changed: `(position in the thread list, new entry)`.
    pub renamed: Vec<(u32, Thread)>,
    /// Samples in the order in which they were taken; they refer to entries of this batch or before.
    pub samples: Vec<Sample>,
    /// Evidence of processes; a later one of the same process replaces an earlier one.
    pub evidence: Vec<ProcessEvidence>,
}

impl Batch {
    /// Whether the batch carries nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How much of the tables has been handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    strings: usize,
    functions: usize,
    frames: usize,
    stacks: usize,
}

impl Tables {
    /// Moves what was added since `mark` into `batch` and advances the mark.
    pub fn take_new(&self, mark: &mut Mark, batch: &mut Batch) {
        batch.strings.extend_from_slice(&self.strings.values()[mark.strings..]);
        batch.functions.extend_from_slice(&self.functions.values()[mark.functions..]);
        batch.frames.extend_from_slice(&self.frames.values()[mark.frames..]);
        batch.stacks.extend_from_slice(&self.stacks.values()[mark.stacks..]);
        *mark = Mark {
            strings: self.strings.len(),
            functions: self.functions.len(),
            frames: self.frames.len(),
            stacks: self.stacks.len(),
        };
    }

    /// Adds the table entries of a batch.
    ///
    /// Entries keep their position even if a damaged recording repeats one, so ids never shift.
    pub fn extend(&mut self, batch: &Batch) {
        for value in &batch.strings {
            self.strings.push(value.clone());
        }
        for value in &batch.functions {
            self.functions.push(*value);
        }
        for value in &batch.frames {
            self.frames.push(*value);
        }
        for value in &batch.stacks {
            self.stacks.push(*value);
        }
    }
}

impl Profile {
    /// Adds everything of a batch.
    pub fn apply(&mut self, batch: Batch) {
        self.tables.extend(&batch);
        self.processes.extend(batch.processes);
        self.threads.extend(batch.threads);
        for (index, thread) in batch.renamed {
            if let Some(known) = self.threads.get_mut(index as usize) {
                *known = thread;
            }
        }
        self.samples.extend(batch.samples);
        for evidence in batch.evidence {
            replace(&mut self.evidence, evidence);
        }
    }
}

/// Adds the evidence of a process, in place of what was known of the same process.
pub(crate) fn replace(known: &mut Vec<ProcessEvidence>, evidence: ProcessEvidence) {
    match known.iter_mut().find(|old| old.process == evidence.process) {
        Some(old) => *old = evidence,
        None => known.push(evidence),
    }
}

impl<I: Id, T: Clone + Eq + std::hash::Hash> crate::tables::Interner<I, T> {
    /// Appends a value under the next id, even if an equal one exists.
    pub fn push(&mut self, value: T) -> I {
        let id = I::from_index(self.len());
        self.append(value, id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{FrameId, StackId};

    #[test]
    fn batches_rebuild_the_tables() {
        let mut recorder = Tables::default();
        let mut mark = Mark::default();
        let mut copy = Profile::default();
        for round in 0..3 {
            recorder.strings.intern_str(&format!("name {round}"));
            let parent = (round > 0).then(|| StackId(round - 1));
            recorder.intern_stack(parent, FrameId(round));
            let mut batch = Batch::default();
            recorder.take_new(&mut mark, &mut batch);
            assert_eq!((batch.strings.len(), batch.stacks.len()), (1, 1));
            copy.apply(batch);
        }
        assert_eq!(copy.tables.strings.values(), recorder.strings.values());
        assert_eq!(copy.tables.stacks.values(), recorder.stacks.values());
        let mut nothing = Batch::default();
        recorder.take_new(&mut mark, &mut nothing);
        assert!(nothing.is_empty());
    }
}
