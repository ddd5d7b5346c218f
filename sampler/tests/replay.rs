//! Reads a recorded memory image of every supported version: no interpreter, no privilege needed.
//!
//! The images are made by `cargo run -p slowpath-fixtures --bin slowpath-images` from
//! `fixtures/programs/still.py`, whose stack is known.

use std::cell::Cell;
use std::fs::File;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use slowpath_profile::{Quality, ThreadState};
use slowpath_sampler::dump::{DumpOptions, FrameDump, ThreadDump};
use slowpath_sampler::process::memory::{Memory, MemoryError, Range};
use slowpath_sampler::process::recorded::RecordedMemory;
use slowpath_sampler::snapshot::{replay, replay_through};

const MINORS: [u8; 8] = [8, 9, 10, 11, 12, 13, 14, 15];

fn image(minor: u8) -> PathBuf {
    image_in(&format!("3.{minor}"))
}

fn image_in(folder: &str) -> PathBuf {
    let memory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/memory");
    memory.join(folder).join("still.slowpath-mem")
}

/// The threads of the main interpreter, the main thread first.
fn threads(minor: u8) -> Vec<ThreadDump> {
    let file = File::open(image(minor)).unwrap_or_else(|error| panic!("image of 3.{minor}: {error}"));
    let recorded = RecordedMemory::read_from(file).unwrap();
    let options = DumpOptions { locals: Some(60), blocking: false };
    let mut interpreters = replay(&recorded, options).unwrap();
    assert_eq!(interpreters.len(), 1, "3.{minor}");
    interpreters.remove(0).threads
}

fn names(thread: &ThreadDump) -> Vec<&str> {
    thread.frames.iter().rev().map(|frame| frame.name.as_str()).collect()
}

#[test]
fn the_whole_stack_of_every_version() {
    for minor in MINORS {
        let threads = threads(minor);
        let main = &threads[0];
        let expected = [
            "<module>",
            "main",
            "start",
            "<listcomp>",
            "numbers",
            "down",
            "down",
            "down",
            "λ_функция",
            "in_exec",
            "hold",
        ];
        let seen = names(main);
        // Comprehensions are inlined from 3.12 on.
        let wanted: Vec<&str> =
            expected.into_iter().filter(|name| minor < 12 || *name != "<listcomp>").collect();
        assert_eq!(seen, wanted, "3.{minor}");
        assert_eq!((main.quality, main.holds_gil), (Quality::Clean, false), "3.{minor}");
        assert_eq!(main.state, ThreadState::Idle);
    }
}

#[test]
fn the_bundled_runtime_is_read_without_it() {
    let file = File::open(image_in("bundled")).unwrap();
    let recorded = RecordedMemory::read_from(file).unwrap();
    let interpreters = replay(&recorded, DumpOptions::default()).unwrap();
    let [interpreter] = &interpreters[..] else { panic!("{} interpreters", interpreters.len()) };
    assert_eq!((interpreter.gil_locked, interpreter.threads.len()), (None, 2));
    let main = &interpreter.threads[0];
    let wanted =
        ["<module>", "main", "start", "numbers", "down", "down", "down", "λ_функция", "in_exec", "hold"];
    assert_eq!(names(main), wanted);
    assert_eq!((&main.name[..], main.is_main, main.quality), ("MainThread", true, Quality::Clean));
    assert_eq!(interpreter.threads[1].name, "the sleeper");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/programs/still.py");
    let source = std::fs::read_to_string(program).unwrap();
    let hold = find(main, "hold");
    let line = 1 + source.lines().position(|line| line.contains("time.sleep(seconds)")).unwrap() as u32;
    assert_eq!((hold.span.line, hold.span.column), (Some(line), Some(4)));
    assert!(hold.opcode.as_deref().is_some_and(|opcode| opcode.starts_with("CALL")), "{:?}", hold.opcode);
    assert_eq!(find(main, "in_exec").file, "<still>");
    assert_eq!(find(main, "start").qualname, "Machine.start");
}

#[test]
fn threads_have_their_names() {
    for minor in MINORS {
        let threads = threads(minor);
        assert_eq!(threads.len(), 2, "3.{minor}");
        assert_eq!(threads[0].name, "MainThread", "3.{minor}");
        assert_eq!(threads[1].name, "the sleeper", "3.{minor}");
        assert_eq!(threads[1].frames[0].name, "run", "3.{minor}");
    }
}

fn find<'a>(thread: &'a ThreadDump, name: &str) -> &'a FrameDump {
    thread.frames.iter().find(|frame| frame.name == name).unwrap_or_else(|| panic!("no frame {name}"))
}

#[test]
fn places_are_exact() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/programs/still.py");
    let source = std::fs::read_to_string(program).unwrap();
    let line_of = |text: &str| {
        let at =
            source.lines().position(|line| line.contains(text)).unwrap_or_else(|| panic!("no line {text}"));
        (at as u32 + 1, source.lines().nth(at).unwrap())
    };
    for minor in MINORS {
        let threads = threads(minor);
        for (name, text) in [("hold", "time.sleep(seconds)"), ("main", "Machine().start(seconds)")] {
            let (line, content) = line_of(text);
            let span = find(&threads[0], name).span;
            assert_eq!(span.line, Some(line), "3.{minor} {name}");
            if minor >= 11 {
                let column = content.find(text).unwrap() as u32;
                assert_eq!(span.column, Some(column), "3.{minor} {name}");
                assert_eq!(span.end_column, Some(column + text.len() as u32), "3.{minor} {name}");
            }
        }
        assert_eq!(find(&threads[0], "in_exec").file, "<still>");
        let qualname = if minor >= 11 { "Machine.start" } else { "start" };
        assert_eq!(find(&threads[0], "start").qualname, qualname, "3.{minor}");
    }
}

#[test]
fn locals_are_rendered_without_running_code() {
    for minor in MINORS {
        let threads = threads(minor);
        let local = |frame: &str, name: &str| {
            let locals = find(&threads[0], frame).locals.clone().unwrap_or_default();
            let found = locals.into_iter().find(|local| local.name == name);
            found.unwrap_or_else(|| panic!("3.{minor}: no {name} in {frame}"))
        };
        assert_eq!(local("start", "parts").value, "[1, 2.5, None, True, 'wheel']", "3.{minor}");
        assert_eq!(local("hold", "seconds").value, "60.0", "3.{minor}");
        assert!(local("hold", "seconds").argument);
        // The innermost of three.
        assert_eq!(local("down", "label").value, "'depth 0'", "3.{minor}");
    }
}

#[test]
fn opcodes_have_names() {
    for minor in MINORS {
        let threads = threads(minor);
        let opcode = find(&threads[0], "hold").opcode.clone().unwrap_or_default();
        assert!(opcode.contains("CALL"), "3.{minor}: {opcode}");
    }
}

#[test]
fn a_cut_image_gives_less_and_never_panics() {
    for minor in MINORS {
        let bytes = std::fs::read(image(minor)).unwrap();
        for end in (0..bytes.len()).step_by(bytes.len() / 40) {
            assert!(RecordedMemory::read_from(&bytes[..end]).is_err(), "3.{minor} at {end}");
        }
    }
}

/// Recorded memory, some of whose words are others when they are read.
struct Torn<'a> {
    image: &'a RecordedMemory,
    /// Which read, which word of it, and what it says.
    changes: Vec<(u32, usize, u64)>,
    reads: Cell<u32>,
}

impl Memory for Torn<'_> {
    fn read_vectored(&self, ranges: &[Range], buf: &mut [u8]) -> Result<usize, MemoryError> {
        let filled = self.image.read_vectored(ranges, buf)?;
        self.reads.set(self.reads.get() + 1);
        for (_, at, word) in self.changes.iter().filter(|(read, ..)| *read == self.reads.get()) {
            if let Some(bytes) = buf[..filled].chunks_exact_mut(8).nth(at % (filled / 8).max(1)) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
        }
        Ok(filled)
    }
}

proptest! {
    #[test]
    fn the_bundled_runtime_is_read_or_not_whatever_it_says(
        changes in prop::collection::vec(
            (1_u32..60, 0_usize..1024, prop_oneof![any::<u64>(), 0_u64..1 << 20]), 1..12
        )
    ) {
        let image = RecordedMemory::read_from(File::open(image_in("bundled")).unwrap()).unwrap();
        let torn = Torn { image: &image, changes, reads: Cell::default() };
        let read = replay_through(&torn, image.note(), DumpOptions::default());
        for thread in read.iter().flatten().flat_map(|interpreter| &interpreter.threads) {
            prop_assert!(thread.quality != Quality::Dropped || thread.frames.is_empty());
        }
        prop_assert!(torn.reads.get() < 100_000, "reading does not end");
    }
}
