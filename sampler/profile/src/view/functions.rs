//! The hottest functions.

use std::cmp::Reverse;

use super::weights::{Base, Split, Weights};
use crate::ids::{FunctionId, Id};
use crate::tables::{FunctionKind, Tables};

/// One function and what is spent in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionRow {
    /// Its id.
    pub function: FunctionId,
    /// `co_qualname`.
    pub name: String,
    /// `co_filename`.
    pub file: String,
    /// `co_firstlineno`; 0 if it has none.
    pub first_line: u32,
    /// What kind of code it is.
    pub kind: FunctionKind,
    /// Weight of the samples in which it was the innermost function that is shown.
    pub own: Split,
    /// Weight of the samples in which it was on the stack, each counted once.
    pub total: Split,
}

/// All functions of a profile, the largest self weight first, then by total, name, file and line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Functions {
    /// Functions with a weight.
    pub rows: Vec<FunctionRow>,
    /// What shares are shares of.
    pub base: Base,
    /// Weight of the samples that ran no Python code.
    pub no_python: Split,
    /// Weight of the samples of which no frame is shown.
    pub hidden: Split,
}

impl Functions {
    /// Adds up the weights by function.
    pub fn new(weights: &Weights, tables: &Tables) -> Self {
        let mut view = Self { base: weights.base, ..Self::default() };
        let count = tables.functions.len();
        let (mut own, mut total) = (vec![Split::default(); count], vec![Split::default(); count]);
        // The stack that was last seen to contain a function: recursion counts once.
        let mut counted = vec![usize::MAX; count];
        for (round, (stack, weight)) in weights.merged().into_iter().enumerate() {
            let Some(stack) = stack else {
                view.no_python.add(weight);
                continue;
            };
            let mut innermost = true;
            for function in weights.functions_of(tables, stack) {
                let index = function.index();
                if std::mem::take(&mut innermost) {
                    own[index].add(weight);
                }
                if std::mem::replace(&mut counted[index], round) != round {
                    total[index].add(weight);
                }
            }
            if innermost {
                view.hidden.add(weight);
            }
        }
        let present = (0..count).filter(|index| total[*index].sum() > 0);
        view.rows = present.map(|index| row(tables, index, own[index], total[index])).collect();
        view.rows.sort_by(|one, other| key(one).cmp(&key(other)));
        view
    }
}

fn row(tables: &Tables, index: usize, own: Split, total: Split) -> FunctionRow {
    let function = &tables.functions.values()[index];
    FunctionRow {
        function: FunctionId::from_index(index),
        name: tables.text(function.qualname).into(),
        file: tables.text(function.file).into(),
        first_line: function.first_line,
        kind: function.kind,
        own,
        total,
    }
}

fn key(row: &FunctionRow) -> impl Ord + '_ {
    (Reverse(row.own.sum()), Reverse(row.total.sum()), &row.name, &row.file, row.first_line)
}
