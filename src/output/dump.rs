//! The text of `dump`.

use std::fmt::Write as _;

use slowpath_profile::meta::interpreter_name;
use slowpath_profile::{Quality, Span, ThreadState};
use slowpath_sampler::dump::{Dump, FrameDump, InterpreterDump, ThreadDump};

use super::summary::flags;
use super::table::{named_place, shown_path};
use super::text::{Style, columns, cut_end, escaped, seconds, thousands};

/// All threads, one block each.
pub(crate) fn render(dump: &Dump, opcodes: bool, style: Style) -> String {
    let python = interpreter_name(&dump.python);
    let (python, build) = (escaped(&python), flags(dump.build));
    let head = format!("{python}{build}, pid {}: {}", dump.pid, escaped(&dump.command));
    let mut out = format!("{}\n", style.strong(&cut_end(&head, style.width)));
    for interpreter in &dump.interpreters {
        if dump.interpreters.len() > 1 || interpreter.gc_collecting {
            let _ = writeln!(out, "\n{}", interpreter_line(interpreter));
        }
        for thread in &interpreter.threads {
            let _ = writeln!(out, "\n{}", thread_line(thread, style));
            frames(&mut out, thread, opcodes, style);
        }
    }
    out
}

fn interpreter_line(interpreter: &InterpreterDump) -> String {
    let gc = if interpreter.gc_collecting { ", collecting garbage" } else { "" };
    format!("Interpreter {}{gc}", interpreter.id)
}

/// `Thread 4243 "worker-1": idle, 1.2 s CPU`.
fn thread_line(thread: &ThreadDump, style: Style) -> String {
    let state = match thread.state {
        ThreadState::Running => style.good("running"),
        ThreadState::WaitingForGil => style.warn("waiting for the GIL"),
        ThreadState::Idle => style.faint("idle"),
    };
    let id =
        if thread.native_id == 0 { format!("{:#x}", thread.python_id) } else { thread.native_id.to_string() };
    let mut line =
        format!("Thread {id} {}: {state}", style.strong(&format!("\"{}\"", escaped(&thread.name))));
    if thread.holds_gil {
        line += ", holds the GIL";
    }
    if let Some(cpu_ns) = thread.cpu_ns {
        let _ = write!(line, ", {} CPU", seconds(cpu_ns as f64 / 1e9));
    }
    line
}

fn frames(out: &mut String, thread: &ThreadDump, opcodes: bool, style: Style) {
    let mut rest = thread.frames.as_slice();
    while let [frame, ..] = rest {
        let same = rest.iter().take_while(|other| is_same(frame, other)).count().max(1);
        let _ = writeln!(out, "  {}", frame_line(frame, opcodes, style));
        if same > 1 {
            let note = format!("  … {} more times the same", thousands(same as u64 - 1));
            let _ = writeln!(out, "{}", style.faint(&note));
        }
        locals(out, frame, style);
        rest = &rest[same..];
    }
    let note = match (thread.quality, thread.frames.is_empty()) {
        (Quality::Dropped, _) => "the stack changed while it was read; try again, or with --blocking",
        (Quality::Truncated, _) => "the callers of this could not be read",
        (_, true) => "no Python code",
        _ => return,
    };
    let _ = writeln!(out, "  {}", style.faint(&format!("({note})")));
}

/// Whether two neighbouring frames tell the same: recursion at one place.
fn is_same(one: &FrameDump, other: &FrameDump) -> bool {
    let key = |frame: &FrameDump| (frame.span, frame.instruction, frame.first_line);
    one.locals.is_none()
        && key(one) == key(other)
        && (&one.file, &one.qualname, &one.opcode) == (&other.file, &other.qualname, &other.opcode)
}

fn frame_line(frame: &FrameDump, opcodes: bool, style: Style) -> String {
    let name = escaped(&frame.qualname);
    let place = format!("{}{}", shown_path(&frame.file), position(frame.span));
    let opcode = frame.opcode.as_deref().filter(|_| opcodes).map(escaped);
    let opcode = opcode.map_or_else(String::new, |opcode| format!("  {opcode}"));
    let width = style.width.saturating_sub(2 + columns(&opcode));
    named_place(&name, &place, width, style) + &opcode
}

/// `:12:9-21`: line and columns counted from 1, as editors do.
fn position(span: Span) -> String {
    let Some(line) = span.line else { return String::new() };
    match (span.column, span.end_line, span.end_column) {
        (Some(column), Some(end_line), Some(end)) if end_line != line => {
            format!(":{line}:{}-{end_line}:{end}", column.saturating_add(1))
        }
        (Some(column), _, Some(end)) => format!(":{line}:{}-{end}", column.saturating_add(1)),
        (Some(column), _, None) => format!(":{line}:{}", column.saturating_add(1)),
        _ => format!(":{line}"),
    }
}

fn locals(out: &mut String, frame: &FrameDump, style: Style) {
    for local in frame.locals.iter().flatten() {
        let text = format!("{} = {}", escaped(&local.name), escaped(&local.value));
        let _ = writeln!(out, "      {}", cut_end(&text, style.width.saturating_sub(6)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::BuildFlags;
    use slowpath_sampler::dump::Local;

    fn frame(file: &str, qualname: &str, line: u32) -> FrameDump {
        let span = Span { line: Some(line), end_line: Some(line), column: Some(8), end_column: Some(21) };
        FrameDump {
            file: file.into(),
            name: qualname.rsplit('.').next().unwrap_or_default().into(),
            qualname: qualname.into(),
            first_line: 1,
            span,
            instruction: Some(42),
            opcode: Some("CALL_PY_EXACT_ARGS".into()),
            locals: None,
        }
    }

    fn thread(native_id: u32, name: &str, state: ThreadState, frames: Vec<FrameDump>) -> ThreadDump {
        ThreadDump {
            native_id,
            python_id: 0x7f00,
            name: name.into(),
            is_main: native_id == 4242,
            state,
            holds_gil: state == ThreadState::Running,
            cpu_ns: Some(1_234_000_000),
            quality: Quality::Clean,
            frames,
        }
    }

    fn dump() -> Dump {
        let mut leaf = frame("shop/cart.py", "Cart.total", 12);
        leaf.locals = Some(vec![
            Local { name: "self".into(), argument: true, value: "<Cart at 0x7f00>".into() },
            Local { name: "note".into(), argument: false, value: "'\u{1b}[2J…'".into() },
        ]);
        let mut outer = frame("app.py", "<module>", 40);
        outer.span = Span { end_line: Some(42), ..outer.span };
        let deep = vec![frame("app.py", "fib", 3); 998];
        let mut broken = thread(4245, "evil\u{202e}\n", ThreadState::WaitingForGil, vec![]);
        broken.quality = Quality::Dropped;
        let threads = vec![
            thread(4242, "MainThread", ThreadState::Running, vec![leaf, outer]),
            thread(4243, "worker-1", ThreadState::Idle, deep),
            broken,
            thread(0, "Dummy-1", ThreadState::Idle, vec![]),
        ];
        let main = InterpreterDump { id: 0, gc_collecting: true, gil_locked: Some(true), threads };
        Dump {
            pid: 4242,
            command: "python app.py".into(),
            python: "3.14.2".into(),
            build: BuildFlags { debug: true, ..BuildFlags::default() },
            interpreters: vec![main],
        }
    }

    #[test]
    fn threads_frames_and_locals() {
        insta::assert_snapshot!(render(&dump(), false, Style { color: false, width: 80 }));
    }

    #[test]
    fn opcodes_on_a_narrow_terminal() {
        insta::assert_snapshot!(render(&dump(), true, Style { color: false, width: 48 }));
    }

    #[test]
    fn json_is_stable() {
        let mut dump = dump();
        dump.interpreters[0].threads.truncate(1);
        insta::assert_snapshot!(serde_json::to_string_pretty(&dump).unwrap());
    }
}
