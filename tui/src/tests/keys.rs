//! What keys and clicks do.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::*;
use crate::app::{Hidden, Overlay, Pane};

fn view() -> View {
    View::new(shop(), PLAIN, (160, 45))
}

fn names(view: &View) -> Vec<String> {
    view.app.shown.iter().map(|at| view.app.snapshot.rows[*at].name.clone()).collect()
}

#[test]
fn the_table_is_of_what_ran_and_sorted() {
    let mut view = view();
    // The last 5 s: 1.5 s of decoding, 1 s of the loop, 0.8 s of the worker, and 0.5 s of waiting.
    assert_eq!(names(&view)[..2], ["JSONDecoder.decode", "Cart.total"]);
    view.keys("e");
    assert_eq!(names(&view)[..2], ["Cart.total", "Cart.price"]);
    let own = view.app.row().unwrap();
    assert_eq!((own.own.sum(), own.total.sum()), (5_000, 8_500));
    view.keys("s");
    assert_eq!(names(&view)[0], "<module>");
    view.keys("sssssS");
    assert_eq!(names(&view).last().unwrap(), "Cart.total");
}

#[test]
fn filters_leave_what_they_say() {
    let mut view = view();
    view.keys("e/state:deopted\n");
    assert_eq!(names(&view), ["Cart.price"]);
    view.keys("/");
    assert_eq!(view.app.input.value(), "state:deopted");
    (0..13).for_each(|_| {
        view.press(KeyCode::Backspace);
    });
    view.keys("re:^Cart file:cart\n");
    assert_eq!(names(&view), ["Cart.total", "Cart.price"]);
    view.keys("/)re:(\n");
    assert!(view.text().contains("re:"), "{}", view.text());
    view.press(KeyCode::Esc);
    assert!(names(&view).len() > 4);
}

#[test]
fn entering_leads_to_the_hottest_line_and_back() {
    let mut view = view();
    view.keys("e\n");
    assert_eq!((view.app.focus, view.app.line()), (Pane::Source, 16));
    view.keys("\n");
    assert_eq!(view.app.focus, Pane::Instructions);
    let states: Vec<_> = view.app.instructions().map(|row| row.opcode.clone()).collect();
    assert_eq!(states, ["LOAD_ATTR_METHOD_WITH_VALUES", "LOAD_ATTR"]);
    view.press(KeyCode::Esc);
    assert_eq!(view.app.focus, Pane::Source);
    view.press(KeyCode::Esc);
    assert_eq!(view.app.focus, Pane::Functions);
    view.keys("j");
    assert_eq!(view.app.line(), 11, "the next function has its own hottest line");
}

#[test]
fn a_selection_is_followed_when_numbers_change() {
    let mut view = view();
    view.keys("ejj");
    let chosen = view.app.row().unwrap().name.clone();
    view.keys("s");
    assert_eq!(view.app.row().unwrap().name, chosen);
    view.area = Rect::new(0, 0, 40, 10);
    view.text();
    assert_eq!(view.app.row().unwrap().name, chosen);
}

#[test]
fn hiding_goes_round() {
    let mut view = view();
    view.keys("e");
    assert_eq!(view.app.hidden, Hidden::Idle);
    view.keys("i");
    assert!(!names(&view).iter().any(|name| name == "JSONDecoder.decode"));
    let serve = view.app.snapshot.rows.iter().find(|row| row.name == "serve").unwrap();
    assert_eq!(serve.own.sum(), 1_500, "its time is its caller's");
    view.keys("i");
    assert!(names(&view).iter().any(|name| name == "Condition.wait"));
    assert_eq!(view.app.snapshot.base.weight.idle, 1_190);
}

#[test]
fn threads_are_looked_at_alone() {
    let mut view = view();
    view.keys("e[");
    assert_eq!(names(&view).len(), 2, "{:?}", names(&view));
    assert!(view.text().contains("thread worker"));
    view.keys("t");
    assert!(names(&view).len() > 4);
    view.keys("5j\n");
    assert_eq!((view.app.focus, names(&view).len()), (Pane::Functions, 2));
}

#[test]
fn lines_instead_of_functions() {
    let mut view = view();
    view.keys("el");
    let row = view.app.row().unwrap();
    assert_eq!((row.name.as_str(), row.line, row.own.sum()), ("Cart.total", Some(16), 5_000));
}

#[test]
fn a_frozen_view_stands_still() {
    let mut view = view();
    view.keys("e ");
    let before = view.text();
    let sample = slowpath_profile::Sample { time_ns: 13_000_000_000, ..slowpath_profile::Sample::default() };
    view.feed.live.apply(Batch { samples: vec![sample], ..Batch::default() });
    view.feed.is_new = true;
    view.settle();
    assert_eq!(view.text(), before);
    assert!(before.contains("[FROZEN]"));
    view.keys(" ");
    assert_ne!(view.text(), before);
    assert_eq!(view.app.snapshot.health.samples, 12_001);
}

#[test]
fn counting_anew_is_asked_for() {
    let mut view = view();
    view.keys("rn");
    assert!(view.app.snapshot.health.samples > 0);
    view.keys("ry");
    assert_eq!(view.app.snapshot.health.samples, 0);
    assert!(view.text().contains("no samples yet"));
}

#[test]
fn a_finding_leads_to_its_line() {
    let mut view = view();
    view.keys("a\n");
    assert!(matches!(view.app.overlay, Overlay::Page(..)));
    assert!(view.text().contains("SP301-7c1e shop.cart.Cart was modified"));
    view.press(KeyCode::Esc);
    view.keys("o");
    assert_eq!((view.app.focus, view.app.file(), view.app.line()), (Pane::Source, Some("shop/cart.py"), 16));
}

#[test]
fn the_flame_graph_is_walked_zoomed_and_searched() {
    let mut view = view();
    view.keys("ef/price\n");
    let text = view.text();
    assert!(text.contains("/price: 1 frame, 32.4%"), "{text}");
    let names = |view: &View| view.app.flame.iter().map(|it| view.app.snapshot.names[it].0.clone()).collect();
    let path: Vec<String> = names(&view);
    assert_eq!(path, ["<module>", "serve", "Cart.total", "Cart.price"]);
    view.press(KeyCode::Up);
    view.keys("\n");
    assert_eq!(view.app.zoom.len(), 3);
    view.press(KeyCode::Esc);
    assert_eq!(view.app.zoom.len(), 2);
}

#[test]
fn a_file_is_written_under_the_name_that_is_typed() {
    let mut view = view();
    view.keys("w");
    (0..40).for_each(|_| {
        view.press(KeyCode::Backspace);
    });
    view.keys("a.svg\n");
    assert_eq!(*view.feed.written.lock().unwrap(), ["a.svg"]);
    assert!(view.text().contains("wrote a.svg"));
}

#[test]
fn clicks_select_and_sort() {
    let mut view = view();
    view.keys("e");
    view.text();
    let mut click = |x, y, kind| {
        let mouse = MouseEvent { kind, column: x, row: y, modifiers: KeyModifiers::NONE };
        view.app.event(&Event::Mouse(mouse), &mut view.feed);
        view.settle();
        let row = view.app.row().unwrap().name.clone();
        view.text();
        (row, view.app.focus)
    };
    let down = MouseEventKind::Down(MouseButton::Left);
    assert_eq!(click(30, 5, down), ("Cart.price".into(), Pane::Functions));
    assert_eq!(click(10, 3, down).0, "Cart.price", "sorted by total, the selection stays");
    assert_eq!(click(30, 40, MouseEventKind::ScrollDown).0, "Cart.price", "another pane");
    assert_eq!(click(30, 4, down).0, "<module>");
    assert_eq!(click(120, 10, down).1, Pane::Source);
}

#[test]
fn every_key_does_something_or_nothing_but_never_panics() {
    for size in [(160, 45), (40, 10), (30, 5)] {
        let mut view = View::new(shop(), PLAIN, size);
        for round in 0..3_u32 {
            for binding in crate::keys::TABLE {
                for key in binding.keys {
                    let (code, modifiers) = match *key {
                        crate::keys::Key::Char(c) => (KeyCode::Char(c), KeyModifiers::NONE),
                        crate::keys::Key::Ctrl(c) => (KeyCode::Char(c), KeyModifiers::CONTROL),
                        crate::keys::Key::Code(code) => (code, KeyModifiers::NONE),
                    };
                    view.app.event(&Event::Key(KeyEvent::new(code, modifiers)), &mut view.feed);
                    view.settle();
                    view.text();
                }
            }
            view.area = Rect::new(0, 0, 100 - round as u16 * 30, 30);
        }
    }
}
