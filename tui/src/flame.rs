//! The flame graph as cells of a terminal, and ways through it.

use slowpath_profile::FunctionId;
use slowpath_profile::view::CallTree;

/// A frame as it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Its node.
    pub(crate) node: u32,
    /// Line from the top.
    pub(crate) depth: u16,
    /// First column.
    pub(crate) x: u16,
    /// Columns, at least one.
    pub(crate) width: u16,
}

/// The node at the end of a path from a root.
pub(crate) fn find(tree: &CallTree, path: &[FunctionId]) -> Option<u32> {
    let mut below = &tree.roots;
    let mut found = None;
    for function in path {
        let node = *below.iter().find(|node| tree.nodes[**node as usize].function == *function)?;
        found = Some(node);
        below = &tree.nodes[node as usize].children;
    }
    found
}

/// Functions from the root to a node.
pub(crate) fn path(tree: &CallTree, node: u32) -> Vec<FunctionId> {
    let mut path = Vec::new();
    let mut next = Some(node);
    while let Some(node) = next.and_then(|node| tree.nodes.get(node as usize)) {
        path.push(node.function);
        next = node.parent;
    }
    path.reverse();
    path
}

/// Shortens a path to what the tree still has.
pub(crate) fn keep(tree: &CallTree, path: &mut Vec<FunctionId>) {
    while !path.is_empty() && !tree.nodes.is_empty() && find(tree, path).is_none() {
        path.pop();
    }
}

/// The frames that fit, from the zoomed one down; its callers stand above it at full width.
pub(crate) fn layout(tree: &CallTree, zoom: &[FunctionId], width: u16, height: u16) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut at = find(tree, zoom);
    let mut above = Vec::new();
    while let Some(node) = at {
        above.push(node);
        at = tree.nodes[node as usize].parent;
    }
    above.reverse();
    // Room is left for what is below, even of a deep frame.
    let skipped = above.len().saturating_sub((height / 2).max(1) as usize);
    for (depth, node) in above.iter().skip(skipped).enumerate() {
        cells.push(Cell { node: *node, depth: depth as u16, x: 0, width });
    }
    let depth = cells.len() as u16;
    match above.last() {
        Some(zoomed) => {
            let node = &tree.nodes[*zoomed as usize];
            place(tree, &node.children, node.total.sum(), (0, width), depth, height, &mut cells);
        }
        None => {
            let all = tree.roots.iter().map(|root| tree.nodes[*root as usize].total.sum()).sum();
            place(tree, &tree.roots, all, (0, width), depth, height, &mut cells);
        }
    }
    cells
}

/// Lays siblings out beside each other. What is narrower than a column is left out; the edges are
/// rounded from the sum so far, so that no error adds up.
fn place(
    tree: &CallTree,
    nodes: &[u32],
    all: u64,
    (x, width): (u16, u16),
    depth: u16,
    height: u16,
    cells: &mut Vec<Cell>,
) {
    if depth >= height || all == 0 || width == 0 {
        return;
    }
    let column = |sum: u64| (u128::from(sum) * u128::from(width) / u128::from(all)) as u16;
    let mut before = 0;
    for node in nodes {
        let total = tree.nodes[*node as usize].total.sum();
        let (begin, end) = (column(before), column(before + total));
        before += total;
        if end > begin {
            cells.push(Cell { node: *node, depth, x: x + begin, width: end - begin });
            let children = &tree.nodes[*node as usize].children;
            place(tree, children, total, (x + begin, end - begin), depth + 1, height, cells);
        }
    }
}

/// A step through the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Parent,
    Child,
    Next,
    Previous,
}

/// Where a step from the end of `path` leads; the path itself if there is nothing there.
pub(crate) fn step(tree: &CallTree, path_now: &[FunctionId], step: Step) -> Vec<FunctionId> {
    let Some(node) = find(tree, path_now) else {
        return tree.roots.first().map(|root| path(tree, *root)).unwrap_or_default();
    };
    let known = &tree.nodes[node as usize];
    let beside = known.parent.map_or(&tree.roots, |parent| &tree.nodes[parent as usize].children);
    let at = beside.iter().position(|it| *it == node).unwrap_or(0);
    let next = match step {
        Step::Parent => known.parent,
        Step::Child => known.children.first().copied(),
        Step::Next => beside.get(at + 1).copied(),
        Step::Previous => at.checked_sub(1).and_then(|at| beside.get(at).copied()),
    };
    path(tree, next.unwrap_or(node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::ThreadState::Running;
    use slowpath_profile::testing::ProfileBuilder;
    use slowpath_profile::view::{Direction, Filter, Weights};

    fn tree() -> CallTree {
        let mut profile = ProfileBuilder::new()
            .sample(&["main", "a", "leaf"], Running, 6)
            .sample(&["main", "b"], Running, 3)
            .sample(&["main"], Running, 1)
            .build();
        let weights = Weights::collect(&mut profile, &Filter::default()).unwrap();
        CallTree::new(&weights, &profile.tables, Direction::Calls)
    }

    #[test]
    fn widths_are_shares_and_zooming_keeps_the_callers() {
        let tree = tree();
        let all = layout(&tree, &[], 100, 10);
        let widths: Vec<_> = all.iter().map(|cell| (cell.depth, cell.x, cell.width)).collect();
        assert_eq!(widths, [(0, 0, 100), (1, 0, 60), (2, 0, 60), (1, 60, 30)]);
        let b = step(&tree, &step(&tree, &path(&tree, 0), Step::Child), Step::Next);
        let zoomed = layout(&tree, &b, 100, 10);
        assert_eq!(zoomed.iter().map(|cell| cell.width).collect::<Vec<_>>(), [100, 100]);
        assert_eq!(step(&tree, &b, Step::Parent), path(&tree, 0));
        assert_eq!(step(&tree, &b, Step::Next), b);
    }

    #[test]
    fn a_path_is_kept_as_far_as_it_goes() {
        let tree = tree();
        let mut gone = path(&tree, 2);
        gone.push(FunctionId(99));
        keep(&tree, &mut gone);
        assert_eq!(gone, path(&tree, 2));
    }
}
