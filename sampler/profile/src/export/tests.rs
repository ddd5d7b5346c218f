//! What holds for every format, and snapshots of the formats that people read.

use std::path::Path;

use super::*;
use crate::ThreadState::{Idle, Running, WaitingForGil};
use crate::source::Profile;
use crate::testing::ProfileBuilder;

/// Two processes, three threads, every state, a dropped, a truncated and a stackless sample.
pub(super) fn known() -> Profile {
    let mut profile = ProfileBuilder::new()
        .thread("MainThread")
        .sample(&["<module>", "serve:12", "shop.py:Cart.total:12"], Running, 6)
        .sample(&["<module>", "serve:12", "shop.py:Cart.total:14"], Running, 2)
        .sample(&["<module>", "serve:13", "/usr/lib/python3.14/json/__init__.py:dumps:8"], WaitingForGil, 1)
        .flags(crate::SampleFlags::IN_GC)
        .sample(&["<module>", "serve:12", "<GC>"], Running, 1)
        .flags(crate::SampleFlags::default())
        .thread("worker-1")
        .sample(&["threading.py:Thread.run:3", "queue.py:Queue.get:5"], Idle, 5)
        .dropped(1)
        .sample(&["threading.py:Thread.run:3", "größe_数え:5"], Running, 2)
        .process(5000)
        .thread("MainThread")
        .sample(&["<module>"], Running, 1)
        .sample(&[], Idle, 1)
        .sample(&["deep:9", "deeper:4"], Running, 1)
        .build();
    if let Some(last) = profile.samples.last_mut() {
        last.quality = crate::Quality::Truncated;
    }
    profile
}

fn text(format: Format, profile: &mut Profile) -> String {
    let mut out = Vec::new();
    format.write(profile, &ExportOptions::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn names_and_endings_lead_back_to_their_format() {
    for &format in Format::ALL {
        assert_eq!(Format::from_name(format.name()), Ok(format));
        for ending in format.extensions() {
            let path = format!("/tmp/out{}", ending.to_uppercase());
            assert_eq!(Format::from_path(Path::new(&path)), Some(format));
        }
    }
    assert_eq!(Format::from_path(Path::new("/tmp/out.xyz")), None);
    insta::assert_snapshot!(Format::from_name("svg\x1b").unwrap_err());
}

#[test]
fn the_same_profile_gives_the_same_bytes() {
    for &format in Format::ALL {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        format.write(&mut known(), &ExportOptions::default(), &mut first).unwrap();
        format.write(&mut known(), &ExportOptions::default(), &mut second).unwrap();
        assert_eq!(first, second, "{}", format.name());
        assert!(!first.is_empty());
    }
}

#[test]
fn collapsed_is_sorted_and_complete() {
    let text = text(Format::Collapsed, &mut known());
    let total: u64 = text.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum();
    assert_eq!(total, known().stats.samples);
    insta::assert_snapshot!(text);
}

#[test]
fn a_flame_graph_shows_what_was_profiled() {
    let svg = text(Format::Flamegraph, &mut known());
    for shown in
        ["CPython 3.14.2", "21 samples", "trust 95.2 %", "Cart.total (shop.py:12) (6 samples, 28.57%)"]
    {
        assert!(svg.contains(shown), "{shown} is missing");
    }
}

#[test]
fn text_formats() {
    insta::assert_snapshot!("austin", text(Format::Austin, &mut known()));
    insta::assert_snapshot!("speedscope", text(Format::Speedscope, &mut known()));
    insta::assert_snapshot!("chrome", text(Format::Chrome, &mut known()));
    insta::assert_snapshot!("gecko", text(Format::Gecko, &mut known()));
    insta::assert_snapshot!("json", text(Format::Json, &mut known()));
}

#[test]
fn an_empty_profile_has_no_flame_graph() {
    let mut empty = Profile::default();
    let result = Format::Flamegraph.write(&mut empty, &ExportOptions::default(), &mut Vec::new());
    assert!(matches!(result, Err(ExportError::Empty)));
}
