//! The call tree, merged by function, and the tree of callers.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::weights::{Base, Split, Weights};
use crate::ids::FunctionId;
use crate::tables::Tables;

/// Which end of a stack is the root of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The outermost functions; children are what they call.
    Calls,
    /// The innermost functions; children are their callers.
    Callers,
}

/// A function in one place of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallNode {
    /// The function.
    pub function: FunctionId,
    /// The node above it.
    pub parent: Option<u32>,
    /// Weight of the samples that end here: in a tree of calls, time in the function itself.
    pub own: Split,
    /// Weight of the samples that pass here.
    pub total: Split,
    /// Nodes below it, the largest total first, then by name.
    pub children: Vec<u32>,
}

/// A tree of functions. A node comes after its parent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallTree {
    /// All nodes.
    pub nodes: Vec<CallNode>,
    /// The nodes without a parent, in the order of children.
    pub roots: Vec<u32>,
}

impl CallTree {
    /// Merges the stacks of all threads.
    pub fn new(weights: &Weights, tables: &Tables, direction: Direction) -> Self {
        let mut tree = Self::default();
        let mut places = FxHashMap::<(Option<u32>, FunctionId), u32>::default();
        let mut path = Vec::new();
        for (stack, weight) in weights.merged() {
            let Some(stack) = stack else { continue };
            path.clear();
            path.extend(weights.functions_of(tables, stack));
            if direction == Direction::Calls {
                path.reverse();
            }
            let mut at = None;
            for &function in &path {
                let place = *places.entry((at, function)).or_insert_with(|| tree.push(at, function));
                at = Some(place);
            }
            if let Some(end) = at {
                tree.nodes[end as usize].own.add(weight);
            }
        }
        tree.add_up(tables);
        tree
    }

    /// The share of `base` that passes through at least one of `nodes`, which are in their order; what
    /// is below another one of them counts once.
    pub fn share_under(&self, nodes: &[u32], base: Base) -> f64 {
        let mut inside = vec![false; self.nodes.len()];
        let mut sum = 0;
        for (at, node) in self.nodes.iter().enumerate() {
            let is_below = node.parent.is_some_and(|parent| inside[parent as usize]);
            let is_one = nodes.binary_search(&(at as u32)).is_ok();
            inside[at] = is_below || is_one;
            if is_one && !is_below {
                sum += node.total.sum();
            }
        }
        base.share(sum)
    }

    fn push(&mut self, parent: Option<u32>, function: FunctionId) -> u32 {
        let id = self.nodes.len() as u32;
        let (own, total, children) = (Split::default(), Split::default(), Vec::new());
        self.nodes.push(CallNode { function, parent, own, total, children });
        match parent {
            Some(parent) => self.nodes[parent as usize].children.push(id),
            None => self.roots.push(id),
        }
        id
    }

    /// Totals from the leaves up, which works backwards because a node comes after its parent.
    fn add_up(&mut self, tables: &Tables) {
        for id in (0..self.nodes.len()).rev() {
            let own = self.nodes[id].own;
            self.nodes[id].total.add(own);
            let total = self.nodes[id].total;
            if let Some(parent) = self.nodes[id].parent {
                self.nodes[parent as usize].total.add(total);
            }
        }
        for id in 0..self.nodes.len() {
            let mut children = std::mem::take(&mut self.nodes[id].children);
            self.sort(&mut children, tables);
            self.nodes[id].children = children;
        }
        let mut roots = std::mem::take(&mut self.roots);
        self.sort(&mut roots, tables);
        self.roots = roots;
    }

    fn sort(&self, nodes: &mut [u32], tables: &Tables) {
        let name = |node: &CallNode| {
            tables.functions.get(node.function).map_or("?", |function| tables.text(function.qualname))
        };
        nodes.sort_by_key(|id| {
            let node = &self.nodes[*id as usize];
            (Reverse(node.total.sum()), name(node), node.function)
        });
    }
}
