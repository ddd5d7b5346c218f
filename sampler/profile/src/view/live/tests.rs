use std::time::Duration;

use super::*;
use crate::ThreadState::{Idle, Running, WaitingForGil};
use crate::batch::Mark;
use crate::export::{ExportOptions, Format};
use crate::testing::{PERIOD_NS, ProfileBuilder};
use crate::view::{Filter, Functions, Weights, lines};

/// The profile as a session would hand it on.
pub(crate) fn live(profile: Profile) -> Live {
    let mut live = Live::new(profile.meta.clone());
    let mut batch = Batch {
        processes: profile.processes,
        threads: profile.threads,
        evidence: profile.evidence,
        samples: profile.samples,
        ..Batch::default()
    };
    profile.tables.take_new(&mut Mark::default(), &mut batch);
    live.apply(batch);
    live
}

fn twelve_seconds() -> Profile {
    ProfileBuilder::new()
        .thread("MainThread")
        .sample(&["<module>", "load"], Running, 6_000)
        .sample(&["<module>", "a.py:work:7", "a.py:work:8"], Running, 5_000)
        .sample(&["<module>", "a.py:rest:3"], WaitingForGil, 600)
        .thread("worker")
        .sample(&["run", "wait"], Idle, 399)
        .dropped(1)
        .build()
}

#[test]
fn a_window_is_the_recording_of_the_same_window() {
    let live = live(twelve_seconds());
    let window = Duration::from_secs(5);
    let filter = Filter::default();
    let seen = live.window(window).weights(&live, &filter);
    let mut recording = live.recording(window);
    let written = Weights::collect(&mut recording, &filter).unwrap();
    assert_eq!((seen.base, &seen.stacks, &seen.dropped), (written.base, &written.stacks, &written.dropped));
    assert_eq!(seen.base.weight.sum() + seen.base.dropped, 5_000);
    assert_eq!(Functions::new(&seen, live.tables()), Functions::new(&written, recording.tables()));
    assert_eq!(lines(&seen, live.tables()), lines(&written, recording.tables()));
    assert_eq!(recording.stats.dropped, 1);
    let mut json = Vec::new();
    Format::Json.write(&mut recording, &ExportOptions::default(), &mut json).unwrap();
}

#[test]
fn rows_are_of_the_scope_and_recursion_counts_once() {
    let live = live(twelve_seconds());
    let of = |scope| live.snapshot(&live.moment(scope, Duration::from_secs(5)), &Query::default());
    let window = of(Scope::Window);
    let names: Vec<_> = window.rows.iter().map(|row| (row.name.as_str(), row.own.sum())).collect();
    assert_eq!(names[0], ("work", 4_000));
    assert_eq!(window.rows[0].total.sum(), 4_000);
    assert!((window.rows[0].own_share - 4_000.0 / 4_999.0).abs() < 1e-9);
    let all = of(Scope::SinceStart);
    assert_eq!((all.rows[0].name.as_str(), all.rows[0].own.sum()), ("load", 6_000));
    // In the window before, "work" had one second of five.
    assert!(window.rows[0].trend.unwrap() > 0.5);
    assert_eq!((window.span_s.round(), all.span_s.round()), (5.0, 12.0));
}

#[test]
fn what_is_old_is_let_go_and_stays_counted() {
    let mut live = live(twelve_seconds());
    let sample = Sample { time_ns: 80_000_000_000, ..Sample::default() };
    live.apply(Batch { samples: vec![sample], ..Batch::default() });
    assert_eq!((live.slots.len(), live.kept), (1, 1));
    assert_eq!(live.since_start().samples(), 12_001);
    let mut kept = 0;
    live.for_each_sample(&mut |_| kept += 1).unwrap();
    assert_eq!(kept, 1);
}

#[test]
fn counting_begins_anew() {
    let mut live = live(twelve_seconds());
    live.publish(Counts { elapsed_ns: 12_000_000_000, ticks: 12_000, samples: 12_000, ..Counts::default() });
    live.reset();
    assert_eq!(live.since_start().samples() + live.window(KEPT).samples(), 0);
    let late = Sample { time_ns: 11_000_000_000, ..Sample::default() };
    let next = Sample { time_ns: 12_500_000_000, ..Sample::default() };
    live.apply(Batch { samples: vec![late, next], ..Batch::default() });
    live.publish(Counts { elapsed_ns: 13_000_000_000, ticks: 12_900, samples: 12_002, ..Counts::default() });
    assert_eq!(live.since_start().samples(), 1);
    let health = live.moment(Scope::SinceStart, KEPT).health;
    assert_eq!(health.achieved_hz, 900.0);
}

#[test]
fn threads_and_instructions_add_up() {
    let live = live(twelve_seconds());
    let moment = live.moment(Scope::SinceStart, KEPT);
    let work = live.tables().functions.values().iter().position(|it| live.tables().text(it.name) == "work");
    let function = work.map(crate::ids::Id::from_index);
    let query = Query { function, tree: true, ..Query::default() };
    let snapshot = live.snapshot(&moment, &query);
    assert_eq!(snapshot.threads.len(), 2);
    let worker = &snapshot.threads[1];
    assert_eq!((worker.name.as_str(), worker.weight.idle, worker.dropped), ("worker", 399, 1));
    assert_eq!(worker.shares, [0.0, 0.0, 1.0]);
    let source = snapshot.source.unwrap();
    assert_eq!(source.file, "a.py");
    assert_eq!((source.lines[&8].own.sum(), source.lines[&7].total.sum()), (5_000, 5_000));
    assert_eq!(snapshot.tree.nodes.iter().map(|node| node.own.sum()).sum::<u64>(), 11_999);
    assert!(snapshot.threads[0].cpu_share > 0.8 && PERIOD_NS > 0);
    let by_line = live.snapshot(&moment, &Query { by_line: true, ..Query::default() });
    assert_eq!((by_line.rows[1].name.as_str(), by_line.rows[1].line), ("work", Some(8)));
}
