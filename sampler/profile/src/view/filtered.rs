//! A profile as its exporters see it under a filter.

use super::filter::Filter;
use crate::evidence::ProcessEvidence;
use crate::file::FileError;
use crate::ids::{Id, StackId};
use crate::meta::{Meta, Process, Stats, Thread};
use crate::sample::{Quality, Sample};
use crate::source::Source;
use crate::tables::Tables;

/// A source that leaves out what a filter leaves out, so that every format can be written of a part of
/// a profile. A frame that is not shown is cut out of its stacks; its weight is its caller's then. A
/// stack of which nothing is left counts as no Python code.
///
/// The unit of the filter has no meaning here. Ids of strings, functions and frames stay, those of
/// stacks are new.
pub struct Filtered<'a> {
    source: &'a mut dyn Source,
    filter: &'a Filter,
    threads: Vec<bool>,
    tables: Tables,
    /// For every stack of the source, what is left of it.
    stacks: Vec<Option<StackId>>,
}

impl<'a> Filtered<'a> {
    /// Cuts the stacks of `source`; its samples are read when they are asked for.
    pub fn new(source: &'a mut dyn Source, filter: &'a Filter) -> Self {
        let known = source.tables();
        let shown = filter.functions_of(known);
        let mut tables = Tables {
            strings: known.strings.clone(),
            functions: known.functions.clone(),
            frames: known.frames.clone(),
            ..Tables::default()
        };
        let mut stacks: Vec<Option<StackId>> = Vec::with_capacity(known.stacks.len());
        for node in known.stacks.values() {
            // A parent stands before its children, and so does what is left of it.
            let parent = node.parent.and_then(|parent| stacks.get(parent.index()).copied().flatten());
            let function = known.frames.get(node.frame).map(|frame| frame.function.index());
            let left = match function.and_then(|index| shown.get(index)) {
                Some(true) => tables.intern_stack(parent, node.frame),
                _ => parent,
            };
            stacks.push(left);
        }
        let threads = filter.threads_of(source);
        Self { source, filter, threads, tables, stacks }
    }
}

impl Source for Filtered<'_> {
    fn meta(&self) -> &Meta {
        self.source.meta()
    }
    fn stats(&self) -> &Stats {
        self.source.stats()
    }
    fn evidence(&self) -> &[ProcessEvidence] {
        self.source.evidence()
    }
    fn tables(&self) -> &Tables {
        &self.tables
    }
    fn processes(&self) -> &[Process] {
        self.source.processes()
    }
    fn threads(&self) -> &[Thread] {
        self.source.threads()
    }
    fn for_each_sample(&mut self, each: &mut dyn FnMut(&Sample)) -> Result<(), FileError> {
        let (filter, threads, stacks) = (self.filter, &self.threads, &self.stacks);
        self.source.for_each_sample(&mut |sample| {
            if threads.get(sample.thread.index()) != Some(&true) || !filter.wants_sample(sample) {
                return;
            }
            let stack = sample.stack.and_then(|stack| stacks.get(stack.index()).copied().flatten());
            // Nothing is left to be truncated.
            let quality = match (sample.quality, stack) {
                (Quality::Truncated, None) => Quality::Clean,
                (quality, _) => quality,
            };
            each(&Sample { stack, quality, ..*sample });
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ThreadState::Running;
    use crate::testing::ProfileBuilder;
    use crate::view::{Functions, Weights};

    #[test]
    fn exporters_and_views_agree() {
        let build = || {
            ProfileBuilder::new()
                .thread("MainThread")
                .sample(&["<module>", "lib/a.py:load", "app.py:parse", "lib/b.py:scan"], Running, 5)
                .sample(&["<module>", "lib/a.py:load"], Running, 3)
                .sample(&["lib/a.py:idle"], Running, 2)
                .thread("other")
                .sample(&["<module>"], Running, 7)
                .dropped(1)
                .build()
        };
        let filter =
            Filter { threads: vec!["main".into()], exclude: vec!["lib/*".into()], ..Filter::default() };
        let mut profile = build();
        let weights = Weights::collect(&mut profile, &filter).unwrap();
        let viewed = Functions::new(&weights, &profile.tables);
        let mut filtered = Filtered::new(&mut profile, &filter);
        let weights = Weights::collect(&mut filtered, &Filter::default()).unwrap();
        let cut = Functions::new(&weights, filtered.tables());
        assert_eq!(cut.rows, viewed.rows);
        assert_eq!(cut.base, viewed.base);
        assert_eq!(cut.rows.iter().map(|row| row.own.running).sum::<u64>(), 8);
        assert_eq!((cut.no_python.running, viewed.hidden.running), (2, 2));
    }
}
