//! Every pane at every size, as it looks.

use ratatui::style::Color;
use slowpath_profile::text::columns;

use super::{PLAIN, View, findings, shop};
use crate::app::Pane;
use crate::theme::{ColorLevel, Theme};

const SIZES: [(u16, u16); 6] = [(160, 45), (100, 30), (80, 24), (60, 15), (40, 10), (30, 5)];

#[test]
fn the_first_screen_at_each_size() {
    for (width, height) in SIZES {
        let text = View::new(shop(), PLAIN, (width, height)).text();
        insta::assert_snapshot!(format!("first_{width}x{height}"), text);
    }
}

#[test]
fn each_pane_at_each_size() {
    for (key, pane) in
        [('2', "source"), ('3', "instructions"), ('4', "advice"), ('5', "threads"), ('6', "flame")]
    {
        for (width, height) in SIZES.into_iter().take(5) {
            let mut view = View::new(shop(), PLAIN, (width, height));
            let text = view.keys(&format!("e{key}")).text();
            insta::assert_snapshot!(format!("{pane}_{width}x{height}"), text);
            assert!(
                view.app.visible.contains(&Pane::ALL[key as usize - '1' as usize]),
                "{pane} {width}x{height}"
            );
        }
    }
}

#[test]
fn help_and_pages() {
    insta::assert_snapshot!("help", View::new(shop(), PLAIN, (100, 60)).keys("?").text());
    insta::assert_snapshot!("finding", View::new(shop(), PLAIN, (80, 24)).keys("4\n").text());
}

#[test]
fn nothing_is_too_wide_and_nothing_steers_the_terminal() {
    for (width, height) in SIZES {
        for keys in ["", "2", "3", "4", "5", "6", "?", "4\n", "l", "i", "/f", "w"] {
            let text = View::new(shop(), PLAIN, (width, height)).keys(keys).text();
            for line in text.lines() {
                assert!(columns(line) <= usize::from(width), "{keys} {width}x{height}: {line}");
                assert!(!line.contains(['\u{1b}', '\u{202e}', '\u{7f}']), "{keys}: {line}");
            }
        }
    }
}

#[test]
fn ascii_means_ascii() {
    let mut profile = shop();
    profile.threads.truncate(1);
    profile.samples.retain(|sample| sample.thread.0 == 0);
    let theme = Theme { ascii: true, ..PLAIN };
    for size in [(160, 45), (80, 24)] {
        for keys in ["", "2", "3", "4", "5", "6", "?", "S"] {
            let text = View::new(profile.clone(), theme, size).keys(keys).text();
            assert!(text.is_ascii(), "{keys}: {text}");
        }
    }
    insta::assert_snapshot!("ascii", View::new(profile, theme, (80, 24)).text());
}

#[test]
fn colours_are_of_the_level() {
    for level in [ColorLevel::Never, ColorLevel::Ansi16, ColorLevel::Ansi256, ColorLevel::Rgb] {
        let mut view = View::new(shop(), Theme { level, ascii: false }, (160, 45));
        let buffer = view.buffer();
        let mut colours: Vec<Color> = buffer.content.iter().flat_map(|cell| [cell.fg, cell.bg]).collect();
        colours.retain(|color| *color != Color::Reset);
        let fits = |color: &Color| match level {
            ColorLevel::Never => false,
            ColorLevel::Ansi16 => !matches!(color, Color::Indexed(_) | Color::Rgb(..)),
            ColorLevel::Ansi256 => matches!(color, Color::Indexed(_)),
            ColorLevel::Rgb => matches!(color, Color::Rgb(..)),
        };
        assert!(colours.iter().all(fits), "{level:?}");
        assert_eq!(colours.is_empty(), level == ColorLevel::Never);
    }
}

#[test]
fn the_end_of_the_process_is_marked_and_the_data_stay() {
    let mut view = View::new(shop(), PLAIN, (80, 24));
    view.feed.ended = Some("process ended: these are its last numbers".into());
    view.settle();
    let text = view.text();
    assert!(text.contains("[process ended]") && text.contains("Cart.total"), "{text}");
}

#[test]
fn a_block_of_text() {
    let view = View::new(shop(), PLAIN, (80, 24));
    insta::assert_snapshot!("batch", crate::batch::block(&view.app.snapshot, &findings(), 100));
}
