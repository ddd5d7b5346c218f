//! Hand-made profiles with known answers.

use std::fmt::Write;

use super::*;
use crate::sample::ThreadState::{Idle, Running, WaitingForGil};
use crate::source::{Profile, Source};
use crate::testing::ProfileBuilder;

fn weights(profile: &Profile, filter: &Filter) -> Weights {
    Weights::collect(&mut profile.clone(), filter).unwrap()
}

fn functions(profile: &Profile, filter: &Filter) -> Functions {
    Functions::new(&weights(profile, filter), profile.tables())
}

fn split(split: Split) -> String {
    format!("{}/{}/{}", split.running, split.waiting_for_gil, split.idle)
}

fn functions_text(view: &Functions) -> String {
    let mut out = format!("of {}, {} dropped\n", view.base, view.base.dropped);
    for row in &view.rows {
        let share = view.base.share(row.own.sum()) * 100.0;
        let (own, total) = (split(row.own), split(row.total));
        writeln!(out, "{share:5.1} %  {own:>8}  {total:>8}  {} ({})", row.name, row.file).unwrap();
    }
    writeln!(out, "no Python {}, hidden {}", split(view.no_python), split(view.hidden)).unwrap();
    out
}

fn tree_text(profile: &Profile, direction: Direction) -> String {
    let tree = CallTree::new(&weights(profile, &Filter::default()), profile.tables(), direction);
    let mut out = String::new();
    let mut open: Vec<(u32, usize)> = tree.roots.iter().rev().map(|root| (*root, 0)).collect();
    while let Some((id, depth)) = open.pop() {
        let node = &tree.nodes[id as usize];
        let function = &profile.tables.functions.values()[node.function.0 as usize];
        let name = profile.tables.text(function.qualname);
        writeln!(out, "{:>3} {:>3} {}{name}", node.total.sum(), node.own.sum(), "  ".repeat(depth)).unwrap();
        open.extend(node.children.iter().rev().map(|child| (*child, depth + 1)));
    }
    out
}

/// A shop with a worker: all states, recursion, dropped samples, samples without Python code.
fn shop() -> Profile {
    ProfileBuilder::new()
        .thread("MainThread")
        .sample(&["<module>", "serve", "Cart.total:22"], Running, 50)
        .sample(&["<module>", "serve", "Cart.total:24"], Running, 10)
        .dropped(3)
        .sample(&["<module>", "serve", "json.py:dumps"], Running, 20)
        .sample(&["<module>", "serve"], WaitingForGil, 5)
        .thread("worker-1")
        .sample(&["run", "walk:71", "walk:71", "walk:72"], Running, 8)
        .dropped(1)
        .sample(&["run", "walk:71", "walk:72"], Running, 2)
        .sample(&["run", "lib/queue.py:Queue.get"], Idle, 30)
        .sample(&[], Idle, 4)
        .dropped(2)
        .build()
}

#[test]
fn hottest_functions() {
    insta::assert_snapshot!(functions_text(&functions(&shop(), &Filter::default())), @r"
    of 129 samples, 6 dropped
     46.5 %    60/0/0    60/0/0  Cart.total (app.py)
     23.3 %    0/0/30    0/0/30  Queue.get (lib/queue.py)
     15.5 %    20/0/0    20/0/0  dumps (json.py)
      7.8 %    10/0/0    10/0/0  walk (app.py)
      3.9 %     0/5/0    80/5/0  serve (app.py)
      0.0 %     0/0/0    80/5/0  <module> (app.py)
      0.0 %     0/0/0   10/0/30  run (app.py)
    no Python 0/0/4, hidden 0/0/0
    ");
}

#[test]
fn self_weights_add_up_to_the_base() {
    for filter in [
        Filter::default(),
        Filter { metric: Metric::Cpu, ..Filter::default() },
        Filter { exclude: vec!["app.py".into()], ..Filter::default() },
        Filter { states: vec![Idle, WaitingForGil], ..Filter::default() },
    ] {
        let view = functions(&shop(), &filter);
        let rows: u64 = view.rows.iter().map(|row| row.own.sum()).sum();
        let sum = rows + view.no_python.sum() + view.hidden.sum();
        assert_eq!(sum, view.base.weight.sum(), "{filter:?}");
        assert!(sum > 0, "{filter:?}");
    }
}

#[test]
fn recursion_counts_once() {
    let view = functions(&shop(), &Filter::default());
    let walk = view.rows.iter().find(|row| row.name == "walk").unwrap();
    assert_eq!((walk.own.sum(), walk.total.sum()), (10, 10));
    let line = |number| {
        let rows = lines(&weights(&shop(), &Filter::default()), shop().tables());
        rows.into_iter().find(|row| row.line == Some(number)).unwrap()
    };
    assert_eq!((line(71).own.sum(), line(71).total.sum()), (0, 10));
    assert_eq!((line(72).own.sum(), line(72).total.sum()), (10, 10));
}

#[test]
fn dropped_samples_are_counted_by_function() {
    let profile = shop();
    let weights = weights(&profile, &Filter::default());
    assert_eq!(weights.dropped, [3, 3]);
    let named: Vec<(Option<&str>, u64)> = weights
        .dropped_in
        .iter()
        .map(|(function, count)| {
            let function = function.and_then(|function| profile.tables.functions.get(function));
            (function.map(|function| profile.tables.text(function.qualname)), *count)
        })
        .collect();
    assert_eq!(named, [(Some("serve"), 3), (None, 2), (Some("walk"), 1)]);
}

#[test]
fn dropped_samples_belong_between_their_neighbours() {
    let drop_after = |before: &[&str], after: &[&str]| {
        let profile = ProfileBuilder::new()
            .sample(&["main", "early"], Running, 1)
            .sample(before, Running, 1)
            .dropped(1)
            .sample(after, Running, 1)
            .build();
        let (function, count) = weights(&profile, &Filter::default()).dropped_in[0];
        assert_eq!(count, 1);
        let function = function.and_then(|function| profile.tables.functions.get(function));
        function.map(|function| profile.tables.text(function.qualname).to_owned())
    };
    assert_eq!(drop_after(&["main", "late", "leaf"], &["main", "late"]).as_deref(), Some("late"));
    assert_eq!(drop_after(&["main", "late"], &["main", "early"]).as_deref(), Some("main"));
    assert_eq!(drop_after(&["other"], &["main", "early"]), None);
    assert_eq!(drop_after(&[], &["main", "early"]), None);
}

#[test]
fn filters_choose_samples() {
    let count = |filter: Filter| weights(&shop(), &filter).base.weight.sum();
    let threads = |pattern: &str| Filter { threads: vec![pattern.into()], ..Filter::default() };
    assert_eq!(count(threads("main")), 85);
    assert_eq!(count(threads("worker-*")), 44);
    assert_eq!(count(threads("4243")), 44);
    assert_eq!(count(threads("nobody")), 0);
    assert_eq!(count(Filter { processes: vec![4242], ..Filter::default() }), 129);
    assert_eq!(count(Filter { processes: vec![1], ..Filter::default() }), 0);
    assert_eq!(count(Filter { states: vec![Idle], ..Filter::default() }), 34);
    assert_eq!(count(Filter { time_ns: Some(0..5_000_000), ..Filter::default() }), 5);
    assert_eq!(count(Filter { metric: Metric::Cpu, ..Filter::default() }), 90_000_000);
}

#[test]
fn hidden_frames_give_their_weight_to_the_caller() {
    let filter = Filter { exclude: vec!["lib/*".into(), "json.py".into()], ..Filter::default() };
    insta::assert_snapshot!(functions_text(&functions(&shop(), &filter)), @r"
    of 129 samples, 6 dropped
     46.5 %    60/0/0    60/0/0  Cart.total (app.py)
     23.3 %    0/0/30   10/0/30  run (app.py)
     19.4 %    20/5/0    80/5/0  serve (app.py)
      7.8 %    10/0/0    10/0/0  walk (app.py)
      0.0 %     0/0/0    80/5/0  <module> (app.py)
    no Python 0/0/4, hidden 0/0/0
    ");
    let only = Filter { include: vec!["*.py".into()], exclude: vec!["app.py".into()], ..Filter::default() };
    insta::assert_snapshot!(functions_text(&functions(&shop(), &only)), @r"
    of 129 samples, 6 dropped
     23.3 %    0/0/30    0/0/30  Queue.get (lib/queue.py)
     15.5 %    20/0/0    20/0/0  dumps (json.py)
    no Python 0/0/4, hidden 70/5/0
    ");
}

#[test]
fn call_trees() {
    insta::assert_snapshot!(tree_text(&shop(), Direction::Calls), @r"
    85   0 <module>
    85   5   serve
    60  60     Cart.total
    20  20     dumps
    40   0 run
    30  30   Queue.get
    10   0   walk
    10   2     walk
     8   8       walk
    ");
    insta::assert_snapshot!(tree_text(&shop(), Direction::Callers), @r"
    60   0 Cart.total
    60   0   serve
    60  60     <module>
    30   0 Queue.get
    30  30   run
    20   0 dumps
    20   0   serve
    20  20     <module>
    10   0 walk
    10   0   walk
     8   0     walk
     8   8       run
     2   2     run
     5   0 serve
     5   5   <module>
    ");
}

#[test]
fn hottest_lines() {
    let profile = shop();
    let mut out = String::new();
    for row in lines(&weights(&profile, &Filter::default()), profile.tables()) {
        let line = row.line.map_or("?".into(), |line| line.to_string());
        writeln!(out, "{:>8} {:>8}  {}:{line}", split(row.own), split(row.total), row.file).unwrap();
    }
    insta::assert_snapshot!(out, @r"
    50/0/0   50/0/0  app.py:22
    0/0/30   0/0/30  lib/queue.py:2
    20/0/0   20/0/0  json.py:2
    10/0/0   10/0/0  app.py:24
    10/0/0   10/0/0  app.py:72
     0/5/0   80/5/0  app.py:12
     0/0/0   80/5/0  app.py:2
     0/0/0  10/0/30  app.py:32
     0/0/0   10/0/0  app.py:71
    ");
}

#[test]
fn a_difference_is_in_shares() {
    let before = ProfileBuilder::new()
        .sample(&["main", "parse"], Running, 60)
        .sample(&["main", "write"], Running, 40)
        .build();
    let after = ProfileBuilder::new()
        .sample(&["main", "unpack", "write"], Running, 10)
        .sample(&["main", "parse"], Running, 60)
        .sample(&["main", "write"], Running, 130)
        .build();
    let (one, other) = (weights(&before, &Filter::default()), weights(&after, &Filter::default()));
    let diff = Diff::new((&one, before.tables()), (&other, after.tables()));
    let mut out = format!("{} against {}\n", diff.before, diff.after);
    for row in &diff.functions {
        let percent = [row.own_before, row.own_after, row.own(), row.total_before, row.total_after];
        let [a, b, c, d, e] = percent.map(|share| share * 100.0);
        writeln!(out, "{a:5.1} -> {b:5.1} ({c:+5.1})  {d:5.1} -> {e:5.1}  {}", row.name).unwrap();
    }
    for stack in &diff.stacks {
        let names = stack.functions.iter().map(|at| diff.functions[*at as usize].name.as_str());
        let names = names.collect::<Vec<_>>().join(";");
        writeln!(out, "{names} {:.3} {:.3}", stack.before, stack.after).unwrap();
    }
    insta::assert_snapshot!(out, @r"
    100 samples against 200 samples
     40.0 ->  70.0 (+30.0)   40.0 ->  70.0  write
     60.0 ->  30.0 (-30.0)   60.0 ->  30.0  parse
      0.0 ->   0.0 ( +0.0)  100.0 -> 100.0  main
      0.0 ->   0.0 ( +0.0)    0.0 ->   5.0  unpack
    main;parse 0.600 0.300
    main;unpack;write 0.000 0.050
    main;write 0.400 0.650
    ");
}

#[test]
fn an_empty_profile_has_empty_views() {
    let view = functions(&ProfileBuilder::new().build(), &Filter::default());
    assert_eq!((view.rows.len(), view.base.share(0)), (0, 0.0));
}
