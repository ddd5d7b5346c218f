//! Two profiles compared: what got slower, what got faster.
//!
//! Profiles differ in length, so each is normalised to its own base. Functions are matched by file
//! and qualified name; lines move between versions of a program and are not compared.

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::weights::{Base, Weights};
use crate::ids::FunctionId;
use crate::tables::Tables;

/// A function in both profiles. Figures are shares of the base of their profile, from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FunctionDelta {
    /// `co_qualname`.
    pub name: String,
    /// `co_filename`.
    pub file: String,
    /// Self share before.
    pub own_before: f64,
    /// Self share after.
    pub own_after: f64,
    /// Total share before.
    pub total_before: f64,
    /// Total share after.
    pub total_after: f64,
}

impl FunctionDelta {
    /// Change of the self share; positive is more time.
    pub fn own(&self) -> f64 {
        self.own_after - self.own_before
    }

    /// Change of the total share.
    pub fn total(&self) -> f64 {
        self.total_after - self.total_before
    }
}

/// A stack, merged by function, in both profiles.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StackDelta {
    /// Positions in [`Diff::functions`], from the root to the leaf.
    pub functions: Vec<u32>,
    /// Share before.
    pub before: f64,
    /// Share after.
    pub after: f64,
}

/// The difference of two profiles.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Diff {
    /// All functions of both, the largest change of the self share first, then by name and file.
    pub functions: Vec<FunctionDelta>,
    /// All stacks of both, in the order of their functions' names.
    pub stacks: Vec<StackDelta>,
    /// What the shares before are shares of.
    pub before: Base,
    /// What the shares after are shares of.
    pub after: Base,
}

impl Diff {
    /// Compares two profiles, each given by its weights and tables.
    pub fn new(before: (&Weights, &Tables), after: (&Weights, &Tables)) -> Self {
        let mut merge = Merge::default();
        merge.add(before.0, before.1, 0);
        merge.add(after.0, after.1, 1);
        merge.finish(before.0.base, after.0.base)
    }
}

#[derive(Default)]
struct Merge {
    known: FxHashMap<(String, String), u32>,
    functions: Vec<FunctionDelta>,
    stacks: FxHashMap<Vec<u32>, [f64; 2]>,
}

impl Merge {
    fn add(&mut self, weights: &Weights, tables: &Tables, side: usize) {
        let mut ids = FxHashMap::<FunctionId, u32>::default();
        for (stack, weight) in weights.merged() {
            let Some(stack) = stack else { continue };
            let share = weights.base.share(weight.sum());
            let functions = weights.functions_of(tables, stack);
            let mut path: Vec<u32> = functions
                .map(|function| *ids.entry(function).or_insert_with(|| self.function(tables, function)))
                .collect();
            path.reverse();
            let Some(&leaf) = path.last() else { continue };
            *self.functions[leaf as usize].own_mut(side) += share;
            let mut once = path.clone();
            once.sort_unstable();
            once.dedup();
            for function in once {
                *self.functions[function as usize].total_mut(side) += share;
            }
            self.stacks.entry(path).or_default()[side] += share;
        }
    }

    fn function(&mut self, tables: &Tables, function: FunctionId) -> u32 {
        let known = tables.functions.get(function);
        let text = |id| tables.text(id).to_owned();
        let (file, name) =
            known.map_or_else(Default::default, |known| (text(known.file), text(known.qualname)));
        let next = self.functions.len() as u32;
        *self.known.entry((file, name)).or_insert_with_key(|(file, name)| {
            let (file, name) = (file.clone(), name.clone());
            self.functions.push(FunctionDelta { name, file, ..FunctionDelta::default() });
            next
        })
    }

    fn finish(self, before: Base, after: Base) -> Diff {
        let mut order: Vec<u32> = (0..self.functions.len() as u32).collect();
        order.sort_by(|one, other| {
            let (one, other) = (&self.functions[*one as usize], &self.functions[*other as usize]);
            let change = other.own().abs().total_cmp(&one.own().abs());
            change.then_with(|| (&one.name, &one.file).cmp(&(&other.name, &other.file)))
        });
        let mut position = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            position[*old as usize] = new as u32;
        }
        let functions: Vec<_> = order.iter().map(|old| self.functions[*old as usize].clone()).collect();
        let renumber = |(path, [before, after]): (Vec<u32>, [f64; 2])| StackDelta {
            functions: path.into_iter().map(|old| position[old as usize]).collect(),
            before,
            after,
        };
        let mut stacks: Vec<StackDelta> = self.stacks.into_iter().map(renumber).collect();
        stacks.sort_by_cached_key(|stack| {
            let functions = stack.functions.iter().map(|at| &functions[*at as usize]);
            functions.map(|function| (function.name.clone(), function.file.clone())).collect::<Vec<_>>()
        });
        Diff { functions, stacks, before, after }
    }
}

impl FunctionDelta {
    fn own_mut(&mut self, side: usize) -> &mut f64 {
        if side == 0 { &mut self.own_before } else { &mut self.own_after }
    }

    fn total_mut(&mut self, side: usize) -> &mut f64 {
        if side == 0 { &mut self.total_before } else { &mut self.total_after }
    }
}
